//! Names, and what they stand for.
//!
//! A name is resolved once, to a descriptor that reads and changes nothing (`O_PATH`); the path that a policy judges is what
//! the kernel says that descriptor is called. Links are followed as usual, but for the links of /proc that lead to what a process has
//! open: those are not names.

use super::walk::{Last, look_up};
use rustix::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, ftruncate, openat, readlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Longest path that is looked at, as the kernel has it.
const PATH_MAX: usize = 4096;

/// Resolves names, relative ones from the home folder.
#[derive(Debug, Clone)]
pub struct Names {
    home: Vec<u8>,
}

/// A file, folder or link that exists, held.
#[derive(Debug)]
pub struct Found {
    fd: OwnedFd,
    /// Its canonical path.
    pub path: Vec<u8>,
    /// What it is.
    pub stat: Stat,
}

/// A place in a folder that exists: the folder, held, and a plain name in it that may or may not be there.
#[derive(Debug)]
pub struct Entry {
    folder: OwnedFd,
    name: Vec<u8>,
    /// Its canonical path.
    pub path: Vec<u8>,
}

impl Names {
    /// Relative to this folder.
    #[must_use]
    pub fn new(home: Vec<u8>) -> Self {
        Self { home }
    }

    /// The name as an absolute path without `.`, `..` and doubled slashes, by its text alone.
    #[must_use]
    pub fn normal(&self, name: &[u8]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let base: &[u8] = if name.starts_with(b"/") { b"" } else { &self.home };
        for part in base.split(|b| *b == b'/').chain(name.split(|b| *b == b'/')) {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let mut path: Vec<u8> = parts.iter().flat_map(|part| [b"/", *part].concat()).collect();
        if path.is_empty() {
            path.push(b'/');
        }
        path.truncate(PATH_MAX);
        path
    }

    /// What the name stands for, through links.
    ///
    /// # Errors
    /// The system's.
    pub fn follow(&self, name: &[u8]) -> Result<Found, Errno> {
        Found::new(look_up(CWD, &self.absolute(name)?, Last::Follow)?)
    }

    /// What has the name itself, be it a link.
    ///
    /// # Errors
    /// The system's.
    pub fn itself(&self, name: &[u8]) -> Result<Found, Errno> {
        match self.entry(name) {
            Ok(entry) => entry.find(),
            // `.`, `..`, `/`: folders, and no links
            Err(Errno::INVAL) => self.follow(name),
            Err(errno) => Err(errno),
        }
    }

    /// The place of the name in its folder.
    ///
    /// # Errors
    /// The system's, and `INVAL` when the last part of it is not a plain name.
    pub fn entry(&self, name: &[u8]) -> Result<Entry, Errno> {
        let absolute = self.absolute(name)?;
        let end = absolute.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
        let trimmed = absolute.get(..end).unwrap_or_default();
        let cut = trimmed.iter().rposition(|b| *b == b'/').ok_or(Errno::INVAL)?;
        let (folder, name) = trimmed.split_at_checked(cut + 1).ok_or(Errno::INVAL)?;
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::INVAL);
        }
        Entry::new(look_up(CWD, folder, Last::Folder)?, name)
    }

    fn absolute(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let path = if name.starts_with(b"/") { name.to_vec() } else { [&self.home, &b"/"[..], name].concat() };
        match path.len() {
            _ if path.contains(&0) => Err(Errno::INVAL),
            0..PATH_MAX => Ok(path),
            _ => Err(Errno::NAMETOOLONG),
        }
    }
}

impl Found {
    fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = fstat(&fd)?;
        let path = path_of(fd.as_fd())?;
        // what was removed meanwhile has no name to judge
        if stat.st_nlink == 0 || !path.starts_with(b"/") {
            return Err(Errno::NOENT);
        }
        // the kernel says so of a name that was removed, and a file can be called that
        if path.ends_with(b" (deleted)") {
            let named = fstat(look_up(CWD, &path, Last::Itself)?)?;
            if (named.st_dev, named.st_ino) != (stat.st_dev, stat.st_ino) {
                return Err(Errno::NOENT);
            }
        }
        Ok(Self { fd, path, stat })
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Opens the same file, whatever its name stands for by now.
    ///
    /// # Errors
    /// The system's, and `STALE` when it is called otherwise now than when it was judged.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        let first = flags.difference(OFlags::TRUNC) | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = openat(CWD, self.link().as_str(), first, Mode::empty())?;
        if path_of(opened.as_fd())? != self.path {
            return Err(Errno::STALE);
        }
        if flags.contains(OFlags::TRUNC) {
            ftruncate(&opened, 0)?;
        }
        Ok(opened)
    }

    /// A name of the descriptor, for calls that take only names.
    #[must_use]
    pub fn link(&self) -> String {
        link_of(self.fd.as_fd())
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The text of a link.
    ///
    /// # Errors
    /// The system's.
    pub fn target(&self) -> Result<Vec<u8>, Errno> {
        Ok(readlinkat(&self.fd, "", Vec::new())?.into_bytes())
    }
}

impl Entry {
    fn new(folder: OwnedFd, name: &[u8]) -> Result<Self, Errno> {
        if fstat(&folder)?.st_nlink == 0 {
            return Err(Errno::NOENT);
        }
        let mut path = path_of(folder.as_fd())?;
        if !path.starts_with(b"/") {
            return Err(Errno::NOENT);
        }
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if path.len() > PATH_MAX { Err(Errno::NAMETOOLONG) } else { Ok(Self { folder, name: name.to_vec(), path }) }
    }

    /// A plain name in this folder.
    ///
    /// # Errors
    /// As [`Names::entry`].
    pub fn inside(folder: &Found, name: &[u8]) -> Result<Self, Errno> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) {
            return Err(Errno::INVAL);
        }
        Self::new(folder.fd.try_clone().map_err(|_| Errno::MFILE)?, name)
    }

    /// What is there, be it a link.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self) -> Result<Found, Errno> {
        Found::new(look_up(self.folder.as_fd(), &self.name, Last::Itself)?)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The name in it.
    #[must_use]
    pub fn name(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.name))
    }

    /// Whether the folder is still where it was when the path was judged.
    ///
    /// # Errors
    /// `STALE` when it is not.
    pub fn still(&self) -> Result<(), Errno> {
        let now = path_of(self.folder.as_fd())?;
        let before = self.path.len().saturating_sub(self.name.len() + usize::from(now != b"/"));
        if self.path.get(..before) == Some(&now) { Ok(()) } else { Err(Errno::STALE) }
    }
}

fn link_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn path_of(fd: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    Ok(readlinkat(CWD, link_of(fd).as_str(), Vec::new())?.into_bytes())
}
