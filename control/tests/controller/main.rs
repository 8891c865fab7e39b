//! The controller from outside: real HTTP and a real WebSocket over loopback, a real database, real restarts.

#![allow(
    clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice,
    reason = "a test that meets what it does not expect is to end"
)]

mod access;
mod amendments;
mod crash;
mod link;
mod peer;
mod policies;
mod policy_crash;
mod requests;
mod sessions;
mod signer;
mod start;
mod trials;
mod world;
