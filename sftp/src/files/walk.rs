//! From a name to what it stands for, one part of it after the other.
//!
//! `openat2` could resolve a name without the links of /proc that lead to what a process has open, but a session has no `openat2`: the
//! mode that it gives a new file is where no filter of system calls sees it. So links are followed here, each by its text, and each
//! folder on the way is held while the next part is looked up in it: what is found is what the parts stood for as they were passed.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstat, fstatfs, openat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;

/// Most symbolic links of one name (`MAXSYMLINKS`, include/linux/namei.h).
const LINKS_MAX: u32 = 40;

/// What to do with a link that has the last part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Follow,
    /// It is followed, and has to lead to a folder.
    Folder,
    /// It is what is looked for.
    Itself,
}

/// What a name stands for, a relative one from this folder; opened as a path.
pub(super) fn look_up(from: BorrowedFd<'_>, name: &[u8], last: Last) -> Result<OwnedFd, Errno> {
    let mut todo: VecDeque<Vec<u8>> = parts(name)?.into();
    if last == Last::Folder {
        todo.push_back(b".".to_vec());
    }
    let mut here = if name.starts_with(b"/") { root()? } else { open(from, b".", OFlags::DIRECTORY)? };
    let mut links = 0;
    while let Some(part) = todo.pop_front() {
        if part == b"." || part == b".." {
            here = open(&here, &part, OFlags::DIRECTORY)?;
            continue;
        }
        let found = if todo.is_empty() {
            open(&here, &part, OFlags::empty())?
        } else {
            // as a folder first, for those that are mounted when they are entered
            match open(&here, &part, OFlags::DIRECTORY) {
                Err(Errno::NOTDIR | Errno::LOOP) => open(&here, &part, OFlags::empty())?,
                found => found?,
            }
        };
        if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Symlink || (todo.is_empty() && last == Last::Itself) {
            // whatever is no folder has no parts: the next turn says so
            here = found;
            continue;
        }
        links += 1;
        let text = readlinkat(&found, "", Vec::new())?.into_bytes();
        let leads_out_of_proc = text.starts_with(b"/") && fstatfs(&found)?.f_type == PROC_SUPER_MAGIC;
        if links > LINKS_MAX || leads_out_of_proc {
            return Err(Errno::LOOP);
        }
        if text.starts_with(b"/") {
            here = root()?;
        }
        for part in parts(&text)?.into_iter().rev() {
            todo.push_front(part);
        }
    }
    Ok(here)
}

/// The parts of a name, those that change nothing left out. One that ends in a slash ends in a folder.
fn parts(name: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    if name.is_empty() {
        return Err(Errno::NOENT);
    }
    let mut parts: Vec<Vec<u8>> = name.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect();
    if matches!(name.rsplit(|b| *b == b'/').next(), Some(b"" | b".")) {
        parts.push(b".".to_vec());
    }
    Ok(parts)
}

fn root() -> Result<OwnedFd, Errno> {
    open(CWD, b"/", OFlags::DIRECTORY)
}

fn open(folder: impl rustix::fd::AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd as _;
    use rustix::fs::Stat;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    fn stat(from: &std::path::Path, name: &str, last: Last) -> Result<Stat, Errno> {
        let from = rustix::fs::open(from, OFlags::PATH, Mode::empty())?;
        fstat(look_up(from.as_fd(), name.as_bytes(), last)?)
    }

    /// Whatever the kernel makes of a name is what is found.
    #[test]
    fn names_stand_for_what_the_kernel_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "x").unwrap();
        let links = [("up", "a/../a/b"), ("abs", root.join("a").to_str().unwrap()), ("file", "up/file"), ("slash", "a/b/file/"), ("round", "round"), ("dangling", "no/where")]
            .map(|(name, text)| (name, text.to_owned()));
        for (name, text) in &links {
            symlink(text, root.join(name)).unwrap();
        }
        for n in 0..50 {
            let text = if n == 0 { "a/b/file".to_owned() } else { format!("chain{}", n - 1) };
            symlink(text, root.join(format!("chain{n}"))).unwrap();
        }
        let names = [
            "a", "a/", "a/.", "./a/b/../b/file", "a/b/file/", "a/b/file/x", "a/b/file/..", "up", "up/", "up/..", "up/file", "abs/b/file", "file", "file/", "slash", "round", "dangling",
            "dangling/", "chain39", "chain40", "chain49", "..", "../..", "/", "//", "/..", "/proc/self/mounts", "/proc/mounts", "/proc/self", "no", "no/x", "a//b",
        ];
        for name in names {
            let kernel = std::fs::metadata(root.join(name)).map_err(|error| error.raw_os_error());
            let ours = stat(&root, name, Last::Follow).map_err(|errno| Some(errno.raw_os_error()));
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(ours.map(|stat| (stat.st_dev, stat.st_ino)), kernel.map(|stat| (stat.dev(), stat.ino())), "{name}");
        }
        let kind = |name: &str, last| stat(&root, name, last).map(|stat| FileType::from_raw_mode(stat.st_mode));
        assert_eq!(kind("file", Last::Itself), Ok(FileType::Symlink));
        assert_eq!(kind("up", Last::Folder), Ok(FileType::Directory));
        assert_eq!(kind("file", Last::Folder), Err(Errno::NOTDIR));
        assert_eq!(kind("", Last::Follow), Err(Errno::NOENT));
    }

    #[test]
    fn what_a_process_has_open_is_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let open = std::fs::File::create(root.join("file")).unwrap();
        let (pipe, _other) = std::io::pipe().unwrap();
        let number = |fd: BorrowedFd<'_>| format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&fd));
        symlink(number(open.as_fd()), root.join("link")).unwrap();
        for name in ["/proc/self/root", "/proc/self/root/etc/passwd", "/proc/self/cwd", "/proc/self/exe", "/proc/thread-self/root/", "link", &number(open.as_fd())] {
            assert_eq!(stat(&root, name, Last::Follow).err(), Some(Errno::LOOP), "{name}");
        }
        for name in [number(pipe.as_fd()).as_str(), "/proc/self/ns/mnt"] {
            assert_eq!(stat(&root, name, Last::Follow).err(), Some(Errno::NOENT), "{name}");
        }
        assert!(root.as_os_str().as_bytes().starts_with(b"/"));
    }
}
