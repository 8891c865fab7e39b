//! The old protocol of scp, over the same file layer: what `scp -O` speaks with the `scp` that it has the server run.
//!
//! No shell reads the name and no program is started; patterns are not expanded. A message that begins with 1 is an error of one file, one
//! that begins with 2 ends the transfer. What is refused is such a message, so the client shows it.

mod sink;
mod source;
mod wire;

use crate::files::{Ask, FileError, Files};
use crate::keeper::KeeperError;
use portcullis_model::scp::{Direction, Request};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::process::ExitCode;
use wire::Wire;

/// Folders in folders: a deeper tree is refused rather than followed for ever.
const DEPTH_MAX: usize = 64;

/// Why a transfer ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum ScpError {
    /// The client does not speak the protocol.
    #[error("the client does not speak scp: {0}")]
    Protocol(&'static str),
    /// It gave up, with this message.
    #[error("the client gave up: {0}")]
    GaveUp(String),
    /// It left.
    #[error("the client left in the middle of a file")]
    Cut,
    /// Its input or output fails.
    #[error("the session's pipes failed")]
    Pipe(#[from] Errno),
    /// There is nobody to ask.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Serves one transfer to its end; the program's status says whether all of it was done.
///
/// # Errors
/// [`ScpError`].
pub fn run<A: Ask>(files: Files<A>, request: &Request, input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Result<ExitCode, ScpError> {
    let mut wire = Wire::new(input, output);
    match request.direction {
        Direction::ToServer => sink::run(files, request, &mut wire)?,
        Direction::FromServer => source::run(files, request, &mut wire)?,
    }
    Ok(if wire.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A failure of one file, which the client is told and which does not end the transfer; without a keeper there is no transfer.
fn one(error: FileError) -> Result<String, ScpError> {
    match error {
        FileError::Keeper(error) => Err(error.into()),
        error => Ok(error.to_string()),
    }
}
