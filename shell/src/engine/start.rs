//! The engine's start: the one place of this crate that spawns, and the one exec that the session's charter permits.

use super::{Engine, EngineError, HISTORY};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Lowest number of the descriptors that the engine shares with the front end: above what operators use by number and what
/// bash hands out.
const LOW: i32 = 100;

/// What makes an engine without prompts take its next step.
const STEP_AGAIN: &str = "builtin eval \"$__portcullis_step\"\n";

const STEP: &str = include_str!("step.bash");
/// How a session at a terminal tells which jobs a line has put in the background.
const NEWS: &str = include_str!("news.bash");

/// How the engine runs.
#[derive(Debug)]
pub enum Mode {
    /// With a terminal, which becomes the standard input of what it runs.
    Interactive {
        /// the terminal
        terminal: OwnedFd,
    },
    /// Without: the client's input is the standard input of what it runs.
    Script {
        /// the client's input
        input: OwnedFd,
    },
}

/// A descriptor that the engine inherits: its number is the same there.
fn inherited(fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
    let high = fcntl_dupfd_cloexec(&fd, LOW)?;
    fcntl_setfd(&high, FdFlags::empty())?;
    Ok(high)
}

fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC)
}

/// Runs `program` as the engine, with nothing but `environment`.
fn spawn(program: &str, args: &[&std::ffi::OsStr], environment: Vec<(OsString, OsString)>, stdin: OwnedFd) -> Result<(Pid, OwnedFd), EngineError> {
    let mut command = Command::new(program);
    command.arg0("bash").args(args).env_clear().envs(environment).stdin(Stdio::from(stdin));
    let child = command.spawn().map_err(|source| EngineError::Start { program: program.to_owned(), source })?;
    let pid = Pid::from_child(&child);
    Ok((pid, pidfd_open(pid, PidfdFlags::empty())?))
}

/// Starts `program -c LINE`: the session's one command.
pub(crate) fn command(program: &str, line: &[u8], environment: Vec<(OsString, OsString)>, stdin: OwnedFd) -> Result<(Pid, OwnedFd), EngineError> {
    let args = ["--norc", "--noprofile", "-c"].map(std::ffi::OsStr::new);
    spawn(program, &[&args[..], &[std::ffi::OsStr::from_bytes(line)]].concat(), environment, stdin)
}

impl Engine {
    /// Starts `program` and hands it the step that it will repeat. It is not [`ready`](Engine::ready) yet.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn start(program: &str, mode: Mode, mut environment: Vec<(OsString, OsString)>) -> Result<Self, EngineError> {
        let (lines_read, lines) = pipe()?;
        let (status, status_write) = pipe()?;
        let (trigger_read, trigger) = pipe()?;
        let (lines_read, status_write) = (inherited(lines_read)?, inherited(status_write)?);
        let own = [lines_read.as_raw_fd(), status_write.as_raw_fd()];
        let (input, interactive) = match mode {
            Mode::Interactive { terminal } => (inherited(terminal)?, true),
            Mode::Script { input } => (inherited(input)?, false),
        };
        let number = input.as_raw_fd();
        let step = STEP.replace("@LINES@", &own[0].to_string()).replace("@STATUS@", &own[1].to_string());
        let step = step.replace("@JOBS@", &format!("<&{number} {}<&- {}>&- {number}<&-", own[0], own[1]));
        let step = format!("'{}'", step.replace('\'', "'\\''"));
        let mut args = ["--noediting", "--norc", "--noprofile"].map(std::ffi::OsStr::new).to_vec();
        let (boot, trigger_text) = if interactive {
            args.push(std::ffi::OsStr::new("-i"));
            // it would show a prompt of its own before the boot text sets it
            environment.extend([("PS1".into(), "".into()), ("PS2".into(), "".into())]);
            let past = "[[ -f ~/.portcullis_history && ! -L ~/.portcullis_history ]] && { HISTTIMEFORMAT=; history -r ~/.portcullis_history; unset HISTTIMEFORMAT; } 2>/dev/null";
            let news = NEWS.replace("@TERMINAL@", &number.to_string());
            (boot(&format!("builtin history -c\nHISTSIZE={HISTORY}\n{past}\n__portcullis_jobs= __portcullis_async=\n{news}readonly -f __portcullis_news __portcullis_told\nPS0= PS1= PS2= PROMPT_COMMAND={step}\ndeclare +x PS1 PS2\nreadonly PS0 PS1 PS2 PROMPT_COMMAND")), "\n")
        } else {
            (boot(&format!("__portcullis_step={step}")) + STEP_AGAIN, STEP_AGAIN)
        };
        let (pid, pidfd) = spawn(program, &args, environment, trigger_read)?;
        drop((lines_read, status_write, input));
        Ok(Self { pid, pidfd, lines, status, trigger, trigger_text, boot, heard: Vec::new(), number: 0, cwd: b"/".to_vec() })
    }
}

/// What the engine runs before its first step: one command, so that nothing of it runs before all of it is read.
fn boot(last: &str) -> String {
    format!(
        "{{\nset +o history\nunset HISTFILE MAILCHECK\n__portcullis_n=0 __portcullis_status=0\n__portcullis_set() {{ return \"$1\"; }}\nreadonly -f __portcullis_set\nreadonly HOME\n{last}\n}}\n"
    )
}
