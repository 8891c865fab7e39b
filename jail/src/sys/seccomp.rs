//! Seccomp filters with a listener, and the listener's three calls (seccomp_unotify(2)).
#![expect(unsafe_code, reason = "seccomp(2) and the listener's ioctls have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One BPF instruction (linux/filter.h).
pub(crate) type Instruction = libc::sock_filter;

/// The architecture of the 64-bit system calls (`AUDIT_ARCH_X86_64`, include/uapi/linux/audit.h: `EM_X86_64 | 64BIT | LE`).
pub(crate) const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// Bit that marks a system call of the x32 interface (`__X32_SYSCALL_BIT`, arch/x86/include/uapi/asm/unistd.h).
pub(crate) const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// Instructions of classic BPF as far as seccomp needs them (include/uapi/linux/bpf_common.h).
pub(crate) mod bpf {
    /// `BPF_LD | BPF_W | BPF_ABS`: load a word of `seccomp_data`.
    pub(crate) const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JEQ | BPF_K`
    pub(crate) const JUMP_EQUAL: u16 = 0x15;
    /// `BPF_JMP | BPF_JGE | BPF_K`, unsigned
    pub(crate) const JUMP_GREATER_EQUAL: u16 = 0x35;
    /// `BPF_JMP | BPF_JSET | BPF_K`: any of the bits
    pub(crate) const JUMP_ANY_BIT: u16 = 0x45;
    /// `BPF_RET | BPF_K`
    pub(crate) const RETURN: u16 = 0x06;
}

/// Installs a filter on the calling thread and returns its listener, close-on-exec. The kernel sends a notification's caller
/// no signal but a fatal one once the notification was received (`WAIT_KILLABLE_RECV`, Linux 5.19).
pub(crate) fn install_with_listener(filter: &[Instruction]) -> io::Result<OwnedFd> {
    let len = u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: `program` points to `len` instructions that outlive the call; the kernel copies and only reads them
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us, nobody else has it
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (include/uapi/linux/seccomp.h, Linux 6.6).
const SYNC_WAKE_UP: u64 = 1;

/// Has caller and receiver wake each other on the processor that they are on: exactly one of them runs at a time, and to wake
/// another, idle processor for that takes longer than all the rest. Older kernels cannot; then it only takes longer.
pub(crate) fn take_turns(listener: BorrowedFd<'_>) {
    // SAFETY: the request takes its flags by value
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
}

/// A system call that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notification {
    /// The kernel's number of this wait.
    pub(crate) id: u64,
    /// The thread that waits, in the pid namespace of the receiver.
    pub(crate) tid: i32,
    /// The system call.
    pub(crate) nr: i32,
    /// Its arguments, as the registers have them; pointers are the caller's.
    pub(crate) args: [u64; 6],
}

/// Takes the next notification. Does not block when the listener was readable before: a caller that died since gives `ENOENT`.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    let mut notification = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    // SAFETY: the kernel writes a seccomp_notif, for which there is room; it demands that it is zeroed, which it is
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notification) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let libc::seccomp_notif { id, pid, data, .. } = notification;
    Ok(Notification { id, tid: pid.cast_signed(), nr: data.nr, args: data.args })
}

/// The answer to a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call fails with this error number.
    Errno(i32),
    /// The call returns this number and is not done.
    Value(u32),
    /// The kernel does the call, reading whatever its pointers point to by then.
    Continue,
}

/// Answers a notification; `ENOENT` when its caller no longer waits.
pub(crate) fn send(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> io::Result<()> {
    let (val, error, flags) = match answer {
        Answer::Errno(errno) => (0, -errno, 0),
        Answer::Value(value) => (i64::from(value), 0, 0),
        Answer::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let response = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: the kernel reads a seccomp_notif_resp, which this is
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `struct seccomp_notif_addfd` (include/uapi/linux/seccomp.h).
#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}

/// `SECCOMP_IOCTL_NOTIF_ADDFD`: `_IOW('!', 3, struct seccomp_notif_addfd)`.
const ADDFD: libc::Ioctl = 0x4000_2103 | (size_of::<AddFd>() as libc::Ioctl) << 16;
/// `SECCOMP_ADDFD_FLAG_SEND` (Linux 5.14): the number is the answer.
const ADDFD_SEND: u32 = 2;

/// Answers a notification with a descriptor: its caller has a copy, closed on exec, and the call returns its number.
pub(crate) fn give(listener: BorrowedFd<'_>, id: u64, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let gift = AddFd { id, flags: ADDFD_SEND, srcfd: descriptor.as_raw_fd().cast_unsigned(), newfd: 0, newfd_flags: libc::O_CLOEXEC.cast_unsigned() };
    // SAFETY: the kernel reads a seccomp_notif_addfd, which this is
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), ADDFD, &raw const gift) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the caller still waits, so that what was read of its memory and of /proc was really its own.
pub(crate) fn is_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads one u64
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) };
    result == 0
}
