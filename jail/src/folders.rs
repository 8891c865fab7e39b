//! The folders that all sessions of one grant share: its home and its `/tmp`. They are bounded, live in memory, and end with
//! the grant; nothing of them is ever on a disk.
//!
//! They are mounted in a mount namespace of their keeper's own (the warden's), so no other process of the host sees them and
//! they are gone with it, whatever way it ends. Without root nobody can do that for another user namespace: there each session
//! has its own.

use crate::root::{QUIET, file_system};
use crate::sys::process;
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Most files and folders in each.
const FILES_MAX: u32 = 65_536;

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum FoldersError {
    /// No mount namespace of one's own.
    #[error("no mounts of its own")]
    Namespace(#[source] io::Error),
    /// One of them was not made.
    #[error("{}", path.display())]
    Make {
        /// which
        path: PathBuf,
        /// why
        #[source]
        source: io::Error,
    },
}

/// Gives this process, and what it starts from here on, mounts of its own: what is mounted or unmounted on the host is still
/// seen, what is mounted here is not seen there. To be called before there are other threads.
///
/// # Errors
/// [`FoldersError::Namespace`], as without `CAP_SYS_ADMIN`.
pub fn own_mounts() -> Result<(), FoldersError> {
    process::unshare_mounts().map_err(FoldersError::Namespace)?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).map_err(|errno| FoldersError::Namespace(errno.into()))
}

/// The folders of one grant. They end when it is dropped; sessions that still have them keep them until they end.
#[derive(Debug)]
pub struct Folders {
    place: PathBuf,
}

impl Folders {
    /// Makes them below `place`, which is made as well: each of at most so many MiB, the home for this user alone.
    ///
    /// # Errors
    /// [`FoldersError::Make`]; nothing is left then.
    pub fn make(place: PathBuf, uid: u32, gid: u32, mib: u32) -> Result<Self, FoldersError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| FoldersError::Make { path, source }
        };
        let folder = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path)(error)),
            _ => Ok(()),
        };
        folder(&place)?;
        let all = Self { place };
        for (path, mode, owner) in [(all.home(), "700", (uid, gid)), (all.tmp(), "1777", (0, 0))] {
            folder(&path)?;
            let (uid, gid) = owner;
            let options = [("size", format!("{mib}m")), ("nr_inodes", FILES_MAX.to_string()), ("mode", mode.to_owned()), ("uid", uid.to_string()), ("gid", gid.to_string())];
            let mounted = file_system("tmpfs", &options, QUIET).and_then(|mount| move_mount(mount, c"", CWD, &path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH));
            mounted.map_err(|errno| failed(&path)(errno.into()))?;
        }
        Ok(all)
    }

    /// The folder that holds them.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    fn home(&self) -> PathBuf {
        home(&self.place)
    }

    fn tmp(&self) -> PathBuf {
        tmp(&self.place)
    }
}

/// The home below a place.
pub(crate) fn home(place: &Path) -> PathBuf {
    place.join("home")
}

/// The `/tmp` below a place.
pub(crate) fn tmp(place: &Path) -> PathBuf {
    place.join("tmp")
}

impl Drop for Folders {
    fn drop(&mut self) {
        for path in [self.home(), self.tmp()] {
            // what is not mounted, or not there, is what was wanted
            let _ = unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
            let _ = std::fs::remove_dir(&path);
        }
        let _ = std::fs::remove_dir(&self.place);
    }
}
