//! Lines from the editor.
//!
//! Keys are read one byte at a time, as bash reads them: what was typed beyond a line's end stays in the terminal, and
//! reaches the program that the line starts, or the next prompt. While a line is edited, everything else goes on: the
//! keeper is listened to, the window may change its size, the prompt's clock runs, and the line is looked at ahead
//! ([`super::foresight`]); none of it keeps a key waiting.

use super::completion::{self, Known, directory};
use super::foresight::Foresight;
use super::keys::Asked;
use super::messages;
use super::past::Kept;
use super::prompt::{MORE, SOON_MS, Shown};
use super::{Front, FrontError, interactive::Input};
use crate::edit::expansion::{Expanded, Memory, expand, open_quote};
use crate::edit::history::History;
use crate::edit::keys::{Decoder, Key};
use crate::edit::screen::{Screen, Size, Style, View};
use crate::edit::{Completing, Editor, Step};
use crate::engine::HISTORY;
use crate::parse::{Collector, Deadlined, all_builtins, joined, units};
use crate::signals::Resizes;
use crate::terminal::Terminal;
use crate::wait;
use portcullis_model::subject::LINE_MAX;
use rustix::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a sequence of the terminal may take: readline's own time.
const SEQUENCE: Duration = Duration::from_millis(500);
/// Names that are listed without a question.
const LIST_MAX: usize = 100;
/// How often the prompt's clock is looked at when the end is near.
const CLOCK: Duration = Duration::from_secs(5);

/// The editor and its terminal.
pub(super) struct Lines {
    editor: Editor,
    decoder: Decoder,
    screen: Screen,
    resizes: Resizes,
    kept: Option<Kept>,
    foresight: Foresight,
    home: Option<PathBuf>,
    /// Whether `!!` and its kin are expanded, and what they leave behind.
    expands: bool,
    memory: Memory,
    /// Where the line stands that is edited: nothing is expanded in a here-document, and quotes go on.
    verbatim: bool,
    quote: Option<u8>,
    /// What the next line begins with.
    next: Option<Vec<u8>>,
    /// What the history has got since it was asked for.
    fresh: Vec<Vec<u8>>,
    /// Names that wait for the answer whether to list them.
    names: Option<Vec<Vec<u8>>>,
}

/// What became of one line.
enum Entered {
    Line(Vec<u8>),
    Abandoned,
    /// It is no line, and this is said instead.
    Said(Vec<u8>),
    /// It is to be edited by a program.
    Outside(Vec<u8>),
    End,
    Mute,
}

/// The prompt of the line that is edited.
enum Prompt<'a> {
    First(&'a Shown),
    More,
}

impl Prompt<'_> {
    fn styled(&self) -> Vec<(Style, String)> {
        match self {
            Self::First(shown) => shown.styled(),
            Self::More => vec![(Style::Plain, MORE.to_owned())],
        }
    }

    /// When it has to be drawn anew.
    fn renewed(&self) -> Option<Instant> {
        match self {
            Self::First(shown) if shown.left() <= SOON_MS + 60_000 => Some(Instant::now() + CLOCK),
            Self::First(_) | Self::More => None,
        }
    }
}

impl Lines {
    /// An editor whose history is kept in `home`.
    pub(super) fn new(home: Option<PathBuf>, terminal: &Terminal) -> Result<Self, FrontError> {
        let mut history = History::new(HISTORY);
        let kept = home.as_ref().map(|home| Kept::load(home, HISTORY, |line| {
            history.add(line);
        }));
        history.skip(kept.as_ref().map_or(0, Kept::skipped));
        Ok(Self {
            editor: Editor::new(history),
            decoder: Decoder::default(),
            screen: Screen::new(terminal.size()),
            resizes: Resizes::register()?,
            kept,
            foresight: Foresight::new()?,
            home,
            expands: true,
            memory: Memory::default(),
            verbatim: false,
            quote: None,
            next: None,
            fresh: Vec::new(),
            names: None,
        })
    }

    /// Does what a line asks of the editor.
    pub(super) fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Keys(keys) => self.editor.set_keys(keys),
            Asked::Expansion(wanted) => self.expands = wanted,
            Asked::Forget => self.editor.forget(),
        }
    }

    /// Has the next line begin with this.
    pub(super) fn begin_with(&mut self, text: Vec<u8>) {
        self.next = Some(text);
    }

    /// What the history has got since the last call.
    pub(super) fn fresh(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.fresh)
    }

    /// Reads what the operator enters next: one unit or, from a paste, several.
    pub(super) fn read(&mut self, shown: &Shown, front: &mut Front, cwd: &[u8], terminal: &Terminal) -> Result<Input, FrontError> {
        terminal.edit()?;
        let read = self.whole(shown, front, cwd, terminal);
        terminal.edit_no_more()?;
        if let Ok(Input::Text(text)) = &read {
            self.remember(text, &front.parser);
        }
        read
    }

    /// Lines until a command is whole.
    fn whole(&mut self, shown: &Shown, front: &mut Front, cwd: &[u8], terminal: &Terminal) -> Result<Input, FrontError> {
        let mut collector = Collector::default();
        let mut text = Vec::new();
        loop {
            let prompt = if text.is_empty() { Prompt::First(shown) } else { Prompt::More };
            (self.verbatim, self.quote) = (collector.is_in_here_document(), open_quote(&text));
            match self.line(&prompt, front, cwd, terminal)? {
                Entered::Line(mut line) => {
                    line.push(b'\n');
                    text.extend_from_slice(&line);
                    for line in line.split_inclusive(|byte| *byte == b'\n') {
                        let _ = collector.push(line, &front.parser);
                    }
                    if collector.is_empty() {
                        text.pop();
                        return Ok(Input::Text(text));
                    }
                }
                Entered::Abandoned => return Ok(Input::Interrupted),
                Entered::Said(said) => {
                    terminal.write(&[said.as_slice(), b"\n"].concat())?;
                    return Ok(Input::Again);
                }
                Entered::Outside(line) => return Ok(Input::Outside([text, line].concat())),
                Entered::End if text.is_empty() => return Ok(Input::End),
                // as in bash, what is not whole is judged as it is, and that says what is missing
                Entered::End => return Ok(Input::Text(text)),
                Entered::Mute => return Ok(Input::Mute),
            }
        }
    }

    fn remember(&mut self, text: &[u8], parser: &Deadlined) {
        for unit in units(text, parser) {
            let line = joined(&unit, parser);
            self.keep(line.trim_ascii_end());
        }
    }

    fn keep(&mut self, line: &[u8]) {
        if self.editor.remember(line) {
            if let Some(kept) = &mut self.kept {
                kept.add(line);
            }
            self.fresh.push(line.to_vec());
        }
    }

    /// Takes a line that is entered, unless it expands to another: that one has to be entered first.
    fn entered(&mut self) -> Option<Entered> {
        if !self.expands || self.verbatim || self.editor.text().len() > LINE_MAX {
            return Some(Entered::Line(self.editor.text().to_vec()));
        }
        match expand(self.editor.text(), self.quote, self.editor.history(), &mut self.memory) {
            Ok(Expanded::Line(text)) if text != self.editor.text() => {
                self.editor.set_text(&text);
                None
            }
            Ok(Expanded::Same | Expanded::Line(_)) => Some(Entered::Line(self.editor.text().to_vec())),
            Ok(Expanded::Shown(text)) => {
                self.keep(text.trim_ascii());
                Some(Entered::Said(portcullis_model::bytes::printable(&text).into_bytes()))
            }
            Err(error) => Some(Entered::Said(format!("portcullis: {error}").into_bytes())),
        }
    }

    /// Edits one line.
    fn line(&mut self, prompt: &Prompt<'_>, front: &mut Front, cwd: &[u8], terminal: &Terminal) -> Result<Entered, FrontError> {
        self.editor.begin();
        if let Some(text) = self.next.take() {
            self.editor.set_text(&text);
        }
        self.screen = Screen::new(terminal.size());
        let _ = front.interrupts.take();
        terminal.write(b"\x1b[?2004h")?;
        let mut stale = true;
        let mut sequence = None;
        let entered = loop {
            if stale && !self.decoder.is_pasting() && !wait::is_readable(terminal.as_fd())? {
                self.draw(prompt, terminal)?;
                stale = false;
            }
            let deadline = [sequence, prompt.renewed(), self.foresight.due()].into_iter().flatten().min();
            let [typed, said, interrupt, resized, foreseen] =
                wait::readable([terminal.as_fd(), front.keeper.as_fd(), front.interrupts.as_fd(), self.resizes.as_fd(), self.foresight.as_fd()], deadline)?;
            if interrupt && front.interrupts.take() {
                self.leave(prompt, b"^C", terminal)?;
                break Entered::Abandoned;
            }
            if resized && self.resizes.take() {
                let erased = self.screen.resize(terminal.size());
                terminal.write(&erased)?;
                stale = true;
            }
            if said {
                front.keeper.pump()?;
                stale |= self.tell(front, terminal)?;
            }
            if foreseen {
                stale |= self.foresight.parsed(&mut front.keeper, cwd)?;
            }
            if !typed {
                if sequence.is_some_and(|at| at <= Instant::now()) {
                    sequence = None;
                    for key in self.decoder.idle() {
                        stale = true;
                        if let Some(entered) = self.key(key, prompt, front, cwd, terminal)? {
                            self.leave(prompt, b"", terminal)?;
                            return Ok(entered);
                        }
                    }
                }
                stale |= self.foresight.look(&self.editor, front);
                // the prompt's clock
                stale |= deadline.is_some_and(|at| at <= Instant::now());
                continue;
            }
            let mut room = [0];
            match rustix::io::read(terminal, &mut room) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::IO) => break Entered::Mute,
                Ok(0) => break Entered::End,
                read => {
                    read?;
                }
            }
            stale = true;
            let mut entered = None;
            for key in self.decoder.push(room[0], self.editor.escape()) {
                entered = entered.or(self.key(key, prompt, front, cwd, terminal)?);
            }
            sequence = self.decoder.is_waiting().then(|| Instant::now() + SEQUENCE);
            self.foresight.typed(self.editor.text());
            if let Some(entered) = entered {
                // as bash says it
                let last: &[u8] = if matches!((&entered, prompt), (Entered::End, Prompt::First(_))) { b"exit" } else { b"" };
                self.leave(prompt, last, terminal)?;
                break entered;
            }
        };
        self.foresight.rest();
        Ok(entered)
    }

    /// Does what a key means; what is entered by it.
    fn key(&mut self, key: Key, prompt: &Prompt<'_>, front: &Front, cwd: &[u8], terminal: &Terminal) -> Result<Option<Entered>, FrontError> {
        if let Some(names) = self.names.take() {
            match key {
                Key::Text(byte) if matches!(byte.as_slice(), b"y" | b"Y" | b" ") => self.list(&names, terminal)?,
                Key::Text(byte) if matches!(byte.as_slice(), b"n" | b"N") => terminal.write(b"\r\n")?,
                Key::Control(127) => terminal.write(b"\r\n")?,
                _ => {
                    terminal.write(b"\x07")?;
                    self.names = Some(names);
                }
            }
            return Ok(None);
        }
        match self.editor.key(key) {
            Step::Draw => {}
            Step::Bell => terminal.write(b"\x07")?,
            Step::Accept => return Ok(self.entered()),
            Step::Outside => return Ok(Some(Entered::Outside(self.editor.text().to_vec()))),
            Step::End => return Ok(Some(Entered::End)),
            Step::Abandon => return Ok(Some(Entered::Abandoned)),
            Step::Clear => {
                let cleared = self.screen.clear();
                terminal.write(&cleared)?;
            }
            Step::Complete(how) => self.complete(how, prompt, front, cwd, terminal)?,
        }
        Ok(None)
    }

    fn complete(&mut self, how: Completing, prompt: &Prompt<'_>, front: &Front, cwd: &[u8], terminal: &Terminal) -> Result<(), FrontError> {
        let known = self.known(front, cwd);
        let completion = completion::complete(&known, self.editor.text(), self.editor.at());
        let (step, names) = self.editor.complete(&completion, how);
        if step == Step::Bell {
            terminal.write(b"\x07")?;
        }
        if names.is_empty() {
            return Ok(());
        }
        self.show(prompt, self.editor.text().len(), terminal)?;
        let left = self.screen.leave();
        terminal.write(&left)?;
        if names.len() >= LIST_MAX {
            terminal.write(format!("Display all {} possibilities? (y or n)", names.len()).as_bytes())?;
            self.names = Some(names);
            return Ok(());
        }
        self.list(&names, terminal)
    }

    fn list(&mut self, names: &[Vec<u8>], terminal: &Terminal) -> Result<(), FrontError> {
        let listed = completion::columns(names, self.screen.size().columns);
        let start: &[u8] = if names.len() >= LIST_MAX { b"\r\n" } else { b"" };
        Ok(terminal.write(&[start, &listed].concat())?)
    }

    fn known(&self, front: &Front, cwd: &[u8]) -> Known {
        let forms = front.keeper.module().map(|module| module.allowed.iter().map(|form| form.form.clone()).collect()).unwrap_or_default();
        let mut known = Known { cwd: directory(cwd), home: self.home.clone(), ..Known::default() }.with_forms(forms);
        known.commands.extend(all_builtins().iter().copied().chain(super::own::NAMES.iter().copied()).map(|name| name.as_bytes().to_vec()));
        known.commands.extend(front.functions.iter().cloned());
        known
    }

    fn draw(&mut self, prompt: &Prompt<'_>, terminal: &Terminal) -> Result<(), FrontError> {
        if self.names.is_some() {
            return Ok(());
        }
        let instead = self.editor.instead_of_prompt();
        let styled = match &instead {
            Some(text) => vec![(Style::Plain, text.clone())],
            None => prompt.styled(),
        };
        let term = self.editor.instead_of_line();
        let (text, at) = term.as_ref().map_or((self.editor.text(), self.editor.at()), |term| (term.as_slice(), term.len()));
        let drawn = self.screen.draw(View { prompt: &styled, text, at, below: self.foresight.hint() });
        Ok(terminal.write(&drawn)?)
    }

    /// Shows the line as it is when it is left, with nothing else beside it.
    fn show(&mut self, prompt: &Prompt<'_>, at: usize, terminal: &Terminal) -> Result<(), FrontError> {
        let drawn = self.screen.draw(View { prompt: &prompt.styled(), text: self.editor.text(), at, below: "" });
        Ok(terminal.write(&drawn)?)
    }

    fn leave(&mut self, prompt: &Prompt<'_>, more: &[u8], terminal: &Terminal) -> Result<(), FrontError> {
        self.names = None;
        self.decoder = Decoder::default();
        // as readline has it, ^C stands where the cursor is
        let at = if more == b"^C" { self.editor.at() } else { self.editor.text().len() };
        self.show(prompt, at, terminal)?;
        terminal.write(more)?;
        let left = self.screen.leave();
        Ok(terminal.write(&[&left, b"\x1b[?2004l\r".as_slice()].concat())?)
    }

    /// Shows what the keeper says above the prompt; says whether there was anything that changes the screen.
    fn tell(&mut self, front: &mut Front, terminal: &Terminal) -> Result<bool, FrontError> {
        let hinted = self.foresight.heard(&mut front.keeper, self.editor.text());
        let (denials, _) = front.keeper.take_denials();
        let (waits, said) = (front.keeper.take_waits(), front.keeper.take_messages());
        let texts: Vec<String> = denials.iter().map(messages::exec_denial).chain(waits.iter().map(messages::waits)).chain(said.iter().map(|text| messages::message(text))).collect();
        if texts.is_empty() {
            return Ok(hinted);
        }
        let mut out = self.screen.erase();
        for text in texts {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        terminal.write(&out)?;
        Ok(true)
    }
}

/// The terminal's size is asked for often: it is a call, not a message.
impl Terminal {
    fn size(&self) -> Size {
        rustix::termios::tcgetwinsize(self).map_or(Size::new(0, 0), |size| Size::new(size.ws_row, size.ws_col))
    }

    /// Writes all of it.
    fn write(&self, mut bytes: &[u8]) -> rustix::io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(self, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
