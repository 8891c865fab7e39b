//! The first process of a jail, once the shell runs: reaps what is orphaned, says how the shell ended, and exits when the
//! keeper's end of the socket closes, on which the kernel kills whatever is left in the PID namespace.

use crate::control::{self, ControlError, FromInit, Message};
use crate::guard::ChildSignal;
use crate::socket::{Mode, SocketError};
use portcullis_model::session::ExitStatus;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};
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

/// Waits for the end of the keeper.
pub(crate) fn wait(control: &OwnedFd, shell: Pid) -> Result<(), InitError> {
    let children = ChildSignal::block().map_err(InitError::Signal)?;
    loop {
        children.drain();
        if let Some(status) = reap(shell)? {
            let report = Message::Report(FromInit::ShellExited(status));
            control::send(control.as_fd(), &report, None).map_err(InitError::Tell)?;
        }
        let mut fds = [PollFd::new(control, PollFlags::IN), PollFd::new(&children, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(InitError::Poll(errno)),
        }
        let [said, _] = &fds;
        if !said.revents().is_empty() {
            match control::receive(control.as_fd(), Mode::NonBlocking) {
                Ok(None) => {}
                // the keeper is gone; and it has nothing to say, so whatever else comes is no keeper
                Ok(Some(_)) | Err(ControlError::Gone | ControlError::Socket(_) | ControlError::Malformed) => return Ok(()),
            }
        }
    }
}

/// Reaps all that wait for it; how the shell ended, if it was among them.
fn reap(shell: Pid) -> Result<Option<ExitStatus>, InitError> {
    let mut ended = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == shell => ended = Some(exit_status(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(ended),
            Err(errno) => return Err(InitError::Reap(errno)),
        }
    }
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(number)) => ExitStatus::Signal { number, core: status.as_raw() & 0x80 != 0 },
        (code, None) => ExitStatus::Code(u8::try_from(code.unwrap_or(255)).unwrap_or(255)),
    }
}
