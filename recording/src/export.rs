//! A recording in the forms of other programs, for people and machines that do not read ours.
//!
//! None of them is evidence: they hold no chain, and most cannot hold bytes that are not text. What was typed without echo is in
//! none of them, because it is not in the recording.
//!
//! | form | read by | holds |
//! | --- | --- | --- |
//! | [`asciicast`], version 2 and 3 | asciinema and its player | output, sizes, and marks at each line and each refusal; keys when asked for |
//! | [`transcript`] | people | what stood on the screen, line by line, between what was decided |
//! | [`tlog`] | tlog-play, log stores | output, keys when asked for, sizes; bytes that are no text as well |
//! | [`iolog`] | sudoreplay | output, keys when asked for, sizes, byte for byte |
//!
//! What plays such a file writes it to its viewer's terminal, and an operator may be hostile to the viewer. So output goes through
//! [`Filter`](crate::Filter) unless [`Output::AsItWas`] is asked for.
//!
//! A damaged recording is exported as far as it is good, and the damage is told.

pub mod asciicast;
pub mod iolog;
pub mod tlog;
pub mod transcript;

mod text;
mod words;

use crate::filter::Filter;
use crate::reader::{Body, Frame, ReadError, Reader};
use crate::summary::Damage;
use portcullis_model::event::EventKind;
use portcullis_model::session::{Purpose, SessionFacts, WindowSize};
use portcullis_model::time::UnixMs;
use std::io::{self, Read};

/// Columns and rows where a session has no terminal, or one whose client did not say how large it is.
const USUAL: (u16, u16) = (80, 24);

/// Whether what was typed is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// Only what was shown.
    #[default]
    LeftOut,
    /// Also what was typed, as far as the terminal echoed.
    Included,
}

/// How terminal output is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// What draws, and nothing that makes a viewer's terminal act.
    #[default]
    Drawing,
    /// Every byte.
    AsItWas,
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a damaged recording was exported only in part"]
pub struct Exported {
    /// What the recording lacks, and the export with it.
    pub damage: Option<Damage>,
}

/// Why there is no export, or only a part.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no recording to export.
    #[error("the recording cannot be read")]
    Read(#[from] ReadError),
    /// What was exported could not be written.
    #[error("cannot write the export")]
    Write(#[from] io::Error),
}

/// How a session began.
struct Beginning {
    facts: SessionFacts,
    purpose: Purpose,
    window: Option<WindowSize>,
    at: UnixMs,
}

impl Beginning {
    fn read<R: Read>(reader: &mut Reader<R>) -> Result<Self, ReadError> {
        // cut off before its first frame was whole
        let first = reader.next().ok_or(ReadError::Header)??;
        let at = first.at;
        let Body::Event(event) = first.body else { return Err(ReadError::Header) };
        let EventKind::Started { facts, purpose, window, .. } = event.kind else { return Err(ReadError::Header) };
        Ok(Self { facts: *facts, purpose, window, at })
    }

    fn size(&self) -> WindowSize {
        said(self.window.unwrap_or(WindowSize { cols: 0, rows: 0, width_px: 0, height_px: 0 }))
    }

    /// What it was, in a line.
    fn title(&self) -> String {
        let SessionFacts { id, operator, action, target, request, .. } = &self.facts;
        format!("{operator} on {target} under {action} (request {request}, session {id})")
    }
}

/// A size that a terminal can have.
fn said(size: WindowSize) -> WindowSize {
    let or = |given: u16, usual| if given == 0 { usual } else { given };
    WindowSize { cols: or(size.cols, USUAL.0), rows: or(size.rows, USUAL.1), ..size }
}

/// Gives each frame after the first to `take`.
fn walk<R: Read>(reader: &mut Reader<R>, mut take: impl FnMut(Frame) -> io::Result<()>) -> Result<Exported, ExportError> {
    for frame in &mut *reader {
        match frame {
            Ok(frame) => take(frame)?,
            Err(error) => return Ok(Exported { damage: Some(Damage::from_error(error)?) }),
        }
    }
    Ok(Exported { damage: reader.tail().and_then(Damage::from_tail) })
}

/// Terminal output on its way into an export.
#[derive(Debug)]
struct Shown {
    output: Output,
    filter: Filter,
    terminal: bool,
}

impl Shown {
    fn new(output: Output, beginning: &Beginning) -> Self {
        Self { output, filter: Filter::default(), terminal: beginning.window.is_some() }
    }

    /// What is exported of these bytes. Without a terminal nothing has put the carriage returns in that a terminal wants.
    fn pass(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let bytes = if self.terminal { bytes } else { returned(&bytes) };
        match self.output {
            Output::AsItWas => bytes,
            Output::Drawing => self.filter.pass(&bytes),
        }
    }
}

fn returned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) }).copied().collect()
}

#[cfg(test)]
mod tests;
