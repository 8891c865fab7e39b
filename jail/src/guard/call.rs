//! What a caller asks the kernel to run: the arguments of its execve or execveat, read from its registers and its memory.

use super::remote::{Remote, Unread};
use crate::sys::seccomp::Notification;

/// Longest path with its NUL (`PATH_MAX`, include/uapi/linux/limits.h).
const PATH_MAX: usize = 4096;

/// The system call's arguments, decoded. Pointers are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// The descriptor that a relative path starts from; `AT_FDCWD` for the working directory.
    pub(super) dirfd: i32,
    /// Whether an empty path stands for the descriptor itself (`AT_EMPTY_PATH`).
    pub(super) empty_path: bool,
    /// Whether a symbolic link is not followed at the end (`AT_SYMLINK_NOFOLLOW`).
    pub(super) no_follow: bool,
    path: u64,
    argv: u64,
    envp: u64,
}

/// `AT_EXECVE_CHECK` (include/uapi/linux/fcntl.h, Linux 6.14): asks whether the exec would be allowed, and does not do it. The guard
/// decides as if it were done: that is the answer that was asked for.
const AT_EXECVE_CHECK: i32 = 0x10000;

impl Call {
    /// Decodes a notification; `EINVAL` for flags that execveat does not have.
    pub(super) fn decode(notification: &Notification) -> Result<Self, i32> {
        let args = &notification.args;
        if i64::from(notification.nr) == libc::SYS_execve {
            let [path, argv, envp, ..] = *args;
            return Ok(Self { dirfd: libc::AT_FDCWD, empty_path: false, no_follow: false, path, argv, envp });
        }
        // the kernel takes the low half of the first and the fifth as int
        let [dirfd, path, argv, envp, flags, _] = *args;
        let (dirfd, flags) = (dirfd as u32 as i32, flags as u32 as i32);
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
            return Err(libc::EINVAL);
        }
        let (empty_path, no_follow) = (flags & libc::AT_EMPTY_PATH != 0, flags & libc::AT_SYMLINK_NOFOLLOW != 0);
        Ok(Self { dirfd, empty_path, no_follow, path, argv, envp })
    }

    /// An execve whose name and arguments come from somewhere else than a caller's memory.
    pub(super) fn by_name() -> Self {
        Self { dirfd: libc::AT_FDCWD, empty_path: false, no_follow: false, path: 0, argv: 0, envp: 0 }
    }

    /// Reads all pages that the first reads will need, and those that the others will probably need.
    pub(super) fn prefetch(&self, memory: &mut Remote) -> Result<(), Unread> {
        memory.begin([self.path, self.argv, self.envp])
    }

    /// The path, as given. [`Unread::TooLong`] is `ENAMETOOLONG`.
    pub(super) fn path(&self, memory: &mut Remote) -> Result<Vec<u8>, Unread> {
        let mut path = Vec::new();
        memory.string(self.path, PATH_MAX - 1, &mut path)?;
        Ok(path)
    }

    /// The arguments, into `into`.
    pub(super) fn arguments(&self, memory: &mut Remote, into: &mut Strings) -> Result<(), Unread> {
        into.read(memory, self.argv)
    }

    /// The environment, into `into`.
    pub(super) fn environment(&self, memory: &mut Remote, into: &mut Strings) -> Result<(), Unread> {
        into.read(memory, self.envp)
    }
}

/// Strings as the kernel lays them out for a new image: one after the other, each with its NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strings {
    /// The strings with their NULs.
    pub(super) bytes: Vec<u8>,
    /// How many.
    pub(super) count: usize,
    count_max: usize,
    bytes_max: usize,
}

impl Strings {
    /// None yet; at most `count_max` with `bytes_max` bytes together, NULs included.
    pub(super) fn with_limits(count_max: usize, bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), count: 0, count_max, bytes_max }
    }

    /// The strings, without their NULs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|byte| *byte == 0).map(|string| string.strip_suffix(b"\0").unwrap_or(string))
    }

    /// Adds an empty string.
    pub(super) fn push_empty(&mut self) {
        self.bytes.push(0);
        self.count += 1;
    }

    /// Reads an array of pointers that a null pointer ends; a null array is an empty one, as Linux has it.
    fn read(&mut self, memory: &mut Remote, array: u64) -> Result<(), Unread> {
        if array == 0 {
            return Ok(());
        }
        let (mut pointers, mut at) = (Vec::new(), array);
        loop {
            pointers.clear();
            let ended = memory.words(at, &mut pointers)?;
            memory.prefetch(pointers.iter().copied())?;
            for pointer in &pointers {
                if self.count == self.count_max {
                    return Err(Unread::TooLong);
                }
                let room = self.bytes_max.checked_sub(self.bytes.len() + 1).ok_or(Unread::TooLong)?;
                let read = memory.string(*pointer, room, &mut self.bytes);
                // what was read of one that is too long is recorded with its refusal
                self.bytes.push(0);
                self.count += 1;
                read?;
            }
            if ended {
                return Ok(());
            }
            at = at.checked_add(8 * pointers.len() as u64).ok_or(Unread::Fault)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn own() -> Remote {
        Remote::new(rustix::process::getpid())
    }

    fn array(strings: &[CString]) -> Vec<u64> {
        strings.iter().map(|s| s.as_ptr() as u64).chain([0]).collect()
    }

    #[test]
    fn strings_are_read_whole_wherever_they_lie() {
        let texts: Vec<CString> = (0..3000).map(|n| CString::new("x".repeat(n * 7 % 50 + usize::from(n == 1500) * 9000)).unwrap()).collect();
        let pointers = array(&texts);
        let mut strings = Strings::with_limits(4000, 1 << 20);
        strings.read(&mut own(), pointers.as_ptr() as u64).unwrap();
        assert_eq!(strings.count, 3000);
        assert!(strings.iter().eq(texts.iter().map(|t| t.to_bytes())));
    }

    #[test]
    fn unaligned_arrays_and_more_pages_than_are_kept() {
        let big: Vec<CString> = (0..600).map(|_| CString::new(vec![b'p'; 5000]).unwrap()).collect();
        let mut raw = vec![0u8; 3];
        for pointer in array(&big) {
            raw.extend_from_slice(&pointer.to_ne_bytes());
        }
        for skew in 0..3 {
            let start = raw[3..].as_ptr() as u64;
            let mut strings = Strings::with_limits(600, 600 * 5001);
            strings.read(&mut own(), start).unwrap();
            assert_eq!((strings.count, strings.bytes.len()), (600, 600 * 5001));
            raw.splice(0..skew, []);
            raw.splice(0..0, vec![0; skew]);
        }
    }

    #[test]
    fn limits_are_exact() {
        let texts: Vec<CString> = ["ab", "cd", "ef"].iter().map(|t| CString::new(*t).unwrap()).collect();
        let pointers = array(&texts);
        let read = |count, bytes| {
            let mut strings = Strings::with_limits(count, bytes);
            strings.read(&mut own(), pointers.as_ptr() as u64).map(|()| strings.count)
        };
        assert_eq!(read(3, 9).unwrap(), 3);
        assert!(matches!(read(2, 9), Err(Unread::TooLong)));
        assert!(matches!(read(3, 8), Err(Unread::TooLong)));
        assert!(matches!(read(3, 6), Err(Unread::TooLong)));
        assert!(matches!(read(0, 0), Err(Unread::TooLong)));
    }

    #[test]
    fn bad_pointers_fault_and_null_is_empty() {
        let mut strings = Strings::with_limits(10, 100);
        strings.read(&mut own(), 0).unwrap();
        assert_eq!(strings.count, 0);
        assert!(matches!(strings.read(&mut own(), 8), Err(Unread::Fault)));
        assert!(matches!(strings.read(&mut own(), u64::MAX - 20), Err(Unread::Fault)));
        let pointers = [1u64, 0];
        assert!(matches!(strings.read(&mut own(), pointers.as_ptr() as u64), Err(Unread::Fault)));
    }
}
