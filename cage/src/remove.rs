//! `sudorm`: takes names away. What a link, a pipe or a device leads to is not touched: it is the name that goes.
//!
//! Folders are emptied by descriptors, never over a link, and not beyond their file system.

use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::place::{Named, Places, kind, open_in, stat_in};
use portcullis_model::bytes::printable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, fstat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// Most folders in each other that are emptied.
const DEPTH_MAX: usize = 512;

/// `sudorm [-dfRrv] FILE...`
///
/// # Errors
/// There is no operand.
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    if arguments.operands.is_empty() {
        return Err(Usage::Operands("it lacks the file"));
    }
    let removal = Removal { recursive: arguments.last_of(&["r", "R", "recursive"]).is_some(), folders: arguments.has("d", "dir"), told: arguments.has("v", "verbose") };
    let force = arguments.has("f", "force");
    for operand in &arguments.operands {
        match places.named(operand).and_then(|named| removal.remove(&named, report)) {
            Ok(()) => {}
            Err(Failure::System(Errno::NOENT | Errno::NOTDIR)) if force => {}
            Err(failure) => report.fail_at(operand, &failure),
        }
    }
    Ok(())
}

struct Removal {
    recursive: bool,
    folders: bool,
    told: bool,
}

impl Removal {
    fn remove(&self, named: &Named, report: &mut Report) -> Result<(), Failure> {
        let stat = named.stat()?;
        if kind(&stat) != FileType::Directory {
            return self.unlink(&named.folder, &named.name, AtFlags::empty(), &named.path);
        }
        if self.recursive {
            let inner = named.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
            if !self.empty(&inner, &named.path, stat.st_dev, 0, report)? {
                return Ok(());
            }
        } else if !self.folders {
            return Err(Failure::Folder);
        }
        self.unlink(&named.folder, &named.name, AtFlags::REMOVEDIR, &named.path)
    }

    /// Empties a folder; whether nothing is left in it, as far as can be told.
    fn empty(&self, folder: &OwnedFd, path: &[u8], device: u64, depth: usize, report: &mut Report) -> Result<bool, Failure> {
        if depth > DEPTH_MAX {
            return Err(Failure::Other("it lies too deep".to_owned()));
        }
        if fstat(folder)?.st_dev != device {
            return Err(Failure::Other("another file system is mounted there; it is left alone".to_owned()));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
        }
        let mut is_empty = true;
        for name in names {
            let path = [path, b"/", name.as_slice()].concat();
            match self.entry(folder, &name, &path, device, depth, report) {
                Ok(removed) => is_empty &= removed,
                // somebody else took it away
                Err(Failure::System(Errno::NOENT)) => {}
                Err(failure) => {
                    report.fail_at(&path, &failure);
                    is_empty = false;
                }
            }
        }
        Ok(is_empty)
    }

    fn entry(&self, folder: &OwnedFd, name: &[u8], path: &[u8], device: u64, depth: usize, report: &mut Report) -> Result<bool, Failure> {
        let is_folder = kind(&stat_in(folder, name)?) == FileType::Directory;
        if is_folder {
            // a link that has taken its place meanwhile is not followed
            let inner = open_in(folder, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            if !self.empty(&inner, path, device, depth + 1, report)? {
                return Ok(false);
            }
        }
        self.unlink(folder, name, if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() }, path)?;
        Ok(true)
    }

    fn unlink(&self, folder: &impl AsFd, name: &[u8], flags: AtFlags, path: &[u8]) -> Result<(), Failure> {
        unlinkat(folder, OsStr::from_bytes(name), flags)?;
        if self.told {
            writeln!(std::io::stdout(), "removed '{}'", printable(path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Command;
    use std::os::unix::fs::symlink;

    fn remove(options: &str, path: &std::path::Path) -> u8 {
        let words = options.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).chain([path.as_os_str().as_bytes().to_vec()]);
        let mut report = Report::new("sudorm");
        run(&Places::new().unwrap(), &Command::Rm.grammar().read(&words.collect::<Vec<_>>()).unwrap(), &mut report).unwrap();
        report.status()
    }

    #[test]
    fn names_go_and_what_links_lead_to_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let (inside, outside) = (root.join("inside"), root.join("outside"));
        for folder in [&inside, &outside, &inside.join("a"), &inside.join("a/b")] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("file"), "x").unwrap();
        }
        symlink(&outside, inside.join("a/way")).unwrap();
        symlink(outside.join("file"), inside.join("a/b/link")).unwrap();
        std::fs::hard_link(outside.join("file"), inside.join("a/twice")).unwrap();
        // neither a folder without -r, nor anything that is reached over a link
        assert_eq!(remove("", &inside.join("a")), 1);
        assert_eq!(remove("-rf", &inside.join("a/way/file")), 1);
        assert_eq!(remove("-r", &inside.join("a/way/file")), 1);
        assert!(outside.join("file").exists());
        assert_eq!(remove("-r", &inside.join("a")), 0);
        assert!(!inside.join("a").exists() && inside.join("file").exists());
        assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"x");
        assert_eq!((remove("-f", &inside.join("none")), remove("", &inside.join("none"))), (0, 1));
        assert_eq!(remove("-d", &inside), 1);
        std::fs::remove_file(inside.join("file")).unwrap();
        assert_eq!(remove("-d", &inside), 0);
    }
}
