//! Who asks: the facts about a caller that are not in its memory, from its pidfd and the host's /proc.

use super::entry::{Entry, link};
use crate::sys::kcmp::share_memory;
use crate::sys::pidfd::{self, Info};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::{Errno, pread, read};
use rustix::process::Pid;
use std::os::fd::{AsFd as _, OwnedFd};

/// Most callers that are named.
const PARENTS_MAX: usize = 8;

/// A thread that asks, and its process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The thread.
    pub(super) thread: Pid,
    /// Its thread group, which is the process.
    pub(super) group: Pid,
    /// The real user, as the jail numbers it.
    pub(super) uid: u32,
    parent: Option<Pid>,
}

impl Caller {
    /// Looks a thread up.
    ///
    /// # Errors
    /// `ENOENT` or `ESRCH` when it is gone.
    pub(super) fn of(proc: &OwnedFd, thread: Pid) -> Result<Self, Errno> {
        if let Some(Info { group, parent, uid }) = pidfd::open_thread(thread).and_then(|fd| pidfd::info(fd.as_fd())) {
            return Ok(Self { thread, group, uid, parent });
        }
        Self::by_status(proc, thread)
    }

    /// The parent of its group, if that is visible.
    pub(super) fn parent(&self) -> Option<Pid> {
        self.parent
    }

    /// The same on an older kernel.
    fn by_status(proc: &OwnedFd, thread: Pid) -> Result<Self, Errno> {
        // the fields up to Uid are among the first of the file
        let status: [u8; 1024] = head_of(proc, &format!("{thread}/status"))?;
        Self::parse(thread, &status).ok_or(Errno::SRCH)
    }

    fn parse(thread: Pid, status: &[u8]) -> Option<Self> {
        let field = |name: &[u8]| status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name)?.strip_prefix(b":\t"));
        let number = |text: &[u8]| str::from_utf8(text.split(u8::is_ascii_whitespace).next()?).ok()?.parse::<u32>().ok();
        let pid = |name: &[u8]| number(field(name)?).map(|number| Pid::from_raw(number.cast_signed()));
        Some(Self { thread, group: pid(b"Tgid")??, uid: number(field(b"Uid")?)?, parent: pid(b"PPid")? })
    }

    /// Command names of the callers, nearest first, up to and without the jail's init.
    ///
    /// The child of a vfork, as shells and builds make most of theirs, still has its parent's memory and with it its parent's name:
    /// to read its own takes longer than to read all others. One that it gave itself in between is not looked for.
    pub(super) fn chain(&self, proc: &OwnedFd, ancestors: &mut Ancestors, init: Pid) -> Vec<Vec<u8>> {
        let own = || head_of::<COMM_LEN>(proc, &format!("{}/comm", self.thread)).map(|comm| line(&comm)).unwrap_or_default();
        let mut next = self.parent.filter(|parent| *parent != init);
        let parents = next.filter(|parent| share_memory(self.group, *parent)).and_then(|parent| ancestors.name_and_parent(proc, parent));
        let mut names = match parents {
            Some((name, parent)) => {
                next = parent;
                vec![name.clone(), name]
            }
            None => vec![own()],
        };
        while let Some(pid) = next.filter(|pid| *pid != init && names.len() < PARENTS_MAX) {
            let Some((name, parent)) = ancestors.name_and_parent(proc, pid) else { break };
            names.push(name);
            next = parent;
        }
        names
    }

    /// The working directory's path in the jail; the kernel's words when it has none.
    pub(super) fn working_directory(&self, proc: &OwnedFd) -> Result<Vec<u8>, Errno> {
        working_directory(proc, self.thread)
    }

    /// Whether standard input is the terminal with this device number.
    pub(super) fn on_terminal(&self, proc: &OwnedFd, terminal: Option<u64>) -> bool {
        let Some(terminal) = terminal else { return false };
        // what is known of it will do: no question to a file server
        let found = statx(proc, Entry::of(self.thread, "fd/0").name(), AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE);
        found.is_ok_and(|stat| rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor) == terminal)
    }
}

/// The working directory's path of any thread.
pub(super) fn working_directory(proc: &OwnedFd, thread: Pid) -> Result<Vec<u8>, Errno> {
    link(proc, &Entry::of(thread, "cwd"))
}

/// Processes whose names and parents are asked for again and again: the shell, its engine, whatever runs in it. They are known by
/// descriptors, which stay those of the process that they were opened for.
#[derive(Debug, Default)]
pub(super) struct Ancestors(Vec<Ancestor>);

#[derive(Debug)]
struct Ancestor {
    pid: Pid,
    process: OwnedFd,
    comm: OwnedFd,
}

type NameAndParent = (Vec<u8>, Option<Pid>);

impl Ancestors {
    /// Most that are kept.
    const MAX: usize = 16;

    fn name_and_parent(&mut self, proc: &OwnedFd, pid: Pid) -> Option<NameAndParent> {
        if let Some(index) = self.0.iter().position(|known| known.pid == pid) {
            if let Some(answer) = self.0.get(index).and_then(Ancestor::look) {
                return Some(answer);
            }
            // it died, and the number may be another's by now
            self.0.remove(index);
        }
        let Some((ancestor, answer)) = Ancestor::open(proc, pid) else {
            return name_and_parent(&head_of::<512>(proc, &format!("{pid}/stat")).ok()?);
        };
        if self.0.len() >= Self::MAX {
            self.0.remove(0);
        }
        self.0.push(ancestor);
        Some(answer)
    }
}

impl Ancestor {
    fn open(proc: &OwnedFd, pid: Pid) -> Option<(Self, NameAndParent)> {
        let process = pidfd::open_thread(pid)?;
        let comm = openat(proc, format!("{pid}/comm"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let ancestor = Self { pid, process, comm };
        // only now is it certain that both descriptors are of one process
        let answer = ancestor.look()?;
        Some((ancestor, answer))
    }

    fn look(&self) -> Option<NameAndParent> {
        let Info { parent, .. } = pidfd::info(self.process.as_fd())?;
        let mut comm = [0; COMM_LEN];
        pread(&self.comm, &mut comm, 0).ok()?;
        Some((line(&comm), parent))
    }
}

/// Room for a name in /proc/PID/comm (`TASK_COMM_LEN` is 16; kernel threads have longer ones).
const COMM_LEN: usize = 64;

/// What was read of /proc/PID/comm, without its last newline; names may contain others.
fn line(comm: &[u8]) -> Vec<u8> {
    let text = comm.split(|byte| *byte == 0).next().unwrap_or(comm);
    text.strip_suffix(b"\n").unwrap_or(text).to_vec()
}

fn head_of<const LEN: usize>(proc: &OwnedFd, name: &str) -> Result<[u8; LEN], Errno> {
    let file = openat(proc, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut head = [0; LEN];
    read(&file, &mut head)?;
    Ok(head)
}

/// The name and the parent in /proc/PID/stat: `PID (NAME) STATE PPID ..`, where NAME is anything.
fn name_and_parent(stat: &[u8]) -> Option<NameAndParent> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let parent = str::from_utf8(stat.get(close + 1..)?.split(|byte| *byte == b' ').nth(2)?).ok()?.parse::<u32>().ok()?;
    Some((stat.get(open + 1..close)?.to_vec(), Pid::from_raw(parent.cast_signed())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc() -> OwnedFd {
        openat(rustix::fs::CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn this_very_process() {
        let (proc, thread) = (proc(), rustix::thread::gettid());
        let caller = Caller::of(&proc, thread).unwrap();
        assert_eq!(caller, Caller::by_status(&proc, thread).unwrap(), "both ways tell the same");
        assert_eq!(caller.group, rustix::process::getpid());
        assert_eq!(caller.uid, rustix::process::getuid().as_raw());
        assert_eq!(caller.parent, rustix::process::getppid());
        assert_eq!(caller.working_directory(&proc).unwrap(), std::env::current_dir().unwrap().into_os_string().into_encoded_bytes());
        assert!(!caller.on_terminal(&proc, None));
    }

    #[test]
    fn the_chain_of_callers() {
        let (proc, mut ancestors) = (proc(), Ancestors::default());
        let caller = Caller::of(&proc, rustix::thread::gettid()).unwrap();
        let chain = caller.chain(&proc, &mut ancestors, Pid::INIT);
        assert!((1..=PARENTS_MAX).contains(&chain.len()), "{chain:?}");
        assert_eq!(caller.chain(&proc, &mut ancestors, Pid::INIT), chain, "known ones tell the same");
        let parent = caller.parent.unwrap();
        assert_eq!(ancestors.name_and_parent(&proc, parent), name_and_parent(&head_of::<512>(&proc, &format!("{parent}/stat")).unwrap()));
        assert_eq!(caller.chain(&proc, &mut ancestors, parent).len(), 1, "the chain ends before init");
    }

    #[test]
    fn names_may_be_anything() {
        let stat = b"12 (a) R 9 (b) ) S 7 12 12 0";
        assert_eq!(name_and_parent(stat), Some((b"a) R 9 (b) ".to_vec(), Pid::from_raw(7))));
        assert_eq!(name_and_parent(b"12 (x) S 0 0"), Some((b"x".to_vec(), None)));
        assert_eq!(name_and_parent(b""), None);
        assert_eq!(line(b"a\n\n\0\0"), b"a\n");
        // a newline in Name is escaped, so a name cannot make up fields
        let status = b"Name:\ta\\nUid:\t0\nUmask:\t0022\nTgid:\t5\nPid:\t6\nPPid:\t0\nUid:\t70\t71\t72\t73\n";
        let caller = Caller::parse(Pid::INIT, status).unwrap();
        assert_eq!((caller.uid, caller.parent), (70, None));
    }
}
