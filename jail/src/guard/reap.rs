//! After a decision: what became of the execs that were let go on, and of the jail's init.

use super::verify::{Unverified, found, verify};
use super::subtree::Subtree;
use super::{Commit, Guard, Reaped, What};
use crate::orders::{HELPER_NAME, HELPER_PATH};
use crate::sys::ptrace::{self, Waited};
use portcullis_model::session::ExitStatus;
use portcullis_model::subject::Exec;
use rustix::process::{Pid, Signal, WaitStatus, kill_process};

impl Guard {
    /// Takes everything that children and tracees have to tell, without waiting. To be called when SIGCHLD came, until
    /// [`Reaped::InitGone`]: the kernel does not finish the end of a jail before its last tracee is taken.
    pub fn reap(&mut self) -> Vec<Reaped> {
        let mut reaped = self.lost_errands();
        while let Some(waited) = ptrace::wait_any() {
            let what = match waited {
                Waited::Gone { pid, status } if pid == self.scope.init => Some(Reaped::InitGone(exit_status(status))),
                Waited::Gone { pid, .. } => {
                    self.strays.remove(&pid);
                    self.lapsed(pid)
                }
                Waited::Stopped { pid, event, signal } if self.strays.remove(&pid) => self.let_go(pid, event, signal),
                Waited::Stopped { pid, event: ptrace::EVENT_EXEC, .. } => self.loaded(pid),
                Waited::Stopped { pid, event, signal } => self.stopped(pid, event, signal),
            };
            reaped.extend(what);
        }
        reaped
    }

    fn lapsed(&mut self, ended: Pid) -> Option<Reaped> {
        // a thread whose exec fails halfway has the leader's number already
        let thread = self.commits.iter().find_map(|(thread, commit)| (*thread == ended || commit.group == ended).then_some(*thread))?;
        let Commit { group, decision, .. } = self.commits.remove(&thread)?;
        self.errands.remove(&group);
        Some(Reaped::Lapsed { pid: raw(group), decision })
    }

    /// A thread stopped that has not loaded an image.
    fn stopped(&mut self, thread: Pid, event: i32, signal: i32) -> Option<Reaped> {
        if !matches!(self.commits.get(&thread), Some(Commit { what: What::Redirection, .. })) {
            return self.let_go(thread, event, signal);
        }
        if ptrace::exec_instead(thread, HELPER_PATH, HELPER_NAME).is_err() {
            // it has no stack that could be used, or was killed: it would go on as if its exec had just failed
            return self.let_go(thread, event, signal);
        }
        // what comes next is an exec of the helper like any other, which finds the errand
        self.commits.remove(&thread);
        let _ = ptrace::detach(thread, if event == 0 { signal } else { 0 });
        None
    }

    /// The exec failed, or will be started again and then asked about again.
    fn let_go(&mut self, thread: Pid, event: i32, signal: i32) -> Option<Reaped> {
        let lapsed = self.lapsed(thread);
        // with an event, the signal is the stop's own; without one it was on its way to the thread. A group stop goes on by itself.
        // When this fails the thread was killed, and its end will be told
        let _ = ptrace::detach(thread, if event == 0 { signal } else { 0 });
        lapsed
    }

    /// A new image is loaded and has not run yet.
    fn loaded(&mut self, process: Pid) -> Option<Reaped> {
        let pid = raw(process);
        if !self.strays.is_empty() {
            // the thread that called exec; it is the leader now, under the leader's number
            let former = ptrace::former_thread(process).ok().flatten().unwrap_or(process);
            if self.strays.remove(&former) {
                let _ = ptrace::detach(process, 0);
                return None;
            }
        }
        // of one process only one thread is traced at a time, so it is that one's commit
        let thread = self.commits.iter().find_map(|(thread, commit)| (commit.group == process).then_some(*thread));
        let Some(Commit { decision, what, .. }) = thread.and_then(|thread| self.commits.remove(&thread)) else {
            return Some(self.killed(process, None, None, "it was not allowed by anybody".to_owned()));
        };
        let (exec, expected, then) = match what {
            What::Program(program, None) => (program.0, program.1, Then::Report),
            What::Program(program, Some(errand)) => (program.0, program.1, Then::Hold(errand)),
            What::Helper(program) => (program.0, program.1, Then::Order),
            What::Redirection => return Some(self.killed(process, Some(decision), None, "it was to be confined first".to_owned())),
        };
        match (verify(&self.scope.host_proc, process, &exec, &expected, &mut self.stack), then) {
            (Ok(()), Then::Order) => {
                if let Some(errand) = self.errands.get_mut(&process) {
                    errand.is_helped();
                }
                let _ = ptrace::detach(process, 0);
                None
            }
            (Ok(()), then) => {
                if let Then::Hold(errand) = then {
                    self.subtrees.extend(Subtree::of(*errand));
                }
                let _ = ptrace::detach(process, 0);
                Some(Reaped::Verified { pid, decision })
            }
            (Err(Unverified::Dead), _) => {
                self.errands.remove(&process);
                Some(Reaped::Lapsed { pid, decision })
            }
            (Err(Unverified::Different(difference)), _) => Some(self.killed(process, Some(decision), Some(&exec), difference)),
        }
    }

    fn killed(&mut self, process: Pid, decision: Option<u64>, allowed: Option<&Exec>, difference: String) -> Reaped {
        let found = found(&self.scope.host_proc, process, allowed).map(Box::new);
        kill(process);
        self.errands.remove(&process);
        Reaped::Killed { pid: raw(process), decision, found, difference }
    }
}

/// What follows when an image is the one that was allowed.
enum Then {
    /// It is told.
    Report,
    /// It is told, and its descendants are known from now on.
    Hold(Box<super::errand::Errand>),
    /// It is the helper, and may ask for its orders.
    Order,
}

/// A tracee that is stopped; it cannot be gone, and its number cannot be another's, before it is waited for.
fn kill(process: Pid) {
    let _ = kill_process(process, Signal::KILL);
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_pid().cast_unsigned()
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, number) => ExitStatus::Signal { number: number.unwrap_or_default(), core: libc::WCOREDUMP(status.as_raw()) },
    }
}
