//! The nodes' connections. A node dials, says who it is, and is told all that is in force for it; from then on it is told
//! what is new, and says what it did.
//!
//! What a node is told is read from the books each time somebody wakes its connection, and every few seconds anyway. So
//! nothing that was written down can fail to be told, whatever dies in between; and there is no queue that could fill.

mod hub;
mod socket;
mod supply;
mod told;

pub use hub::{Attachment, Hub, NodeHello, Presence, Reported};
pub(crate) use socket::serve;
