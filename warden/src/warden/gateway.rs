//! The gateway's connection: one at a time, from the gateway's user only, greeted first.

use crate::packets::{Intake, Packets, PacketsError, Received};
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::packet::PacketError;
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes that may wait for the gateway; past this it is taken for gone.
const BACKLOG_MAX: usize = 8 * 1024 * 1024;

/// Why the connection is given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The socket.
    #[error(transparent)]
    Packets(#[from] PacketsError),
    /// It is of another version.
    #[error("the gateway is of protocol {0}, this warden of {PROTOCOL}")]
    Protocol(u32),
    /// Something came that has no place there.
    #[error("the gateway spoke out of turn")]
    OutOfTurn,
    /// It closed the connection.
    #[error("the gateway closed the connection")]
    Closed,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Gateway {
    socket: Packets,
    greeted: bool,
}

/// What the gateway wants.
#[derive(Debug)]
pub(crate) enum Call {
    /// Nothing now.
    Nothing,
    /// To be greeted.
    Greet,
    /// Something that only a greeted gateway may want.
    Want(ToWarden),
}

impl Gateway {
    /// Over an accepted connection.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket: Packets::new(socket, BACKLOG_MAX), greeted: false }
    }

    /// The next thing that it wants.
    pub(crate) fn hear(&mut self, intake: &mut Intake) -> Result<Call, GatewayError> {
        // a descriptor that comes along is closed: the gateway has none to give
        match self.socket.receive(intake)? {
            Received::Nothing => Ok(Call::Nothing),
            Received::Closed => Err(GatewayError::Closed),
            Received::Message(ToWarden::Hello { protocol }, _) if protocol != PROTOCOL => Err(GatewayError::Protocol(protocol)),
            Received::Message(ToWarden::Hello { .. }, _) if !self.greeted => {
                self.greeted = true;
                Ok(Call::Greet)
            }
            Received::Message(ToWarden::Hello { .. }, _) => Err(GatewayError::OutOfTurn),
            Received::Message(_, _) if !self.greeted => Err(GatewayError::OutOfTurn),
            Received::Message(message, _) => Ok(Call::Want(message)),
        }
    }

    /// Says something, with a descriptor if there is one. A gateway that was not greeted is not spoken to.
    pub(crate) fn say(&mut self, message: &FromWarden, descriptor: Option<OwnedFd>) -> Result<(), GatewayError> {
        if !self.greeted {
            return Ok(());
        }
        match self.socket.send(message, descriptor) {
            // it would never fit: the gateway learns of the rest when it asks for it
            Err(PacketsError::Message(error @ PacketError::TooLong(_))) => {
                tracing::error!(%error, "a message to the gateway is not sent");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> Result<(), GatewayError> {
        Ok(self.socket.flush()?)
    }

    /// Whether something waits for it.
    pub(crate) fn has_backlog(&self) -> bool {
        self.socket.backlog() > 0
    }
}

impl AsFd for Gateway {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
