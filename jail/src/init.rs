//! The first process of a jail, once the shell runs: reaps what is orphaned, says how the shell ended, makes the processes of other
//! users that the keeper orders, and exits when the keeper's end of the socket closes, on which the kernel kills whatever is left
//! in the PID namespace.

use crate::chain::with_sources;
use crate::control::{self, ControlError, FromInit, Message, OfChild};
use crate::guard::ChildSignal;
use crate::runas::{self, Means, RunAs};
use crate::socket::{Mode, SocketError};
use crate::sys::pidfd;
use crate::sys::process::{self, Image, Side};
use portcullis_model::bytes::printable;
use portcullis_model::session::ExitStatus;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, pidfd_send_signal};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// What ends init early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("child signal")]
    Signal(#[source] io::Error),
    #[error("reaping")]
    Reap(#[source] Errno),
    #[error("waiting for events")]
    Poll(#[source] Errno),
    #[error("telling the keeper")]
    Tell(#[source] SocketError),
}

/// A program of another user.
struct Child {
    number: u64,
    pid: Pid,
    process: OwnedFd,
    /// Who stands for it in the job of the one that asked.
    helper: OwnedFd,
    /// Closed when it may begin.
    held: Option<OwnedFd>,
}

struct Init<'a> {
    control: &'a OwnedFd,
    shell: Pid,
    means: Option<Means>,
    children: Vec<Child>,
}

/// Waits for the end of the keeper. With `means`, it makes processes of other users.
pub(crate) fn wait(control: &OwnedFd, shell: Pid, means: Option<Means>) -> Result<(), InitError> {
    let signal = ChildSignal::block().map_err(InitError::Signal)?;
    let mut init = Init { control, shell, means, children: Vec::new() };
    loop {
        signal.drain();
        init.reap()?;
        let mut fds = vec![PollFd::new(control, PollFlags::IN), PollFd::new(&signal, PollFlags::IN)];
        fds.extend(init.children.iter().map(|child| PollFd::new(&child.helper, PollFlags::IN)));
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(InitError::Poll(errno)),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        // who stood for it is gone, so it has no place in any job
        for (child, _) in init.children.iter().zip(ready.iter().skip(2)).filter(|(_, gone)| **gone) {
            let _ = pidfd_send_signal(&child.process, Signal::KILL);
        }
        // reaped above in the next turn; a helper that is gone stays readable until then
        if ready.first() == Some(&true) && init.hear()? {
            return Ok(());
        }
    }
}

impl Init<'_> {
    fn tell(&self, report: FromInit) -> Result<(), InitError> {
        control::send(self.control.as_fd(), &Message::Report(report), None).map_err(InitError::Tell)
    }

    /// Does what the keeper orders; whether the keeper is gone.
    fn hear(&mut self) -> Result<bool, InitError> {
        match control::receive_all(self.control.as_fd(), Mode::NonBlocking) {
            Ok(None) => Ok(false),
            Ok(Some((Message::RunAs(number), descriptors))) => {
                if let Err(why) = self.run_as(number, descriptors) {
                    self.tell(FromInit::Child { number, news: OfChild::NotStarted(why) })?;
                }
                Ok(false)
            }
            Ok(Some((Message::Begin(number), _))) => {
                if let Some(held) = self.child(number).and_then(|child| child.held.take()) {
                    let _ = rustix::io::write(&held, b"!");
                }
                Ok(false)
            }
            Ok(Some((Message::Continue(number), _))) => {
                if let Some(child) = self.child(number)
                    && let Ok(group) = rustix::process::getpgid(Some(child.pid))
                {
                    let _ = rustix::process::kill_process_group(group, Signal::CONT);
                }
                Ok(false)
            }
            // the keeper is gone; and it has nothing else to say, so whatever else comes is no keeper
            Ok(Some(_)) | Err(ControlError::Gone | ControlError::Socket(_) | ControlError::Malformed) => Ok(true),
        }
    }

    fn child(&mut self, number: u64) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.number == number)
    }

    fn run_as(&mut self, number: u64, descriptors: Vec<OwnedFd>) -> Result<(), String> {
        let Some(means) = &self.means else { return Err("nobody else can be had here".to_owned()) };
        let Ok([input, output, error, helper, orders]) = <[OwnedFd; 5]>::try_from(descriptors) else { return Err("it was not given what it needs".to_owned()) };
        let run: RunAs = serde_json::from_reader(io::BufReader::new(std::fs::File::from(orders))).map_err(|error| error.to_string())?;
        let job = pidfd::number(helper.as_fd()).and_then(|helper| rustix::process::getpgid(Some(helper)).ok());
        let job = job.ok_or("who asked for it is gone")?;
        let (begin, held) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| error.to_string())?;
        match process::fork().map_err(|error| error.to_string())? {
            Side::Child => {
                drop(held);
                become_child(&run, means, [input, output, error], &begin)
            }
            Side::Parent { pid, pidfd } => {
                // a job of another session, made by setsid, cannot be joined: then it is a job of its own, in nobody's foreground
                let joined = rustix::process::setpgid(Some(pid), Some(job)).or_else(|_| rustix::process::setpgid(Some(pid), Some(pid)));
                let report = FromInit::Child { number, news: OfChild::Made };
                let told = control::send(self.control.as_fd(), &Message::Report(report), Some(pidfd.as_fd()));
                self.children.push(Child { number, pid, process: pidfd, helper, held: Some(held) });
                joined.map_err(|error| error.to_string()).and(told.map_err(|error| with_sources(&error)))
            }
        }
    }

    /// Reaps all that wait for it.
    fn reap(&mut self) -> Result<(), InitError> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((pid, status))) => self.changed(pid, status)?,
                Err(Errno::INTR) => {}
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(errno) => return Err(InitError::Reap(errno)),
            }
        }
    }

    fn changed(&mut self, pid: Pid, status: WaitStatus) -> Result<(), InitError> {
        let stopped = status.stopping_signal();
        if pid == self.shell && stopped.is_none() {
            return self.tell(FromInit::ShellExited(exit_status(status)));
        }
        let Some(index) = self.children.iter().position(|child| child.pid == pid) else { return Ok(()) };
        let number = self.children.get(index).map_or(0, |child| child.number);
        let news = match stopped {
            Some(signal) => OfChild::Stopped(signal),
            None => {
                self.children.remove(index);
                OfChild::Ended(exit_status(status))
            }
        };
        self.tell(FromInit::Child { number, news })
    }
}

/// The process of another user, on its way to its program. It begins when its keeper knows it.
fn become_child(run: &RunAs, means: &Means, standard: [OwnedFd; 3], begin: &OwnedFd) -> ! {
    // one whose maker gives it up is not to begin
    if !matches!(rustix::io::retry_on_intr(|| rustix::io::read(begin, &mut [0; 1])), Ok(1)) {
        process::exit_now(126);
    }
    let strings = |list: &[Vec<u8>]| list.iter().cloned().map(CString::new).collect::<Result<Vec<_>, _>>();
    let failed = match (CString::new(run.name.clone()), strings(&run.arguments), strings(&run.environment)) {
        (Ok(name), Ok(arguments), Ok(environment)) => {
            let image = Image::new(name, arguments, environment);
            match runas::become_user(run, means, &standard) {
                Ok(marks) => image.run_marked(marks).to_string(),
                Err(error) => with_sources(&error),
            }
        }
        _ => "its arguments are not strings".to_owned(),
    };
    let text = format!("portcullis: {}: cannot be run as {}: {failed}\n", printable(&run.name), run.user.name);
    // it has the caller's by then, or init's, which nobody reads
    process::write_to(2, text.as_bytes());
    process::exit_now(126)
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(number)) => ExitStatus::Signal { number, core: status.as_raw() & 0x80 != 0 },
        (code, None) => ExitStatus::Code(u8::try_from(code.unwrap_or(255)).unwrap_or(255)),
    }
}
