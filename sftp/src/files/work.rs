//! The operations: each is asked about, then done on what was asked about.

use super::asked::{Ask, FileError};
use super::held::{Held, is_plain, opened_nothing};
use super::name::{Entry, Found, Names};
use crate::protocol::Attributes;
use portcullis_model::subject::{self, FileOp, FileOpKind as Kind};
use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, StatVfs, Timespec, Timestamps, Uid, chmodat, chownat, fstatvfs, ftruncate, linkat, mkdirat,
    openat, renameat_with, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// The permissions that a client may give; set-uid and the like are not among them.
const MODE: u32 = 0o777;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of an open, as the protocol has them")]
pub struct How {
    /// to be read
    pub read: bool,
    /// to be written
    pub write: bool,
    /// each write goes to the end
    pub append: bool,
    /// made when it is not there
    pub create: bool,
    /// it must not be there
    pub exclusive: bool,
    /// made empty
    pub truncate: bool,
    /// permissions of a new file
    pub mode: u32,
}

/// What a rename does to what has the new name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    /// Nothing: it fails.
    Keeps,
    /// It goes.
    Replaces,
}

/// The file layer of one session.
#[derive(Debug)]
pub struct Files<A> {
    /// Who decides.
    pub ask: A,
    /// What names stand for.
    pub names: Names,
}

impl<A: Ask> Files<A> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`FileError`], as everywhere here: refused, or not done.
    pub fn open(&mut self, name: &[u8], how: How) -> Result<Held, FileError> {
        match self.names.follow(name) {
            Ok(found) => self.open_found(&found, how),
            Err(Errno::NOENT) if how.create => {
                let entry = self.place(Kind::Write, name)?;
                self.create(&entry, how)
            }
            Err(errno) => {
                let kind = if how.write { Kind::Write } else { Kind::Read };
                Err(self.missing(kind, name, errno))
            }
        }
    }

    /// Opens what has a plain name in a folder, and makes it if it is not there. A link there is followed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open_in(&mut self, entry: &Entry, how: How) -> Result<Held, FileError> {
        match entry.find() {
            Ok(found) if found.kind() != FileType::Symlink => self.open_found(&found, how),
            Ok(_) => self.open(&entry.path, how),
            Err(Errno::NOENT) => self.create(entry, how),
            Err(errno) => Err(self.missing(Kind::Write, &entry.path, errno)),
        }
    }

    /// Opens what was found.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open_found(&mut self, found: &Found, how: How) -> Result<Held, FileError> {
        let read = if how.read || !how.write { Some(self.ask.ask_one(Kind::Read, &found.path)?) } else { None };
        let written = match how.write.then(|| self.ask.ask_one(Kind::Write, &found.path)).transpose() {
            Ok(written) => written,
            Err(error) => {
                opened_nothing(&mut self.ask, read)?;
                return Err(error);
            }
        };
        let opened = is_plain(found).and_then(|()| if how.exclusive { Err(Errno::EXIST.into()) } else { Ok(found.open(flags(how))?) });
        self.held(opened, found.path.clone(), read, written, how)
    }

    /// Makes a file that is not there, and opens it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(&mut self, entry: &Entry, how: How) -> Result<Held, FileError> {
        let written = self.ask.ask_one(Kind::Write, &entry.path)?;
        let read = if how.read { Some(self.ask.ask_one(Kind::Read, &entry.path)?) } else { None };
        let flags = flags(how) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = entry.still().and_then(|()| openat(entry.folder(), entry.name(), flags, Mode::from_raw_mode(how.mode & MODE)));
        self.held(made.map_err(FileError::from), entry.path.clone(), read, Some(written), how)
    }

    fn held(&mut self, opened: Result<rustix::fd::OwnedFd, FileError>, path: Vec<u8>, read: Option<u32>, written: Option<u32>, how: How) -> Result<Held, FileError> {
        match opened {
            Ok(fd) => Ok(Held::new(fd, path, read, written, how.append)),
            Err(error) => {
                opened_nothing(&mut self.ask, read.into_iter().chain(written))?;
                Err(error)
            }
        }
    }

    /// The attributes of what a name stands for.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn stat(&mut self, name: &[u8]) -> Result<Stat, FileError> {
        let found = self.names.follow(name);
        self.found(Kind::Stat, name, found).map(|found| found.stat)
    }

    /// The attributes of what has the name itself.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn lstat(&mut self, name: &[u8]) -> Result<Stat, FileError> {
        let found = self.names.itself(name);
        self.found(Kind::Stat, name, found).map(|found| found.stat)
    }

    /// The text of a link.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read_link(&mut self, name: &[u8]) -> Result<Vec<u8>, FileError> {
        let found = self.names.itself(name);
        let found = self.found(Kind::Stat, name, found)?;
        if found.kind() == FileType::Symlink { Ok(found.target()?) } else { Err(FileError::Odd("it is not a link")) }
    }

    /// The file system that a name is on.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn file_system(&mut self, name: &[u8]) -> Result<StatVfs, FileError> {
        let found = self.names.follow(name);
        Ok(fstatvfs(self.found(Kind::Stat, name, found)?.fd())?)
    }

    /// Opens a folder for a list of it, attributes of all its entries included.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn list(&mut self, name: &[u8]) -> Result<rustix::fs::Dir, FileError> {
        let found = self.names.follow(name);
        let found = self.found(Kind::List, name, found)?;
        self.list_found(&found)
    }

    /// The same of what was found and asked about.
    ///
    /// # Errors
    /// The system's.
    pub fn list_found(&mut self, found: &Found) -> Result<rustix::fs::Dir, FileError> {
        if found.kind() != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        Ok(rustix::fs::Dir::new(found.open(OFlags::RDONLY | OFlags::DIRECTORY)?)?)
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn make_folder(&mut self, name: &[u8], mode: u32) -> Result<(), FileError> {
        let entry = self.place(Kind::MakeDirectory, name)?;
        self.make_folder_at(&entry, mode)
    }

    /// Makes a folder at a place.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn make_folder_at(&mut self, entry: &Entry, mode: u32) -> Result<(), FileError> {
        self.ask.ask_one(Kind::MakeDirectory, &entry.path)?;
        entry.still()?;
        Ok(mkdirat(entry.folder(), entry.name(), Mode::from_raw_mode(mode & MODE))?)
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove(&mut self, name: &[u8]) -> Result<(), FileError> {
        self.unlink(name, AtFlags::empty())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove_folder(&mut self, name: &[u8]) -> Result<(), FileError> {
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&mut self, name: &[u8], flags: AtFlags) -> Result<(), FileError> {
        let entry = self.place(Kind::Remove, name)?;
        self.ask.ask_one(Kind::Remove, &entry.path)?;
        entry.still()?;
        Ok(unlinkat(entry.folder(), entry.name(), flags)?)
    }

    /// Gives a file, folder or link another name.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn rename(&mut self, from: &[u8], to: &[u8], renaming: Renaming) -> Result<(), FileError> {
        let (from, to) = (self.place(Kind::Rename, from)?, self.place(Kind::Rename, to)?);
        self.ask.ask(FileOp { kind: Kind::Rename, path: from.path.clone(), to: Some(to.path.clone()), attributes: None })?;
        from.still()?;
        to.still()?;
        let flags = match renaming {
            Renaming::Keeps => RenameFlags::NOREPLACE,
            Renaming::Replaces => RenameFlags::empty(),
        };
        Ok(renameat_with(from.folder(), from.name(), to.folder(), to.name(), flags)?)
    }

    /// Makes a link to a file: another name for it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn hard_link(&mut self, from: &[u8], to: &[u8]) -> Result<(), FileError> {
        let found = match self.names.itself(from) {
            Ok(found) => found,
            Err(errno) => return Err(self.missing(Kind::Link, from, errno)),
        };
        let to = self.place(Kind::Link, to)?;
        self.ask.ask(FileOp { kind: Kind::Link, path: found.path.clone(), to: Some(to.path.clone()), attributes: None })?;
        is_plain(&found)?;
        to.still()?;
        Ok(linkat(CWD, found.link().as_str(), to.folder(), to.name(), AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Makes a link with a text. Asked about with the path that the text leads to, by the text alone: what a link really leads to is
    /// judged whenever it is followed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn soft_link(&mut self, text: &[u8], link: &[u8]) -> Result<(), FileError> {
        let entry = self.place(Kind::Link, link)?;
        let folder = entry.path.iter().rposition(|b| *b == b'/').and_then(|cut| entry.path.get(..cut)).unwrap_or_default();
        let path = Names::new(folder.to_vec()).normal(text);
        self.ask.ask(FileOp { kind: Kind::Link, path, to: Some(entry.path.clone()), attributes: None })?;
        entry.still()?;
        Ok(symlinkat(OsStr::from_bytes(text), entry.folder(), entry.name())?)
    }

    /// Changes the attributes of what a name stands for.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn set_attributes(&mut self, name: &[u8], attributes: &Attributes) -> Result<(), FileError> {
        let found = match self.names.follow(name) {
            Ok(found) => found,
            Err(errno) => return Err(self.missing(Kind::SetAttributes, name, errno)),
        };
        self.ask_to_set(&found.path, attributes)?;
        if let Some(size) = attributes.size {
            let mut held = self.open_found(&found, How { write: true, ..How::default() })?;
            let cut = ftruncate(held.fd(), size);
            held.write(&mut self.ask, 0, &[])?;
            held.close(&mut self.ask)?;
            cut?;
        }
        change(&found.link(), attributes)
    }

    /// Changes the attributes of an open file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn set_attributes_of(&mut self, held: &mut Held, attributes: &Attributes) -> Result<(), FileError> {
        self.ask_to_set(&held.path, attributes)?;
        if let Some(size) = attributes.size {
            if !held.is_written() {
                return Err(Errno::BADF.into());
            }
            held.was_resized();
            ftruncate(held.fd(), size)?;
        }
        let link = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&held.fd().as_fd()));
        change(&link, attributes)
    }

    fn ask_to_set(&mut self, path: &[u8], attributes: &Attributes) -> Result<(), FileError> {
        let &Attributes { size, owner, mode, times } = attributes;
        let set = subject::Attributes { mode: mode.map(|mode| mode & MODE), owner, size, times };
        self.ask.ask(FileOp { kind: Kind::SetAttributes, path: path.to_vec(), to: None, attributes: Some(set) }).map(drop)
    }

    /// A place for something new or changed; where there is none, that is asked about all the same, so that what exists is not told to
    /// somebody who may not look.
    fn place(&mut self, kind: Kind, name: &[u8]) -> Result<Entry, FileError> {
        match self.names.entry(name) {
            Ok(entry) => Ok(entry),
            Err(errno) => Err(self.missing(kind, name, errno)),
        }
    }

    /// Asks about what was found, or about what would have been.
    fn found(&mut self, kind: Kind, name: &[u8], found: Result<Found, Errno>) -> Result<Found, FileError> {
        match found {
            Ok(found) => {
                self.ask.ask_one(kind, &found.path)?;
                Ok(found)
            }
            Err(errno) => Err(self.missing(kind, name, errno)),
        }
    }

    /// Asks about a name that stands for nothing: refused, or the reason why it does not.
    fn missing(&mut self, kind: Kind, name: &[u8], errno: Errno) -> FileError {
        let path = match self.names.entry(name) {
            Ok(entry) => entry.path,
            Err(_) => self.names.normal(name),
        };
        if path.contains(&0) {
            return Errno::INVAL.into();
        }
        let asked = self.ask.ask_one(kind, &path);
        let told = match (&asked, kind) {
            (Ok(id), Kind::Read | Kind::Write) => opened_nothing(&mut self.ask, [*id]),
            _ => Ok(()),
        };
        match asked.and(told) {
            Ok(()) => errno.into(),
            Err(error) => error,
        }
    }
}

fn flags(how: How) -> OFlags {
    let access = match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    };
    let with = |wanted: bool, flag: OFlags| if wanted { flag } else { OFlags::empty() };
    access | with(how.append, OFlags::APPEND) | with(how.write && how.truncate, OFlags::TRUNC)
}

/// Changes all but the size, of what the link of a descriptor stands for.
fn change(link: &str, attributes: &Attributes) -> Result<(), FileError> {
    if let Some((uid, gid)) = attributes.owner {
        chownat(CWD, link, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::empty())?;
    }
    if let Some(mode) = attributes.mode {
        chmodat(CWD, link, Mode::from_raw_mode(mode & MODE), AtFlags::empty())?;
    }
    if let Some((access, modified)) = attributes.times {
        let at = |seconds: u32| Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        utimensat(CWD, link, &Timestamps { last_access: at(access), last_modification: at(modified) }, AtFlags::empty())?;
    }
    Ok(())
}
