//! Mount attributes, keyrings and Landlock's version: kernel interfaces by number.
#![expect(unsafe_code, reason = "mount_setattr(2), keyctl(2) and landlock_create_ruleset(2) have no safe wrapper")]

use rustix::mount::MountAttrFlags;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Whether a change goes for a mount alone or for the mounts below it too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This mount.
    Mount,
    /// And all below it.
    Tree,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Adds attributes to the mount that `fd` is the root of.
pub(crate) fn restrict_mount(fd: BorrowedFd<'_>, set: MountAttrFlags, reach: Reach) -> io::Result<()> {
    let attr = MountAttr { set: u64::from(set.bits()), clear: 0, propagation: 0, userns: 0 };
    let flags = libc::AT_EMPTY_PATH | if reach == Reach::Tree { 0x8000 /* AT_RECURSIVE */ } else { 0 };
    // SAFETY: the path is a terminated string and the attributes are initialised; both outlive the call
    let result = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Leaves the session keyring that was inherited for a new, empty one.
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for an anonymous keyring
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<u8>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The version of Landlock's interface that the kernel has, none without Landlock.
pub(crate) fn landlock_abi() -> Option<i32> {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the kernel reads no attributes and returns a number
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0usize, LANDLOCK_CREATE_RULESET_VERSION) };
    i32::try_from(result).ok().filter(|abi| *abi > 0)
}
