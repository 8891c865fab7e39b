//! As text for people: what stood on the screen, line by line, between what was decided.
//!
//! Output goes through a terminal emulator, so what was overwritten or deleted on its line is not there, and what scrolled away is.
//! Lines of the screen begin with a bar, everything else is told by Portcullis, so that no output can pass for it. What a
//! full-screen program drew is left out and said to be; the film has it. Control characters are shown as `\xNN`.

use super::text::Decoder;
use super::words::{missing, what, why};
use super::{Beginning, ExportError, Exported, Output, Shown, said, walk};
use crate::reader::{Body, Reader};
use avt::observer::Transcript;
use avt::{Observation, Observer, Operation, ScreenKind, Terminal};
use portcullis_model::bytes::printable;
use portcullis_model::event::EventKind;
use portcullis_model::receipt::Receipt;
use portcullis_model::session::{ExitStatus, Purpose, WindowSize};
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::transfer::TransferEnd;
use portcullis_model::wish::{News, Wish};
use std::collections::HashMap;
use std::io::{self, Read, Write};

/// Largest screen that is emulated: a client may say that it has four billion characters.
const LARGEST: (u16, u16) = (1000, 500);

/// Writes the rest of a recording that was just opened.
///
/// # Errors
/// No recording, or one that cannot be written out.
pub fn export<R: Read>(reader: &mut Reader<R>, out: &mut impl Write) -> Result<Exported, ExportError> {
    let beginning = Beginning::read(reader)?;
    head(&beginning, out)?;
    // the emulator is harmless; the filter passes what draws, and the rest would not be seen
    let mut shown = Shown::new(Output::Drawing, &beginning);
    let mut page = Page { out, screen: Screen::new(beginning.size())?, files: HashMap::new() };
    let exported = walk(reader, |frame| match frame.body {
        Body::Output(bytes) | Body::ErrorOutput(bytes) => page.output(frame.at, &shown.pass(bytes)),
        Body::Input(_) => Ok(()),
        Body::Event(event) => page.event(frame.seq, frame.at, event.kind),
    })?;
    page.close()?;
    if let Some(damage) = &exported.damage {
        writeln!(out, "\nTHE RECORDING IS NOT WHOLE: {}", missing(damage))?;
    }
    out.flush()?;
    Ok(exported)
}

fn head(beginning: &Beginning, out: &mut impl Write) -> io::Result<()> {
    let facts = &beginning.facts;
    writeln!(out, "Session   {} of request {}", facts.id, facts.request)?;
    writeln!(out, "Operator  {} as {} (uid {}), from {}, key {}", printable(facts.operator.as_bytes()), facts.account, facts.uid, facts.source, facts.key_fingerprint)?;
    writeln!(out, "Target    {} ({}), action {}", facts.target, facts.role, facts.action)?;
    if !facts.ticket.is_empty() {
        writeln!(out, "Ticket    {}", printable(facts.ticket.as_bytes()))?;
    }
    let purpose = match &beginning.purpose {
        Purpose::Shell => "a shell".to_owned(),
        Purpose::Command(command) => format!("the command: {}", printable(command)),
        Purpose::Sftp => "file transfer".to_owned(),
        Purpose::Forward(forward) => format!("a connection to {}:{}", printable(forward.host.as_bytes()), forward.port),
    };
    writeln!(out, "Opened    {} for {purpose}\n", clock(beginning.at))
}

fn wished(wish: &Wish) -> String {
    let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {}", printable(reason.as_bytes())) };
    match wish {
        Wish::Status => "asked how the request stands".to_owned(),
        Wish::Close { reason } => format!("closed the request{}", because(reason)),
        Wish::Extend { for_s, reason } => format!("asked for {for_s} s more{}", because(reason)),
        Wish::Share { operator, reason, .. } => format!("asked to share the request with {}{}", printable(operator.as_bytes()), because(reason)),
        Wish::Withdraw { amendment } => format!("took amendment {amendment} back"),
        Wish::Messages => "read what was said about the request".to_owned(),
        Wish::Message { text } => format!("said to the approvers: {}", printable(text.as_bytes())),
    }
}

/// A moment in UTC, to the millisecond.
fn clock(at: UnixMs) -> String {
    let parsed = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    parsed.map_or_else(|| format!("{} ms", at.0), |moment| format!("{moment:.3}"))
}

struct Page<'a, W> {
    out: &'a mut W,
    screen: Screen,
    files: HashMap<u64, String>,
}

impl<W: Write> Page<'_, W> {
    fn output(&mut self, at: UnixMs, bytes: &[u8]) -> io::Result<()> {
        let Fed { lines, had_all } = self.screen.feed(bytes);
        self.lines(lines)?;
        if had_all { self.mark(at, "a program had the whole screen; what it drew is left out here") } else { Ok(()) }
    }

    fn event(&mut self, seq: u64, at: UnixMs, kind: EventKind) -> io::Result<()> {
        let text = match kind {
            EventKind::Resized(size) => {
                let lines = self.screen.resize(size);
                return self.lines(lines);
            }
            EventKind::Allowed { subject: Subject::Exec(_), .. } => return Ok(()),
            EventKind::Allowed { subject, .. } => {
                let what = what(&subject);
                if matches!(subject, Subject::File(_)) {
                    self.files.insert(seq, what.clone());
                }
                format!("allowed: {what}")
            }
            EventKind::Denied { subject, denial, .. } => format!("DENIED: {}: {}", what(&subject), why(&denial)),
            EventKind::Asked { question, .. } => format!("asked, question {}: {}", question.id, printable(question.ask.prompt.as_bytes())),
            EventKind::Answered { question, choice, by, comment, .. } => {
                format!("question {question} answered {choice:?} by {}: {}", printable(by.as_bytes()), printable(comment.as_bytes()))
            }
            EventKind::Wished(wish) => wished(&wish),
            EventKind::Noted(News::Decided { amendment, approved, text }) => {
                let answer = if approved { "approved" } else { "rejected" };
                format!("amendment {amendment} was {answer}: {}", printable(text.as_bytes()))
            }
            EventKind::Noted(News::Message { by, text }) => format!("message from {}: {}", printable(by.as_bytes()), printable(text.as_bytes())),
            EventKind::Extended { end } => format!("the access ends at {} now", clock(end)),
            EventKind::Killed { pid, difference, .. } => format!("KILLED process {pid}: {}", printable(difference.as_bytes())),
            EventKind::Masked { bytes } => format!("{bytes} bytes were typed without echo, and are not recorded"),
            EventKind::Judge { live: false } => "the judge is gone, everything is refused".to_owned(),
            EventKind::Judge { live: true } => "the judge is back".to_owned(),
            EventKind::PolicyChanged { policy: Some(digest), name } => format!("from here on judged by {} ({digest})", printable(name.as_bytes())),
            EventKind::PolicyChanged { policy: None, .. } => "from here on no module judges".to_owned(),
            EventKind::Transferred { decision, moved, end } => {
                let file = self.files.remove(&decision).unwrap_or_default();
                let whole = if end == TransferEnd::Closed { "" } else { ", CUT by the session's end" };
                let digest = moved.sha256.map_or_else(String::new, |digest| format!(", SHA-256 {digest}"));
                format!("moved {} bytes{digest}{whole}: {file}", moved.bytes)
            }
            EventKind::Connected { address, .. } => format!("connected to {address}"),
            EventKind::Tried { address, .. } => format!("tried {address}"),
            EventKind::Alert(alert) => format!("ALERT, {}, process {}: {}", alert.kind.name(), alert.pid, printable(alert.kind.text().as_bytes())),
            EventKind::Carried { input, output } => format!("carried {input} bytes in and {output} bytes out"),
            EventKind::Signalled { number } => format!("the client sent signal {number}"),
            EventKind::LineDone { status: 0 } => return Ok(()),
            EventKind::LineDone { status } => format!("done, status {status}"),
            EventKind::Exited(ExitStatus::Code(code)) => format!("exited, status {code}"),
            EventKind::Exited(ExitStatus::Signal { number, .. }) => format!("ended by signal {number}"),
            EventKind::Ended(Receipt { cause, killed, survivors, .. }) => format!("ended: {cause:?}; killed {killed}, survivors {}", survivors.len()),
            EventKind::Started { .. } | EventKind::Verified { .. } | EventKind::Lapsed { .. } => return Ok(()),
        };
        self.mark(at, &text)
    }

    /// Says something, after all that was on the screen.
    fn mark(&mut self, at: UnixMs, text: &str) -> io::Result<()> {
        self.close()?;
        writeln!(self.out, "{}  {text}", clock(at))
    }

    fn close(&mut self) -> io::Result<()> {
        let lines = self.screen.turn()?;
        self.lines(lines)
    }

    fn lines(&mut self, lines: Vec<String>) -> io::Result<()> {
        lines.iter().try_for_each(|line| writeln!(self.out, "  | {}", printable(line.as_bytes())))
    }
}

/// What came of some output.
struct Fed {
    /// The lines that left the screen.
    lines: Vec<String>,
    /// Whether a full-screen program gave the screen back.
    had_all: bool,
}

/// Sees full-screen programs come and go.
#[derive(Debug, Default)]
struct Visits {
    now: bool,
    ended: bool,
}

impl Observer for Visits {
    type Output = bool;

    fn after(&mut self, context: &mut Observation<'_>, _: &Operation) {
        let now = context.terminal().active_screen_kind() == ScreenKind::Alternate;
        self.ended |= self.now && !now;
        self.now = now;
    }

    fn end(&mut self, _: &mut Observation<'_>) -> bool {
        std::mem::take(&mut self.ended)
    }
}

/// The emulator, and what it has not given yet.
struct Screen {
    size: WindowSize,
    terminal: Terminal,
    visits: Visits,
    text: Transcript,
    decoder: Decoder,
}

impl Screen {
    fn new(size: WindowSize) -> io::Result<Self> {
        Ok(Self { size, terminal: terminal(size)?, visits: Visits::default(), text: Transcript::new(), decoder: Decoder::default() })
    }

    /// Draws.
    fn feed(&mut self, bytes: &[u8]) -> Fed {
        let text = self.decoder.text(bytes);
        let (lines, had_all) = self.terminal.feed_with(text.as_str(), (&mut self.text, &mut self.visits));
        Fed { lines, had_all }
    }

    /// Gives the lines that left the screen.
    fn resize(&mut self, size: WindowSize) -> Vec<String> {
        self.size = size;
        let (cols, rows) = bounded(size);
        self.terminal.resize_with(cols, rows, &mut self.text)
    }

    /// Gives what is on the screen and begins an empty one, unless a full-screen program has it.
    fn turn(&mut self) -> io::Result<Vec<String>> {
        if self.visits.now {
            return Ok(Vec::new());
        }
        let ended = std::mem::replace(&mut self.terminal, terminal(self.size)?);
        let mut lines = std::mem::take(&mut self.text).finish(&ended);
        let blank = lines.iter().take_while(|line| line.is_empty()).count();
        lines.drain(..blank);
        Ok(lines)
    }
}

fn terminal(size: WindowSize) -> io::Result<Terminal> {
    let (cols, rows) = bounded(size);
    Terminal::new(cols, rows).map_err(io::Error::other)
}

fn bounded(size: WindowSize) -> (usize, usize) {
    let WindowSize { cols, rows, .. } = said(size);
    (cols.min(LARGEST.0).into(), rows.min(LARGEST.1).into())
}
