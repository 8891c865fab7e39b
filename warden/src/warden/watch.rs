//! What the warden waits for: one epoll, and the meaning of each number in it.

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Something that became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A gateway wants to connect.
    Listener,
    /// The warden is told to stop.
    Stop,
    /// The gateway's connection.
    Gateway,
    /// The judge's socket for policies.
    Judge,
    /// Entries of the audit log are on the disk.
    Ledger,
    /// A keeper's socket.
    Report(u64),
    /// A keeper's process.
    Death(u64),
}

impl Ready {
    fn number(self) -> u64 {
        match self {
            Self::Listener => 0,
            Self::Stop => 1,
            Self::Gateway => 2,
            Self::Judge => 3,
            Self::Ledger => 4,
            Self::Report(keeper) => 5 + 2 * keeper,
            Self::Death(keeper) => 6 + 2 * keeper,
        }
    }

    fn of(number: u64) -> Self {
        match number {
            0 => Self::Listener,
            1 => Self::Stop,
            2 => Self::Gateway,
            3 => Self::Judge,
            4 => Self::Ledger,
            n if n % 2 == 1 => Self::Report((n - 5) / 2),
            n => Self::Death((n - 6) / 2),
        }
    }
}

/// The epoll.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: OwnedFd,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Waits for a descriptor to become readable. A descriptor that is closed is no longer waited for.
    pub(crate) fn add(&self, fd: impl AsFd, what: Ready) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(what.number()), epoll::EventFlags::IN)?)
    }

    /// Waits also, or no longer, for a descriptor to become writable.
    pub(crate) fn writable(&self, fd: impl AsFd, what: Ready, wanted: Wanted) -> io::Result<()> {
        let flags = match wanted {
            Wanted::Yes => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Wanted::No => epoll::EventFlags::IN,
        };
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(what.number()), flags)?)
    }

    /// Waits until something is ready, or until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Vec<Ready>> {
        let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut events = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(events.iter().map(|event| Ready::of(event.data.u64())).collect())
    }
}

/// Whether a descriptor is waited for to become writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// A duration as the system takes it.
pub(crate) fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(wait.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_meanings_are_one_to_one() {
        for what in [Ready::Listener, Ready::Stop, Ready::Gateway, Ready::Judge, Ready::Ledger, Ready::Report(1), Ready::Death(1), Ready::Report(1 << 40), Ready::Death(1 << 40)] {
            assert_eq!(Ready::of(what.number()), what);
        }
    }
}
