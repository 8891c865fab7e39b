//! The end of a jail: every process of it, and the proof.
//!
//! Two ways at once, because each has a case in which it is the slower: the cgroup's `cgroup.kill`, and SIGKILL to init, on
//! which the kernel kills everything in its PID namespace and lets nothing new be made there. That is done by init itself as
//! it dies, which has to get a processor first; so where there is no cgroup, SIGKILL goes to each process that `/proc` shows
//! in the namespace, too. The kernel reports init dead only when the whole namespace is empty, so a dead init *is* the proof;
//! a traced process must be reaped by its tracer for that, which is why the caller goes on reaping through [`Reap`].
//!
//! A process in an uninterruptible wait of the kernel dies when that wait ends, without another instruction of its own; it
//! is named as a survivor.

use crate::build::Jail;
use crate::cgroup::{Cgroup, Weight};
use portcullis_model::receipt::Survivor;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::Signal;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// Reaping, for as long as a kill takes.
pub trait Reap {
    /// Reaps whatever waits for it, without waiting; whether the jail's init was reaped, now or before.
    fn reap(&mut self) -> bool;
}

/// What a kill did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct KillReport {
    /// Processes that were alive when it began, init not counted.
    pub killed: u32,
    /// Processes that were left at the deadline.
    pub survivors: Vec<Survivor>,
    /// Microseconds until the last one was gone, or until the deadline.
    pub micros: u64,
}

/// How long an empty cgroup may refuse to be removed.
const REMOVE_DEADLINE: Duration = Duration::from_millis(50);

const ROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Kills everything in `jail` and waits, at most `deadline`, until it is gone. The caller refuses pending execs and closes
/// the terminal before.
pub fn kill(jail: &Jail, reap: &mut dyn Reap, deadline: Duration) -> KillReport {
    let whole = Whole {
        init: jail.init_fd.as_fd(),
        pid: Some(jail.init.as_raw_pid().cast_unsigned()),
        cgroup: jail.cgroup.as_ref(),
        proc: Some(jail.host_proc.as_fd()),
        namespace: jail.pid_namespace,
    };
    whole.kill(reap, deadline)
}

/// Kills what a dead keeper left: its jail by the pidfd of init and, if it had one, the folder of its cgroup. Init is no
/// child of the caller here, so nothing is reaped.
pub fn kill_orphan(init: &OwnedFd, cgroup: Option<&Path>, deadline: Duration) -> KillReport {
    struct Ended<'a>(&'a OwnedFd);
    impl Reap for Ended<'_> {
        fn reap(&mut self) -> bool {
            ended(self.0.as_fd(), Timespec { tv_sec: 0, tv_nsec: 0 })
        }
    }
    // a cgroup that is gone was empty
    let cgroup = cgroup.and_then(|path| Cgroup::open(path).ok());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).ok();
    let pid = pid_of(init.as_fd());
    let namespace = proc.as_ref().zip(pid).and_then(|(proc, pid)| pid_namespace(proc.as_fd(), pid));
    let whole = Whole { init: init.as_fd(), pid, cgroup: cgroup.as_ref(), proc: proc.as_ref().map(AsFd::as_fd), namespace };
    whole.kill(&mut Ended(init), deadline)
}

/// All of one jail's processes.
struct Whole<'a> {
    init: BorrowedFd<'a>,
    pid: Option<u32>,
    cgroup: Option<&'a Cgroup>,
    proc: Option<BorrowedFd<'a>>,
    namespace: Option<u64>,
}

impl Whole<'_> {
    fn kill(&self, reap: &mut dyn Reap, deadline: Duration) -> KillReport {
        let start = Instant::now();
        let killed = self.processes().iter().filter(|pid| Some(**pid) != self.pid).count();
        self.weigh(Weight::Dying);
        let mut again = start;
        let mut gone = false;
        loop {
            // said again now and then: a kernel that missed a fork the first time does not miss it twice
            if Instant::now() >= again {
                if let Some(cgroup) = self.cgroup {
                    let _ = cgroup.kill();
                }
                let _ = rustix::process::pidfd_send_signal(self.init, Signal::KILL);
                self.kill_each();
                again = Instant::now() + Duration::from_millis(50);
            }
            gone |= reap.reap();
            if gone && !self.cgroup.is_some_and(Cgroup::populated) {
                break;
            }
            if start.elapsed() >= deadline {
                break;
            }
            if gone {
                std::thread::sleep(Duration::from_micros(200));
            } else {
                ended(self.init, ROUND);
            }
        }
        self.weigh(Weight::Plain);
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let survivors = if gone && !self.cgroup.is_some_and(Cgroup::populated) { Vec::new() } else { self.survivors() };
        if survivors.is_empty()
            && let Some(cgroup) = self.cgroup
        {
            // the last dead process leaves it a moment after it is seen as dead
            let end = Instant::now() + REMOVE_DEADLINE;
            while cgroup.remove().is_err() && Instant::now() < end {
                std::thread::sleep(Duration::from_micros(200));
            }
            // an empty folder that stays is swept when the next warden starts
        }
        KillReport { killed: u32::try_from(killed).unwrap_or(u32::MAX), survivors, micros }
    }

    fn weigh(&self, weight: Weight) {
        if let Some(cgroup) = self.cgroup {
            cgroup.weigh(weight);
        }
    }

    /// Sends SIGKILL to each process of the PID namespace, where there is no cgroup that does it at once.
    fn kill_each(&self) {
        let (None, Some(proc), Some(namespace)) = (self.cgroup, self.proc, self.namespace) else { return };
        for pid in in_namespace(proc, namespace) {
            // a folder of /proc stays that process's, and can be signalled: nobody who has got its number since is hit
            let folder = openat(proc, pid.to_string(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            if let Ok(folder) = folder
                && rustix::fs::statat(&folder, "ns/pid", rustix::fs::AtFlags::empty()).is_ok_and(|stat| stat.st_ino == namespace)
            {
                let _ = rustix::process::pidfd_send_signal(&folder, Signal::KILL);
            }
        }
    }

    /// The pids of all that are in the cgroup or, without one, in the PID namespace.
    fn processes(&self) -> Vec<u32> {
        match (self.cgroup, self.proc, self.namespace) {
            (Some(cgroup), _, _) => cgroup.processes(),
            (None, Some(proc), Some(namespace)) => in_namespace(proc, namespace),
            _ => Vec::new(),
        }
    }

    fn survivors(&self) -> Vec<Survivor> {
        let mut found: Vec<_> = self.processes().into_iter().map(|pid| self.describe(pid)).filter(|s| s.state != 'Z' && s.state != 'X').collect();
        if found.is_empty()
            && let Some(init) = self.pid
        {
            found.push(self.describe(init)); // it is there, whatever it is that it waits for
        }
        found
    }

    fn describe(&self, pid: u32) -> Survivor {
        let read = |file: &str| self.proc.and_then(|proc| read_at(proc, &format!("{pid}/{file}"))).unwrap_or_default();
        // the name, in parentheses, can hold anything
        let state = read("stat").rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next()).unwrap_or('?');
        Survivor { pid, state, waits_in: read("wchan").trim().to_owned() }
    }
}

/// Whether a process has ended, waiting for that at most `time`.
fn ended(pidfd: BorrowedFd<'_>, time: Timespec) -> bool {
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    matches!(rustix::event::poll(&mut fds, Some(&time)), Ok(n) if n > 0)
}

fn read_at(folder: BorrowedFd<'_>, path: &str) -> Option<String> {
    let file = openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    File::from(file).take(64 * 1024).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The pid behind a pidfd in the caller's PID namespace; none when the process is gone, or `/proc` is another namespace's.
fn pid_of(pidfd: BorrowedFd<'_>) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// The number of a process's PID namespace.
pub(crate) fn pid_namespace(proc: BorrowedFd<'_>, pid: u32) -> Option<u64> {
    rustix::fs::statat(proc, format!("{pid}/ns/pid"), rustix::fs::AtFlags::empty()).ok().map(|stat| stat.st_ino)
}

fn in_namespace(proc: BorrowedFd<'_>, namespace: u64) -> Vec<u32> {
    let Ok(folder) = openat(proc, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else { return Vec::new() };
    let Ok(entries) = rustix::fs::Dir::new(folder) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse::<u32>().ok());
    pids.filter(|pid| pid_namespace(proc, *pid) == Some(namespace)).collect()
}
