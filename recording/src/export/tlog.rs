//! As tlog's messages, what `tlog-play --reader=file` and stores of logs read: a line of JSON for some seconds or kilobytes.
//!
//! Version 2.3 of the form (tlog's own document of its log format): `timing` says in which order the bytes of `in_txt`, `in_bin`, `out_txt` and `out_bin`
//! came. What is no UTF-8 stands in the `bin` list, and for each byte of it a replacement character in the `txt`.

use super::text::{Decoder, Run};
use super::{Beginning, ExportError, Exported, Keys, Output, Shown, said, walk};
use crate::reader::{Body, Reader};
use portcullis_model::event::EventKind;
use portcullis_model::session::WindowSize;
use portcullis_model::time::UnixMs;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::time::Duration;

/// Text and bytes of one message after which the next one begins; a frame of the recording is not cut, so there may be more.
const PAYLOAD: usize = 2048;
/// Time after which the next message begins.
const SPAN: Duration = Duration::from_secs(10);

/// Writes the rest of a recording that was just opened.
///
/// # Errors
/// No recording, or one that cannot be written out.
pub fn export<R: Read>(reader: &mut Reader<R>, keys: Keys, output: Output, out: &mut impl Write) -> Result<Exported, ExportError> {
    let beginning = Beginning::read(reader)?;
    let mut shown = Shown::new(output, &beginning);
    let (mut screen, mut typed) = (Decoder::default(), Decoder::default());
    let mut log = Log { out, beginning: &beginning, message: None, number: 0 };
    log.message(Duration::ZERO)?.size(beginning.size());
    let mut last = Duration::ZERO;
    let exported = walk(reader, |frame| {
        last = frame.elapsed;
        match frame.body {
            Body::Output(bytes) | Body::ErrorOutput(bytes) => {
                let bytes = shown.pass(bytes);
                log.runs(frame.elapsed, Way::Out, screen.pass(&bytes))
            }
            Body::Input(bytes) if keys == Keys::Included => log.runs(frame.elapsed, Way::In, typed.pass(&bytes)),
            Body::Event(event) => match event.kind {
                EventKind::Resized(size) => {
                    log.message(frame.elapsed)?.size(said(size));
                    Ok(())
                }
                _ => Ok(()),
            },
            Body::Input(_) => Ok(()),
        }
    })?;
    log.runs(last, Way::Out, screen.finish())?;
    log.runs(last, Way::In, typed.finish())?;
    log.flush()?;
    Ok(exported)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

struct Log<'a, W> {
    out: &'a mut W,
    beginning: &'a Beginning,
    message: Option<Message>,
    number: u64,
}

impl<W: Write> Log<'_, W> {
    fn runs(&mut self, at: Duration, way: Way, runs: Vec<Run>) -> io::Result<()> {
        for run in runs {
            self.message(at)?.run(way, run);
        }
        Ok(())
    }

    /// The message that something of this moment goes into.
    fn message(&mut self, at: Duration) -> io::Result<&mut Message> {
        if self.message.as_ref().is_some_and(|message| message.is_full(at)) {
            self.flush()?;
        }
        let message = self.message.get_or_insert_with(|| Message::new(at));
        message.wait_until(at);
        Ok(message)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(message) = self.message.take() else { return self.out.flush() };
        self.number += 1;
        let facts = &self.beginning.facts;
        let pos = u64::try_from(message.start.as_millis()).unwrap_or(u64::MAX);
        let UnixMs(time) = self.beginning.at.plus(pos);
        let line = Line {
            ver: "2.3",
            host: &facts.target,
            rec: facts.id.as_str(),
            user: &facts.operator,
            term: "xterm",
            // the kernel's audit session, which a recording does not know; tlog takes none lower
            session: 1,
            id: self.number,
            pos,
            time: time as f64 / 1000.0,
            timing: &message.timing,
            in_txt: &message.typed.text,
            in_bin: &message.typed.binary,
            out_txt: &message.shown.text,
            out_bin: &message.shown.binary,
        };
        serde_json::to_writer(&mut *self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    ver: &'a str,
    host: &'a str,
    rec: &'a str,
    user: &'a str,
    term: &'a str,
    session: u32,
    id: u64,
    pos: u64,
    time: f64,
    timing: &'a str,
    in_txt: &'a str,
    in_bin: &'a [u8],
    out_txt: &'a str,
    out_bin: &'a [u8],
}

#[derive(Debug, Default)]
struct Content {
    text: String,
    binary: Vec<u8>,
}

#[derive(Debug)]
struct Message {
    start: Duration,
    at_ms: u128,
    timing: String,
    typed: Content,
    shown: Content,
}

impl Message {
    fn new(start: Duration) -> Self {
        Self { start, at_ms: start.as_millis(), timing: String::new(), typed: Content::default(), shown: Content::default() }
    }

    fn is_full(&self, at: Duration) -> bool {
        let payload = [&self.typed, &self.shown].iter().map(|content| content.text.len() + content.binary.len()).sum::<usize>();
        payload >= PAYLOAD || at.saturating_sub(self.start) > SPAN
    }

    fn wait_until(&mut self, at: Duration) {
        let pause = at.as_millis().saturating_sub(self.at_ms);
        if pause > 0 {
            self.at_ms += pause;
            self.note(format_args!("+{pause}"));
        }
    }

    fn size(&mut self, size: WindowSize) {
        self.note(format_args!("={}x{}", size.cols, size.rows));
    }

    fn run(&mut self, way: Way, run: Run) {
        let content = match way {
            Way::In => &mut self.typed,
            Way::Out => &mut self.shown,
        };
        match run {
            Run::Text(text) => {
                content.text.push_str(&text);
                let mark = if way == Way::In { '<' } else { '>' };
                self.note(format_args!("{mark}{}", text.chars().count()));
            }
            Run::Binary(bytes) => {
                content.text.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, bytes.len()));
                content.binary.extend_from_slice(&bytes);
                let mark = if way == Way::In { '[' } else { ']' };
                self.note(format_args!("{mark}{0}/{0}", bytes.len()));
            }
        }
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        // a String takes all that is written to it
        let _ = self.timing.write_fmt(what);
    }
}
