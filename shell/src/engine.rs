//! The engine: the host's bash, which runs accepted lines in the same jail, session and terminal.
//!
//! It reads its own commands from a pipe that says nothing but "go on", and the operator's lines from a private descriptor;
//! nothing is ever read again from the terminal's text. One step of `step.bash` is one line:
//!
//! | front end | engine |
//! | --- | --- |
//! | | `d N STATUS CWD`: line N is done (0: ready) |
//! | `h TEXT`, any number of times: the history has one more | |
//! | `l N+1 TEXT` | |
//! | | `a N+1`: it has the line, whole |
//! | gives the terminal away, `g N+1` and a trigger | |
//! | | `eval TEXT`, then the next step |
//! | takes the terminal back | |
//!
//! All of them end with NUL. While a line is handed over the terminal belongs to the front end, so that no Ctrl-C can tear
//! it; should one come late from the line before, the engine starts its step again, says `d N` again, and is handed the
//! line again. A step that an interrupt or a stop cuts short ends at bash's own top level and the next begins: the engine
//! holds no loop of its own, so that `break`, `continue`, Ctrl-Z, `declare` and `return` mean what they always mean.
//!
//! With a terminal the engine is an interactive bash, whose prompt command the step is, and the trigger is an empty line;
//! without, the trigger is the step. The descriptors are closed for what a line runs; its standard input is the terminal or
//! the client's input, and never the trigger.
//!
//! With a terminal it is told what was entered before (the history of the grant) and what the history gets, so that `history`
//! numbers the lines as the editor does. The jobs that a line has put in the background are told when it is done, where bash
//! tells each at once; an empty line is run too, so that bash tells which jobs have ended.
//!
//! Limits. The operator shares the engine: who replaces its variables, or writes to the saved copies of the descriptors
//! that a subshell inherits, can have lines reported as done that are not. He gains nothing but a record that fits less:
//! each exec is judged by itself. A typed `exit` does not warn about stopped jobs. `$_` does not survive from line to line, and the first sign of `set -x` is doubled.

mod environment;
mod start;

pub use environment::environment;
pub(crate) use environment::value;
pub(crate) use start::command;
pub use start::Mode;

use crate::client::{ClientError, Keeper};
use crate::terminal::Terminal;
use crate::wait;
use portcullis_model::session::ExitStatus;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::time::{Duration, Instant};

/// Lines that the history holds.
pub(crate) const HISTORY: usize = 2000;
/// Longest time that the engine may take to start; its exec waits for the guard.
const START: Duration = Duration::from_secs(20);
/// What Ctrl-D runs: as in bash, stopped jobs are warned about once. bash's own warning is only for what it reads itself.
const LEAVE: &str = r"if (( ${__portcullis_warned:--2} + 1 != __portcullis_n )) && [[ -n $(builtin jobs -s 2>/dev/null) ]]; then
    __portcullis_warned=$__portcullis_n
    builtin printf 'There are stopped jobs.\n' >&2
else
    builtin exit $__portcullis_last
fi";
/// How often the terminal is looked at meanwhile.
const OWNER_POLL: Duration = Duration::from_millis(1);

/// Why the engine is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It could not be started.
    #[error("the engine {program} could not be started")]
    Start {
        /// its path
        program: String,
        /// why
        source: std::io::Error,
    },
    /// It did not take the terminal, as an interactive shell does.
    #[error("the engine did not start in time")]
    Late,
    /// A descriptor failed.
    #[error("the engine could not be reached")]
    Descriptor(#[from] rustix::io::Errno),
    /// The keeper is gone.
    #[error(transparent)]
    Keeper(#[from] ClientError),
    /// It ended, which may be just what the operator wanted.
    #[error("the engine ended")]
    Ended(ExitStatus),
}

/// A line that was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Its status, as `$?` has it.
    pub status: i32,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    pid: Pid,
    pidfd: OwnedFd,
    lines: OwnedFd,
    status: OwnedFd,
    trigger: OwnedFd,
    trigger_text: &'static str,
    boot: String,
    heard: Vec<u8>,
    number: u64,
    cwd: Vec<u8>,
}

/// What the engine says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Has(u64),
    Done { number: u64, status: i32, cwd: Vec<u8> },
}

impl Engine {
    /// The directory that the next line will run in.
    #[must_use]
    pub fn cwd(&self) -> &[u8] {
        &self.cwd
    }

    /// Boots the engine and waits until it is ready for its first line.
    ///
    /// An interactive bash takes the terminal when it starts. It is taken back before the engine is told anything, so that
    /// no interrupt can tear what it is told.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn ready(&mut self, terminal: Option<&Terminal>, keeper: &mut Keeper) -> Result<(), EngineError> {
        if let Some(terminal) = terminal {
            let deadline = Instant::now() + START;
            while terminal.owner()? != self.pid {
                if wait::readable([self.pidfd.as_fd()], Some(Instant::now() + OWNER_POLL))?[0] {
                    return Err(EngineError::Ended(reap(self.pid)?));
                }
                if Instant::now() > deadline {
                    return Err(EngineError::Late);
                }
            }
            terminal.take()?;
        }
        rustix::io::write(&self.trigger, self.boot.as_bytes())?;
        let flags = rustix::fs::fcntl_getfl(&self.trigger)?;
        rustix::fs::fcntl_setfl(&self.trigger, flags | rustix::fs::OFlags::NONBLOCK)?;
        loop {
            if let Said::Done { cwd, .. } = self.hear(keeper)? {
                self.cwd = cwd;
                return Ok(());
            }
        }
    }

    /// Makes `status` the engine's `$?`, with all that a command with this status would set off (`set -e`, traps).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn set_status(&mut self, status: u8, terminal: Option<&Terminal>, keeper: &mut Keeper) -> Result<Finished, EngineError> {
        self.run(format!("__portcullis_set {status}").as_bytes(), terminal, keeper)
    }

    /// Tells an engine with a terminal what the history has got.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn remember(&mut self, entry: &[u8]) -> Result<(), EngineError> {
        // a message ends at a NUL: what followed one in an entry would be a message of its own, which nobody judged
        if entry.contains(&0) {
            return Ok(());
        }
        self.write(&[b"h ", entry, b"\0"].concat())
    }

    /// Has it say what has become of its jobs, as bash does before each prompt; `$?` stays.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn look(&mut self, terminal: &Terminal, keeper: &mut Keeper) -> Result<Finished, EngineError> {
        self.run(b"", Some(terminal), keeper)
    }

    /// Runs one accepted line; `terminal` belongs to it meanwhile.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Ended`] when the line ended the engine.
    pub fn run(&mut self, text: &[u8], terminal: Option<&Terminal>, keeper: &mut Keeper) -> Result<Finished, EngineError> {
        self.number += 1;
        let line = [format!("l {} ", self.number).as_bytes(), text, b"\0"].concat();
        self.write(&line)?;
        loop {
            match self.hear(keeper)? {
                Said::Has(number) if number == self.number => break,
                // its step began anew: the line may be torn
                Said::Done { number, .. } if number + 1 == self.number => self.write(&line)?,
                Said::Has(_) | Said::Done { .. } => {}
            }
        }
        if let Some(terminal) = terminal {
            terminal.give(self.pid)?;
        }
        self.write(format!("g {}\0", self.number).as_bytes())?;
        self.pull_trigger()?;
        let finished = self.finished(keeper);
        if let Some(terminal) = terminal {
            terminal.take()?;
        }
        finished
    }

    /// Leaves the engine as Ctrl-D does: once more if there are stopped jobs.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`EngineError::Ended`] when it was left.
    pub fn leave(&mut self, terminal: Option<&Terminal>, keeper: &mut Keeper) -> Result<Finished, EngineError> {
        self.run(LEAVE.as_bytes(), terminal, keeper)
    }

    fn finished(&mut self, keeper: &mut Keeper) -> Result<Finished, EngineError> {
        loop {
            if let Said::Done { number, status, cwd } = self.hear(keeper)? && number == self.number {
                self.cwd = cwd;
                return Ok(Finished { status });
            }
        }
    }

    /// Tells the engine that no more lines come, and waits for its end.
    ///
    /// # Errors
    /// [`EngineError`]; never [`EngineError::Ended`].
    pub fn close(self) -> Result<ExitStatus, EngineError> {
        drop((self.lines, self.trigger));
        Ok(reap(self.pid)?)
    }

    /// A trigger is one short write to a pipe that is not full unless thousands of lines were interrupted; then it may be
    /// left out, as enough are there.
    fn pull_trigger(&self) -> Result<(), EngineError> {
        match rustix::io::write(&self.trigger, self.trigger_text.as_bytes()) {
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::PIPE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), EngineError> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.lines, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::PIPE) => return Err(EngineError::Ended(reap(self.pid)?)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next thing that the engine says. The keeper is listened to meanwhile.
    fn hear(&mut self, keeper: &mut Keeper) -> Result<Said, EngineError> {
        loop {
            while let Some(end) = self.heard.iter().position(|byte| *byte == 0) {
                let rest = self.heard.split_off(end + 1);
                let mut message = std::mem::replace(&mut self.heard, rest);
                message.pop();
                if let Some(said) = said(&message) {
                    return Ok(said);
                }
            }
            let [status, keeps, ended] = wait::readable([self.status.as_fd(), keeper.as_fd(), self.pidfd.as_fd()], None)?;
            if keeps {
                keeper.pump()?;
                keeper.say_urgent();
            }
            if status {
                let mut room = [0; 8192];
                let read = rustix::io::read(&self.status, &mut room)?;
                self.heard.extend_from_slice(room.get(..read).unwrap_or_default());
                if read > 0 {
                    continue;
                }
            }
            if ended || status {
                return Err(EngineError::Ended(reap(self.pid)?));
            }
        }
    }
}

fn said(message: &[u8]) -> Option<Said> {
    let mut parts = message.splitn(4, |byte| *byte == b' ');
    let kind = parts.next()?;
    let number = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    match kind {
        b"a" => Some(Said::Has(number)),
        b"d" => Some(Said::Done { number, status: std::str::from_utf8(parts.next()?).ok()?.parse().ok()?, cwd: parts.next()?.to_vec() }),
        _ => None,
    }
}

/// Waits for the end of a child.
pub(crate) fn reap(pid: Pid) -> rustix::io::Result<ExitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(status) = exit_status(status) {
                    return Ok(status);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// How a child ended; none when it only stopped or went on.
pub(crate) fn exit_status(status: rustix::process::WaitStatus) -> Option<ExitStatus> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(ExitStatus::Code(u8::try_from(code & 0xff).unwrap_or(255))),
        (None, Some(number)) => Some(ExitStatus::Signal { number, core: status.as_raw() & 0x80 != 0 }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_is_understood_or_passed_over() {
        assert_eq!(said(b"a 7"), Some(Said::Has(7)));
        assert_eq!(said(b"d 7 130 /a b\xff"), Some(Said::Done { number: 7, status: 130, cwd: b"/a b\xff".to_vec() }));
        for strange in [b"".as_slice(), b"d", b"d x", b"d 1", b"d 1 2", b"d 1 x /", b"z 1"] {
            assert_eq!(said(strange), None, "{strange:?}");
        }
    }
}
