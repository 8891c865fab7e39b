//! Messages between the processes of one node, and between a node and its controller.
//!
//! | between | module | transport |
//! | --- | --- | --- |
//! | gateway and warden | [`warden`] | SEQPACKET socket, one postcard message a packet, descriptors by SCM_RIGHTS |
//! | gateway and keeper | [`keeper`] | SEQPACKET pair made by the warden, one postcard message a packet |
//! | keeper and judge | [`judge`] | stream socket, [`frame`]d postcard |
//! | warden and judge | [`policies`] | SEQPACKET socket of its own, one postcard message a packet, descriptors by SCM_RIGHTS |
//! | keeper and shell | [`shell`] | stream pair made by the keeper, [`frame`]d postcard |
//! | gateway and controller | [`link`] | WebSocket, one JSON message a text frame |
//!
//! Every reader bounds what it takes before it parses, and ends the peer's connection on the first message that does not
//! parse: between parts of one version there are none.

pub mod frame;
pub mod judge;
pub mod keeper;
pub mod link;
pub mod packet;
pub mod policies;
pub mod shell;
pub mod warden;

/// Version of all local messages; peers of another version do not talk.
pub const PROTOCOL: u32 = 2;
