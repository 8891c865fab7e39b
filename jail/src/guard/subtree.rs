//! Who descends from a program: asked when its policy trusts its children, or when they are to end with it.
//!
//! A process's parent is told by the kernel, but a parent can end, and its children then go to another. Where they go is what makes
//! the question answerable: such a program is a *subreaper* (the helper saw to it), so whoever descends from it, by however many
//! forks, sessions and early ends in between, stays below it as long as it lives; and nobody else ever comes to be there, because
//! the kernel gives orphans to an ancestor of theirs only.
//!
//! The way up is walked process by process, each held by a pidfd before its child is asked again: a number that has become another
//! process's in between does not lead astray. Trust ends with the program: what outlives it is judged like all else.

use super::Guard;
use super::attempt::Attempt;
use super::caller::Caller;
use super::errand::{Errand, lives};
use portcullis_model::decision::{Committed, Decision, Standing};
use portcullis_model::verdict::Children;
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Most generations that are walked, and most attempts at one of them while parents end.
const GENERATIONS_MAX: usize = 1024;
const TRIES_MAX: usize = 64;
/// Most rounds in which a subtree is looked through for processes to kill; each round kills all that it finds.
const ROUNDS_MAX: usize = 1000;

/// How long that may take: meanwhile the session is not served.
const END_DEADLINE: Duration = Duration::from_secs(1);

/// A program and what descends from it.
#[derive(Debug)]
pub(super) struct Subtree {
    top: Pid,
    process: OwnedFd,
    permit: Committed,
    until: Option<Instant>,
}

/// A program could not be ended with all that descends from it.
#[derive(Debug, thiserror::Error)]
#[error("a program could not be ended at its time limit: it starts others faster than they are killed")]
pub struct Unended;

impl Subtree {
    /// What is to be known of a program that has just been loaded; none when nobody will ask.
    pub(super) fn of(errand: Errand) -> Option<Self> {
        let Errand { process, group, permit, .. } = errand;
        let confinement = permit.confinement();
        let until = confinement.time_limit_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let wanted = until.is_some() || confinement.children == Children::Trusted;
        wanted.then_some(Self { top: group, process, permit, until })
    }

    /// Whether a process, which is held still by whoever asks or may end meanwhile, is the program or descends from it.
    fn holds(&self, proc: &OwnedFd, process: &Caller, init: Pid) -> bool {
        let mut child = process.group;
        let mut held: Option<OwnedFd> = None;
        for _ in 0..GENERATIONS_MAX {
            if child == self.top {
                return lives(&self.process);
            }
            let Some((parent, parent_held)) = parent_of(proc, child, init) else { return false };
            // a number says whose parent that was only as long as its process lives
            if held.as_ref().is_some_and(|held| !lives(held)) {
                return false;
            }
            (child, held) = (parent, Some(parent_held));
        }
        false
    }
}

/// The parent of a process, held; none when that is the jail's init, or cannot be said.
fn parent_of(proc: &OwnedFd, child: Pid, init: Pid) -> Option<(Pid, OwnedFd)> {
    let parent = || Caller::of(proc, child).ok().and_then(|child| child.parent());
    for _ in 0..TRIES_MAX {
        let before = parent()?;
        if before == init {
            return None;
        }
        // held first, asked again then: as long as it is the parent it lives, so it was this one that was held
        let Ok(held) = pidfd_open(before, PidfdFlags::empty()) else { continue };
        if parent()? == before && lives(&held) {
            return Some((before, held));
        }
    }
    None
}

impl Guard {
    /// The decision whose policy trusts this caller, when it descends from what was so allowed.
    pub(super) fn trust_in(&mut self, caller: &Caller) -> Option<u64> {
        if self.subtrees.is_empty() {
            return None;
        }
        self.subtrees.retain(|subtree| lives(&subtree.process));
        let (proc, init) = (&self.scope.host_proc, self.scope.init);
        let trusting = self.subtrees.iter().filter(|subtree| subtree.permit.confinement().children == Children::Trusted);
        trusting.into_iter().find(|subtree| subtree.holds(proc, caller, init)).map(|subtree| subtree.permit.seq())
    }

    /// The decision about an attempt that nobody has to be asked about, because it descends from a program whose policy trusts its
    /// children; none for all others.
    #[must_use]
    pub fn by_trust(&self, attempt: &Attempt, standing: Standing) -> Option<Decision> {
        let trust = attempt.trust?;
        let subtree = self.subtrees.iter().find(|subtree| subtree.permit.seq() == trust)?;
        subtree.permit.trusted_child(attempt.subject(), standing)
    }

    /// When [`end_overdue`](Self::end_overdue) has something to do.
    #[must_use]
    pub fn next_end(&self) -> Option<Instant> {
        self.subtrees.iter().filter_map(|subtree| subtree.until).min()
    }

    /// Kills the programs whose time is over, with all that descends from them.
    ///
    /// # Errors
    /// Something could not be ended; the session has to be.
    pub fn end_overdue(&mut self, now: Instant) -> Result<(), Unended> {
        if self.next_end().is_none_or(|next| next > now) {
            return Ok(());
        }
        let (over, kept) = std::mem::take(&mut self.subtrees).into_iter().partition(|subtree| subtree.until.is_some_and(|until| until <= now));
        self.subtrees = kept;
        let over: Vec<Subtree> = over;
        over.iter().try_for_each(|subtree| self.end(subtree))
    }

    /// The descendants first, as long as there are any, the program last: while it lives none gets away from below it.
    fn end(&self, subtree: &Subtree) -> Result<(), Unended> {
        let (proc, init) = (&self.scope.host_proc, self.scope.init);
        // it starts none itself meanwhile, unless somebody lets it
        let _ = pidfd_send_signal(&subtree.process, Signal::STOP);
        let deadline = Instant::now() + END_DEADLINE;
        for _ in 0..ROUNDS_MAX {
            let mut found = false;
            for pid in processes(proc).unwrap_or_default() {
                if Instant::now() > deadline {
                    return Err(Unended);
                }
                let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
                let Ok(caller) = Caller::of(proc, pid) else { continue };
                if pid != subtree.top && caller.group == pid && lives(&process) && subtree.holds(proc, &caller, init) {
                    found = true;
                    let _ = pidfd_send_signal(&process, Signal::KILL);
                }
            }
            if !found || !lives(&subtree.process) {
                let _ = pidfd_send_signal(&subtree.process, Signal::KILL);
                return Ok(());
            }
        }
        let _ = pidfd_send_signal(&subtree.process, Signal::KILL);
        Err(Unended)
    }
}

/// All processes of the node; none when they cannot be listed.
pub(super) fn processes(proc: &OwnedFd) -> Option<Vec<Pid>> {
    let folder = openat(proc, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let entries = folder.and_then(Dir::new).ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse().ok().and_then(Pid::from_raw)).collect())
}
