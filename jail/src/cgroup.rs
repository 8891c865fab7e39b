//! Where a session's processes are counted and bounded.
//!
//! A session gets the cgroup `portcullis/SESSION` in the version 2 hierarchy, wherever that is mounted: its `cgroup.kill`
//! ends every process at once, forks under way included. The limit on processes is version 2's `pids.max` if that controller
//! is there, else version 1's; without either only the user's own limit (`RLIMIT_NPROC`) is left. Everything is held by
//! descriptors, so it goes on working when the keeper has entered the jail, where no cgroup is to be seen.
//!
//! Their memory is bounded in the same way, by the `memory` controller of whichever version: at the limit the kernel ends the largest
//! process of the session and nothing outside of it. Without that controller each process has a limit of its own.
//!
//! A session's processes share the processors as one: with the `cpu` controller, of whichever version, all sessions together
//! weigh as much as one other process of the node, and each as much as another session, however many processes there are in
//! it and whatever sessions and groups those make for themselves. A fork bomb is one slow session, and the node's own
//! processes, which are to end it, have their turn after one time slice.

use crate::profile::Limits;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why there is no cgroup.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {} failed", path.display())]
pub struct CgroupError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// What bounds the number of a session's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidsLimit {
    /// The cgroup itself.
    Version2,
    /// A cgroup in the version 1 hierarchy.
    Version1,
    /// Only the limit of the user.
    UserLimit,
}

/// What bounds the memory of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The cgroup itself.
    Version2,
    /// A cgroup in the version 1 hierarchy.
    Version1,
    /// Nothing: each process has a limit of its own.
    Process,
}

/// How a session's processes share the processors with the node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuShare {
    /// All of them have the share of one.
    Session,
    /// Each has a share of its own, as a nice value or the kernel's grouping by sessions gives it.
    Process,
}

/// One session's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    unified: Place,
    /// in the version 1 hierarchies of controllers that version 2 does not have
    pids: Option<Place>,
    cpu: Option<Place>,
    memory: Option<Place>,
    limit: PidsLimit,
    memory_limit: MemoryLimit,
    share: CpuShare,
}

/// How much of the processors a session's processes have, against others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// As much as any.
    Plain,
    /// More, to be gone.
    Dying,
}

/// How much more those have that die. Not more than this: all sessions have it for that time, and a keeper must have its turn
/// beside another session that is a fork bomb.
const DYING: u32 = 10;

#[derive(Debug)]
struct Place {
    parent: OwnedFd,
    name: PathBuf,
    folder: OwnedFd,
    path: PathBuf,
}

const FOLDER: &str = "portcullis";

impl Cgroup {
    /// Makes the cgroup of a session; none on a host without version 2, or where the caller may not.
    ///
    /// # Errors
    /// The hierarchy is there and writable, but the cgroup cannot be made.
    pub fn create(session: &str, limits: &Limits) -> Result<Option<Self>, CgroupError> {
        let mounts = Mounts::read();
        let Some(root) = mounts.version2 else { return Ok(None) };
        let own = root.join(FOLDER);
        match std::fs::create_dir(&own) {
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => return Ok(None),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CgroupError { doing: "making cgroup", path: own, source: error });
            }
            _ => {}
        }
        // a controller that is bound to version 1, or not delegated to us, stays away: then there is another limit
        for above in [&root, &own] {
            for controller in ["+pids", "+cpu", "+memory"] {
                let _ = std::fs::write(above.join("cgroup.subtree_control"), controller);
            }
        }
        let unified = match Place::create(&own, session) {
            Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            other => other?,
        };
        let (limit, memory_limit, share) = (PidsLimit::UserLimit, MemoryLimit::Process, CpuShare::Process);
        let mut cgroup = Self { unified, pids: None, cpu: None, memory: None, limit, memory_limit, share };
        let beside = |root: &Option<PathBuf>| {
            let own = root.as_ref()?.join(FOLDER);
            let _ = std::fs::create_dir(&own);
            Place::create(&own, session).ok()
        };
        let processes = limits.processes.to_string();
        if cgroup.unified.write("pids.max", &processes).is_ok() {
            cgroup.limit = PidsLimit::Version2;
        } else if let Some(place) = beside(&mounts.pids_version1) {
            if place.write("pids.max", &processes).is_ok() {
                cgroup.limit = PidsLimit::Version1;
            }
            cgroup.pids = Some(place);
        }
        if cgroup.unified.has("cpu.weight") {
            cgroup.share = CpuShare::Session;
        } else if let Some(place) = beside(&mounts.cpu_version1) {
            cgroup.share = CpuShare::Session;
            cgroup.cpu = Some(place);
        }
        let memory = (u64::from(limits.memory_mib) * 1024 * 1024).to_string();
        if cgroup.unified.write("memory.max", &memory).is_ok() {
            cgroup.memory_limit = MemoryLimit::Version2;
            // what is written out is not less; a kernel without swap has no such file
            let _ = cgroup.unified.write("memory.swap.max", "0");
        } else if let Some(place) = beside(&mounts.memory_version1) {
            if place.write("memory.limit_in_bytes", &memory).is_ok() {
                cgroup.memory_limit = MemoryLimit::Version1;
                let _ = place.write("memory.memsw.limit_in_bytes", &memory);
            }
            cgroup.memory = Some(place);
        }
        // also after a keeper and a warden that were killed while they killed
        cgroup.weigh(Weight::Plain);
        Ok(Some(cgroup))
    }

    /// A cgroup that another process made, by its [`path`](Self::path).
    ///
    /// # Errors
    /// There is none.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        let unified = Place::open(path)?;
        let Mounts { pids_version1, cpu_version1, memory_version1, .. } = Mounts::read();
        let session = unified.path.file_name().map(OsStr::to_owned).unwrap_or_default();
        let beside = |root: Option<PathBuf>| Place::open(&root?.join(FOLDER).join(&session)).ok();
        let (pids, cpu, memory) = (beside(pids_version1), beside(cpu_version1), beside(memory_version1));
        let limit = if pids.is_some() { PidsLimit::Version1 } else { PidsLimit::UserLimit };
        let share = if cpu.is_some() || unified.has("cpu.weight") { CpuShare::Session } else { CpuShare::Process };
        let memory_limit = if memory.is_some() { MemoryLimit::Version1 } else { MemoryLimit::Process };
        Ok(Self { unified, pids, cpu, memory, limit, memory_limit, share })
    }

    /// Its folder, as the host has it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.unified.path
    }

    /// What bounds the number of its processes.
    #[must_use]
    pub fn limit(&self) -> PidsLimit {
        self.limit
    }

    /// What bounds the memory of its processes.
    #[must_use]
    pub fn memory_limit(&self) -> MemoryLimit {
        self.memory_limit
    }

    /// How its processes share the processors.
    #[must_use]
    pub fn share(&self) -> CpuShare {
        self.share
    }

    /// The folder, for a process that is to be made in it.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.unified.folder.as_fd()
    }

    /// Puts a process, and what it will start, under limit and share; the process must have been made in [`Self::folder`].
    pub(crate) fn bound(&self, pid: u32) -> io::Result<()> {
        self.beside().try_for_each(|place| place.write("cgroup.procs", &pid.to_string()))
    }

    /// Its folders in the version 1 hierarchies.
    fn beside(&self) -> impl Iterator<Item = &Place> {
        self.pids.iter().chain(&self.cpu).chain(&self.memory)
    }

    /// The pids of its processes, in the caller's PID namespace; dead ones that nobody has reaped are not among them.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let text = self.unified.read("cgroup.procs").unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
    }

    /// Whether a process is in it. When that cannot be read, there is one.
    #[must_use]
    pub fn populated(&self) -> bool {
        match self.unified.read("cgroup.events") {
            Ok(events) => events.lines().any(|line| line == "populated 1"),
            // the folder was removed, which only an empty one can be
            Err(error) => error.raw_os_error() != Some(Errno::NODEV.raw_os_error()),
        }
    }

    /// Gives its processes more of the processors, or as much as any: what dies runs nothing of its own any more, and is to be
    /// gone soon on a busy node too. The share of all sessions is raised with it, as its own is a part of that.
    pub(crate) fn weigh(&self, weight: Weight) {
        let (place, file, plain) = match (&self.cpu, self.share) {
            (Some(place), _) => (place, "cpu.shares", 1024),
            (None, CpuShare::Session) => (&self.unified, "cpu.weight", 100),
            (None, CpuShare::Process) => return,
        };
        let value = match weight {
            Weight::Plain => plain,
            Weight::Dying => plain * DYING,
        };
        for folder in [place.parent.as_fd(), place.folder.as_fd()] {
            // without it they die all the same
            let _ = write_in(folder, file, &value.to_string());
        }
    }

    /// Kills every process in it, those that are being forked too.
    ///
    /// # Errors
    /// The kernel is older than 5.14.
    pub fn kill(&self) -> io::Result<()> {
        self.unified.write("cgroup.kill", "1")
    }

    /// Removes the folders, each that can be. Works when no process is left; one that is not there is no error.
    ///
    /// # Errors
    /// A process is left in one of them.
    pub fn remove(&self) -> io::Result<()> {
        let mut outcome = Ok(());
        for place in self.beside().chain([&self.unified]) {
            match unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => outcome = outcome.and(Err(errno.into())),
            }
        }
        outcome
    }
}

/// Removes the empty cgroups of sessions whose keeper and warden died without removing them; how many. One in which a
/// process is left stays, as the kernel refuses to remove it, and so does a young one, into which another warden of this
/// node may be about to put its session.
pub fn sweep() -> usize {
    let mounts = Mounts::read();
    let roots = mounts.version2.into_iter().chain(mounts.pids_version1).chain(mounts.cpu_version1).chain(mounts.memory_version1);
    let folders = roots.map(|root| root.join(FOLDER));
    folders.map(|folder| sweep_folder(&folder, YOUNG)).sum()
}

/// Longer than the building of a jail may take.
const YOUNG: Duration = Duration::from_secs(60);

fn sweep_folder(folder: &Path, young: Duration) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let empty = |entry: io::Result<DirEntry>| -> Option<()> {
        let entry = entry.ok()?;
        let made = entry.metadata().ok().filter(Metadata::is_dir)?.modified().ok()?;
        // a folder from the future is young
        (made.elapsed().ok()? >= young).then(|| std::fs::remove_dir(entry.path()).ok())?
    };
    entries.filter_map(empty).count()
}

impl Place {
    fn create(parent: &Path, name: &str) -> Result<Self, CgroupError> {
        let path = parent.join(name);
        let fail = |doing| move |errno: Errno| CgroupError { doing, path: parent.join(name), source: errno.into() };
        let parent = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(fail("opening the folder of cgroup"))?;
        // a session's name is not used twice: what is there was left by a keeper that died
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(fail("making cgroup")(errno)),
        }
        let folder = openat(&parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(fail("opening cgroup"))?;
        Ok(Self { parent, name: name.into(), folder, path })
    }

    fn open(path: &Path) -> Result<Self, CgroupError> {
        let fail = |errno: Errno| CgroupError { doing: "opening cgroup", path: path.to_owned(), source: errno.into() };
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Err(fail(Errno::INVAL)) };
        let parent = rustix::fs::open(above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
        let folder = openat(&parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
        Ok(Self { parent, name: name.into(), folder, path: path.to_owned() })
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        write_in(self.folder.as_fd(), file, text)
    }

    fn has(&self, file: &str) -> bool {
        rustix::fs::accessat(&self.folder, file, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }

    fn read(&self, file: &str) -> io::Result<String> {
        let file = openat(&self.folder, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        File::from(file).read_to_string(&mut text)?;
        Ok(text)
    }
}

fn write_in(folder: BorrowedFd<'_>, file: &str, text: &str) -> io::Result<()> {
    let file = openat(folder, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(file).write_all(text.as_bytes())
}

/// Where the hierarchies are mounted.
struct Mounts {
    version2: Option<PathBuf>,
    pids_version1: Option<PathBuf>,
    cpu_version1: Option<PathBuf>,
    memory_version1: Option<PathBuf>,
}

impl Mounts {
    fn read() -> Self {
        Self::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(mountinfo: &[u8]) -> Self {
        let mut mounts = Self { version2: None, pids_version1: None, cpu_version1: None, memory_version1: None };
        for line in mountinfo.split(|b| *b == b'\n') {
            let Some((fields, kind)) = split_once(line, b" - ") else { continue };
            let point = fields.split(|b| *b == b' ').nth(4).map(|p| PathBuf::from(OsStr::from_bytes(p)));
            let mut kind = kind.split(|b| *b == b' ');
            match (kind.next(), kind.nth(1)) {
                (Some(b"cgroup2"), _) => mounts.version2 = mounts.version2.or(point),
                (Some(b"cgroup"), Some(options)) => {
                    let has = |controller: &[u8]| options.split(|b| *b == b',').any(|option| option == controller);
                    if has(b"pids") {
                        mounts.pids_version1 = mounts.pids_version1.or_else(|| point.clone());
                    }
                    if has(b"cpu") {
                        mounts.cpu_version1 = mounts.cpu_version1.or_else(|| point.clone());
                    }
                    if has(b"memory") {
                        mounts.memory_version1 = mounts.memory_version1.or(point);
                    }
                }
                _ => {}
            }
        }
        mounts
    }
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|w| w == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cgroup of its own, and where it is; none where the caller cannot make one.
    fn own(name: &str) -> Option<Cgroup> {
        let limits = Limits { processes: 16, memory_mib: 64, ..crate::profile::DEFAULTS };
        let cgroup = Cgroup::create(&format!("test-{name}-{}", std::process::id()), &limits).unwrap();
        if cgroup.is_none() {
            eprintln!("SKIPPED: no cgroup version 2 that this user may write to");
        }
        cgroup
    }

    #[test]
    fn what_keeps_one_folder_does_not_keep_the_other() {
        let Some(cgroup) = own("remove") else { return };
        let Some(other) = cgroup.beside().next() else {
            eprintln!("SKIPPED: no controller is version 1's");
            return cgroup.remove().unwrap();
        };
        // a folder in it keeps it, as a process would
        let inside = other.path.join("inside");
        std::fs::create_dir(&inside).unwrap();
        let removed = cgroup.remove();
        std::fs::remove_dir(&inside).unwrap();
        assert_eq!(removed.unwrap_err().raw_os_error(), Some(Errno::BUSY.raw_os_error()));
        assert!(other.path.exists() && !cgroup.path().exists());
        cgroup.remove().unwrap();
        assert!(cgroup.beside().all(|place| !place.path.exists()));
    }

    #[test]
    fn what_dies_weighs_more_and_the_next_session_as_much_as_any() {
        let Some(cgroup) = own("weight") else { return };
        let Some(place) = cgroup.cpu.as_ref() else {
            eprintln!("SKIPPED: the cpu controller is not version 1's");
            return cgroup.remove().unwrap();
        };
        let shares = || place.read("cpu.shares").unwrap().trim().parse::<u32>().unwrap();
        assert_eq!((cgroup.share(), shares()), (CpuShare::Session, 1024));
        cgroup.weigh(Weight::Dying);
        assert_eq!(shares(), 1024 * DYING);
        // by another, as a warden does for a keeper that is dead
        Cgroup::open(cgroup.path()).unwrap().weigh(Weight::Plain);
        assert_eq!(shares(), 1024);
        cgroup.remove().unwrap();
    }

    #[test]
    fn only_old_and_empty_folders_are_swept() {
        let Some(cgroup) = own("sweep") else { return };
        let (empty, full) = (cgroup.path().join("empty"), cgroup.path().join("full"));
        std::fs::create_dir(&empty).unwrap();
        std::fs::create_dir_all(full.join("inside")).unwrap();
        assert_eq!(sweep_folder(cgroup.path(), YOUNG), 0);
        assert!(empty.exists());
        assert_eq!(sweep_folder(cgroup.path(), Duration::ZERO), 1);
        assert!(!empty.exists() && full.exists());
        std::fs::remove_dir(full.join("inside")).unwrap();
        assert_eq!(sweep_folder(cgroup.path(), Duration::ZERO), 1);
        cgroup.remove().unwrap();
    }

    #[test]
    fn hierarchies_are_found_by_type_not_by_place() {
        let text = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n\
            33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let mounts = Mounts::parse(text);
        assert_eq!(mounts.version2.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(mounts.pids_version1.as_deref(), Some(Path::new("/sys/fs/cgroup/pids")));
        assert_eq!(mounts.cpu_version1.as_deref(), Some(Path::new("/sys/fs/cgroup/cpu")));
        assert_eq!(mounts.memory_version1.as_deref(), Some(Path::new("/sys/fs/cgroup/memory")));
        let both = Mounts::parse(b"1 1 0:1 / /a rw - cgroup cgroup rw,cpu,pids");
        assert_eq!((both.pids_version1, both.cpu_version1), (Some("/a".into()), Some("/a".into())));
        let none = Mounts::parse(b"garbage\n\n27 1 254:0 / / rw - ext4 /dev/vda rw");
        assert!(none.version2.is_none() && none.pids_version1.is_none() && none.cpu_version1.is_none());
    }
}
