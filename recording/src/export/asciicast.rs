//! As asciicast, what asciinema and its player read: a line of JSON for the whole, then one for each event.
//!
//! Version 3 has intervals, version 2 times since the start (docs.asciinema.org/manual/asciicast/v3 and v2). Text is a JSON string, so
//! bytes that are no UTF-8 become replacement characters.

use super::text::Decoder;
use super::words::label;
use super::{Beginning, ExportError, Exported, Keys, Output, Shown, said, walk};
use crate::reader::{Body, Reader};
use portcullis_model::event::EventKind;
use portcullis_model::session::{ExitStatus, Purpose, WindowSize};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Which asciicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that asciinema before 3.0 reads, Debian 12's too.
    V2,
    /// The present one.
    V3,
}

/// Writes the rest of a recording that was just opened.
///
/// # Errors
/// No recording, or one that cannot be written out.
pub fn export<R: Read>(reader: &mut Reader<R>, version: Version, keys: Keys, output: Output, out: &mut impl Write) -> Result<Exported, ExportError> {
    let beginning = Beginning::read(reader)?;
    let mut shown = Shown::new(output, &beginning);
    let (mut screen, mut typed) = (Decoder::default(), Decoder::default());
    let mut film = Film { version, out, last_ms: 0 };
    film.line(&head(version, &beginning))?;
    let exported = walk(reader, |frame| {
        let at = frame.elapsed;
        match frame.body {
            Body::Output(bytes) | Body::ErrorOutput(bytes) => film.text(at, "o", &screen.text(&shown.pass(bytes))),
            Body::Input(bytes) if keys == Keys::Included => film.text(at, "i", &typed.text(&bytes)),
            Body::Input(_) => Ok(()),
            Body::Event(event) => match &event.kind {
                EventKind::Resized(size) => film.event(at, "r", &sizes(said(*size))),
                // version 2 has no exit
                EventKind::Exited(status) if version == Version::V3 => film.event(at, "x", &exit(status)),
                kind => label(kind).map_or(Ok(()), |label| film.event(at, "m", &label)),
            },
        }
    })?;
    film.out.flush()?;
    Ok(exported)
}

fn head(version: Version, beginning: &Beginning) -> Value {
    let WindowSize { cols, rows, .. } = beginning.size();
    let (title, timestamp) = (beginning.title(), beginning.at.0 / 1000);
    let mut head = match version {
        Version::V2 => json!({"version": 2, "width": cols, "height": rows, "timestamp": timestamp, "title": title}),
        Version::V3 => json!({"version": 3, "term": {"cols": cols, "rows": rows}, "timestamp": timestamp, "title": title}),
    };
    if let (Purpose::Command(command), Some(fields)) = (&beginning.purpose, head.as_object_mut()) {
        fields.insert("command".to_owned(), String::from_utf8_lossy(command).into());
    }
    head
}

fn sizes(size: WindowSize) -> String {
    format!("{}x{}", size.cols, size.rows)
}

/// The status that a shell shows for it.
fn exit(status: &ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => code.to_string(),
        ExitStatus::Signal { number, .. } => (128 + number).to_string(),
    }
}

struct Film<'a, W> {
    version: Version,
    out: &'a mut W,
    last_ms: u64,
}

impl<W: Write> Film<'_, W> {
    fn text(&mut self, at: Duration, code: &str, text: &str) -> io::Result<()> {
        if text.is_empty() { Ok(()) } else { self.event(at, code, text) }
    }

    fn event(&mut self, at: Duration, code: &str, data: &str) -> io::Result<()> {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX).max(self.last_ms);
        let time = match self.version {
            Version::V2 => ms,
            // of whole milliseconds, so that the error of one does not add to the next
            Version::V3 => ms - self.last_ms,
        };
        self.last_ms = ms;
        self.line(&(time as f64 / 1000.0, code, data))
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        self.out.write_all(b"\n")
    }
}
