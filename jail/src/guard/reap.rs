//! After a decision: what became of the execs that were let go on, and of the jail's init.

use super::verify::{Unverified, found, verify};
use super::{Commit, Guard, Reaped};
use crate::sys::ptrace::{self, Waited};
use portcullis_model::session::ExitStatus;
use rustix::process::{Pid, Signal, WaitStatus, kill_process};

impl Guard {
    /// Takes everything that children and tracees have to tell, without waiting. To be called when SIGCHLD came, until
    /// [`Reaped::InitGone`]: the kernel does not finish the end of a jail before its last tracee is taken.
    pub fn reap(&mut self) -> Vec<Reaped> {
        let mut reaped = Vec::new();
        while let Some(waited) = ptrace::wait_any() {
            let what = match waited {
                Waited::Gone { pid, status } if pid == self.scope.init => Some(Reaped::InitGone(exit_status(status))),
                Waited::Gone { pid, .. } => {
                    self.strays.remove(&pid);
                    self.lapsed(pid)
                }
                Waited::Stopped { pid, event, signal } if self.strays.remove(&pid) => self.let_go(pid, event, signal),
                Waited::Stopped { pid, event: ptrace::EVENT_EXEC, .. } => self.loaded(pid),
                Waited::Stopped { pid, event, signal } => self.let_go(pid, event, signal),
            };
            reaped.extend(what);
        }
        reaped
    }

    fn lapsed(&mut self, ended: Pid) -> Option<Reaped> {
        // a thread whose exec fails halfway has the leader's number already
        let thread = self.commits.iter().find_map(|(thread, commit)| (*thread == ended || commit.group == ended).then_some(*thread))?;
        let Commit { group, decision, .. } = self.commits.remove(&thread)?;
        Some(Reaped::Lapsed { pid: raw(group), decision })
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
        let Some(Commit { exec, expected, decision, .. }) = thread.and_then(|thread| self.commits.remove(&thread)) else {
            let found = found(&self.scope.host_proc, process, None).map(Box::new);
            kill(process);
            return Some(Reaped::Killed { pid, decision: None, found, difference: "it was not allowed by anybody".to_owned() });
        };
        Some(match verify(&self.scope.host_proc, process, &exec, &expected, &mut self.stack) {
            Ok(()) => {
                let _ = ptrace::detach(process, 0);
                Reaped::Verified { pid, decision }
            }
            Err(Unverified::Dead) => Reaped::Lapsed { pid, decision },
            Err(Unverified::Different(difference)) => {
                let found = found(&self.scope.host_proc, process, Some(&exec)).map(Box::new);
                kill(process);
                Reaped::Killed { pid, decision: Some(decision), found, difference }
            }
        })
    }
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
