//! What would become of the line that is being typed: a quiet hint, and nothing else.
//!
//! When nothing was typed for a moment, the line is parsed in a thread of its own, and if it is whole and for the keeper,
//! asked about as a trial: the keeper neither records nor counts it, and nothing is ever run from its answer; what is
//! entered is asked about anew. One trial is open at a time. Nothing here waits: what cannot be said at once is not said.
//!
//! Limits: only lines of [`TEXT_MAX`] bytes are looked at, only under a module whose answers depend on nothing but the
//! line, and no hint does not mean that the line is allowed.

use super::messages::safe;
use super::own::Own;
use super::{Front, FrontError};
use crate::client::Keeper;
use crate::edit::Editor;
use crate::parse::{Deadlined, Parsed, Refused};
use portcullis_model::subject::Line;
use portcullis_model::verdict::Denial;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long nothing has to be typed.
const QUIET: Duration = Duration::from_millis(150);
/// Longest line that is looked at.
const TEXT_MAX: usize = 2048;

/// A line, and what the parser says of it.
type Seen = (Vec<u8>, Result<Parsed, Refused>);

/// The look ahead at one line.
pub(super) struct Foresight {
    parser: Arc<Deadlined>,
    wake: (OwnedFd, Arc<OwnedFd>),
    seen: (SyncSender<Seen>, Receiver<Seen>),
    parsing: bool,
    due: Option<Instant>,
    /// What was looked at last; while it stands in the line, its hint holds.
    text: Vec<u8>,
    asked: Option<u32>,
    hint: String,
}

impl Foresight {
    pub(super) fn new() -> Result<Self, FrontError> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { parser: Arc::default(), wake: (read, Arc::new(write)), seen: sync_channel(1), parsing: false, due: None, text: Vec::new(), asked: None, hint: String::new() })
    }

    /// What is to be shown below the line.
    pub(super) fn hint(&self) -> &str {
        &self.hint
    }

    /// Takes note of a key.
    pub(super) fn typed(&mut self, text: &[u8]) {
        if text == self.text {
            return;
        }
        self.hint.clear();
        self.asked = None;
        self.due = (!text.trim_ascii().is_empty() && text.len() <= TEXT_MAX).then(|| Instant::now() + QUIET);
    }

    /// The line is left.
    pub(super) fn rest(&mut self) {
        self.hint.clear();
        self.text.clear();
        (self.asked, self.due) = (None, None);
    }

    /// When [`look`](Self::look) has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.parsing)
    }

    /// Begins to parse the line, if it is time to; says whether the hint has changed.
    pub(super) fn look(&mut self, editor: &Editor, front: &Front) -> bool {
        if self.due().is_none_or(|due| due > Instant::now()) {
            return false;
        }
        self.due = None;
        let text = editor.text().to_vec();
        if !front.keeper.module().is_some_and(|module| module.pure) || editor.instead_of_prompt().is_some() || editor.instead_of_line().is_some() {
            return false;
        }
        self.text.clone_from(&text);
        let (parser, seen, wake, functions) = (Arc::clone(&self.parser), self.seen.0.clone(), Arc::clone(&self.wake.1), front.functions.clone());
        let started = std::thread::Builder::new().name("foresight".to_owned()).spawn(move || {
            let parsed = parser.parse(&text, b"", &functions);
            let _ = seen.try_send((text, parsed));
            let _ = rustix::io::write(&*wake, b"x");
        });
        self.parsing = started.is_ok();
        false
    }

    /// Takes what the parser says, and asks the keeper.
    pub(super) fn parsed(&mut self, keeper: &mut Keeper, cwd: &[u8]) -> Result<bool, FrontError> {
        let mut room = [0; 16];
        let _ = rustix::io::read(&self.wake.0, &mut room);
        let (text, parsed) = match self.seen.1.try_recv() {
            Ok(seen) => seen,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(false),
        };
        self.parsing = false;
        if text != self.text || self.due.is_some() {
            return Ok(false);
        }
        match parsed {
            Ok(parsed) if parsed.blank || Own::from_line(&parsed.line).is_some() => Ok(false),
            Ok(parsed) => {
                self.asked = keeper.try_out(Line { cwd: cwd.to_vec(), ..parsed.line })?;
                Ok(false)
            }
            // half a line is often no line yet
            Err(Refused::Incomplete { .. }) => Ok(false),
            Err(Refused::Denied(denial)) if denial.rule == "syntax" => Ok(false),
            Err(Refused::Denied(denial)) => {
                self.hint = hint(&denial);
                Ok(true)
            }
        }
    }

    /// Takes the keeper's answer; says whether the hint has changed.
    pub(super) fn heard(&mut self, keeper: &mut Keeper, text: &[u8]) -> bool {
        let Some((id, notice)) = keeper.take_trial() else { return false };
        if self.asked != Some(id) || text != self.text {
            return false;
        }
        self.asked = None;
        self.hint = notice.map(|notice| hint(&notice.denial)).unwrap_or_default();
        !self.hint.is_empty()
    }
}

impl AsFd for Foresight {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.0.as_fd()
    }
}

fn hint(denial: &Denial) -> String {
    let hint = if denial.hint.is_empty() { String::new() } else { format!("; try: {}", safe(&denial.hint)) };
    format!("  would be denied: {}{hint}", safe(&denial.reason))
}
