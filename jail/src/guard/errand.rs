//! The way of a process to a program that is confined. The guard can let an exec happen or not, but not change what the process
//! is; so it has the process become the helper first, which changes itself and then becomes the program.
//!
//! 1. The exec is refused, and while its caller is stopped behind it, its registers are set so that it executes the helper. (Were it
//!    to run a signal handler before that and not come back, its next exec is judged like any other and the errand is over.)
//! 2. That exec is let happen because it is exactly the helper's, and because it comes from this process; and it is verified.
//! 3. The process, which now is the helper and nothing else, asks for its orders and gets them.
//! 4. It does the exec that was judged: the same file, arguments, scripts, directory and kept environment. Anything else is refused.
//!
//! Each step is taken once, by one process, in this order. A process is known by its pidfd: one that has died and whose number
//! another has is not taken for it. Nobody else can run the helper at all.

use super::call::Call;
use super::caller::Caller;
use super::environment;
use super::precheck::Checked;
use super::verify::Expected;
use super::{Commit, Guard, GuardError, Reaped, Received, What, rules};
use crate::orders::{HELPER, HELPER_NAME, ORDERS, Orders};
use crate::sys::seccomp::{self, Answer, Notification};
use portcullis_model::decision::Committed;
use portcullis_model::subject::Exec;
use portcullis_model::verdict::Enforcement;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, MemfdFlags, SeekFrom, memfd_create, seek, statat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};

/// A process on its way.
#[derive(Debug)]
pub(super) struct Errand {
    /// The process, whatever becomes of its number.
    pub(super) process: OwnedFd,
    pub(super) group: Pid,
    pub(super) permit: Committed,
    /// What it is to become.
    exec: Exec,
    expected: Expected,
    /// For the helper, until it has asked.
    orders: Option<OwnedFd>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is to execute the helper.
    Redirected,
    /// It is the helper and has no orders yet.
    Helped,
    /// It is to execute the program.
    Ordered,
}

/// What this jail can hold a process to: nothing without the helper.
pub(super) fn enforcement() -> Enforcement {
    if statat(CWD, HELPER, AtFlags::empty()).is_ok() { Enforcement::Confinement } else { Enforcement::Nothing }
}

/// Whether it is the helper that would run.
pub(super) fn is_helper(exec: &Exec) -> bool {
    exec.path == HELPER.as_bytes()
}

/// Whether a process has not ended.
pub(super) fn lives(process: &OwnedFd) -> bool {
    let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&nothing)), Ok(0))
}

impl Errand {
    /// The errand of a process whose exec was permitted so confined.
    pub(super) fn new(group: Pid, exec: Exec, expected: Expected, permit: Committed, enforcement: Enforcement) -> Result<Self, GuardError> {
        let confinement = permit.confinement();
        if confinement.unenforced(enforcement).is_some() {
            return Err(GuardError::Unenforceable);
        }
        let process = pidfd_open(group, PidfdFlags::empty()).map_err(|_| GuardError::Gone)?;
        let arguments = exec.argv.iter().map(|argument| argument.len() + 1).sum::<usize>();
        let variables = expected.strings.get(arguments..).unwrap_or_default().split_inclusive(|byte| *byte == 0);
        let variables = variables.map(|variable| variable.strip_suffix(b"\0").unwrap_or(variable));
        let environment = environment::kept(variables, confinement.environment.as_deref());
        let expected = Expected {
            strings: [expected.strings.get(..arguments).unwrap_or_default().to_vec(), terminated(&environment)].concat(),
            envc: environment.len(),
            ..expected
        };
        let orders = Orders {
            name: expected.given.script.clone().unwrap_or_else(|| exec.path.clone()),
            arguments: given(&exec, &expected),
            environment,
            confinement: confinement.clone(),
        };
        let orders = Some(written(&orders).map_err(GuardError::Orders)?);
        Ok(Self { process, group, permit, exec, expected, orders, stage: Stage::Redirected })
    }

    /// It has become the helper.
    pub(super) fn is_helped(&mut self) {
        self.stage = Stage::Helped;
    }

    /// Whether an exec is the one that it leads to.
    fn leads_to(&self, exec: &Exec, expected: &Expected) -> bool {
        let Exec { path, argv, scripts, cwd, uid: _, tty: _, parents: _, line: _ } = exec;
        let same = (path, argv, scripts, cwd) == (&self.exec.path, &self.exec.argv, &self.exec.scripts, &self.exec.cwd);
        same && expected.image == self.expected.image && expected.strings == self.expected.strings
    }
}

/// The arguments as the caller gave them. Of a script's, the first is replaced by the kernel anyway.
fn given(exec: &Exec, expected: &Expected) -> Vec<Vec<u8>> {
    let behind = exec.argv.len().saturating_sub(expected.given.argc.saturating_sub(1));
    match &expected.given.script {
        None => exec.argv.clone(),
        Some(script) => std::iter::once(script).chain(exec.argv.get(behind..).unwrap_or_default()).cloned().collect(),
    }
}

fn terminated(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|string| string.iter().copied().chain([0])).collect()
}

fn written(orders: &Orders) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("orders", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(orders)?)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

impl Guard {
    /// What this guard can hold a process to.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        self.enforcement
    }

    /// Takes an errand's next step, if the caller is on one. Otherwise its exec is as any other.
    pub(super) fn run_errand(&mut self, caller: &Caller, notification: &Notification) -> ControlFlow<Option<Received>> {
        let Some(errand) = self.errands.get(&caller.group).filter(|errand| lives(&errand.process)) else { return ControlFlow::Continue(()) };
        match errand.stage {
            Stage::Helped => ControlFlow::Break(self.give_orders(caller, notification)),
            Stage::Redirected => self.enter_helper(caller, notification),
            Stage::Ordered => ControlFlow::Break(self.enter_program(caller, notification)),
        }
    }

    fn enter_helper(&mut self, caller: &Caller, notification: &Notification) -> ControlFlow<Option<Received>> {
        match self.check(caller, notification) {
            Checked::Judge(exec, expected) if is_helper(&exec) && exec.argv == [HELPER_NAME.to_bytes()] && expected.envc == 0 => {
                let Some(decision) = self.errands.get(&caller.group).map(|errand| errand.permit.seq()) else { return ControlFlow::Break(None) };
                let commit = Commit { group: caller.group, decision, what: What::Helper(Box::new((exec, expected))) };
                ControlFlow::Break(self.commit_own(notification, caller, commit))
            }
            // a signal's handler, or a sibling thread, had another idea
            Checked::Judge(..) | Checked::Refused(..) | Checked::Errno(_) => {
                let lapsed = self.end_errand(caller);
                // it comes again, and is no errand's any more
                self.deferred.push(super::Deferred { group: caller.group, notification: *notification });
                ControlFlow::Break(lapsed)
            }
        }
    }

    fn give_orders(&mut self, caller: &Caller, notification: &Notification) -> Option<Received> {
        let asked = Call::decode(notification).ok().and_then(|call| {
            self.memory.turn_to(caller.thread);
            call.prefetch(&mut self.memory).ok()?;
            call.path(&mut self.memory).ok()
        });
        let errand = self.errands.get_mut(&caller.group)?;
        let given = match (asked, errand.orders.take()) {
            (Some(name), Some(orders)) if name == ORDERS.to_bytes() => {
                errand.stage = Stage::Ordered;
                seccomp::give(self.listener.as_fd(), notification.id, orders.as_fd()).is_ok()
            }
            _ => false,
        };
        if given {
            return None;
        }
        self.answer(notification.id, Answer::Errno(libc::EACCES));
        self.end_errand(caller)
    }

    fn enter_program(&mut self, caller: &Caller, notification: &Notification) -> Option<Received> {
        let checked = self.check(caller, notification);
        if !seccomp::is_valid(self.listener(), notification.id) {
            return None;
        }
        let errand = self.errands.remove(&caller.group)?;
        let decision = errand.permit.seq();
        match checked {
            Checked::Judge(exec, expected) if errand.leads_to(&exec, &expected) => {
                let what = What::Program(Box::new((exec, expected)), Some(Box::new(errand)));
                self.commit_own(notification, caller, Commit { group: caller.group, decision, what })
            }
            Checked::Judge(exec, _) | Checked::Refused(exec, _) => {
                self.answer(notification.id, Answer::Errno(libc::EACCES));
                let denial = rules::another(&exec.path);
                Some(Received::Refused { pid: raw(caller.group), exec: Box::new(exec), denial, repeated: false })
            }
            Checked::Errno(errno) => {
                self.answer(notification.id, Answer::Errno(errno));
                Some(Received::Lapsed { pid: raw(caller.group), decision })
            }
        }
    }

    fn commit_own(&mut self, notification: &Notification, caller: &Caller, commit: Commit) -> Option<Received> {
        let decision = commit.decision;
        self.waiting.insert(notification.id, super::Waiting { group: caller.group, bytes: 0 });
        match self.commit(notification.id, caller.thread, commit, Answer::Continue) {
            Ok(()) => None,
            Err(_) => {
                self.errands.remove(&caller.group);
                Some(Received::Lapsed { pid: raw(caller.group), decision })
            }
        }
    }

    fn end_errand(&mut self, caller: &Caller) -> Option<Received> {
        let errand = self.errands.remove(&caller.group)?;
        Some(Received::Lapsed { pid: raw(caller.group), decision: errand.permit.seq() })
    }

    /// The errands of processes that have died on the way.
    pub(super) fn lost_errands(&mut self) -> Vec<Reaped> {
        if self.errands.is_empty() {
            return Vec::new();
        }
        let commits = &self.commits;
        // what dies in the middle of a commit is told by its tracing
        let is_lost = |errand: &Errand| !lives(&errand.process) && !commits.values().any(|commit| commit.group == errand.group);
        let lost: Vec<Pid> = self.errands.iter().filter(|(_, errand)| is_lost(errand)).map(|(group, _)| *group).collect();
        let lost = lost.into_iter().filter_map(|group| self.errands.remove(&group));
        lost.map(|errand| Reaped::Lapsed { pid: raw(errand.group), decision: errand.permit.seq() }).collect()
    }
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_pid().cast_unsigned()
}

