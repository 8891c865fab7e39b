//! The SSH server: the only part of Portcullis that reads bytes from the network before anybody is known.
//!
//! russh does the protocol and is named in this folder only. What is ours: the accept loop and its bounds ([`accept`]),
//! the algorithms ([`profile`]), the host keys ([`hostkeys`]), who gets in ([`auth`]), one task for each channel
//! ([`channel`]), and a stream that can be cut whatever the protocol is doing ([`stream`]). A session's bytes are handed
//! to [`crate::session`], which knows nothing of SSH.
//!
//! Limits, on purpose or by the library:
//! - Public keys only. Certificates are refused, as are passwords and every other method.
//! - Signatures of hardware keys (`sk-*`) verify, but whether a finger touched the key is not visible here.
//! - Sessions only: shells and commands. SFTP, forwarding of ports, sockets, agents and X11 are refused with a reason.
//! - A program that does not read its input stops, once its queue is full, everything on *its own* connection until it
//!   reads on, ends, or the client goes away. Other connections do not notice.
//! - Account names and environment values that are not UTF-8 end the connection.

mod accept;
mod auth;
mod channel;
mod connection;
mod forward;
mod handler;
pub mod hostkeys;
mod profile;
mod stream;

pub use accept::{BindError, Server};
pub use auth::Authenticated;

use crate::access::Access;
use crate::session::warden::Warden;

/// What the server needs of the rest of the gateway.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Who may connect.
    pub access: Access,
    /// Who opens sessions.
    pub warden: Warden,
}
