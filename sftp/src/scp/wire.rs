//! Bytes, lines and answers of the protocol.

use super::ScpError;
use portcullis_model::bytes::printable;
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, read, write};

/// Longest line: a name of 255 bytes and numbers are far less.
const LINE_MAX: usize = 4096;
/// Bytes of one read.
const READ: usize = 128 * 1024;

/// The two directions, and whether anything failed.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    input: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
    room: Vec<u8>,
    start: usize,
    end: usize,
    failed: bool,
}

impl<'a> Wire<'a> {
    pub(super) fn new(input: BorrowedFd<'a>, output: BorrowedFd<'a>) -> Self {
        Self { input, output, room: vec![0; READ], start: 0, end: 0, failed: false }
    }

    /// Whether an error was told.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// Takes note of a failure that the client told.
    pub(super) fn note_failure(&mut self) {
        self.failed = true;
    }

    /// Bytes that have come, at most `most`, which is not 0; none at the end of input.
    pub(super) fn take(&mut self, most: usize) -> Result<&[u8], ScpError> {
        while self.start == self.end {
            match read(self.input, &mut self.room) {
                Ok(0) => return Ok(&[]),
                Ok(n) => (self.start, self.end) = (0, n),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let from = self.start;
        self.start = self.end.min(from.saturating_add(most));
        Ok(self.room.get(from..self.start).unwrap_or_default())
    }

    /// The next line without its end; none at the end of input.
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, ScpError> {
        let mut line = Vec::new();
        loop {
            match self.take(1)? {
                [] if line.is_empty() => return Ok(None),
                [] => return Err(ScpError::Cut),
                [b'\n'] => return Ok(Some(line)),
                _ if line.len() >= LINE_MAX => return Err(ScpError::Protocol("a line without end")),
                [byte, ..] => line.push(*byte),
            }
        }
    }

    /// Waits for the client's answer: none when it is well, its complaint when it is not.
    pub(super) fn answer(&mut self) -> Result<Option<String>, ScpError> {
        let code = match self.take(1)? {
            [] => return Err(ScpError::Cut),
            [code, ..] => *code,
        };
        match code {
            0 => Ok(None),
            1 | 2 => {
                let text = self.line()?.unwrap_or_default();
                self.failed = true;
                let text = printable(&text);
                if code == 1 { Ok(Some(text)) } else { Err(ScpError::GaveUp(text)) }
            }
            _ => Err(ScpError::Protocol("an answer that is none")),
        }
    }

    /// Says that all is well.
    pub(super) fn well(&mut self) -> Result<(), ScpError> {
        self.send(&[0])
    }

    /// Says that something about one file went wrong.
    pub(super) fn wrong(&mut self, text: &str) -> Result<(), ScpError> {
        self.failed = true;
        self.send(format!("\u{1}portcullis: {}\n", printable(text.as_bytes())).as_bytes())
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> Result<(), ScpError> {
        while !bytes.is_empty() {
            match write(self.output, bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}
