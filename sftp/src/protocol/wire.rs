//! Numbers and strings as they are on the wire, and packets as they are in the stream.

use super::PACKET_MAX;

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than a field needs.
    #[error("the packet ends in the middle of a field")]
    Short,
    /// More bytes than its fields.
    #[error("{0} bytes are left over in the packet")]
    Trailing(usize),
    /// A packet over the limit, or without even a type.
    #[error("a packet of {0} bytes; 1 to {PACKET_MAX} are allowed")]
    Length(usize),
    /// A type that no client sends.
    #[error("packet type {0} is not a request")]
    Type(u8),
}

/// Takes fields off the front of a packet.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.0.split_first().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*first))
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*first))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u32()? as usize;
        self.bytes(length)
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.0.len())) }
    }
}

/// Appends a string with its length. No string that is written here is longer than a packet.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends one packet whose content `fill` writes.
pub(super) fn put_packet(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(room) = out.get_mut(start..start + 4) {
        room.copy_from_slice(&length);
    }
}

/// Collects a stream's bytes and hands out whole packets. Holds at most one packet and one read more.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
    taken: usize,
}

impl Frames {
    /// Adds bytes as they were read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.pending.drain(..self.taken);
            self.taken = 0;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole packet, without its length field.
    ///
    /// # Errors
    /// [`DecodeError::Length`]; the stream is of no more use then.
    #[expect(clippy::should_implement_trait, reason = "the item borrows from the collector")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let rest = self.pending.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*header) as usize;
        if length == 0 || length > PACKET_MAX {
            return Err(DecodeError::Length(length));
        }
        let Some(packet) = rest.get(..length) else { return Ok(None) };
        self.taken += 4 + length;
        Ok(Some(packet))
    }

    /// Whether a part of a packet is held.
    #[must_use]
    pub fn is_in_the_middle(&self) -> bool {
        self.taken < self.pending.len()
    }
}
