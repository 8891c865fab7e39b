//! A session at a terminal.

use super::editor::Lines;
use super::plain::Plain;
use super::prompt::Shown;
use super::outside::Outside;
use super::{Front, FrontError, INTERRUPTED, Outcome, banner, completion, keys};
use crate::engine::{Engine, EngineError, Mode, value};
use crate::parse::{Functions, units};
use crate::signals;
use crate::terminal::Terminal;
use portcullis_model::session::ExitStatus;
use rustix::io::fcntl_dupfd_cloexec;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

/// What came from the operator.
#[derive(Debug)]
pub(super) enum Input {
    /// Lines.
    Text(Vec<u8>),
    /// Nothing to run, whatever was said.
    Again,
    /// A line that is to be edited by a program.
    Outside(Vec<u8>),
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
    Editor(Box<Lines>),
    /// The terminal's own editing: it can do nothing but show text.
    Plain(Plain),
}

impl Source {
    /// What the history has got, now that `text` was entered.
    fn fresh(&mut self, text: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Editor(lines) => lines.fresh(),
            Self::Plain(_) if text.trim_ascii().is_empty() || text.starts_with(b" ") => Vec::new(),
            Self::Plain(_) => vec![text.trim_ascii_end().to_vec()],
        }
    }
}

/// Runs the session.
pub(super) fn run(mut front: Front, program: &str, environment: Vec<(OsString, OsString)>, terminal: &Terminal) -> Result<ExitStatus, FrontError> {
    banner::show(&front.facts);
    let home = value(&environment, "HOME").map(|home| home.as_bytes().to_vec());
    let dumb = value(&environment, "TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let outside = Outside::new(&environment);
    let mut engine = Engine::start(program, Mode::Interactive { terminal: fcntl_dupfd_cloexec(terminal, 3)? }, environment)?;
    signals::block_stops()?;
    engine.ready(Some(terminal), &mut front.keeper)?;
    let mut source = if dumb { Source::Plain(Plain::default()) } else { Source::Editor(Box::new(Lines::new(home.as_deref().map(completion::directory), terminal)?)) };
    let mut status = 0;
    loop {
        front.keeper.poll()?;
        front.say_notices();
        let shown = Shown::new(&front.facts, front.keeper.end(), engine.cwd(), home.as_deref(), status);
        let input = match &mut source {
            Source::Editor(editor) => editor.read(&shown, &mut front, engine.cwd(), terminal)?,
            Source::Plain(plain) => plain.read(&shown, &mut front, terminal)?,
        };
        match input {
            Input::Text(text) => {
                for entry in source.fresh(&text) {
                    engine.remember(&entry)?;
                }
                status = front.units(&text, &mut engine, terminal, status)?;
                if text.trim_ascii().is_empty() {
                    engine.look(terminal, &mut front.keeper)?;
                }
                if let (Some(asked), Source::Editor(lines)) = (asked(&front, &text), &mut source) {
                    lines.asked(asked);
                }
            }
            Input::Again => {}
            Input::Outside(text) => {
                if let Source::Editor(lines) = &mut source {
                    lines.begin_with(front.outside(&outside, text, &mut engine, terminal)?);
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
        let all = lines(text);
        let mut line = 1;
        let mut status = before;
        for unit in &units {
            let next = line + lines(unit);
            let whole = unit.strip_suffix(b"\n").unwrap_or(unit);
            let outcome = if whole.trim_ascii().is_empty() { Outcome::Empty } else { self.line(whole, engine, Some(terminal)).inspect_err(|error| if let FrontError::Engine(error) = error { explain(error) })? };
            let left = (all + 1).saturating_sub(next);
            let not_run = format!("{left} {} not run", if left == 1 { "line was" } else { "lines were" });
            match outcome {
                Outcome::Empty => {}
                // as in bash, an interrupt is for all that was entered at once
                Outcome::Ran(ran) if ran == i32::from(INTERRUPTED) && left > 0 => {
                    super::say(&format!("portcullis: interrupted in line {line} of {all}: {not_run}"));
                    return Ok(ran);
                }
                Outcome::Ran(ran) => status = ran,
                Outcome::Refused(refused) => {
                    if units.len() > 1 {
                        let shown: String = portcullis_model::bytes::printable(whole).chars().take(60).collect();
                        super::say(&format!("portcullis: line {line} of {all} ({shown}) stopped the rest: {not_run}"));
                    }
                    return Ok(refused);
                }
            }
            line = next;
        }
        Ok(status)
    }
}

/// How many lines a text has.
fn lines(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').count()
}

fn asked(front: &Front, text: &[u8]) -> Option<keys::Asked> {
    // most lines do not ask: do not parse them again
    let text = text.trim_ascii_start();
    if !text.starts_with(b"set ") && !text.starts_with(b"history ") {
        return None;
    }
    front.parser.parse(text, b"", &Functions::new()).ok().and_then(|parsed| keys::asked_by(&parsed.line))
}

/// Says why the session ends, when it is not what the operator asked for.
fn explain(error: &EngineError) {
    if let EngineError::Ended(ExitStatus::Signal { number, .. }) = error {
        super::say(&format!("portcullis: the shell's engine was killed by signal {number}; the session ends"));
    }
}

