//! The signal that says that something waits to be reaped, as a descriptor.

use crate::sys::signal;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// SIGCHLD, blocked for the calling thread and readable as a descriptor instead.
#[derive(Debug)]
pub struct ChildSignal(OwnedFd);

impl ChildSignal {
    /// Blocks SIGCHLD for the calling thread. To be called before the first child and before any other thread is made, so that all
    /// threads inherit it: one that does not block the signal would take it away. A child that does not want it blocked has to
    /// unblock it.
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn block() -> io::Result<Self> {
        signal::block_as_descriptor(libc::SIGCHLD).map(Self)
    }

    /// Takes what is pending. To be called before [`Guard::reap`](super::Guard::reap), so that nothing is missed.
    pub fn drain(&self) {
        signal::drain(self.0.as_fd());
    }
}

impl AsFd for ChildSignal {
    /// Readable while something may wait to be reaped.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
