//! Making processes: clone3 into namespaces, fork, execve, and the descriptors that go with them.
#![expect(unsafe_code, reason = "clone3(2), fork(2), execve(2), close_range(2) and sigaction(2) have no safe wrapper")]

use rustix::process::Pid;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// On which side of a clone or fork the caller is.
pub(crate) enum Side {
    /// The one that asked.
    Parent {
        /// the new process
        pid: Pid,
        /// the new process, as a descriptor that no other process can take the place of
        pidfd: OwnedFd,
    },
    /// The new one.
    Child,
}

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a process in new namespaces (`CLONE_NEW*` in `flags`) and, if one is given, in a cgroup. The C library does not
/// hear of it: the caller has to be single-threaded, or the child may find locks held by threads that it does not have.
pub(crate) fn clone3(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: u64::from((flags | libc::CLONE_PIDFD).cast_unsigned()),
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: the arguments are initialised and outlive the call; without CLONE_VM the child has a copy of this memory
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match Pid::from_raw(i32::try_from(result).unwrap_or(-1)) {
        _ if result < 0 => Err(io::Error::last_os_error()),
        None => Ok(Side::Child),
        // SAFETY: with CLONE_PIDFD the kernel has put a new descriptor there, which nobody else has
        Some(pid) => Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// Forks. With several threads the child may only do what is async-signal-safe.
pub(crate) fn fork() -> io::Result<Side> {
    // SAFETY: the callers keep to what the documentation says
    let result = unsafe { libc::fork() };
    match Pid::from_raw(result) {
        _ if result < 0 => Err(io::Error::last_os_error()),
        None => Ok(Side::Child),
        Some(pid) => {
            // it is our child and not reaped, so the number is still its own
            match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
                Ok(pidfd) => Ok(Side::Parent { pid, pidfd }),
                Err(errno) => {
                    // nobody would know of it
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                    Err(errno.into())
                }
            }
        }
    }
}

/// Ends the process at once: no destructors, no exit handlers, nothing flushed.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: it takes a number and does not return
    unsafe { libc::_exit(status) }
}

/// A program with its arguments and environment, laid out as execve wants it, so that running it allocates nothing.
pub(crate) struct Image {
    path: CString,
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Image {
    /// Lays it out.
    pub(crate) fn new(path: CString, argv: Vec<CString>, environment: Vec<CString>) -> Self {
        // a CString's bytes stay where they are when it is moved
        let pointers = |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
        let (arguments, variables) = (pointers(&argv), pointers(&environment));
        Self { path, argv: arguments, environment: variables, _strings: argv.into_iter().chain(environment).collect() }
    }

    /// Becomes that program; returns only when that failed.
    pub(crate) fn run(&self) -> io::Error {
        // SAFETY: path, arguments and environment are terminated strings in terminated lists that this value owns
        unsafe { libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Words that an execve carries in the registers that it does not use, for a filter of system calls to see.
pub(crate) type Marks = [u64; 3];

/// Marks that nobody can guess.
pub(crate) fn random_marks() -> io::Result<Marks> {
    let mut marks = Marks::default();
    let length = size_of_val(&marks);
    // SAFETY: the kernel writes at most `length` bytes into `marks`, for which any bytes are values
    let filled = unsafe { libc::getrandom(marks.as_mut_ptr().cast(), length, 0) };
    if usize::try_from(filled) == Ok(length) { Ok(marks) } else { Err(io::Error::last_os_error()) }
}

impl Image {
    /// As [`run`](Self::run), with `marks`.
    pub(crate) fn run_marked(&self, marks: Marks) -> io::Error {
        let [first, second, third] = marks;
        // SAFETY: as in `run`; the kernel does not look at the other registers
        unsafe { libc::syscall(libc::SYS_execve, self.path.as_ptr(), self.argv.as_ptr(), self.environment.as_ptr(), first, second, third) };
        io::Error::last_os_error()
    }
}

/// Asks the exec guard: an execve of a name that is no file, which the guard answers and nobody executes. Returns its answer.
pub(crate) fn ask_guard(question: &CStr) -> io::Result<i64> {
    let none: *const *const c_char = ptr::null();
    // SAFETY: the name is a terminated string, and a null list is an empty one
    let answer = unsafe { libc::syscall(libc::SYS_execve, question.as_ptr(), none, none) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Looks at a descriptor of the process by its number, which need not be open.
pub(crate) fn looking_at<T>(number: RawFd, look: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: it is only looked at, within the call; a number that is not open is an error for whoever looks
    look(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Owns a descriptor that the guard has put into this process under this number.
pub(crate) fn given(number: i64) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, nobody else has it
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What happens to descriptors that are not kept.
#[derive(Clone, Copy)]
pub(crate) enum Others {
    /// They are closed now.
    Close,
    /// They are closed by the next execve.
    CloseOnExec,
}

/// Keeps the descriptors below 3 and those in `kept`, which is sorted, and does to all others what is said.
/// Whoever owns a descriptor that is closed here must not use or drop it any more: this is for processes that are about to
/// become another program, or never return.
pub(crate) fn only_descriptors(kept: &[RawFd], others: Others) -> io::Result<()> {
    let flags: libc::c_uint = match others {
        Others::Close => 0,
        Others::CloseOnExec => 4, // CLOSE_RANGE_CLOEXEC
    };
    let close = |first: u32, last: u32| {
        if first > last {
            return Ok(());
        }
        // SAFETY: by contract nothing that is closed here is used again
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let mut next = 3;
    for fd in kept.iter().filter_map(|fd| u32::try_from(*fd).ok()).filter(|fd| *fd >= 3) {
        if fd > next {
            close(next, fd - 1)?;
        }
        next = fd + 1;
    }
    close(next, u32::MAX)
}

/// A copy of `fd` with a number of at least `least`, closed on exec.
pub(crate) fn duplicate_above(fd: RawFd, least: RawFd) -> io::Result<RawFd> {
    // SAFETY: numbers only; a descriptor that is not open is an error
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) };
    if copy < 0 { Err(io::Error::last_os_error()) } else { Ok(copy) }
}

/// Makes `number` a copy of `fd` that survives execve. Whatever had the number is closed, so this is for a process that is
/// about to become another program.
pub(crate) fn place(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: numbers only; by contract nothing in this process goes on using `number`
    if unsafe { libc::dup2(fd, number) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives every signal its default action and unblocks all of them.
pub(crate) fn default_signals() {
    // SAFETY: sigaction is plain integers and pointers, for which zero is a value: the default action
    let action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    for signal in 1..=64 {
        // SAFETY: the action is initialised; signals that cannot be set or do not exist are errors
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set is initialised, the old mask is not asked for
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) };
}

/// Gives a signal its default action.
pub(crate) fn restore(signal: i32) {
    // SAFETY: the default action runs no code of ours
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Ignores a signal.
pub(crate) fn ignore(signal: i32) {
    // SAFETY: setting a signal to be ignored runs no code of ours
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Gives the calling process a copy of its filesystem attributes (root, cwd, umask) that no other process shares.
pub(crate) fn unshare_fs() -> io::Result<()> {
    // SAFETY: CLONE_FS concerns the root, the cwd and the umask only
    let result = unsafe { libc::unshare(libc::CLONE_FS) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives the calling thread, and what it starts, a mount namespace of its own.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: no memory and no descriptor changes; the mounts are those that were there
    let result = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes to a descriptor by its number, in a process that is about to end; whether it worked does not matter there.
pub(crate) fn write_to(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the bytes outlive the call; a number that is not open is an error
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
}
