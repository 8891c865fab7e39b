//! Lines from an editor: a terminal that answers.
//!
//! What was typed while a line ran is never lost. The terminal keeps it, in whole lines; they are taken one at a time, so
//! that what is meant for the next program still reaches it. What the editor has read beyond its line's end (a paste without
//! brackets) is taken back from it and comes first.
//!
//! Limit: such a paste is lines for the shell, also where bash would leave the rest of it to the program that the first
//! line starts.

use super::completion::{Known, Names, directory};
use super::keys::{COMPLETIONS, Keys};
use super::messages::{self, show};
use super::prompt::Shown;
use super::{Front, FrontError, interactive::Input};
use crate::client::Keeper;
use crate::parse::{Collector, Deadlined, Functions, Refused, all_builtins, units};
use crate::terminal::Terminal;
use crate::wait;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use reedline::{
    ColumnarMenu, DefaultHinter, EditCommand, ExternalPrinter, FileBackedHistory, Highlighter, MenuBuilder as _, Reedline, ReedlineMenu, Signal, StyledText, ValidationResult, Validator,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines that the history holds; it is the session's and ends with it.
const HISTORY: usize = 2000;
/// How often messages of the keeper are looked for while nothing is typed.
const POLL: Duration = Duration::from_millis(250);

/// The editor.
pub(super) struct Editor {
    reedline: Reedline,
    known: Arc<Mutex<Known>>,
    stop: Arc<AtomicBool>,
    printer: SyncSender<String>,
    typed: Vec<u8>,
}

impl Editor {
    /// An editor; `typed` is what was typed already.
    pub(super) fn new(keys: Keys, home: Option<PathBuf>, typed: Vec<u8>) -> Result<Self, FrontError> {
        let known = Arc::new(Mutex::new(Known { home, ..Known::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let printer = ExternalPrinter::default();
        let sender = printer.sender();
        let history = FileBackedHistory::new(HISTORY).map_err(std::io::Error::other)?;
        let menu = ColumnarMenu::default().with_name(COMPLETIONS).with_marker("$ ");
        let reedline = Reedline::create()
            .with_history(Box::new(history))
            .with_hinter(Box::new(DefaultHinter::default().with_style(reedline::Color::DarkGray.normal())))
            .with_highlighter(Box::new(Plain))
            .with_validator(Box::new(Whole::default()))
            .with_completer(Box::new(Names(Arc::clone(&known))))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
            .with_edit_mode(keys.edit_mode())
            .with_external_printer(printer)
            .with_poll_interval(POLL)
            .with_break_signal(Arc::clone(&stop))
            .use_bracketed_paste(true);
        Ok(Self { reedline, known, stop, printer: sender, typed })
    }

    /// Changes the keys.
    pub(super) fn set_keys(self, keys: Keys) -> Self {
        Self { reedline: self.reedline.with_edit_mode(keys.edit_mode()), ..self }
    }

    /// Reads what the operator enters next: one unit or, from a paste, several.
    pub(super) fn read(&mut self, shown: &Shown, front: &mut Front, cwd: &[u8], terminal: &Terminal) -> Result<Input, FrontError> {
        let begun = match self.typed_ahead(shown, &front.parser, terminal)? {
            Ahead::Unit(text) => return Ok(Input::Text(text)),
            Ahead::End => return Ok(Input::End),
            Ahead::Begun(text) => text,
        };
        self.learn(front, cwd);
        if !begun.is_empty() {
            self.reedline.run_edit_commands(&[EditCommand::InsertString(String::from_utf8_lossy(&begun).into_owned())]);
        }
        let read = self.edit(shown, &mut front.keeper, terminal)?;
        self.take_back()?;
        Ok(read)
    }

    /// Lines that were typed before there was a prompt for them.
    fn typed_ahead(&mut self, shown: &Shown, parser: &Deadlined, terminal: &Terminal) -> Result<Ahead, FrontError> {
        let mut collector = Collector::default();
        let mut begun = Vec::new();
        loop {
            let line = match self.typed.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                Some(end) => {
                    let rest = self.typed.split_off(end + 1);
                    let mut line = std::mem::replace(&mut self.typed, rest);
                    line.pop();
                    line.push(b'\n');
                    line
                }
                None if wait::is_readable(terminal.as_fd())? => {
                    let mut room = [0; 4096];
                    let read = rustix::io::read(terminal, &mut room)?;
                    let mut line = std::mem::take(&mut self.typed);
                    line.extend_from_slice(room.get(..read).unwrap_or_default());
                    if line.is_empty() && begun.is_empty() {
                        return Ok(Ahead::End);
                    }
                    if !line.ends_with(b"\n") {
                        begun.extend(line);
                        return Ok(Ahead::Begun(begun));
                    }
                    line
                }
                None => {
                    begun.append(&mut self.typed);
                    return Ok(Ahead::Begun(begun));
                }
            };
            let prompt = if begun.is_empty() { shown.plain() } else { super::prompt::MORE.to_owned() };
            show(&format!("{prompt}{}\n", portcullis_model::bytes::printable(line.trim_ascii_end())))?;
            begun.extend_from_slice(&line);
            if let Some(unit) = collector.push(&line, parser) {
                return Ok(Ahead::Unit(unit));
            }
        }
    }

    fn learn(&self, front: &Front, cwd: &[u8]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.cwd = directory(cwd);
        known.forms = front.keeper.module().map(|module| module.allowed.iter().map(|form| form.form.clone()).collect()).unwrap_or_default();
        let forms: Vec<String> = known.forms.iter().filter_map(|form| form.split_whitespace().next().map(str::to_owned)).collect();
        known.commands = all_builtins().iter().map(|name| (*name).to_owned()).chain(["allowed", "why"].map(str::to_owned)).chain(forms).collect();
        known.commands.extend(front.functions.iter().filter_map(|name| String::from_utf8(name.clone()).ok()));
    }

    /// Edits one line while a thread listens to the keeper.
    fn edit(&mut self, shown: &Shown, keeper: &mut Keeper, terminal: &Terminal) -> Result<Input, FrontError> {
        let (stop_read, stop_write) = pipe_with(PipeFlags::CLOEXEC)?;
        let (printer, stop, reedline) = (self.printer.clone(), Arc::clone(&self.stop), &mut self.reedline);
        stop.store(false, Ordering::Relaxed);
        let (signal, listened) = std::thread::scope(|scope| {
            let listener = scope.spawn(|| listen(keeper, &stop_read, &printer, &stop));
            let signal = raw(terminal).and_then(|()| Ok(reedline.read_line(shown)?));
            let _ = crossterm::terminal::disable_raw_mode();
            drop(stop_write);
            (signal, listener.join())
        });
        match listened {
            Ok(listened) => listened?,
            Err(_) => return Err(std::io::Error::other("the listener to the keeper failed").into()),
        }
        Ok(match signal {
            Ok(Signal::Success(text)) => Input::Text(text.into_bytes()),
            Ok(Signal::CtrlC) => Input::Interrupted,
            Ok(Signal::CtrlD) => Input::End,
            Ok(_) => Input::Text(Vec::new()),
            Err(_) => Input::Mute,
        })
    }

    /// Takes what the editor has read beyond its line.
    fn take_back(&mut self) -> Result<(), FrontError> {
        crossterm::terminal::enable_raw_mode()?;
        let taken = self.events();
        crossterm::terminal::disable_raw_mode()?;
        taken
    }

    fn events(&mut self) -> Result<(), FrontError> {
        let mut room = [0; 4];
        while crossterm::event::poll(Duration::ZERO)? {
            match crossterm::event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match (key.code, key.modifiers) {
                    (KeyCode::Enter, _) => self.typed.push(b'\n'),
                    (KeyCode::Char('j'), KeyModifiers::CONTROL) => self.typed.push(b'\n'),
                    (KeyCode::Char('c' | 'u'), KeyModifiers::CONTROL) => {
                        let kept = self.typed.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                        self.typed.truncate(kept);
                    }
                    (KeyCode::Char(c), KeyModifiers::NONE | KeyModifiers::SHIFT) => self.typed.extend_from_slice(c.encode_utf8(&mut room).as_bytes()),
                    (KeyCode::Tab, _) => self.typed.push(b'\t'),
                    (KeyCode::Backspace, _) if !self.typed.ends_with(b"\n") => {
                        while self.typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                    }
                    _ => {}
                },
                Event::Paste(text) => self.typed.extend_from_slice(text.replace('\r', "\n").as_bytes()),
                Event::Key(_) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Resize(..) => {}
            }
        }
        Ok(())
    }
}

/// What was typed ahead.
enum Ahead {
    /// Enough for the shell to act on.
    Unit(Vec<u8>),
    /// The beginning of something, to be edited further; it may be empty.
    Begun(Vec<u8>),
    /// The end of the input.
    End,
}

/// Raw mode as the editor wants it, and a newline from a program that types for the operator is the Enter key.
fn raw(terminal: &Terminal) -> Result<(), FrontError> {
    crossterm::terminal::enable_raw_mode()?;
    let mut modes = tcgetattr(terminal)?;
    modes.input_modes |= InputModes::INLCR;
    tcsetattr(terminal, OptionalActions::Now, &modes)?;
    Ok(())
}

/// Shows what the keeper says until the other side of `stop_read` is closed. When the keeper goes, the editor is told to end.
fn listen(keeper: &mut Keeper, stop_read: &OwnedFd, printer: &SyncSender<String>, stop: &AtomicBool) -> Result<(), FrontError> {
    loop {
        let heard = wait::readable([keeper.as_fd(), stop_read.as_fd()], None).map_err(FrontError::from).and_then(|[said, over]| {
            if said {
                keeper.pump()?;
            }
            Ok(over)
        });
        match heard {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        let (denials, _) = keeper.take_denials();
        let waits = keeper.take_waits();
        let messages = keeper.take_messages();
        let texts = denials.iter().map(messages::exec_denial).chain(waits.iter().map(messages::waits)).chain(messages.iter().map(|text| messages::message(text)));
        for text in texts {
            // a full printer means that nobody looks: the terminal does not take more
            let _ = printer.try_send(text);
        }
    }
}

/// The editor goes on with an incomplete command on the next line.
#[derive(Default)]
struct Whole {
    parser: Deadlined,
}

impl Validator for Whole {
    fn validate(&self, text: &str) -> ValidationResult {
        let whole = |text: &[u8]| !matches!(self.parser.parse(text, b"", &Functions::new()), Err(Refused::Incomplete { .. }));
        let last = if text.contains('\n') { units(text.as_bytes(), &self.parser).pop().unwrap_or_default() } else { text.as_bytes().to_vec() };
        if whole(&last) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

/// Text as it is.
struct Plain;

impl Highlighter for Plain {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut text = StyledText::new();
        text.push((reedline::Color::Default.normal(), line.to_owned()));
        text
    }
}
