//! Messages on a stream: a little-endian `u32` length, then that many bytes of postcard.

use serde::de::DeserializeOwned;
use serde::Serialize;

/// Most bytes of one framed message.
pub const FRAME_MAX: usize = 2 * 1024 * 1024;

/// Why a stream is given up.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer announced, or the caller wants to send, more than [`FRAME_MAX`].
    #[error("message of {0} bytes is over the limit of {FRAME_MAX}")]
    TooLong(usize),
    /// A message does not parse.
    #[error("message does not parse")]
    Parse(#[from] postcard::Error),
    /// Bytes after the message, inside its frame.
    #[error("{0} bytes after the message")]
    Trailing(usize),
}

/// One message, ready to be written.
///
/// # Errors
/// When it is over [`FRAME_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(message, bytes)?;
    let length = bytes.len() - 4;
    let header = u32::try_from(length).ok().filter(|_| length <= FRAME_MAX).ok_or(FrameError::TooLong(length))?;
    if let Some(room) = bytes.first_chunk_mut() {
        *room = header.to_le_bytes();
    }
    Ok(bytes)
}

/// Collects a stream's bytes and hands out whole messages. Holds at most one frame and one read more.
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

    /// The next whole message, if there is one. After an error the stream is of no more use.
    ///
    /// # Errors
    /// [`FrameError`] when what came is not a message.
    #[expect(clippy::should_implement_trait, reason = "an iterator has one item type; this hands out whatever the caller expects")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = self.pending.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > FRAME_MAX {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let (message, left) = postcard::take_from_bytes(body)?;
        if !left.is_empty() {
            return Err(FrameError::Trailing(left.len()));
        }
        self.taken += 4 + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_survive_any_split(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), cut in 1usize..50) {
            let stream: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for part in stream.chunks(cut) {
                frames.push(part);
                while let Some(message) = frames.next::<Vec<u8>>().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::default();
            frames.push(&garbage);
            while let Ok(Some(_)) = frames.next::<crate::wire::judge::ToJudge>() {}
        }
    }

    #[test]
    fn an_announced_giant_is_refused_at_once() {
        let mut frames = Frames::default();
        frames.push(&u32::MAX.to_le_bytes());
        assert!(matches!(frames.next::<Vec<u8>>(), Err(FrameError::TooLong(_))));
    }
}
