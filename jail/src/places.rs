//! From a path of a set to the file or folder that it means, for a rule on it.
//!
//! A symbolic link is followed only where nobody in the session could have put it: in a folder on a read-only mount. Were others
//! followed, whoever writes in one folder of a set could turn the set into another.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, openat, readlinkat, statat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Most symbolic links of one path (`MAXSYMLINKS`, include/linux/namei.h).
const LINKS_MAX: u32 = 40;

/// What a path means.
#[derive(Debug)]
pub(crate) struct Place {
    /// It, opened as a path.
    pub(crate) fd: OwnedFd,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

/// Why a path has no meaning that can be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceFault {
    #[error("{0} cannot be looked at")]
    Unseen(PathBuf, #[source] Errno),
    #[error("{0} leads over a symbolic link in a folder that can be written to")]
    Link(PathBuf),
}

/// What an absolute path means; none when there is nothing of that name.
pub(crate) fn find(path: &str) -> Result<Option<Place>, PlaceFault> {
    let unseen = |errno| PlaceFault::Unseen(path.into(), errno);
    let open_root = || rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(unseen);
    let components = |text: &[u8]| text.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".").map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut todo: VecDeque<Vec<u8>> = components(path.as_bytes()).into();
    let mut above = vec![open_root()?];
    let mut links = 0;
    while let Some(component) = todo.pop_front() {
        if component == b".." {
            if above.len() > 1 {
                above.pop();
            }
            continue;
        }
        let Some(folder) = above.last() else { return Err(unseen(Errno::NOENT)) };
        let kind = match statat(folder, component.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(unseen(errno)),
        };
        if kind == FileType::Symlink {
            links += 1;
            if links > LINKS_MAX {
                return Err(unseen(Errno::LOOP));
            }
            if !fstatvfs(folder).map_err(unseen)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
                return Err(PlaceFault::Link(path.into()));
            }
            let target = readlinkat(folder, component.as_slice(), Vec::new()).map_err(unseen)?.into_bytes();
            if target.starts_with(b"/") {
                above.truncate(1);
            }
            for component in components(&target).into_iter().rev() {
                todo.push_front(component);
            }
            continue;
        }
        // a link that takes its place meanwhile is opened as the link that it is, and then is neither
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(folder, component.as_slice(), flags, Mode::empty()) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(unseen(errno)),
        };
        match FileType::from_raw_mode(fstat(&found).map_err(unseen)?.st_mode) {
            FileType::Symlink => return Err(PlaceFault::Link(path.into())),
            FileType::Directory => above.push(found),
            _ if todo.is_empty() => return Ok(Some(Place { fd: found, folder: false })),
            _ => return Ok(None),
        }
    }
    above.pop().map(|fd| Place { fd, folder: true }).map_or_else(|| Err(unseen(Errno::NOENT)), |place| Ok(Some(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_not_followed_where_they_could_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("real")).unwrap();
        fs::write(path("real/file"), "x").unwrap();
        symlink("/etc", path("etc")).unwrap();
        symlink("real", path("near")).unwrap();
        let folder_of = |name: &str| find(&path(name)).map(|place| place.map(|place| place.folder));
        assert_eq!(folder_of("real").unwrap(), Some(true));
        assert_eq!(folder_of("real/../real/file").unwrap(), Some(false));
        assert_eq!(folder_of("none").unwrap(), None);
        assert_eq!(folder_of("real/file/x").unwrap(), None);
        for link in ["etc", "near", "etc/passwd", "near/file"] {
            assert!(matches!(folder_of(link), Err(PlaceFault::Link(_))), "{link}");
        }
        assert!(find("/").unwrap().unwrap().folder);
    }
}
