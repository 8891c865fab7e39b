//! Reads a recording from its beginning, strictly: the first frame that is not the one that was written ends the reading.

use crate::format::{self, BadFrame, BadHeader, ChainHead, FILE_HEADER_1, FRAME_HEADER, FRAME_TRAILER, FileHeader, FORMAT_VERSION, Kind};
use crate::sealed::Source;
use portcullis_model::boot::BootId;
use portcullis_model::event::{EVENT_VERSION, Event, EventKind};
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number; the first is 0. Events name decisions by it.
    pub seq: u64,
    /// Time since the recording began, by a clock that never runs backwards.
    pub elapsed: Duration,
    /// The wall clock.
    pub at: UnixMs,
    /// What it carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Something happened.
    Event(Box<Event>),
    /// Terminal output, or standard output without a terminal.
    Output(Vec<u8>),
    /// Standard error without a terminal.
    ErrorOutput(Vec<u8>),
    /// What the client typed or sent.
    Input(Vec<u8>),
}

// terminal bytes do not belong into a log
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(event) => write!(f, "Event({event:?})"),
            Self::Output(bytes) => write!(f, "Output({} bytes)", bytes.len()),
            Self::ErrorOutput(bytes) => write!(f, "ErrorOutput({} bytes)", bytes.len()),
            Self::Input(bytes) => write!(f, "Input({} bytes)", bytes.len()),
        }
    }
}

/// How a recording ends, when all of its frames are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Tail {
    /// With the session's end: nothing is missing.
    Closed,
    /// After a whole frame that is not the session's end: the session still runs, or its keeper was killed, or the end
    /// was cut off.
    Open,
    /// In the middle of a frame, which begins at byte `at`: as [`Open`](Tail::Open), with a last frame that is lost.
    Torn {
        /// offset of the frame that is not whole
        at: u64,
    },
}

/// Why a recording cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// It is not a recording at all.
    #[error("this is not a recording")]
    NotARecording,
    /// It is a recording of a later version of Portcullis.
    #[error("the recording's {what} is of version {found}, this program reads up to {known}")]
    Newer {
        /// form or events
        what: &'static str,
        /// its version
        found: u32,
        /// the highest that is read
        known: u32,
    },
    /// The file's header was changed, or is not whole.
    #[error("the recording's header was changed or cut off")]
    Header,
    /// A frame is not the one that was written; nothing behind it can be trusted.
    #[error("frame {seq}, at byte {at}, is not what was written: {reason}")]
    Bad {
        /// the number that the frame should have
        seq: u64,
        /// where it begins
        at: u64,
        /// what is wrong with it
        reason: BadFrame,
    },
}

/// Reads the frames of a recording, one after another. Ends after the first error; after the last frame, [`tail`](Self::tail)
/// says how the recording ends.
#[derive(Debug)]
pub struct Reader<R = Source> {
    input: R,
    header: FileHeader,
    head: ChainHead,
    next: u64,
    offset: u64,
    ended: bool,
    done: Option<Tail>,
    stopped: bool,
}

impl Reader {
    /// Opens the recording whose file is at `path`, or was before it was sealed. A symbolic link is not followed.
    ///
    /// # Errors
    /// [`ReadError`], when there is no recording of a known version.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(Source::open(path)?.0)
    }
}

impl<R: Read> Reader<R> {
    /// Reads a recording from its bytes.
    ///
    /// # Errors
    /// [`ReadError`], when they are not a recording of a known version.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut bytes = vec![0; FILE_HEADER_1];
        let mut got = fill(&mut input, &mut bytes)?;
        let told = |bad| match bad {
            BadHeader::Magic => ReadError::NotARecording,
            BadHeader::Newer(found) => ReadError::Newer { what: "form", found, known: FORMAT_VERSION },
            BadHeader::NewerEvents(found) => ReadError::Newer { what: "events", found, known: EVENT_VERSION },
            BadHeader::Changed => ReadError::Header,
        };
        let length = FileHeader::length(&bytes).map_err(told)?;
        bytes.resize(length, 0);
        got += fill(&mut input, bytes.get_mut(FILE_HEADER_1..).unwrap_or_default())?;
        let header = FileHeader::decode(&bytes).map_err(told)?;
        if got < length {
            return Err(ReadError::Header);
        }
        let head = format::seed(&bytes);
        Ok(Self { input, header, head, next: 0, offset: length as u64, ended: false, done: None, stopped: false })
    }

    /// The session that the recording is of.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.header.session
    }

    /// When the recording began.
    #[must_use]
    pub fn started(&self) -> UnixMs {
        self.header.started
    }

    /// How many frames were read.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.next
    }

    /// The chain's value after the frames that were read.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// Where the next frame begins, after those that were read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// What its header says.
    pub(crate) fn header(&self) -> &FileHeader {
        &self.header
    }

    /// The start of the node in which the recording began; [`BootId::UNKNOWN`] in version 1.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.header.boot
    }

    /// How the recording ends; none before its end was reached, and none when a bad frame came first.
    pub fn tail(&self) -> Option<Tail> {
        self.done
    }

    fn step(&mut self) -> Result<Option<Frame>, ReadError> {
        let at = self.offset;
        let seq = self.next;
        let bad = |reason| ReadError::Bad { seq, at, reason };
        let mut header_bytes = [0; FRAME_HEADER];
        let got = fill(&mut self.input, &mut header_bytes)?;
        if got > 0 && self.ended {
            return Err(bad(BadFrame::AfterEnd));
        }
        if got < FRAME_HEADER {
            self.done = Some(match (got, self.ended) {
                (0, true) => Tail::Closed,
                (0, false) => Tail::Open,
                _ => Tail::Torn { at },
            });
            return Ok(None);
        }
        let header = format::open(&header_bytes, self.head, seq).map_err(bad)?;
        let whole = header.length + FRAME_TRAILER;
        // room is made for what comes, not for what a header announces
        let mut payload = Vec::with_capacity(whole.min(64 * 1024));
        (&mut self.input).take(whole as u64).read_to_end(&mut payload)?;
        if payload.len() < whole {
            self.done = Some(Tail::Torn { at });
            return Ok(None);
        }
        let trailer = payload.split_off(header.length);
        let head = format::follow(self.head, &header_bytes, &payload);
        if trailer != head.0 {
            return Err(bad(BadFrame::Chain));
        }
        let body = match header.kind {
            Kind::Output => Body::Output(payload),
            Kind::ErrorOutput => Body::ErrorOutput(payload),
            Kind::Input => Body::Input(payload),
            Kind::Event => Body::Event(serde_json::from_slice(&payload).map_err(|error| bad(BadFrame::Event(error.to_string())))?),
        };
        let kind = if let Body::Event(event) = &body { Some(&event.kind) } else { None };
        if seq == 0 && !matches!(kind, Some(EventKind::Started { facts, .. }) if facts.id == self.header.session) {
            return Err(bad(BadFrame::NotStarted));
        }
        self.ended = matches!(kind, Some(EventKind::Ended(_)));
        self.head = head;
        self.next += 1;
        self.offset += (FRAME_HEADER + whole) as u64;
        Ok(Some(Frame { seq, elapsed: Duration::from_nanos(header.elapsed_ns), at: header.wall, body }))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let step = self.step().transpose();
        self.stopped = !matches!(step, Some(Ok(_)));
        step
    }
}

/// Reads until `room` is full or the input ends, and gives how much was read.
fn fill(input: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = room.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests;
