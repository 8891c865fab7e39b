//! Whether a recording is what was written.

use crate::format::{BadFrame, ChainHead};
use crate::reader::{ReadError, Reader, Tail};
use portcullis_model::id::SessionId;
use std::path::Path;

/// What the check of a recording found. Without a copy of [`head`](Self::head) from elsewhere it finds accidents and
/// clumsy changes, and not the work of somebody who rebuilds the whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verification {
    /// The session that it is of.
    pub session: SessionId,
    /// Good frames from the beginning.
    pub frames: u64,
    /// The first frame that is not what was written, and what is wrong with it; nothing from there on is to be trusted.
    pub first_bad: Option<(u64, BadFrame)>,
    /// Whether the session's end is the last frame; if not, the session still runs or the recording was cut off.
    pub ended: bool,
    /// Where the last frame begins, when it is not whole.
    pub torn: Option<u64>,
    /// The chain's value after the good frames; it stands for all of them.
    pub head: ChainHead,
}

impl Verification {
    /// Whether the recording is whole: every frame as it was written, and closed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first_bad.is_none() && self.ended && self.torn.is_none()
    }
}

/// Reads all of the recording at `path` and checks every frame.
///
/// # Errors
/// [`ReadError`], never of the kind [`Bad`](ReadError::Bad): when the file is not a recording of a known version, or cannot be read.
pub fn verify(path: &Path) -> Result<Verification, ReadError> {
    let mut reader = Reader::open(path)?;
    let mut first_bad = None;
    for frame in &mut reader {
        match frame {
            Ok(_) => {}
            Err(ReadError::Bad { seq, reason, .. }) => first_bad = Some((seq, reason)),
            Err(other) => return Err(other),
        }
    }
    let torn = if let Some(Tail::Torn { at }) = reader.tail() { Some(at) } else { None };
    let ended = reader.tail() == Some(Tail::Closed);
    Ok(Verification { session: reader.session().clone(), frames: reader.frames(), first_bad, ended, torn, head: reader.head() })
}
