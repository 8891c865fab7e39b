//! Signals of the front end, without a handler of its own: an interrupt becomes a byte in a pipe, and those that would
//! stop it are blocked. Blocked, not ignored: what is ignored stays so in the engine and all that it starts.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::os::unix::net::UnixStream;

/// Interrupts (SIGINT) since they were last looked at.
#[derive(Debug)]
pub struct Interrupts(OwnedFd);

impl Interrupts {
    /// Takes SIGINT over.
    ///
    /// # Errors
    /// The system's.
    pub fn register() -> io::Result<Self> {
        Self::of(signal_hook::consts::SIGINT)
    }

    fn of(signal: i32) -> io::Result<Self> {
        let (ours, handlers) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        handlers.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal, handlers)?;
        Ok(Self(ours.into()))
    }

    /// Whether there was one since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut room = [0; 64];
        let mut any = false;
        while rustix::io::read(&self.0, &mut room).is_ok_and(|read| read > 0) {
            any = true;
        }
        any
    }
}

impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Changes of the terminal's size (SIGWINCH) since they were last looked at.
#[derive(Debug)]
pub struct Resizes(Interrupts);

impl Resizes {
    /// Takes SIGWINCH over.
    ///
    /// # Errors
    /// The system's.
    pub fn register() -> io::Result<Self> {
        Interrupts::of(signal_hook::consts::SIGWINCH).map(Self)
    }

    /// Whether there was one since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.take()
    }
}

impl AsFd for Resizes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks what a terminal sends to who touches it from the background, and its stop and quit keys. To be called after the
/// engine was started: it would inherit this.
///
/// # Errors
/// The system's.
pub fn block_stops() -> io::Result<()> {
    let set: SigSet = [Signal::SIGTTOU, Signal::SIGTTIN, Signal::SIGTSTP, Signal::SIGQUIT].into_iter().collect();
    set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    Ok(())
}
