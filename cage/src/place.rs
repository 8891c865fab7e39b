//! From an operand to what it names, without leaving what was judged.
//!
//! The policy judged the operand's text, made absolute from the working directory and freed of `.` and `..`. So that text is opened and
//! nothing else, part by part: each folder is held while the next part is looked up in it, and a symbolic link is not followed wherever it
//! stands. (`openat2` would do that in one call; a session has none, because the mode of a file that it makes is where no filter sees it.)
//!
//! Nothing that is opened here waits for somebody: `O_NONBLOCK`, and what turns out to be neither file nor folder is let go at once.

use crate::failure::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Opens operands.
#[derive(Debug)]
pub struct Places {
    root: OwnedFd,
    /// The working directory; empty where it has no name any more.
    cwd: Vec<u8>,
}

/// A name in a folder that is held.
#[derive(Debug)]
pub struct Named {
    /// The folder.
    pub folder: OwnedFd,
    /// A plain name in it: not empty, `.` or `..`, without slash.
    pub name: Vec<u8>,
    /// Its path, for messages.
    pub path: Vec<u8>,
}

impl Places {
    /// From the root of what the process sees.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn new() -> Result<Self, Failure> {
        let root = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let cwd = std::env::current_dir().map(|cwd| cwd.into_os_string().into_vec()).unwrap_or_default();
        // the kernel calls one that cannot be reached from the root so
        Ok(Self { root, cwd: if cwd.starts_with(b"/") { cwd } else { Vec::new() } })
    }

    /// The operand as it was judged.
    ///
    /// # Errors
    /// It is relative, and the working directory has no name; or it is too long for a path.
    pub fn normal(&self, operand: &[u8]) -> Result<Vec<u8>, Failure> {
        if operand.is_empty() || (!operand.starts_with(b"/") && self.cwd.is_empty()) {
            return Err(Errno::NOENT.into());
        }
        let base = if operand.starts_with(b"/") { &[][..] } else { &self.cwd };
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in base.split(|b| *b == b'/').chain(operand.split(|b| *b == b'/')) {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        Ok([b"/", parts.join(&b'/').as_slice()].concat())
    }

    /// Opens what an operand names.
    ///
    /// # Errors
    /// The system's; [`Errno::LOOP`] for a link on the way. A link at the end is one as well, unless it is asked for by `O_PATH`.
    pub fn open(&self, operand: &[u8], flags: OFlags) -> Result<OwnedFd, Failure> {
        self.open_normal(&self.normal(operand)?, flags)
    }

    /// One part after the other, each folder held while the next is looked up in it, and none of them a link.
    fn open_normal(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Failure> {
        let mut parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty()).peekable();
        let mut here = openat(&self.root, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        if parts.peek().is_none() {
            return Ok(openat(&self.root, ".", with_care(flags), Mode::empty())?);
        }
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let opened = open_in(&here, part, if is_last { flags } else { OFlags::PATH | OFlags::DIRECTORY });
            here = match opened {
                // a link is no folder; in words that is clearer
                Err(Failure::System(Errno::NOTDIR)) if stat_in(&here, part).is_ok_and(|stat| kind(&stat) == FileType::Symlink) => return Err(Errno::LOOP.into()),
                opened => opened?,
            };
        }
        Ok(here)
    }

    /// The folder of what an operand names, which may be there or not, and its name.
    ///
    /// # Errors
    /// The system's; [`Errno::BUSY`] for the root.
    pub fn named(&self, operand: &[u8]) -> Result<Named, Failure> {
        let path = self.normal(operand)?;
        let cut = path.iter().rposition(|b| *b == b'/').unwrap_or_default();
        let (folder, name) = path.split_at_checked(cut + 1).unwrap_or_default();
        if name.is_empty() {
            return Err(Errno::BUSY.into());
        }
        let folder = self.open_normal(folder.strip_suffix(b"/").unwrap_or(folder), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(Named { folder, name: name.to_vec(), path: path.clone() })
    }

    /// Opens a file that is to be read.
    ///
    /// # Errors
    /// The system's; what is no plain file with one name.
    pub fn file(&self, operand: &[u8]) -> Result<(OwnedFd, Stat), Failure> {
        plain(self.open(operand, OFlags::RDONLY)?)
    }
}

/// No link at the end, no waiting, no terminal of one's own; what is opened as a path alone does neither anyway.
fn with_care(flags: OFlags) -> OFlags {
    let always = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if flags.contains(OFlags::PATH) { always } else { always | OFlags::NONBLOCK | OFlags::NOCTTY }
}

impl Named {
    /// What has the name.
    ///
    /// # Errors
    /// The system's.
    pub fn stat(&self) -> Result<Stat, Errno> {
        stat_in(&self.folder, &self.name)
    }

    /// Opens what has the name.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd, Failure> {
        open_in(&self.folder, &self.name, flags)
    }

    /// A name in the folder that this names, which is open as `folder`.
    #[must_use]
    pub fn inside(&self, folder: OwnedFd, name: &[u8]) -> Self {
        Self { folder, name: name.to_vec(), path: [&self.path, &b"/"[..], name].concat() }
    }
}

/// Opens a plain name in a folder.
///
/// # Errors
/// The system's.
pub fn open_in(folder: &impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Failure> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Errno::INVAL.into());
    }
    // no links: the name is the last part and the only one
    Ok(openat(folder, OsStr::from_bytes(name), with_care(flags), Mode::from_raw_mode(0o600))?)
}

/// What has a plain name in a folder, be it a link.
///
/// # Errors
/// The system's.
pub fn stat_in(folder: &impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
    statat(folder, OsStr::from_bytes(name), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
}

/// What an open file is, when it is a plain one that has no second name.
///
/// # Errors
/// [`Failure::Folder`], [`Failure::Odd`], [`Failure::Linked`].
pub fn plain(file: OwnedFd) -> Result<(OwnedFd, Stat), Failure> {
    let stat = fstat(&file)?;
    match kind(&stat) {
        FileType::RegularFile if stat.st_nlink > 1 => Err(Failure::Linked),
        FileType::RegularFile => Ok((file, stat)),
        FileType::Directory => Err(Failure::Folder),
        _ => Err(Failure::Odd),
    }
}

/// What kind of file it is.
#[must_use]
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// What makes two looks at a file looks at the same.
#[must_use]
pub fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    fn bytes(path: &Path) -> &[u8] {
        path.as_os_str().as_bytes()
    }

    #[test]
    fn operands_are_what_was_judged() {
        let places = Places { root: Places::new().unwrap().root, cwd: b"/u01/a".to_vec() };
        for (operand, want) in [("x", "/u01/a/x"), ("../x", "/u01/x"), ("/u01/../etc/./shadow", "/etc/shadow"), ("../../../..", "/"), ("/", "/"), ("//x//y/", "/x/y"), (".", "/u01/a")] {
            assert_eq!(places.normal(operand.as_bytes()).unwrap(), want.as_bytes(), "{operand}");
        }
        assert!(places.normal(b"").is_err());
        let lost = Places { cwd: Vec::new(), ..places };
        assert!(lost.normal(b"x").is_err() && lost.normal(b"/x").is_ok());
        assert!(lost.named(b"/").is_err());
    }

    #[test]
    fn only_plain_files_without_a_second_name_are_opened_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let places = Places::new().unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        std::fs::create_dir(root.join("folder")).unwrap();
        std::fs::write(root.join("folder/inner"), "x").unwrap();
        symlink(root.join("file"), root.join("link")).unwrap();
        symlink(root.join("folder"), root.join("way")).unwrap();
        std::fs::write(root.join("twice"), "x").unwrap();
        std::fs::hard_link(root.join("twice"), root.join("again")).unwrap();
        rustix::fs::mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let _socket = UnixListener::bind(root.join("socket")).unwrap();
        let odd = std::ffi::OsString::from_vec(b"odd\xff".to_vec());
        std::fs::write(root.join(&odd), "x").unwrap();
        let open = |name: &str| places.file(bytes(&root.join(name)));
        assert!(open("file").is_ok() && open("folder/../file").is_ok() && places.file(bytes(&root.join(odd))).is_ok());
        assert!(matches!(open("folder"), Err(Failure::Folder)));
        for name in ["link", "way/inner"] {
            assert!(matches!(open(name), Err(Failure::System(Errno::LOOP))), "{name}");
        }
        assert!(matches!(open("twice"), Err(Failure::Linked)));
        assert!(matches!(open("pipe"), Err(Failure::Odd)));
        assert!(open("socket").is_err());
        assert!(matches!(places.file(b"/dev/null"), Err(Failure::Odd)));
        // by the text, as it was judged: `way/..` is where `way` lies, whatever it leads to
        assert!(open("way/../file").is_ok());
        assert!(matches!(places.named(bytes(&root.join("way/inner"))), Err(Failure::System(Errno::NOTDIR | Errno::LOOP))));
        let named = places.named(bytes(&root.join("folder/new"))).unwrap();
        assert_eq!((named.name.as_slice(), named.stat().err()), (&b"new"[..], Some(Errno::NOENT)));
        assert!(open_in(&named.folder, b"..", OFlags::RDONLY).is_err() && open_in(&named.folder, b"a/b", OFlags::RDONLY).is_err());
    }
}
