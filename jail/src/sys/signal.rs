//! Signals as descriptors, and a timer that breaks a blocked system call of its own thread.
#![expect(unsafe_code, reason = "signalfd(2), sigaction(2) and timer_create(2) have no safe wrapper")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// Blocks `signal` for the calling thread and returns a descriptor that is readable while it is pending.
pub(crate) fn block_as_descriptor(signal: i32) -> io::Result<OwnedFd> {
    // one that is ignored, as it may have been inherited, would never be pending
    handle(signal, libc::SIG_DFL)?;
    let set = set_of(signal);
    // SAFETY: the set is initialised and outlives the call, the old mask is not asked for
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    // SAFETY: the set is initialised and outlives the call
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, nobody else has it
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes what is pending at the descriptor of an ordinary signal, which is pending once at most.
pub(crate) fn drain(descriptor: BorrowedFd<'_>) {
    let mut pending = [0u8; 2 * size_of::<libc::signalfd_siginfo>()];
    // SAFETY: read writes at most `pending.len()` bytes into `pending`; the descriptor does not block
    unsafe { libc::read(descriptor.as_raw_fd(), pending.as_mut_ptr().cast(), pending.len()) };
}

/// A timer that sends its thread a signal which does nothing but end a blocked system call with `EINTR`.
/// Belongs to the thread that made it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    timer: libc::timer_t,
}

impl Watchdog {
    /// The signal: unused by the programs that this crate runs in.
    const SIGNAL: i32 = libc::SIGALRM;

    /// Makes the timer for the calling thread and sees to it that its signal is not blocked there and is harmless.
    pub(crate) fn new() -> io::Result<Self> {
        extern "C" fn nothing(_: libc::c_int) {}
        handle(Self::SIGNAL, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t)?;
        let set = set_of(Self::SIGNAL);
        // SAFETY: the set is initialised and outlives the call, the old mask is not asked for
        let result = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
        if result != 0 {
            return Err(io::Error::from_raw_os_error(result));
        }
        // SAFETY: sigevent is plain integers and a union of such, for which zero is a value
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = Self::SIGNAL;
        event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_pid();
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: the event is initialised, and there is room for the timer's id
        if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { timer })
    }

    /// Does `work`; a system call in it that blocks for longer than `limit` ends with `EINTR`.
    pub(crate) fn guarding<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        self.set(limit);
        let result = work();
        self.set(Duration::ZERO);
        result
    }

    fn set(&self, limit: Duration) {
        let time = libc::timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: i64::from(limit.subsec_nanos()) };
        // it repeats, so that a signal which comes just before the call blocks is not the only one
        let every = libc::itimerspec { it_interval: time, it_value: time };
        // SAFETY: the timer is ours and the times are initialised; with such times the call cannot fail
        unsafe { libc::timer_settime(self.timer, 0, &raw const every, ptr::null_mut()) };
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and is not used after this
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// Sets what a signal does; a handler must be one that does nothing.
fn handle(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: sigaction is plain integers and pointers, for which zero is a value. No SA_RESTART: to interrupt is what handlers are for
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the action is initialised; its handler is the default, or does nothing and so is async-signal-safe
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn set_of(signal: i32) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised, and the signals that this file is used with exist
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: sigemptyset initialised it
    unsafe { set.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;
    use std::time::Instant;

    #[test]
    fn a_blocked_call_is_broken_and_an_unblocked_one_is_not() {
        let watchdog = Watchdog::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let start = Instant::now();
        let mut byte = [0];
        let blocked = watchdog.guarding(Duration::from_millis(20), || rustix::io::read(&reader, &mut byte));
        assert_eq!(blocked, Err(rustix::io::Errno::INTR));
        assert!(start.elapsed() >= Duration::from_millis(20) && start.elapsed() < Duration::from_secs(5));
        rustix::io::write(&writer, b"x").unwrap();
        assert_eq!(watchdog.guarding(Duration::from_secs(60), || rustix::io::read(&reader, &mut byte)), Ok(1));
        // the timer is off again
        let nothing = rustix::event::Timespec { tv_sec: 0, tv_nsec: 60_000_000 };
        assert_eq!(rustix::event::poll(&mut [rustix::event::PollFd::new(&reader, rustix::event::PollFlags::IN)], Some(&nothing)), Ok(0));
    }

    #[test]
    fn a_pending_signal_is_readable_until_drained() {
        let signal = block_as_descriptor(libc::SIGUSR1).unwrap();
        let readable = || {
            let nothing = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            rustix::event::poll(&mut [rustix::event::PollFd::new(&signal, rustix::event::PollFlags::IN)], Some(&nothing)).unwrap() == 1
        };
        assert!(!readable());
        // SAFETY: raise signals the calling thread, which blocks the signal
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        assert!(readable());
        drain(signal.as_fd());
        assert!(!readable());
    }
}
