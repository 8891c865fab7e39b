//! What a keeper waits for. The set is made anew at each turn from what the parts say they want, so a part that is full
//! is not waited for and nothing wakes the keeper in vain.

use super::fault::Fault;
use crate::warden::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// Somebody who may have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The warden has an order.
    Warden,
    /// Something in the jail has stopped or ended.
    Children,
    /// The jail's init has something to say.
    Init,
    /// The judge has an answer, or takes questions again.
    Judge,
    /// An exec waits.
    Guard,
    /// The shell has something to say, or takes answers again.
    Shell,
    /// The gateway has input, or takes output again.
    Gateway,
    /// The gateway has gone, as far as that can be seen without reading.
    GatewayGone,
    /// There is output.
    Output,
    /// The terminal takes input again.
    Sink,
    /// The recording does not reach the disk any more.
    Recording,
}

/// About how many descriptors a turn waits for.
const DESCRIPTORS: usize = 16;

/// Everything that is waited for in one turn.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    sources: Vec<Source>,
    fds: Vec<PollFd<'a>>,
}

/// Who was found to have something.
#[derive(Debug)]
pub(crate) struct Ready(Vec<Source>);

impl Ready {
    /// Whether this one was.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.0.contains(&source)
    }
}

impl Default for Waiting<'_> {
    fn default() -> Self {
        Self { sources: Vec::with_capacity(DESCRIPTORS), fds: Vec::with_capacity(DESCRIPTORS) }
    }
}

impl<'a> Waiting<'a> {
    /// Waits for something to read.
    pub(crate) fn read(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::IN);
    }

    /// Waits for room to write.
    pub(crate) fn write(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::OUT);
    }

    /// Waits for nothing but the other side's going.
    pub(crate) fn gone(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::empty());
    }

    fn add(&mut self, source: Source, fd: BorrowedFd<'a>, flags: PollFlags) {
        self.sources.push(source);
        self.fds.push(PollFd::from_borrowed_fd(fd, flags));
    }

    /// Waits until one has something, or until `deadline`.
    pub(crate) fn until(mut self, deadline: Instant) -> Result<Ready, Fault> {
        let wait = timespec(deadline.saturating_duration_since(Instant::now()));
        match poll(&mut self.fds, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Fault::Wait(error.into())),
        }
        let ready = self.sources.iter().zip(&self.fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(source, _)| *source);
        Ok(Ready(ready.collect()))
    }
}
