//! The way up from a process to the session's shell, as numbers and as what each of them runs. For alerts, and for telling whose exec one is.
//!
//! A number says whose it was only together with when its process started: the kernel gives numbers again.

use super::Guard;
use super::caller::Caller;
use super::entry::{Entry, link};
use portcullis_model::alert::{Ancestor, CHAIN_MAX, TEXT_MAX};
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::Pid;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// Most generations that are walked.
const GENERATIONS_MAX: usize = 64;

/// The numbers of a caller and of those above it, nearest first, up to and without the jail's init. One that ends meanwhile ends the walk.
pub(super) fn numbers(proc: &OwnedFd, caller: &Caller, init: Pid) -> Vec<u32> {
    let mut numbers = vec![raw(caller.group)];
    let mut next = caller.parent();
    while let Some(pid) = next.filter(|pid| *pid != init && numbers.len() < GENERATIONS_MAX) {
        numbers.push(raw(pid));
        next = Caller::of(proc, pid).ok().and_then(|caller| caller.parent());
    }
    numbers
}

impl Guard {
    /// When a process started, in the kernel's ticks since it was booted; none when it is gone.
    #[must_use]
    pub fn started(&self, pid: u32) -> Option<u64> {
        started(&self.scope.host_proc, pid)
    }

    /// What processes run, and with which arguments, as far as they are there and tell. To be called while the first of them waits.
    #[must_use]
    pub fn lineage(&self, pids: &[u32]) -> Vec<Ancestor> {
        pids.iter().take(CHAIN_MAX).map(|pid| self.ancestor(*pid)).collect()
    }

    fn ancestor(&self, pid: u32) -> Ancestor {
        let proc = &self.scope.host_proc;
        let exe = Pid::from_raw(pid.cast_signed()).and_then(|pid| link(proc, &Entry::of(pid, "exe")).ok()).unwrap_or_default();
        let mut line = Vec::new();
        if let Ok(file) = openat(proc, format!("{pid}/cmdline"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            // what is not read is not told
            let _ = std::fs::File::from(file).take(TEXT_MAX as u64).read_to_end(&mut line);
        }
        let argv = line.split_inclusive(|byte| *byte == 0).map(|argument| argument.strip_suffix(b"\0").unwrap_or(argument).to_vec()).collect();
        Ancestor { pid, exe, argv }
    }
}

fn started(proc: &OwnedFd, pid: u32) -> Option<u64> {
    let file = openat(proc, format!("{pid}/stat"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut stat = Vec::new();
    std::fs::File::from(file).take(1024).read_to_end(&mut stat).ok()?;
    // the name, which may be anything, ends with the last bracket; the start is the twentieth field behind it
    let rest = stat.get(stat.iter().rposition(|byte| *byte == b')')? + 1..)?;
    str::from_utf8(rest).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_pid().cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;

    #[test]
    fn this_process_and_those_above_it() {
        let proc = openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let caller = Caller::of(&proc, rustix::thread::gettid()).unwrap();
        let numbers = numbers(&proc, &caller, Pid::INIT);
        assert_eq!(numbers[..2], [std::process::id(), raw(rustix::process::getppid().unwrap())]);
        let (own, parent) = (started(&proc, numbers[0]).unwrap(), started(&proc, numbers[1]).unwrap());
        assert!(parent > 0 && own >= parent);
        assert_eq!(started(&proc, u32::MAX >> 1), None);
    }
}
