//! Calls that take no descriptor of a folder, only a path. The keeper enters the jail's mount namespace, so what it needs of the
//! node later it holds by descriptor: for one such call the folder is the working directory.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

/// A process has one working directory for all its threads.
static ALONE: Mutex<()> = Mutex::new(());

/// Does this with the folder as working directory, which is the root again afterwards.
///
/// # Errors
/// When the folder cannot be entered or left.
pub(super) fn within<T>(folder: BorrowedFd<'_>, act: impl FnOnce() -> T) -> io::Result<T> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    rustix::process::fchdir(folder)?;
    let done = act();
    rustix::process::chdir("/")?;
    Ok(done)
}
