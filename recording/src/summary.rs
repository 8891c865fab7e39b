//! What a session was, in a few lines.

use crate::reader::{Body, Frame, ReadError, Reader, Tail};
use portcullis_model::event::{Event, EventKind};
use portcullis_model::id::PolicyDigest;
use portcullis_model::layer::Layer;
use portcullis_model::receipt::Receipt;
use portcullis_model::session::{ExitStatus, Purpose, SessionFacts, WindowSize};
use portcullis_model::subject::Subject;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// What a session was, read from its recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whose, for what, from where.
    pub facts: SessionFacts,
    /// What it was opened for.
    pub purpose: Purpose,
    /// The terminal's size at the start, when it had one.
    pub window: Option<WindowSize>,
    /// The layers that held it.
    pub layers: Vec<Layer>,
    /// The module that judged it at the start.
    pub policy: Option<PolicyDigest>,
    /// What happened, counted.
    pub counts: Counts,
    /// How its program ended, if it did so by itself.
    pub exit: Option<ExitStatus>,
    /// The receipt of its end; none while it runs, or when its end was not recorded.
    pub end: Option<Receipt>,
    /// From the beginning to the last frame.
    pub duration: Duration,
    /// What the recording lacks.
    pub damage: Option<Damage>,
}

/// What happened in a session, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// lines allowed
    pub lines: u64,
    /// execs allowed
    pub execs: u64,
    /// subjects denied
    pub denials: u64,
    /// processes killed because their image was not the one allowed
    pub kills: u64,
    /// bytes of output and error output
    pub output_bytes: u64,
    /// bytes of input
    pub input_bytes: u64,
    /// bytes that were carried both ways and are not in the recording: of SFTP, of scp, of a forwarded connection
    pub carried_bytes: u64,
    /// frames of the recording
    pub frames: u64,
}

/// What a recording lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Damage {
    /// This frame is not what was written; what is told ends before it.
    BadFrame {
        /// its number
        seq: u64,
        /// what is wrong with it
        reason: String,
    },
    /// The last frame, at this byte, is not whole.
    Torn {
        /// where it begins
        at: u64,
    },
    /// The session's end is not there: it still runs, or the recording was cut off.
    NotClosed,
}

impl Damage {
    /// The damage that ended a reading; an error that is none is handed back.
    pub(crate) fn from_error(error: ReadError) -> Result<Self, ReadError> {
        match error {
            ReadError::Bad { seq, reason, .. } => Ok(Self::BadFrame { seq, reason: reason.to_string() }),
            other => Err(other),
        }
    }

    pub(crate) fn from_tail(tail: Tail) -> Option<Self> {
        match tail {
            Tail::Closed => None,
            Tail::Open => Some(Self::NotClosed),
            Tail::Torn { at } => Some(Self::Torn { at }),
        }
    }
}

impl Summary {
    /// Reads all of a recording. A damaged one is told as far as it goes, and its damage with it.
    ///
    /// # Errors
    /// [`ReadError`], when not even the session's start can be read.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut reader = Reader::open(path)?;
        let mut summary = match reader.next() {
            Some(first) => Self::start(first?).ok_or(ReadError::Header)?,
            // cut off before its first frame was whole
            None => return Err(ReadError::Header),
        };
        for frame in &mut reader {
            match frame {
                Ok(frame) => summary.add(frame),
                Err(error) => summary.damage = Some(Damage::from_error(error)?),
            }
        }
        summary.damage = summary.damage.or_else(|| reader.tail().and_then(Damage::from_tail));
        Ok(summary)
    }

    fn start(frame: Frame) -> Option<Self> {
        let Body::Event(event) = frame.body else { return None };
        let EventKind::Started { facts, purpose, window, layers, policy } = event.kind else { return None };
        let counts = Counts { frames: 1, ..Counts::default() };
        Some(Self { facts: *facts, purpose, window, layers, policy, counts, exit: None, end: None, duration: frame.elapsed, damage: None })
    }

    fn add(&mut self, frame: Frame) {
        self.duration = frame.elapsed;
        self.counts.frames += 1;
        match frame.body {
            Body::Output(bytes) | Body::ErrorOutput(bytes) => self.counts.output_bytes += bytes.len() as u64,
            Body::Input(bytes) => self.counts.input_bytes += bytes.len() as u64,
            Body::Event(event) => self.event(*event),
        }
    }

    fn event(&mut self, event: Event) {
        match event.kind {
            EventKind::Allowed { subject: Subject::Line(_), .. } => self.counts.lines += 1,
            EventKind::Allowed { subject: Subject::Exec(_), .. } => self.counts.execs += 1,
            EventKind::Denied { .. } => self.counts.denials += 1,
            EventKind::Killed { .. } => self.counts.kills += 1,
            EventKind::Exited(status) => self.exit = Some(status),
            EventKind::Ended(receipt) => self.end = Some(receipt),
            EventKind::Carried { input, output } => self.counts.carried_bytes += input + output,
            EventKind::Allowed { .. }
            | EventKind::Transferred { .. }
            | EventKind::Connected { .. }
            | EventKind::Tried { .. }
            | EventKind::Started { .. }
            | EventKind::Asked { .. }
            | EventKind::Answered { .. }
            | EventKind::Wished(_)
            | EventKind::Noted(_)
            | EventKind::Alert(_)
            | EventKind::Extended { .. }
            | EventKind::Verified { .. }
            | EventKind::Lapsed { .. }
            | EventKind::LineDone { .. }
            | EventKind::Resized(_)
            | EventKind::Masked { .. }
            | EventKind::Judge { .. }
            | EventKind::PolicyChanged { .. }
            | EventKind::Signalled { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
