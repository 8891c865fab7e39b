//! The front end: from what the operator enters to what the engine runs.
//!
//! [`Front::line`] is the life of a line: parse, judge, run, report. Everything else here is about where lines come from
//! (an [`editor`], a [`plain`] terminal, a [`piped`] script, one [`command`]) and how answers look.

mod allowed;
pub(crate) mod banner;
mod command;
mod completion;
mod editor;
mod foresight;
mod interactive;
mod keys;
pub(crate) mod messages;
mod outside;
mod own;
mod past;
mod piped;
mod plain;
mod prompt;
mod request;

use crate::client::{Answered, ClientError, Keeper, Welcome, own_notice};
use crate::engine::{Engine, EngineError};
use crate::parse::{Deadlined, Functions, Parsed, Refused};
use crate::signals::Interrupts;
use crate::terminal::Terminal;
use messages::say;
use own::{Own, Past, What};
use portcullis_model::session::{ExitStatus, Purpose, SessionFacts};
use portcullis_model::verdict::Denial;
use portcullis_model::wire::shell::Notice;
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::OsString;

/// The status of what was denied: as of a program that may not be executed.
const DENIED: u8 = 126;
/// The status of a line that was given up: as of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The keeper is gone.
    #[error(transparent)]
    Keeper(#[from] ClientError),
    /// The engine is of no more use.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A descriptor failed.
    #[error("the shell's input or output failed")]
    Io(#[from] std::io::Error),
    /// The keeper sent no input for a session without a terminal.
    #[error("the session has neither a terminal nor an input")]
    NoInput,
    /// The session was opened for something that another program serves.
    #[error("this is not what the shell is for")]
    Purpose,
}

impl From<rustix::io::Errno> for FrontError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// What a session's lines are judged with.
#[derive(Debug)]
pub(crate) struct Front {
    keeper: Keeper,
    facts: SessionFacts,
    parser: Deadlined,
    functions: Functions,
    interrupts: Interrupts,
    past: Option<Past>,
}

/// What became of a line before anything of it ran.
enum Judged {
    /// There is nothing to run in it.
    Empty,
    /// It is for the front end itself.
    Own(Own),
    /// It may run; the keeper's number for it.
    Allowed(u32, Parsed),
    /// It may not, and the operator was told.
    Denied,
    /// The operator gave up waiting.
    Withdrawn,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was nothing to run.
    Empty,
    /// It ran, with this status.
    Ran(i32),
    /// It was denied, or given up, and nothing of it ran.
    Refused(i32),
}

/// Runs a session to its end. `socket` is the keeper's, `environment` what the jail gave to this process.
///
/// # Errors
/// [`FrontError`]; the end of the engine is none.
pub fn run(socket: OwnedFd, environment: Vec<(OsString, OsString)>) -> Result<ExitStatus, FrontError> {
    let (keeper, welcome) = Keeper::connect(socket)?;
    let Welcome { facts, purpose, engine, input } = welcome;
    let interrupts = Interrupts::register()?;
    let front = Front { keeper, facts: *facts, parser: Deadlined::default(), functions: Functions::new(), interrupts, past: None };
    let environment = crate::engine::environment(environment);
    let terminal = if front.facts.tty { Some(Terminal::open(std::io::stdout().as_fd())?) } else { None };
    // descriptor 0 is what programs read from here on; the keeper's socket was another one's from the start
    match (&terminal, &input) {
        (Some(terminal), _) => rustix::stdio::dup2_stdin(terminal)?,
        (None, Some(input)) => rustix::stdio::dup2_stdin(input)?,
        (None, None) => return Err(FrontError::NoInput),
    }
    let ended = match (purpose, terminal) {
        (Purpose::Command(line), terminal) => command::run(front, &line, &engine, environment, terminal.as_ref()),
        (Purpose::Shell, Some(terminal)) => interactive::run(front, &engine, environment, &terminal),
        (Purpose::Shell, None) => piped::run(front, &engine, environment),
        (Purpose::Sftp | Purpose::Forward(_), _) => return Err(FrontError::Purpose),
    };
    match ended {
        Err(FrontError::Engine(EngineError::Ended(status))) => Ok(status),
        ended => ended,
    }
}

impl Front {
    /// The life of a line.
    fn line(&mut self, text: &[u8], engine: &mut Engine, terminal: Option<&Terminal>) -> Result<Outcome, FrontError> {
        let outcome = match self.judge(text, engine.cwd())? {
            Judged::Empty => return Ok(Outcome::Empty),
            Judged::Own(own) => {
                let status = self.own(&own, terminal)?;
                Outcome::Ran(engine.set_status(status, terminal, &mut self.keeper)?.status)
            }
            Judged::Allowed(id, parsed) => {
                let finished = engine.run(text, terminal, &mut self.keeper);
                self.say_denials();
                let status = finished?.status;
                self.keeper.done(id, status)?;
                self.functions.retain(|name| !parsed.removes.contains(name));
                self.functions.extend(parsed.defines);
                Outcome::Ran(status)
            }
            Judged::Denied => Outcome::Refused(engine.set_status(DENIED, terminal, &mut self.keeper)?.status),
            Judged::Withdrawn => Outcome::Refused(engine.set_status(INTERRUPTED, terminal, &mut self.keeper)?.status),
        };
        self.keeper.poll()?;
        self.say_notices();
        Ok(outcome)
    }

    /// Parses a line and has it judged; nothing of it has run when this returns.
    fn judge(&mut self, text: &[u8], cwd: &[u8]) -> Result<Judged, FrontError> {
        let parsed = match self.parser.parse(text, cwd, &self.functions) {
            Ok(parsed) => parsed,
            Err(Refused::Denied(denial)) => return Ok(self.denied(text, Vec::new(), own_notice(denial))),
            Err(Refused::Incomplete { message, .. }) => {
                let denial = Denial { rule: "syntax".to_owned(), reason: message, hint: String::new() };
                return Ok(self.denied(text, Vec::new(), own_notice(denial)));
            }
        };
        if parsed.blank {
            return Ok(Judged::Empty);
        }
        if let Some(own) = Own::from_line(&parsed.line) {
            return Ok(Judged::Own(own));
        }
        // an interrupt from before the question is not meant for it
        let _ = self.interrupts.take();
        match self.keeper.ask(parsed.line.clone(), &self.interrupts)? {
            Answered::Allowed(id) => Ok(Judged::Allowed(id, parsed)),
            Answered::Denied(notice) => Ok(self.denied(text, parsed.line.commands, notice)),
            Answered::Withdrawn => {
                say("\nportcullis: the line was withdrawn");
                Ok(Judged::Withdrawn)
            }
        }
    }

    fn denied(&mut self, text: &[u8], commands: Vec<portcullis_model::subject::Command>, notice: Notice) -> Judged {
        say(&messages::denial(&notice));
        self.past = Some(Past::now(What::Line { text: text.to_vec(), commands }, notice, self.keeper.module()));
        Judged::Denied
    }

    /// Says which execs were refused while a line ran.
    fn say_denials(&mut self) {
        let (denials, more) = self.keeper.take_denials();
        for denial in denials {
            say(&messages::exec_denial(&denial));
            self.past = Some(Past::now(What::Exec { path: denial.path }, denial.notice, self.keeper.module()));
        }
        if more > 0 {
            say(&format!("portcullis: {more} more execs were denied"));
        }
    }

    /// Says whatever the keeper has to say.
    fn say_notices(&mut self) {
        self.say_denials();
        self.keeper.say_urgent();
        for message in self.keeper.take_messages() {
            say(&messages::message(&message));
        }
    }
}
