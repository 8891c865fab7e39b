//! The file system that a session sees: a small temporary one, read-only in the end, with parts of the host mounted in it.
//!
//! What comes from the host is first taken as detached copies of mounts, restricted while nobody can reach them, and only
//! then put in place: there is no moment at which a view is writable, and it does not matter what the new root covers.

use crate::account::{Account, TTY_GID};
use crate::folders;
use crate::orders::HELPER;
use crate::profile::{Access, Proc, Profile};
use crate::ruleset::Ruled;
use crate::spec::JailSpec;
use crate::sys::confine::{Reach, restrict_mount};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, readlinkat, statat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

pub(crate) const QUIET: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;

/// Where the jail has the shell.
pub(crate) const SHELL: &str = "/run/portcullis/shell";
/// A folder of the jail's own programs, the last that is searched.
pub(crate) const BIN: &str = "/run/portcullis/bin";
/// Programs that are requests for others.
pub(crate) const REQUESTS: [&str; 3] = ["sudo", "su", "rootexec"];
/// Names of the cage's program, which does what it is called.
const CAGE: [&str; 9] = ["sudols", "sudocat", "sudohead", "sudotail", "sudocp", "sudorm", "sudovi", "sudovi-read", "sudovi-write"];
/// A folder that every Linux has; the new root is mounted there until it is *the* root.
const STAGE: &str = "/tmp";

/// An error, and what it was about.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub(crate) struct At {
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn at<E: Into<io::Error>>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> At {
    move |error| At { path: path.into(), source: error.into() }
}

/// A part of the host, taken but not yet in place.
pub(crate) struct Taken {
    path: PathBuf,
    what: What,
    access: Access,
}

enum What {
    Tree { tree: OwnedFd, folder: bool },
    Link(CString),
}

/// Takes what the profile shows, the devices that every program expects, the shell, the helper, the cage commands, and what the grant's sessions share.
pub(crate) fn take(spec: &JailSpec, account: &Account) -> Result<Vec<Taken>, At> {
    let mut taken = Vec::new();
    for view in &spec.profile.views {
        match take_one(&view.path, &view.path, view.access) {
            Ok(one) => taken.push(one),
            Err(error) if view.optional && matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let path = Path::new("/dev").join(device);
        let tree = copy(&path)?;
        // a device on a read-only mount can be written to, but not be given another mode or owner
        let attributes = READ_ONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        restrict_mount(tree.as_fd(), attributes, Reach::Tree).map_err(at(&path))?;
        taken.push(Taken { path, what: What::Tree { tree, folder: false }, access: Access::Read });
    }
    taken.push(take_one(&spec.shell, Path::new(SHELL), Access::Execute)?);
    if let Some(helper) = &spec.helper {
        taken.push(take_one(helper, Path::new(HELPER), Access::Execute)?);
        // names to be found and judged by, on nodes that do not have them: what runs is what the policy says, never this
        for name in REQUESTS {
            taken.push(take_one(helper, &Path::new(BIN).join(name), Access::Execute)?);
        }
    }
    if let Some(cage) = &spec.cage {
        for name in CAGE {
            taken.push(take_one(cage, &Path::new(BIN).join(name), Access::Execute)?);
        }
    }
    if let Some(shared) = spec.folders.as_deref() {
        taken.push(take_one(&folders::home(shared), Path::new(&account.home()), Access::Write)?);
        taken.push(take_one(&folders::tmp(shared), Path::new("/tmp"), Access::Write)?);
    }
    Ok(taken)
}

fn take_one(source: &Path, target: &Path, access: Access) -> Result<Taken, At> {
    let kind = FileType::from_raw_mode(statat(CWD, source, AtFlags::SYMLINK_NOFOLLOW).map_err(at(source))?.st_mode);
    if kind == FileType::Symlink {
        // it points to wherever it points to in the jail
        let text = readlinkat(CWD, source, Vec::new()).map_err(at(source))?;
        return Ok(Taken { path: target.to_owned(), what: What::Link(text), access });
    }
    let tree = copy(source)?;
    let attributes = match access {
        Access::Read => READ_ONLY | QUIET,
        Access::Execute => READ_ONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
        Access::Write => QUIET,
    };
    restrict_mount(tree.as_fd(), attributes, Reach::Tree).map_err(at(source))?;
    Ok(Taken { path: target.to_owned(), what: What::Tree { tree, folder: kind == FileType::Directory }, access })
}

fn copy(path: &Path) -> Result<OwnedFd, At> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(CWD, path, flags).map_err(at(path))
}

/// A new file system with options, mounted nowhere yet.
pub(crate) fn file_system(kind: &str, options: &[(&str, String)], attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(&context, *name, value.as_str())?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A `/proc` of the caller's PID namespace, mounted nowhere.
pub(crate) fn own_proc() -> rustix::io::Result<OwnedFd> {
    file_system("proc", &[], QUIET)
}

/// Sets `vm.memfd_noexec` for the caller's PID namespace, through a `/proc` of it.
pub(crate) fn forbid_executable_memory(proc: BorrowedFd<'_>) -> std::io::Result<()> {
    let setting = openat(proc, "sys/vm/memfd_noexec", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    std::fs::File::from(setting).write_all(b"2")
}

fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> rustix::io::Result<()> {
    move_mount(mount, c"", place, c"", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH)
}

/// The new root while it is built.
pub(crate) struct Root {
    folder: OwnedFd,
}

impl Root {
    /// An empty one.
    pub(crate) fn new() -> Result<Self, At> {
        let options = [("size", "2m".to_owned()), ("nr_inodes", "4096".to_owned()), ("mode", "755".to_owned())];
        let folder = file_system("tmpfs", &options, QUIET).map_err(at("/"))?;
        let stage = rustix::fs::open(STAGE, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(at(STAGE))?;
        attach(folder.as_fd(), stage.as_fd()).map_err(at(STAGE))?;
        Ok(Self { folder })
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Puts what was taken in place; what then has a right of its own.
    pub(crate) fn place(&self, taken: Vec<Taken>) -> Result<Vec<Ruled>, At> {
        let mut ruled = Vec::new();
        for Taken { path, what, access } in taken {
            match what {
                What::Link(text) => self.link(&text, &path)?,
                What::Tree { tree, folder } => {
                    let place = if folder { self.folder_at(&path)? } else { self.file_at(&path)? };
                    attach(tree.as_fd(), place.as_fd()).map_err(at(&path))?;
                    ruled.push(Ruled { path, access, folder });
                }
            }
        }
        Ok(ruled)
    }

    /// The account's files, and those that name this node and its neighbours.
    pub(crate) fn files(&self, account: &Account) -> Result<(), At> {
        for (path, text) in account.files() {
            self.write(path, text.as_bytes())?;
        }
        for path in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
            // the content of what may be a link to somewhere that the jail does not have; a host without it is all right
            let mut content = Vec::new();
            if let Ok(file) = std::fs::File::open(path) {
                file.take(64 * 1024).read_to_end(&mut content).map_err(at(path))?;
                self.write(path, &content)?;
            }
        }
        let links = [(c"../proc/self/mounts", "/etc/mtab"), (c"../tmp", "/var/tmp"), (c"/run", "/var/run")];
        links.into_iter().try_for_each(|(text, path)| self.link(text, Path::new(path)))
    }

    /// Links in `/dev`, and terminals of its own: another session's cannot be seen, let alone opened.
    pub(crate) fn terminals(&self, tty_group: bool) -> Result<(), At> {
        let links = [(c"/proc/self/fd", "fd"), (c"/proc/self/fd/0", "stdin"), (c"/proc/self/fd/1", "stdout"), (c"/proc/self/fd/2", "stderr"), (c"pts/ptmx", "ptmx")];
        for (text, name) in links {
            self.link(text, &Path::new("/dev").join(name))?;
        }
        let mut options = vec![("ptmxmode", "0666".to_owned()), ("mode", "0620".to_owned()), ("max", "32".to_owned())];
        if tty_group {
            options.push(("gid", TTY_GID.to_string()));
        }
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        self.mount("devpts", &options, attributes, Path::new("/dev/pts"))
    }

    /// The folders that can be written to and are this session's own: bounded, and nothing in them runs.
    pub(crate) fn temporary(&self, profile: &Profile, account: &Account, owner: Option<(u32, u32)>, shared: Option<&Path>) -> Result<Vec<Ruled>, At> {
        let home = account.home();
        let (tmp, shm) = (profile.limits.tmp_mib, profile.limits.shm_mib);
        let mut folders = vec![("/dev/shm", shm, "1777")];
        if shared.is_none() {
            folders.extend([("/tmp", tmp, "1777"), (home.as_str(), tmp, "700")]);
        }
        for (path, size, mode) in &folders {
            let mut options = vec![("size", format!("{size}m")), ("nr_inodes", "65536".to_owned()), ("mode", (*mode).to_owned())];
            if let Some((uid, gid)) = owner.filter(|_| *mode == "700") {
                options.extend([("uid", uid.to_string()), ("gid", gid.to_string())]);
            }
            self.mount("tmpfs", &options, QUIET, Path::new(path))?;
        }
        Ok(folders.into_iter().map(|(path, ..)| Ruled { path: path.into(), access: Access::Write, folder: true }).collect())
    }

    /// `/proc`, read-only: nobody writes to another's memory, or to the kernel's settings, through it. On the way,
    /// `vm.memfd_noexec` is set for the PID namespace, where this kernel has it and the caller may: no file in memory is ever
    /// executable. (The filter of system calls says the same, for kernels and callers without.)
    pub(crate) fn proc(&self, which: Proc) -> Result<(), At> {
        let path = Path::new("/proc");
        let own = own_proc().map_err(at(path))?;
        let _ = forbid_executable_memory(own.as_fd());
        let shown = match which {
            Proc::Private => own,
            Proc::Host => copy(path)?,
        };
        restrict_mount(shown.as_fd(), READ_ONLY | QUIET, Reach::Tree).map_err(at(path))?;
        attach(shown.as_fd(), self.folder_at(path)?.as_fd()).map_err(at(path))
    }

    /// Makes the root itself read-only; the mounts in it stay as they are.
    pub(crate) fn seal(&self) -> Result<(), At> {
        self.folder_at(Path::new("/root"))?;
        restrict_mount(self.folder(), READ_ONLY, Reach::Mount).map_err(at("/"))
    }

    fn mount(&self, kind: &str, options: &[(&str, String)], attributes: MountAttrFlags, path: &Path) -> Result<(), At> {
        let mount = file_system(kind, options, attributes).map_err(at(path))?;
        attach(mount.as_fd(), self.folder_at(path)?.as_fd()).map_err(at(path))
    }

    /// The folder at `path`, made if need be. Links on the way are not followed: they would lead out of the new root.
    fn folder_at(&self, path: &Path) -> Result<OwnedFd, At> {
        let mut folder = self.folder.try_clone().map_err(at(path))?;
        for name in path.components() {
            let Component::Normal(name) = name else { continue };
            match mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(at(path)(errno)),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = openat(&folder, name, flags, Mode::empty()).map_err(at(path))?;
        }
        Ok(folder)
    }

    fn parent_of<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a std::ffi::OsStr), At> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder_at(parent)?, name)),
            _ => Err(at(path)(Errno::INVAL)),
        }
    }

    /// The file at `path`, made empty if need be.
    fn file_at(&self, path: &Path) -> Result<OwnedFd, At> {
        let (folder, name) = self.parent_of(path)?;
        let made = openat(&folder, name, OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o444));
        match made {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(at(path)(errno)),
        }
        openat(&folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(at(path))
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), At> {
        let (folder, name) = self.parent_of(Path::new(path))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, name, flags, Mode::from_raw_mode(0o644)).map_err(at(path))?;
        std::fs::File::from(file).write_all(content).map_err(at(path))
    }

    /// A link; one that is there already, in a view, stays.
    fn link(&self, text: &std::ffi::CStr, path: &Path) -> Result<(), At> {
        let (folder, name) = self.parent_of(path)?;
        match symlinkat(text, &folder, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(at(path)(errno)),
        }
    }
}
