//! `sudovi-write DIGEST FILE`: the input becomes a file's content, at once or not at all, if the file still is what was read.
//!
//! The new content is written beside the file under a name of its own, gets the file's owner, mode and extended attributes, and then the two
//! *change places*: so what was replaced can be looked at, and when it is not the file that was compared, or was written meanwhile, they
//! change back. A name that has become a link, a pipe, or a file with a second name is left alone.

use super::{NEW, digest, read_all};
use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::place::{Named, Places, identity, open_in, plain, stat_in};
use portcullis_model::bytes::printable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Stat, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat, fsync, renameat_with, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// How many names are tried for the new file.
const NAMES_MAX: usize = 64;
/// Most bytes of a file's extended attributes.
const ATTRIBUTES_MAX: usize = 64 * 1024;
/// The mode of a file that was not there.
const NEW_MODE: u32 = 0o644;

/// Takes the input for the file's content.
///
/// # Errors
/// Not a digest and a file.
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    let [was, operand] = arguments.operands.as_slice() else { return Err(Usage::Operands("it lacks the digest of what was read, or the file")) };
    let input = std::io::stdin().lock();
    let saved = read_all(input).and_then(|content| save(&places.named(operand)?, was, &content));
    if let Err(failure) = saved {
        report.fail_at(operand, &failure);
    }
    Ok(())
}

/// The new content under a name of its own; what has that name goes in the end.
struct Draft<'a> {
    folder: &'a OwnedFd,
    name: Vec<u8>,
    file: File,
    /// What has the name stays: it is somebody else's.
    is_kept: bool,
}

impl<'a> Draft<'a> {
    fn new(folder: &'a OwnedFd, content: &[u8]) -> Result<Self, Failure> {
        for _ in 0..NAMES_MAX {
            let name = format!(".sudovi-{:016x}", RandomState::new().hash_one(std::process::id())).into_bytes();
            match open_in(folder, &name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL) {
                Ok(file) => {
                    let mut draft = Self { folder, name, file: file.into(), is_kept: false };
                    draft.file.write_all(content)?;
                    return Ok(draft);
                }
                Err(Failure::System(Errno::EXIST)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Leaves what has the name.
    fn left(&mut self) -> Failure {
        self.is_kept = true;
        Failure::Other(format!("it was changed meanwhile; what was there is beside it as {}", printable(&self.name)))
    }

    fn rename(&self, to: &[u8], how: RenameFlags) -> Result<(), Errno> {
        renameat_with(self.folder, OsStr::from_bytes(&self.name), self.folder, OsStr::from_bytes(to), how)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // under its name lies what it was, or what it has replaced
        if !self.is_kept {
            let _ = unlinkat(self.folder, OsStr::from_bytes(&self.name), AtFlags::empty());
        }
    }
}

fn changed() -> Failure {
    Failure::Other("it was changed meanwhile; it is left as it is".to_owned())
}

fn save(named: &Named, was: &[u8], content: &[u8]) -> Result<(), Failure> {
    let folder = &named.folder;
    if was == NEW {
        let draft = Draft::new(folder, content)?;
        fchmod(&draft.file, Mode::from_raw_mode(NEW_MODE))?;
        fsync(&draft.file)?;
        return draft.rename(&named.name, RenameFlags::NOREPLACE).map_err(|errno| if errno == Errno::EXIST { changed() } else { errno.into() });
    }
    let (old, stat) = match named.open(OFlags::RDONLY).and_then(plain) {
        Err(Failure::System(Errno::NOENT)) => return Err(changed()),
        opened => opened?,
    };
    if stat.st_mode & 0o6000 != 0 {
        return Err(Failure::SetId);
    }
    let old = File::from(old);
    if digest(&read_all(&old)?).as_bytes() != was {
        return Err(changed());
    }
    let mut draft = Draft::new(folder, content)?;
    take_over(&old, &stat, &draft.file)?;
    fsync(&draft.file)?;
    replace(named, &mut draft, &old, &stat)
}

/// Puts the new file in the old one's place, if that is still it.
fn replace(named: &Named, draft: &mut Draft<'_>, old: &File, stat: &Stat) -> Result<(), Failure> {
    let is_same = |now: &Stat| identity(now) == identity(stat) && now.st_nlink == 1 && (now.st_size, now.st_mtime, now.st_mtime_nsec) == (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    match draft.rename(&named.name, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // a file system that cannot: looked at first, then replaced
        Err(Errno::INVAL | Errno::NOSYS) => {
            if !is_same(&named.stat()?) {
                return Err(changed());
            }
            draft.rename(&named.name, RenameFlags::empty())?;
            return Ok(fsync(folder_of(named)?)?);
        }
        Err(Errno::NOENT) => return Err(changed()),
        Err(errno) => return Err(errno.into()),
    }
    let is_it = fstat(old).is_ok_and(|now| is_same(&now)) && stat_in(draft.folder, &draft.name).is_ok_and(|there| identity(&there) == identity(stat));
    if !is_it {
        return match draft.rename(&named.name, RenameFlags::EXCHANGE) {
            Ok(()) => Err(changed()),
            Err(_) => Err(draft.left()),
        };
    }
    // who owns the folder may have put something else in the draft's place before
    if named.stat().ok().map(|there| identity(&there)) != fstat(&draft.file).ok().map(|made| identity(&made)) {
        return Err(draft.left());
    }
    Ok(fsync(folder_of(named)?)?)
}

/// The folder, opened so that it can be synced.
fn folder_of(named: &Named) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(&named.folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Gives the new file the old one's owner, extended attributes and mode.
fn take_over(old: &File, stat: &Stat, new: &File) -> Result<(), Failure> {
    let now = fstat(new)?;
    if (now.st_uid, now.st_gid) != (stat.st_uid, stat.st_gid) {
        fchown(new, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    fchmod(new, Mode::from_raw_mode(stat.st_mode & 0o1777))?;
    for name in attributes(old)? {
        let name = CStr::from_bytes_with_nul(&name).map_err(|_| Errno::INVAL)?;
        let (before, here) = (attribute(old, name)?, attribute(new, name));
        if here.is_ok_and(|here| here == before) {
            continue;
        }
        fsetxattr(new, name, &before, XattrFlags::empty()).map_err(|errno| {
            Failure::Other(format!("its attribute {} cannot be kept: {}", name.to_string_lossy(), crate::failure::words(errno)))
        })?;
    }
    Ok(())
}

/// The names of a file's extended attributes, each with its NUL.
fn attributes(file: &impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut list = vec![0; ATTRIBUTES_MAX];
    match flistxattr(file, list.as_mut_slice()) {
        Ok(length) => Ok(list.get(..length).unwrap_or_default().split_inclusive(|b| *b == 0).map(<[u8]>::to_vec).collect()),
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(errno) => Err(errno),
    }
}

fn attribute(file: &impl AsFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; ATTRIBUTES_MAX];
    let length = fgetxattr(file, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    fn at(path: &Path) -> Named {
        Places::new().unwrap().named(path.as_os_str().as_bytes()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn content_is_replaced_and_everything_else_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let file = root.join("file");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let kept = fsetxattr(File::open(&file).unwrap(), c"user.kept", b"value", XattrFlags::empty()).is_ok();
        save(&at(&file), digest(b"old").as_bytes(), b"new text").unwrap();
        assert_eq!((std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().mode() & 0o7777), (b"new text".to_vec(), 0o640));
        if kept {
            assert_eq!(attribute(&File::open(&file).unwrap(), c"user.kept").unwrap(), b"value");
        }
        save(&at(&root.join("made")), NEW, b"made").unwrap();
        assert_eq!((std::fs::read(root.join("made")).unwrap(), std::fs::metadata(root.join("made")).unwrap().mode() & 0o7777), (b"made".to_vec(), 0o644));
        assert_eq!(names(&root), ["file", "made"]);
    }

    #[test]
    fn what_changed_meanwhile_is_left_as_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("outside")).unwrap();
        std::fs::write(root.join("outside/file"), "old").unwrap();
        let file = root.join("file");
        let was = digest(b"old");
        let refused = |what: &str, was: &[u8]| assert!(save(&at(&file), was, b"evil").is_err(), "{what}");
        // gone; other content; a link to the same content; a second name of it; a folder; a pipe; made meanwhile
        refused("gone", was.as_bytes());
        std::fs::write(&file, "other").unwrap();
        refused("content", was.as_bytes());
        refused("made", NEW);
        std::fs::remove_file(&file).unwrap();
        symlink(root.join("outside/file"), &file).unwrap();
        refused("link", was.as_bytes());
        refused("link in the way of a new one", NEW);
        std::fs::remove_file(&file).unwrap();
        std::fs::hard_link(root.join("outside/file"), &file).unwrap();
        refused("second name", was.as_bytes());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        refused("folder", was.as_bytes());
        std::fs::remove_dir(&file).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        refused("pipe", was.as_bytes());
        assert_eq!(std::fs::read(root.join("outside/file")).unwrap(), b"old");
        assert_eq!(names(&root), ["file", "outside"]);
        assert_eq!(names(&root.join("outside")), ["file"]);
    }

    /// The moment between the look and the replacement: what stands under the name then is put back.
    #[test]
    fn a_file_that_takes_the_place_at_the_last_moment_is_put_back() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let file = root.join("file");
        std::fs::write(&file, "old").unwrap();
        let named = at(&file);
        let (old, stat) = plain(named.open(OFlags::RDONLY).unwrap()).unwrap();
        let old = File::from(old);
        let attempt = |named: &Named| {
            let mut draft = Draft::new(&named.folder, b"evil").unwrap();
            replace(named, &mut draft, &old, &stat)
        };
        std::fs::write(root.join("other"), "other").unwrap();
        std::fs::rename(root.join("other"), &file).unwrap();
        assert!(attempt(&named).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"other");
        std::fs::remove_file(&file).unwrap();
        symlink("/etc/hostname", &file).unwrap();
        assert!(attempt(&named).is_err());
        assert_eq!(std::fs::read_link(&file).unwrap(), Path::new("/etc/hostname"));
        assert_eq!(names(&root), ["file"]);
        // and who owns the folder swaps the draft itself: the old content is not lost
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "old").unwrap();
        let (old, stat) = plain(named.open(OFlags::RDONLY).unwrap()).unwrap();
        let mut draft = Draft::new(&named.folder, b"mine").unwrap();
        std::fs::write(root.join("other"), "other").unwrap();
        std::fs::rename(root.join("other"), root.join(OsStr::from_bytes(&draft.name))).unwrap();
        assert!(replace(&named, &mut draft, &File::from(old), &stat).is_err());
        let beside = root.join(OsStr::from_bytes(&draft.name));
        drop(draft);
        assert_eq!((std::fs::read(&file).unwrap(), std::fs::read(beside).unwrap()), (b"other".to_vec(), b"old".to_vec()));
    }
}
