//! Facts about a thread by its pidfd (`PIDFD_GET_INFO`, include/uapi/linux/pidfd.h, Linux 6.13): a fraction of the cost of /proc.
#![expect(unsafe_code, reason = "the ioctl has no safe wrapper")]

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

/// `struct pidfd_info` in its first size, which later kernels accept.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct RawInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ruid: u32,
    others: [u32; 8],
}

/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)` with the size above.
const GET_INFO: libc::Ioctl = 0xc000_ff0b | (size_of::<RawInfo>() as libc::Ioctl) << 16;
/// `PIDFD_INFO_PID | PIDFD_INFO_CREDS`
const PID_AND_CREDS: u64 = 1 | 2;
/// `PIDFD_THREAD` (include/uapi/linux/pidfd.h, Linux 6.9), which is `O_EXCL`: for a thread that need not lead its group.
const THREAD: u32 = libc::O_EXCL.cast_unsigned();

/// What the kernel tells about a thread; ids as the caller's namespaces number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info {
    /// Its thread group.
    pub(crate) group: Pid,
    /// The parent of its group, if that is visible.
    pub(crate) parent: Option<Pid>,
    /// Its real user.
    pub(crate) uid: u32,
}

/// A descriptor of a thread that stays that thread's; none when it is gone or the kernel is older.
pub(crate) fn open_thread(thread: Pid) -> Option<OwnedFd> {
    pidfd_open(thread, PidfdFlags::from_bits_retain(THREAD)).ok()
}

/// What the kernel tells; none when the thread is gone or the kernel is older.
pub(crate) fn info(thread: BorrowedFd<'_>) -> Option<Info> {
    let mut raw = RawInfo { mask: PID_AND_CREDS, ..RawInfo::default() };
    // SAFETY: the kernel writes as many bytes as the request's size says, which is that of `raw`
    let result = unsafe { libc::ioctl(thread.as_raw_fd(), GET_INFO, &raw mut raw) };
    if result != 0 || raw.mask & PID_AND_CREDS != PID_AND_CREDS {
        return None;
    }
    let pid = |raw: u32| i32::try_from(raw).ok().and_then(Pid::from_raw);
    Some(Info { group: pid(raw.tgid)?, parent: pid(raw.ppid), uid: raw.ruid })
}

/// The process's number in the caller's PID namespace; none when it is gone.
pub(crate) fn number(process: BorrowedFd<'_>) -> Option<Pid> {
    if let Some(info) = info(process) {
        return Some(info.group);
    }
    // on an older kernel: the innermost of its numbers, which is the jail's whatever /proc is shown
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).ok()?;
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().next_back()?.parse().ok().and_then(Pid::from_raw)
}
