//! `ssh host 'command'`: one line, judged as a whole and run by the engine's only start. Nothing but the command writes to
//! its output; what the shell has to say goes to standard error.

use super::{DENIED, Front, FrontError, INTERRUPTED, Judged};
use crate::engine::{command, exit_status};
use crate::terminal::Terminal;
use crate::wait;
use portcullis_model::session::ExitStatus;
use rustix::fd::AsFd;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, WaitOptions, kill_process_group, waitpid};
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// How often a command at a terminal is looked at, whether it stopped.
const STOPPED_POLL: Duration = Duration::from_millis(200);

/// Runs the session.
pub(super) fn run(mut front: Front, line: &[u8], program: &str, environment: Vec<(OsString, OsString)>, terminal: Option<&Terminal>) -> Result<ExitStatus, FrontError> {
    let cwd = std::env::current_dir().map(|cwd| cwd.into_os_string().into_encoded_bytes()).unwrap_or_else(|_| b"/".to_vec());
    let id = match front.judge(line, &cwd)? {
        Judged::Allowed(id, _) => id,
        Judged::Empty => return Ok(ExitStatus::Code(0)),
        Judged::Own(own) => return Ok(ExitStatus::Code(front.own(&own, terminal)?)),
        Judged::Denied => return Ok(ExitStatus::Code(DENIED)),
        Judged::Withdrawn => return Ok(ExitStatus::Code(INTERRUPTED)),
    };
    let input = fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let (pid, pidfd) = command(program, line, environment, input)?;
    // the command must see its input end, and its reader go, when the client says so: this process holds none of them
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    crate::signals::block_stops()?;
    let status = loop {
        let deadline = terminal.map(|_| Instant::now() + STOPPED_POLL);
        let [_, said] = wait::readable([pidfd.as_fd(), front.keeper.as_fd()], deadline)?;
        if said {
            front.keeper.pump()?;
            front.keeper.say_urgent();
        }
        let Some((_, status)) = waitpid(Some(pid), WaitOptions::NOHANG | WaitOptions::UNTRACED)? else { continue };
        if let Some(status) = exit_status(status) {
            break status;
        }
        // there is no shell to come back to
        kill_process_group(rustix::process::getpgrp(), Signal::CONT)?;
    };
    front.keeper.poll()?;
    front.say_notices();
    let code = match status {
        ExitStatus::Code(code) => i32::from(code),
        ExitStatus::Signal { number, .. } => 128 + number,
    };
    front.keeper.done(id, code)?;
    Ok(status)
}
