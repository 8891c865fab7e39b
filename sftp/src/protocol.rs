//! The SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH speaks it: names are bytes, in whatever encoding.
//!
//! Pure and bounded: a packet has at most [`PACKET_MAX`] bytes, and nothing is allocated for a length that the packet does not have.
//! A packet that does not parse is answered where its number can be told; see [`Request::decode`].

mod attributes;
mod reply;
mod request;
mod wire;

pub use attributes::Attributes;
pub use reply::{Entry, Reply, Status};
pub use request::{Extended, OpenFlags, Request};
pub use wire::{DecodeError, Frames};

/// Most bytes of one packet without its length field: OpenSSH's own limit.
pub const PACKET_MAX: usize = 256 * 1024;
/// Most bytes of data in one read or write: what a packet has room for, with some to spare.
pub const DATA_MAX: usize = PACKET_MAX - 1024;
/// The version that is spoken.
pub const VERSION: u32 = 3;

#[cfg(test)]
mod tests;
