//! The entries of a process in /proc: their names and their links, read without memory of one's own being asked for each time.

use rustix::fs::readlinkat_raw;
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::CStr;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Longest path that the kernel tells (`PATH_MAX`, include/uapi/linux/limits.h).
const PATH_MAX: usize = 4096;

/// The name of an entry, relative to /proc or to a folder in it.
#[derive(Debug)]
pub(super) struct Entry([u8; Self::MAX]);

impl Entry {
    /// Two numbers and a word.
    const MAX: usize = 48;

    /// The entry `what` of a thread.
    pub(super) fn of(thread: Pid, what: &str) -> Self {
        Self::format(format_args!("{}/{what}", thread.as_raw_pid()))
    }

    /// The entry of a descriptor in a folder of descriptors.
    pub(super) fn numbered(number: i32) -> Self {
        Self::format(format_args!("{number}"))
    }

    fn format(name: std::fmt::Arguments<'_>) -> Self {
        let mut entry = [0; Self::MAX];
        if let Some(room) = entry.get_mut(..Self::MAX - 1) {
            // the words that are asked for fit; one that did not would name no entry
            let _ = { room }.write_fmt(name);
        }
        Self(entry)
    }

    /// As system calls take it.
    pub(super) fn name(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Where a link of /proc leads, in the kernel's words.
pub(super) fn link(folder: &OwnedFd, entry: &Entry) -> Result<Vec<u8>, Errno> {
    let mut path = [MaybeUninit::uninit(); PATH_MAX + 1];
    let (path, _) = readlinkat_raw(folder, entry.name(), &mut path)?;
    if path.len() > PATH_MAX { Err(Errno::NAMETOOLONG) } else { Ok(path.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

    #[test]
    fn names_are_those_of_entries() {
        assert_eq!(Entry::of(Pid::INIT, "cwd").name(), c"1/cwd");
        assert_eq!(Entry::numbered(i32::MAX).name(), c"2147483647");
    }

    #[test]
    fn a_link_is_read_whole() {
        let proc = openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let own = rustix::process::getpid();
        assert_eq!(link(&proc, &Entry::of(own, "exe")).unwrap(), readlinkat(&proc, "self/exe", Vec::new()).unwrap().into_bytes());
        assert_eq!(link(&proc, &Entry::of(own, "nothing")).unwrap_err(), Errno::NOENT);
    }
}
