//! A session at a terminal.

use super::editor::Editor;
use super::keys::Keys;
use super::plain::Plain;
use super::prompt::Shown;
use super::{Front, FrontError, INTERRUPTED, Outcome, banner, completion};
use crate::engine::{Engine, EngineError, Mode, value};
use crate::parse::{Functions, units};
use crate::signals;
use crate::terminal::{Answers, Terminal};
use portcullis_model::session::ExitStatus;
use rustix::io::fcntl_dupfd_cloexec;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

/// What came from the operator.
#[derive(Debug)]
pub(super) enum Input {
    /// Lines.
    Text(Vec<u8>),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
    /// The terminal does not answer any more.
    Mute,
}

/// Where lines come from.
enum Source {
    /// An editor.
    Editor(Box<Editor>),
    /// The terminal's own editing.
    Plain(Plain),
    /// The same, until it is known whether the terminal answers.
    Undecided(Plain),
}

/// Runs the session.
pub(super) fn run(mut front: Front, program: &str, environment: Vec<(OsString, OsString)>, terminal: &Terminal) -> Result<ExitStatus, FrontError> {
    banner::show(&front.facts);
    let home = value(&environment, "HOME").map(|home| home.as_bytes().to_vec());
    let dumb = value(&environment, "TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let mut engine = Engine::start(program, Mode::Interactive { terminal: fcntl_dupfd_cloexec(terminal, 3)? }, environment)?;
    signals::block_stops()?;
    engine.ready(Some(terminal), &mut front.keeper)?;
    let mut keys = Keys::default();
    let mut source = if dumb { Source::Plain(Plain::default()) } else { Source::Undecided(Plain::default()) };
    let mut status = 0;
    loop {
        front.keeper.poll()?;
        front.say_notices();
        source = match source {
            Source::Undecided(plain) if plain.is_idle(terminal)? => match terminal.answers()? {
                (Answers::Yes, typed) => Source::Editor(Box::new(Editor::new(keys, home.as_deref().map(completion::directory), typed)?)),
                (Answers::No, typed) => Source::Plain(Plain::new(typed)),
                (Answers::NotYet, typed) => Source::Undecided(Plain::new(typed)),
            },
            source => source,
        };
        let shown = Shown::new(&front.facts, engine.cwd(), home.as_deref(), status);
        let input = match &mut source {
            Source::Editor(editor) => editor.read(&shown, &mut front, engine.cwd(), terminal)?,
            Source::Plain(plain) | Source::Undecided(plain) => plain.read(&shown, &mut front, terminal)?,
        };
        match input {
            Input::Text(text) => {
                status = front.units(&text, &mut engine, terminal, status)?;
                if let Some(asked) = asked_keys(&front, &text).filter(|asked| *asked != keys) {
                    keys = asked;
                    source = match source {
                        Source::Editor(editor) => Source::Editor(Box::new(editor.set_keys(keys))),
                        plain @ (Source::Plain(_) | Source::Undecided(_)) => plain,
                    };
                }
            }
            Input::Interrupted => status = engine.set_status(INTERRUPTED, Some(terminal), &mut front.keeper)?.status,
            // not a line: it works when no line is allowed any more; stopped jobs are warned about as ever
            Input::End => status = engine.leave(Some(terminal), &mut front.keeper).inspect_err(explain)?.status,
            Input::Mute => source = Source::Plain(Plain::default()),
        }
    }
}

impl Front {
    /// Runs what was entered, unit by unit; the first that is refused stops the rest.
    fn units(&mut self, text: &[u8], engine: &mut Engine, terminal: &Terminal, before: i32) -> Result<i32, FrontError> {
        let units = units(text, &self.parser);
        let units: Vec<_> = units.iter().filter(|unit| !unit.trim_ascii().is_empty()).collect();
        let mut status = before;
        for (index, unit) in units.iter().enumerate() {
            let unit = unit.strip_suffix(b"\n").unwrap_or(unit);
            match self.line(unit, engine, Some(terminal)).inspect_err(|error| if let FrontError::Engine(error) = error { explain(error) })? {
                Outcome::Empty => {}
                // as in bash, an interrupt is for all that was entered at once
                Outcome::Ran(ran) if ran == i32::from(INTERRUPTED) && index + 1 < units.len() => {
                    super::say(&format!("portcullis: interrupted; {} commands after it were not run", units.len() - index - 1));
                    return Ok(ran);
                }
                Outcome::Ran(ran) => status = ran,
                Outcome::Refused(refused) => {
                    let rest = units.len() - index - 1;
                    if units.len() > 1 {
                        let shown: String = portcullis_model::bytes::printable(unit).chars().take(60).collect();
                        super::say(&format!("portcullis: stopped at command {} of {} ({shown}); the {rest} after it were not run", index + 1, units.len()));
                    }
                    return Ok(refused);
                }
            }
        }
        Ok(status)
    }
}

fn asked_keys(front: &Front, text: &[u8]) -> Option<Keys> {
    // most lines do not ask: do not parse them again
    if !text.starts_with(b"set ") {
        return None;
    }
    front.parser.parse(text, b"", &Functions::new()).ok().and_then(|parsed| Keys::asked_by(&parsed.line))
}

/// Says why the session ends, when it is not what the operator asked for.
fn explain(error: &EngineError) {
    if let EngineError::Ended(ExitStatus::Signal { number, .. }) = error {
        super::say(&format!("portcullis: the shell's engine was killed by signal {number}; the session ends"));
    }
}

