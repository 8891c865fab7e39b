//! Asking, and all that can keep an operation from being done.

use crate::keeper::{Answered, Keeper, KeeperError};
use portcullis_model::subject::{FileOp, FileOpKind};
use portcullis_model::transfer::Moved;
use portcullis_model::wire::shell::Notice;
use rustix::io::Errno;

/// Why an operation was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The policy, or Portcullis, does not allow it.
    #[error("{}", crate::keeper::refusal(.0))]
    Refused(Box<Notice>),
    /// The system did not do it.
    #[error("{0}")]
    System(#[from] Errno),
    /// It is not something that is done here.
    #[error("{0}")]
    Odd(&'static str),
    /// There is nobody to ask: the session is over.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Somebody who decides.
pub trait Ask {
    /// Asks about an operation; the number of the permitted question.
    ///
    /// # Errors
    /// What the answer is, if not yes.
    fn ask(&mut self, operation: FileOp) -> Result<u32, FileError>;

    /// Tells what was moved of a file that was opened under this number.
    ///
    /// # Errors
    /// [`FileError::Keeper`].
    fn moved(&mut self, id: u32, moved: Moved, closed: bool) -> Result<(), FileError>;

    /// Asks about an operation on one path.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    fn ask_one(&mut self, kind: FileOpKind, path: &[u8]) -> Result<u32, FileError> {
        self.ask(FileOp { kind, path: path.to_vec(), to: None, attributes: None })
    }
}

impl Ask for Keeper {
    fn ask(&mut self, operation: FileOp) -> Result<u32, FileError> {
        match self.file(operation)? {
            Answered::Allowed(id) => Ok(id),
            Answered::Denied(notice) => Err(FileError::Refused(Box::new(notice))),
        }
    }

    fn moved(&mut self, id: u32, moved: Moved, closed: bool) -> Result<(), FileError> {
        Ok(Self::moved(self, id, moved, closed)?)
    }
}
