//! Takes what was written to the disk, from a thread of its own, so that an exec never waits for a disk.
//!
//! While something is not yet on the disk, one `fdatasync` starts every [`SYNC_INTERVAL`]: a power cut costs at most that and
//! the time of one sync. A sync that fails is never repeated: the kernel may have dropped the pages that it could not write,
//! and would call the next one a success. A sync that takes over [`SYNC_STALL`] is taken for a failed one.

use rustix::event::{EventfdFlags, eventfd};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shortest time between the starts of two syncs.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time that one sync may take before the writer gives up.
pub const SYNC_STALL: Duration = Duration::from_secs(10);

/// What the thread and the writer share. Times are the writer's nanoseconds plus one; 0 is none.
#[derive(Debug)]
struct Shared {
    /// Since when something is written and no sync was started for it.
    unsynced: AtomicU64,
    /// What the oldest byte of the sync that is under way was written at.
    syncing: AtomicU64,
    stop: AtomicBool,
    failure: OnceLock<io::Error>,
    failed: OwnedFd,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Why what was written may not be on the disk.
#[derive(Debug)]
pub(crate) enum SyncFailure<'a> {
    Failed(&'a io::Error),
    Stalled(Duration),
}

impl Syncer {
    /// Starts the thread for a file.
    pub(crate) fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let failed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (unsynced, syncing, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { unsynced, syncing, stop, failure: OnceLock::new(), failed });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("fdatasync".to_owned()).stack_size(64 * 1024).spawn(move || run(&file, &for_thread))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Something was written at `now`.
    pub(crate) fn mark(&self, now_ns: u64) {
        let first = self.shared.unsynced.compare_exchange(0, now_ns.saturating_add(1), Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if first && let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Whether the disk still takes what is written.
    pub(crate) fn failure(&self, now_ns: u64) -> Option<SyncFailure<'_>> {
        if let Some(error) = self.shared.failure.get() {
            return Some(SyncFailure::Failed(error));
        }
        let since = self.shared.syncing.load(Ordering::Acquire).checked_sub(1)?;
        let waited = Duration::from_nanos(now_ns.saturating_sub(since));
        (waited > SYNC_STALL).then_some(SyncFailure::Stalled(waited))
    }

    /// Becomes readable when a sync failed, for the owner's event loop.
    pub(crate) fn failed_fd(&self) -> BorrowedFd<'_> {
        self.shared.failed.as_fd()
    }

    /// Ends the thread after the sync that is under way.
    pub(crate) fn stop(&mut self) -> Option<&io::Error> {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // the thread does not panic; if it did, its failure is not set and the final sync tells
            let _ = thread.join();
        }
        self.shared.failure.get()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        // not joined: a sync that hangs must not hold up the end of the session
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

fn run(file: &File, shared: &Shared) {
    loop {
        while shared.unsynced.load(Ordering::Acquire) == 0 {
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            std::thread::park();
        }
        let started = Instant::now();
        shared.syncing.store(shared.unsynced.swap(0, Ordering::AcqRel), Ordering::Release);
        let outcome = file.sync_data();
        shared.syncing.store(0, Ordering::Release);
        if let Err(error) = outcome {
            let _ = shared.failure.set(error);
            // an eventfd that was never written takes a 1
            let _ = rustix::io::write(&shared.failed, &1u64.to_ne_bytes());
            return;
        }
        while let Some(rest) = SYNC_INTERVAL.checked_sub(started.elapsed()).filter(|rest| !rest.is_zero()) {
            if shared.stop.load(Ordering::Acquire) {
                break;
            }
            std::thread::park_timeout(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::time::Timespec;

    #[test]
    fn a_failed_sync_is_told_at_once_and_for_good() {
        // a character device that takes writes and has no sync: the kernel answers EINVAL
        let file = File::options().write(true).open("/dev/null").unwrap();
        let mut syncer = Syncer::start(&file).unwrap();
        assert!(syncer.failure(0).is_none());
        syncer.mark(5);
        let fd = syncer.failed_fd();
        let deadline = Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&deadline)).unwrap(), 1, "told within the deadline");
        for _ in 0..2 {
            assert!(matches!(syncer.failure(6), Some(SyncFailure::Failed(e)) if e.raw_os_error() == Some(22)));
        }
        assert!(syncer.stop().is_some());
    }

    #[test]
    fn a_sync_that_hangs_is_a_failure() {
        let file = File::options().write(true).open("/dev/null").unwrap();
        let syncer = Syncer::start(&file).unwrap();
        syncer.shared.syncing.store(1, Ordering::Release);
        let stall = u64::try_from(SYNC_STALL.as_nanos()).unwrap();
        assert!(syncer.failure(stall).is_none());
        assert!(matches!(syncer.failure(stall + 1), Some(SyncFailure::Stalled(_))));
    }

    #[test]
    fn syncs_are_spaced_and_the_last_byte_is_synced() {
        let file = tempfile::tempfile().unwrap();
        let mut syncer = Syncer::start(&file).unwrap();
        let started = Instant::now();
        for n in 0..200 {
            syncer.mark(n);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(started.elapsed() >= SYNC_INTERVAL);
        assert!(syncer.stop().is_none());
        assert_eq!(syncer.shared.unsynced.load(Ordering::Acquire), 0, "nothing is left unsynced");
    }
}
