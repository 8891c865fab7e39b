//! From a name to a file, as the kernel will find it for the caller.
//!
//! The guard resolves names in its own root, which is the jail's, and starts relative ones from the caller's directory. Links
//! of /proc that lead to objects rather than names (`/proc/PID/exe`, `/proc/PID/fd/N`, ..) are not followed: they would be the
//! guard's own, or another process's. The forms by which a program names itself or a descriptor of its own are looked up in the
//! caller instead.
//!
//! A name that the kernel resolves once is checked by comparing the file at the end; that the names changed in between is no
//! harm. The name of a script is resolved again by the interpreter, when nobody compares any more, so it must be one that nothing
//! in the jail can change: [`Locator::immutable`].

use super::entry::{Entry, link};
use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, Stat, StatFs, fstat, fstatfs, openat, openat2, readlinkat};
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

/// Mount flags as statfs shows them (`ST_RDONLY`, `ST_NOEXEC`; include/linux/statfs.h).
const ST_RDONLY: i64 = 0x1;
const ST_NOEXEC: i64 = 0x8;
/// Most symbolic links of one name (`MAXSYMLINKS`, include/linux/namei.h).
const SYMLINKS_MAX: usize = 40;

/// What tells one state of one file from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    dev: u64,
    ino: u64,
    size: i64,
    changed: (i64, u64),
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino, size: stat.st_size, changed: (stat.st_ctime, stat.st_ctime_nsec) }
    }
}

/// A file that was found.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) fd: OwnedFd,
    pub(super) identity: Identity,
    /// Its path in the jail, without symbolic links. For what has no name, the kernel's words for it.
    pub(super) path: Vec<u8>,
    pub(super) kind: FileType,
    /// Permission bits.
    pub(super) mode: u32,
    /// Whether a name leads to it.
    pub(super) linked: bool,
    pub(super) mount: MountFlags,
}

/// The flags of the mount that a file was found through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MountFlags(i64);

impl MountFlags {
    pub(super) fn read_only(self) -> bool {
        self.0 & ST_RDONLY != 0
    }

    pub(super) fn no_exec(self) -> bool {
        self.0 & ST_NOEXEC != 0
    }
}

/// Where a name starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The caller's working directory.
    WorkingDirectory,
    /// A descriptor of the caller's.
    Descriptor(i32),
}

/// Finds files for one caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Locator<'a> {
    /// The host's /proc.
    pub(super) proc: &'a OwnedFd,
    /// The folder of this process's own descriptors in it.
    pub(super) own: &'a OwnedFd,
    /// The thread that asks.
    pub(super) thread: Pid,
}

/// Why a name that has to stay what it is does not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mutable {
    /// Something in the jail can change what is in this directory.
    Directory(Vec<u8>),
    /// It leads through /proc.
    Proc,
    /// It does not resolve.
    Errno(Errno),
}

impl Locator<'_> {
    /// The file that `name`, not empty, leads to.
    ///
    /// # Errors
    /// What the kernel would tell the caller, and `ELOOP` for a link of /proc that is not followed.
    pub(super) fn name(self, start: Start, name: &[u8], last_link: OFlags) -> Result<Located, Errno> {
        if let Some(object) = own_object(name) {
            return self.object(&object);
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC | last_link;
        let found = if name.starts_with(b"/") {
            openat2(CWD, name, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?
        } else {
            openat2(self.start(start)?, name, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?
        };
        self.describe(found)
    }

    /// The file that a descriptor of the caller's, or its working directory, is open on.
    pub(super) fn descriptor(self, start: Start) -> Result<Located, Errno> {
        self.describe(self.start(start)?)
    }

    fn start(self, start: Start) -> Result<OwnedFd, Errno> {
        let (link, missing) = match start {
            Start::WorkingDirectory => (format!("{}/cwd", self.thread), Errno::NOENT),
            Start::Descriptor(fd) => (format!("{}/fd/{fd}", self.thread), Errno::BADF),
        };
        openat(self.proc, link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| if errno == Errno::NOENT { missing } else { errno })
    }

    fn object(self, link: &str) -> Result<Located, Errno> {
        self.describe(openat(self.proc, format!("{}/{link}", self.thread), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn describe(self, fd: OwnedFd) -> Result<Located, Errno> {
        let stat = fstat(&fd)?;
        let mount = MountFlags(flags_of(&fstatfs(&fd)?));
        let path = link(self.own, &Entry::numbered(fd.as_raw_fd()))?;
        let linked = stat.st_nlink > 0 && path.starts_with(b"/") && !path.ends_with(b" (deleted)");
        let kind = FileType::from_raw_mode(stat.st_mode);
        Ok(Located { fd, identity: Identity::of(&stat), path, kind, mode: stat.st_mode & 0o7777, linked, mount })
    }

    /// Reopens a located file for reading.
    pub(super) fn reopen(self, file: &Located) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(self.own, file.fd.as_raw_fd().to_string(), flags, Mode::empty())
    }

    /// The file that an absolute name leads to, if nothing in the jail can make the name lead elsewhere: every directory that is
    /// looked into on the way is on a read-only mount.
    pub(super) fn immutable(self, name: &[u8]) -> Result<Identity, Mutable> {
        let open = |directory: &OwnedFd, name: &[u8]| openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let root = || openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let mut todo: VecDeque<Vec<u8>> = components(name).collect();
        let mut above = vec![root()?];
        let mut links = 0;
        while let Some(component) = todo.pop_front() {
            if component == b".." {
                if above.len() > 1 {
                    above.pop();
                }
                continue;
            }
            let directory = above.last().ok_or(Errno::NOENT)?;
            let mount = fstatfs(directory)?;
            if mount.f_type == PROC_SUPER_MAGIC {
                return Err(Mutable::Proc);
            }
            if !MountFlags(flags_of(&mount)).read_only() {
                return Err(Mutable::Directory(self.describe(directory.try_clone().map_err(|_| Errno::MFILE)?)?.path));
            }
            let found = open(directory, &component)?;
            let stat = fstat(&found)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return Err(Mutable::Errno(Errno::LOOP));
                    }
                    let target = readlinkat(&found, "", Vec::with_capacity(256))?.into_bytes();
                    if target.starts_with(b"/") {
                        above.truncate(1);
                    }
                    for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        todo.push_front(component);
                    }
                }
                FileType::Directory => above.push(found),
                _ if todo.is_empty() => return Ok(Identity::of(&stat)),
                _ => return Err(Mutable::Errno(Errno::NOTDIR)),
            }
        }
        Err(Mutable::Errno(Errno::ACCESS))
    }
}

impl From<Errno> for Mutable {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

fn flags_of(mount: &StatFs) -> i64 {
    mount.f_flags
}

fn components(name: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    name.split(|byte| *byte == b'/').filter(|component| !component.is_empty() && *component != b".").map(<[u8]>::to_vec)
}

/// The part below /proc/PID of a name by which a process means itself or a descriptor of its own.
fn own_object(name: &[u8]) -> Option<String> {
    if name == b"/proc/self/exe" {
        return Some("exe".to_owned());
    }
    let number = name.strip_prefix(b"/proc/self/fd/").or_else(|| name.strip_prefix(b"/dev/fd/"))?;
    let parsed = str::from_utf8(number).ok()?.parse::<u32>().ok()?.to_string();
    // the kernel takes no leading zero or sign
    (parsed.as_bytes() == number).then(|| format!("fd/{parsed}"))
}

/// Whether a name means a descriptor, so that it means something else once the table of descriptors is another.
pub(super) fn names_descriptor(name: &[u8]) -> bool {
    own_object(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_objects_are_the_exact_names_only() {
        assert_eq!(own_object(b"/proc/self/exe").as_deref(), Some("exe"));
        assert_eq!(own_object(b"/dev/fd/7").as_deref(), Some("fd/7"));
        assert_eq!(own_object(b"/proc/self/fd/12").as_deref(), Some("fd/12"));
        let others = [
            "/proc/self/fd/../exe", "/proc/self/fd/", "/dev/fd/-1", "/dev/fd/+1", "/dev/fd/01", "/proc/1/exe", "/dev/fd/1/x",
            "proc/self/exe", "/proc/self/exe/",
        ];
        for name in others {
            assert_eq!(own_object(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn names_are_taken_apart() {
        assert!(components(b"//usr/./bin//x/").eq([b"usr".to_vec(), b"bin".to_vec(), b"x".to_vec()]));
        assert!(components(b"/").next().is_none());
    }
}
