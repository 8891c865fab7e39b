//! How the two sides of a comparison run: in turns, each within a time of its own, and, as root, undisturbed.
//!
//! Whatever else a machine does delays the guarded side more, which hands over between processes more often, and it does so in
//! lumps that no number of rounds takes out of a percentile. So what is compared by processors' work runs before everything else
//! on the machine (`SCHED_FIFO`): servers, sessions and peers all inherit that from the benchmark.
//!
//! Under that policy the kernel wakes a process on another processor wherever it can, even if its waker is about to wait for it;
//! the ordinary policy does not. Where one process waits for the other all the time, as in a loop of execs or a question and its
//! answer, the measurements are therefore made on one processor, which is the cost of the work itself; what the wakes between
//! processors add is a row of its own. Revokes are measured under the ordinary policy: there, what else runs is part of the question.
//!
//! A kernel with `CONFIG_RT_GROUP_SCHED` takes no such process into a group of the `cpu` controller. Sessions have groups there to
//! share the processors, which means nothing to processes that run before all others: the controller's version 1 is hidden from
//! the servers then, in the benchmark's own mount namespace, and the table says so. Where that does not help, what else the
//! machine does is in the numbers.

use crate::step::say;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getpid, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Longest that one program of a measurement may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Longest that a program may hold a processor under `SCHED_FIFO` without ever waiting, in microseconds: it is ended then.
const HOLD: u64 = 20_000_000;

/// The same command under the ordinary policy, whatever this process has: nothing else gets on while a compiler runs before all others.
pub(super) fn ordinarily(command: &Command) -> Command {
    let mut ordinary = Command::new("chrt");
    ordinary.args(["--other", "0"]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        ordinary.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => ordinary.env(name, value),
            None => ordinary.env_remove(name),
        };
    }
    ordinary
}

/// How processes are scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheduling {
    /// As any other.
    Ordinary,
    /// Before all others, on all processors.
    First,
    /// Before all others, on one processor.
    FirstOnOne,
}

impl Scheduling {
    /// What this process may have of it, for itself and all that it starts from now on.
    pub(super) fn enter(self) -> Result<Self> {
        let policy: &[&str] = match self {
            Self::Ordinary => &["--other", "--pid", "0"],
            Self::First | Self::FirstOnOne => {
                let limit = getrlimit(Resource::Rttime);
                setrlimit(Resource::Rttime, Rlimit { current: Some(HOLD), maximum: limit.maximum })?;
                hide_processor_groups()?;
                &["--fifo", "--pid", "1"]
            }
        };
        let status = Command::new("chrt").args(policy).arg(getpid().to_string()).stdin(Stdio::null()).status().context("cannot start chrt")?;
        if !status.success() {
            ensure!(self != Self::Ordinary, "cannot go back to the ordinary scheduling");
            say("this machine does not let programs run before all others: what else it does will be in the numbers");
            return Ok(Self::Ordinary);
        }
        let all = ALL.get_or_init(|| sched_getaffinity(None).unwrap_or_default());
        let mut wanted = *all;
        if self == Self::FirstOnOne {
            // not the first, which has most interrupts to serve
            let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| all.is_set(*cpu)).context("this process may run on no processor")?;
            wanted.clear();
            wanted.set(last);
        }
        sched_setaffinity(None, &wanted).context("cannot choose the processors")?;
        Ok(self)
    }

    /// The number of the policy, as `meter policy` prints it.
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Ordinary => 0.0,
            Self::First | Self::FirstOnOne => 1.0,
        }
    }

    /// What the table says about rows that were measured so.
    pub(super) fn said(self) -> Option<&'static str> {
        match self {
            Self::Ordinary => None,
            Self::First => Some("both sides on all processors, before all other programs (SCHED_FIFO), sessions without a share of the processors"),
            Self::FirstOnOne => Some("both sides on one processor, before all other programs (SCHED_FIFO), sessions without a share of the processors"),
        }
    }
}

/// Hides the `cpu` controller's version 1, where there is one. This is the benchmark's own mount namespace.
fn hide_processor_groups() -> Result<()> {
    for point in processor_groups(&std::fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?) {
        let status = Command::new("umount").args(["--lazy", point]).stdin(Stdio::null()).status().context("cannot start umount")?;
        ensure!(status.success(), "cannot hide {point}");
    }
    Ok(())
}

/// Where the `cpu` controller's version 1 is mounted, by /proc/PID/mountinfo (proc_pid_mountinfo(5)).
fn processor_groups(mounts: &str) -> Vec<&str> {
    let has_it = |line: &&str| line.split_once(" - cgroup ").is_some_and(|(_, rest)| rest.split([' ', ',']).any(|option| option == "cpu"));
    mounts.lines().filter(has_it).filter_map(|line| line.split(' ').nth(4)).collect()
}

/// The processors that this process may run on, before it chooses.
static ALL: OnceLock<CpuSet> = OnceLock::new();

/// Does both, the first one second in every other round.
pub(super) fn in_turns(round: usize, one: impl FnOnce() -> Result<()>, other: impl FnOnce() -> Result<()>) -> Result<()> {
    if round.is_multiple_of(2) {
        one()?;
        other()
    } else {
        other()?;
        one()
    }
}

/// Runs a program to its end, which is its own or comes after a time. It prints less than a pipe holds.
pub(super) fn within(command: &mut Command) -> Result<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let ended = portcullis_tests::wait::until("a program of a measurement to end", LIMIT, || child.try_wait().transpose());
    match ended {
        Ok(status) => status.with_context(|| format!("cannot wait for {command:?}"))?,
        Err(error) => {
            // one that has ended just now cannot be killed
            let _ = child.kill();
            let _ = child.wait();
            bail!("{command:?}: {error}");
        }
    };
    child.wait_with_output().with_context(|| format!("cannot read from {command:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn each_side_is_first_in_turn() {
        let order = RefCell::new(String::new());
        let note = |which| {
            order.borrow_mut().push(which);
            Ok(())
        };
        for round in 0..3 {
            in_turns(round, || note('a'), || note('b')).unwrap();
        }
        assert_eq!(order.into_inner(), "abbaab");
    }

    #[test]
    fn groups_of_the_first_version_are_found() {
        let mounts = "31 29 0:27 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n\
                      32 29 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu\n\
                      33 29 0:29 / /both rw - cgroup x rw,cpu,cpuacct\n\
                      34 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(processor_groups(mounts), ["/sys/fs/cgroup/cpu", "/both"]);
    }

    #[test]
    fn what_a_program_says_is_heard() {
        let output = within(Command::new("sh").args(["-c", "echo 1; echo 2 >&2; exit 3"])).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice(), output.stderr.as_slice()), (Some(3), &b"1\n"[..], &b"2\n"[..]));
        assert!(within(&mut Command::new("/nonexistent")).is_err());
    }
}
