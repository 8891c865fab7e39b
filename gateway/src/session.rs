//! One session, seen from the gateway: opened by the warden, run by a keeper, relayed here. Nothing in this folder knows
//! SSH, and nothing in it decides: what may be opened is the warden's, what may run is the policy's.

pub mod keeper;
pub mod packet;
pub mod relay;
pub mod warden;
