//! The socket of one session: the warden made it, the keeper is at its other end, closing it is the end of the session.

use super::packet::{Buffer, PacketFault, PacketSocket};
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use std::os::fd::OwnedFd;

/// Our end of a session's socket.
#[derive(Debug)]
#[must_use = "dropping it ends the session"]
pub struct Keeper(PacketSocket);

impl Keeper {
    /// Takes over the descriptor that came with the warden's answer.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(fd: OwnedFd) -> Result<Self, PacketFault> {
        PacketSocket::from_fd(fd).map(Self)
    }

    /// Sends; waits while the keeper is behind.
    ///
    /// # Errors
    /// [`PacketFault`], a keeper that has gone included.
    pub async fn send(&self, message: &ToKeeper) -> Result<(), PacketFault> {
        self.0.send(message).await
    }

    /// The next message; none when the session is over.
    ///
    /// # Errors
    /// [`PacketFault`].
    pub async fn receive(&self, buffer: &mut Buffer) -> Result<Option<FromKeeper>, PacketFault> {
        Ok(self.0.receive(buffer).await?.map(|(message, _)| message))
    }
}
