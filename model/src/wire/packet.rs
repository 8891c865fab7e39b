//! One message a packet, for SEQPACKET sockets.

use serde::{Deserialize, Serialize};

/// Most bytes of one packet: below the kernel's default socket buffer of 208 KiB, so that several fit.
pub const PACKET_MAX: usize = 64 * 1024;
/// Most bytes of a terminal's input or output in one packet.
pub const CHUNK_MAX: usize = 32 * 1024;

/// Why a message does not go through.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// More than [`PACKET_MAX`].
    #[error("message of {0} bytes is over the limit of {PACKET_MAX}")]
    TooLong(usize),
    /// It does not parse, or has bytes left over.
    #[error("message does not parse")]
    Parse(#[from] postcard::Error),
    /// Bytes after the message.
    #[error("{0} bytes after the message")]
    Trailing(usize),
}

/// One message as one packet.
///
/// # Errors
/// When it is over [`PACKET_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, PacketError> {
    let bytes = postcard::to_allocvec(message)?;
    if bytes.len() > PACKET_MAX { Err(PacketError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The message of one packet, all of it.
///
/// # Errors
/// When the packet is not exactly one message.
pub fn decode<'de, T: Deserialize<'de>>(packet: &'de [u8]) -> Result<T, PacketError> {
    if packet.len() > PACKET_MAX {
        return Err(PacketError::TooLong(packet.len()));
    }
    let (message, rest) = postcard::take_from_bytes(packet)?;
    if rest.is_empty() { Ok(message) } else { Err(PacketError::Trailing(rest.len())) }
}
