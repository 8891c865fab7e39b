//! `sudocp`: copies files, and with `-r` folders, within the folders of the verdict and to and from what the operator has to himself.
//!
//! What is made in a place of the operator's, his home or `/tmp`, belongs to him: he could not read it otherwise. Everything else belongs to
//! root. A file that is there keeps its owner and mode. Links, pipes, sockets and devices are not copied: a link that root made in one
//! folder would lead others out of it.

use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::place::{Named, Places, identity, kind, plain};
use portcullis_model::bytes::printable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, ftruncate, mkdirat, unlinkat};
use rustix::io::{Errno, read, write};
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// Most folders in each other that are copied.
const DEPTH_MAX: usize = 256;
/// Bytes that are moved at once.
const PIECE: usize = 128 * 1024;
/// What nobody but the owner gets of a mode.
const MASKED: u32 = 0o022;

/// What happens to a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// Its content is replaced.
    Written,
    /// The same; one that cannot be written is removed.
    Forced,
    /// It stays.
    Kept,
}

struct Copying {
    existing: Existing,
    recursive: bool,
    told: bool,
    /// Who asked, when it is somebody else than who this runs as.
    asker: Option<(u32, u32)>,
}

/// `sudocp [-fnRrv] FILE... TO`
///
/// # Errors
/// There is nothing to copy, or no place for it.
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    let Some((to, from)) = arguments.operands.split_last().filter(|(_, from)| !from.is_empty()) else {
        return Err(Usage::Operands("it lacks what to copy, or where to"));
    };
    let existing = match arguments.last_of(&["f", "force", "n", "no-clobber"]) {
        None => Existing::Written,
        Some(0 | 1) => Existing::Forced,
        Some(_) => Existing::Kept,
    };
    let recursive = arguments.last_of(&["r", "R", "recursive"]).is_some();
    let copying = Copying { existing, recursive, told: arguments.has("v", "verbose"), asker: asker() };
    let folder = match places.open(to, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(folder) => Some(folder),
        Err(Failure::System(Errno::NOENT | Errno::NOTDIR)) => None,
        Err(failure) => {
            report.fail_at(to, &failure);
            return Ok(());
        }
    };
    if folder.is_none() && (from.len() > 1 || to.ends_with(b"/")) {
        report.fail_at(to, &Errno::NOTDIR.into());
        return Ok(());
    }
    for operand in from {
        let source = places.named(operand);
        let target = match (&folder, &source) {
            (Some(folder), Ok(source)) => folder.try_clone().map_err(Failure::from).and_then(|folder| {
                let path = places.normal(to)?;
                Ok(Named { folder, name: source.name.clone(), path: [&path, &b"/"[..], &source.name].concat() })
            }),
            _ => places.named(to),
        };
        let target = target.map_err(|failure| Failure::Other(format!("{}: {failure}", printable(to))));
        let copied = source.and_then(|source| copying.copy(&source, &target?, 0, report));
        if let Err(failure) = copied {
            report.fail_at(operand, &failure);
        }
    }
    Ok(())
}

/// Who asked for this, as the node says; whoever runs it by himself could say anything, and has the rights for nothing.
fn asker() -> Option<(u32, u32)> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?)).filter(|(uid, _)| *uid != rustix::process::geteuid().as_raw())
}

impl Copying {
    fn copy(&self, from: &Named, to: &Named, depth: usize, report: &mut Report) -> Result<(), Failure> {
        match kind(&from.stat()?) {
            FileType::RegularFile => self.file(from, to, report),
            FileType::Directory if !self.recursive => Err(Failure::Other("it is a directory, which is copied with -r only".to_owned())),
            FileType::Directory => self.folder(from, to, depth, report),
            FileType::Symlink => Err(Errno::LOOP.into()),
            _ => Err(Failure::Odd),
        }
    }

    fn file(&self, from: &Named, to: &Named, report: &mut Report) -> Result<(), Failure> {
        let (source, stat) = plain(from.open(OFlags::RDONLY)?)?;
        let (target, made) = match to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL) {
            Ok(target) => (target, true),
            Err(Failure::System(Errno::EXIST)) if self.existing == Existing::Kept => return Ok(()),
            Err(Failure::System(Errno::EXIST)) => self.existing(to, &stat).map_err(|failure| about(to, &failure))?,
            Err(failure) => return Err(about(to, &failure)),
        };
        let copied = pour(&source, &target).map_err(Failure::from).and_then(|()| if made { self.give(&to.folder, &target, &stat) } else { Ok(()) });
        if copied.is_err() && made {
            // half a copy is none; unless somebody has put another file in its place
            let is_it = fstat(&target).is_ok_and(|made| to.stat().is_ok_and(|there| identity(&made) == identity(&there)));
            if is_it {
                let _ = unlinkat(&to.folder, OsStr::from_bytes(&to.name), AtFlags::empty());
            }
        }
        copied?;
        self.tell(from, to, report);
        Ok(())
    }

    /// A file that is there, opened to be written; and whether it is a new one after all.
    fn existing(&self, to: &Named, source: &Stat) -> Result<(OwnedFd, bool), Failure> {
        let opened = to.open(OFlags::WRONLY).and_then(plain);
        let (target, stat) = match opened {
            Ok(opened) => opened,
            Err(Failure::System(Errno::ACCESS | Errno::PERM | Errno::TXTBSY)) if self.existing == Existing::Forced => {
                if kind(&to.stat()?) != FileType::RegularFile {
                    return Err(Failure::Odd);
                }
                unlinkat(&to.folder, OsStr::from_bytes(&to.name), AtFlags::empty())?;
                return Ok((to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?, true));
            }
            Err(failure) => return Err(failure),
        };
        if identity(&stat) == identity(source) {
            return Err(Failure::Other("it would be copied to itself".to_owned()));
        }
        if stat.st_mode & 0o6000 != 0 {
            return Err(Failure::SetId);
        }
        ftruncate(&target, 0)?;
        Ok((target, false))
    }

    fn folder(&self, from: &Named, to: &Named, depth: usize, report: &mut Report) -> Result<(), Failure> {
        if depth >= DEPTH_MAX {
            return Err(Failure::Other("it lies too deep".to_owned()));
        }
        let source = from.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
        let stat = fstat(&source)?;
        // a folder that is copied into itself would never end
        if contains(&source, &to.folder)? {
            return Err(Failure::Other("it would be copied into itself".to_owned()));
        }
        let names = names_in(&source)?;
        let made = match mkdirat(&to.folder, OsStr::from_bytes(&to.name), Mode::from_raw_mode(0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(about(to, &errno.into())),
        };
        let target = to.open(OFlags::RDONLY | OFlags::DIRECTORY).map_err(|failure| about(to, &failure))?;
        // who owns the folder around it can have put one of root's in its place: that is no one's to give away, and has something in it
        if made && names_in(&target)?.is_empty() {
            self.give(&to.folder, &target, &stat)?;
        }
        for name in names {
            let (from, to) = (from.inside(source.try_clone()?, &name), to.inside(target.try_clone()?, &name));
            if let Err(failure) = self.copy(&from, &to, depth + 1, report) {
                report.fail_at(&from.path, &failure);
            }
        }
        self.tell(from, to, report);
        Ok(())
    }

    /// Gives what was made the mode of what it is a copy of, and in a place of the operator's to him.
    fn give(&self, folder: &OwnedFd, made: &OwnedFd, of: &Stat) -> Result<(), Failure> {
        if let Some((uid, gid)) = self.asker {
            let place = fstat(folder)?;
            // his own folder, or one that is everybody's
            if place.st_uid == uid || place.st_mode & 0o1002 == 0o1002 {
                fchown(made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
        }
        Ok(fchmod(made, Mode::from_raw_mode(of.st_mode & 0o777 & !MASKED))?)
    }

    fn tell(&self, from: &Named, to: &Named, report: &mut Report) {
        // who does not read it any more has the copy all the same
        if self.told && writeln!(std::io::stdout(), "'{}' -> '{}'", printable(&from.path), printable(&to.path)).is_err() {
            report.end(1);
        }
    }
}

/// What went wrong at the other end.
fn about(to: &Named, failure: &Failure) -> Failure {
    Failure::Other(format!("{}: {failure}", printable(&to.path)))
}

fn names_in(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether `inner` is `outer` or lies below it.
fn contains(outer: &OwnedFd, inner: &impl AsFd) -> Result<bool, Failure> {
    let outer = identity(&fstat(outer)?);
    let mut at = rustix::fs::openat(inner, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for _ in 0..=DEPTH_MAX {
        let here = identity(&fstat(&at)?);
        if here == outer {
            return Ok(true);
        }
        let above = rustix::fs::openat(&at, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        if identity(&fstat(&above)?) == here {
            return Ok(false);
        }
        at = above;
    }
    Err(Failure::Other("it lies too deep".to_owned()))
}

fn pour(source: &OwnedFd, target: &OwnedFd) -> Result<(), Errno> {
    let mut piece = vec![0; PIECE];
    loop {
        let got = match read(source, &mut piece) {
            Ok(0) => return Ok(()),
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let mut left = piece.get(..got).unwrap_or_default();
        while !left.is_empty() {
            match write(target, left) {
                Ok(done) => left = left.get(done..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Command;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};

    fn copy(options: &str, paths: &[&Path]) -> u8 {
        let options = options.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec());
        let words: Vec<Vec<u8>> = options.chain(paths.iter().map(|path| path.as_os_str().as_bytes().to_vec())).collect();
        let mut report = Report::new("sudocp");
        run(&Places::new().unwrap(), &Command::Cp.grammar().read(&words).unwrap(), &mut report).unwrap();
        report.status()
    }

    struct Bench {
        _temporary: tempfile::TempDir,
        root: PathBuf,
    }

    fn bench() -> Bench {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        for folder in ["from", "from/deep", "to", "outside"] {
            std::fs::create_dir(root.join(folder)).unwrap();
            std::fs::write(root.join(folder).join("file"), folder).unwrap();
        }
        Bench { _temporary: temporary, root }
    }

    #[test]
    fn files_and_folders_are_copied() {
        let Bench { root, _temporary } = bench();
        assert_eq!(copy("", &[&root.join("from/file"), &root.join("to/new")]), 0);
        assert_eq!(std::fs::read(root.join("to/new")).unwrap(), b"from");
        assert_eq!(copy("", &[&root.join("from/file"), &root.join("to")]), 0);
        assert_eq!(std::fs::read(root.join("to/file")).unwrap(), b"from");
        assert_eq!(copy("", &[&root.join("from"), &root.join("to")]), 1);
        assert_eq!(copy("-r", &[&root.join("from"), &root.join("to")]), 0);
        assert_eq!(std::fs::read(root.join("to/from/deep/file")).unwrap(), b"from/deep");
        std::fs::set_permissions(root.join("from/file"), std::fs::Permissions::from_mode(0o6777)).unwrap();
        assert_eq!(copy("", &[&root.join("from/file"), &root.join("to/mode")]), 0);
        assert_eq!(std::fs::metadata(root.join("to/mode")).unwrap().mode() & 0o7777, 0o755);
        // one that is there keeps its own
        std::fs::set_permissions(root.join("to/new"), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(copy("", &[&root.join("to/from/deep/file"), &root.join("to/new")]), 0);
        assert_eq!((std::fs::read(root.join("to/new")).unwrap(), std::fs::metadata(root.join("to/new")).unwrap().mode() & 0o777), (b"from/deep".to_vec(), 0o600));
        assert_eq!(copy("-n", &[&root.join("from/file"), &root.join("to/new")]), 0);
        assert_eq!(std::fs::read(root.join("to/new")).unwrap(), b"from/deep");
    }

    #[test]
    fn what_is_made_in_a_place_of_the_askers_is_his_and_nothing_else() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: to give files away needs root");
            return;
        }
        let Bench { root, _temporary } = bench();
        let copying = Copying { existing: Existing::Written, recursive: true, told: false, asker: Some((70_001, 70_002)) };
        std::fs::create_dir(root.join("from/none")).unwrap();
        for (folder, mode, owner) in [("his", 0o700, 70_001), ("tmp", 0o1777, 0), ("roots", 0o755, 0), ("open", 0o777, 0)] {
            std::fs::create_dir(root.join(folder)).unwrap();
            std::fs::set_permissions(root.join(folder), std::fs::Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(root.join(folder), Some(owner), None).unwrap();
            std::fs::write(root.join(folder).join("there"), "old").unwrap();
            let copy = |from: &str, to: &str| {
                let named = |path: PathBuf| Places::new().unwrap().named(path.as_os_str().as_bytes()).unwrap();
                copying.copy(&named(root.join(from)), &named(root.join(folder).join(to)), 0, &mut Report::new("sudocp")).unwrap();
                std::fs::metadata(root.join(folder).join(to)).map(|stat| (stat.uid(), stat.gid())).unwrap()
            };
            let want = if matches!(folder, "his" | "tmp") { (70_001, 70_002) } else { (0, 0) };
            assert_eq!((copy("from/file", "new"), copy("from/file", "there"), copy("from", "deep")), (want, (0, 0), want), "{folder}");
            let inner = std::fs::metadata(root.join(folder).join("deep/deep/file")).unwrap();
            assert_eq!((inner.uid(), inner.gid()), want, "{folder}");
        }
    }

    #[test]
    fn nothing_goes_over_links_or_into_itself() {
        let Bench { root, _temporary } = bench();
        symlink(root.join("outside/file"), root.join("to/link")).unwrap();
        symlink(root.join("outside"), root.join("to/way")).unwrap();
        std::fs::hard_link(root.join("outside/file"), root.join("to/twice")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("to/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for target in ["to/link", "to/way/file", "to/way", "to/way/new", "to/twice", "to/pipe"] {
            assert_eq!(copy("-f", &[&root.join("from/file"), &root.join(target)]), 1, "{target}");
        }
        for source in ["to/link", "to/way/file", "to/way", "to/twice", "to/pipe"] {
            assert_eq!(copy("-r", &[&root.join(source), &root.join("from/copy")]), 1, "{source}");
            assert!(!root.join("from/copy").exists(), "{source}");
        }
        assert_eq!(std::fs::read_dir(root.join("outside")).unwrap().count(), 1);
        assert_eq!(std::fs::read(root.join("outside/file")).unwrap(), b"outside");
        for target in ["from", "from/deep", "from/deep/new"] {
            assert_eq!(copy("-r", &[&root.join("from"), &root.join(target)]), 1, "{target}");
        }
        assert_eq!(copy("", &[&root.join("from/file"), &root.join("from/file")]), 1);
        assert_eq!(std::fs::read(root.join("from/file")).unwrap(), b"from");
        assert_eq!(std::fs::read_dir(root.join("from/deep")).unwrap().count(), 1);
        // what is in a folder beside links is copied, and the status tells that not all was
        symlink("/etc/passwd", root.join("from/deep/link")).unwrap();
        assert_eq!(copy("-r", &[&root.join("from"), &root.join("outside")]), 1);
        assert!(root.join("outside/from/deep/file").exists() && !root.join("outside/from/deep/link").exists());
    }
}
