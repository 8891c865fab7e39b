//! Waiting for several descriptors at once.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Waits until one of `fds` is readable or closed, at most until `deadline`; says which are. None of them means that the
/// time is over.
///
/// # Errors
/// The system's.
pub fn readable<const N: usize>(fds: [BorrowedFd<'_>; N], deadline: Option<Instant>) -> rustix::io::Result<[bool; N]> {
    let mut polled = fds.each_ref().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match poll(&mut polled, left.map(timespec).as_ref()) {
            Ok(_) => return Ok(polled.each_ref().map(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(duration.subsec_nanos()) }
}

/// Whether `fd` is readable now.
///
/// # Errors
/// The system's.
pub fn is_readable(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    readable([fd], Some(Instant::now())).map(|[ready]| ready)
}

/// Whether `fd` takes a short message now.
///
/// # Errors
/// The system's.
pub fn is_writable(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut polled, Some(&now)) {
        Ok(_) => Ok(polled.iter().any(|fd| fd.revents().contains(PollFlags::OUT))),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error),
    }
}
