//! Counting lines and bytes in a file from either end, and pouring a piece of it out.

use crate::failure::{Failure, Usage};
use crate::grammar::Arguments;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, pread};
use std::io::Write;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// How much of a file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Lines or bytes.
    pub unit: Unit,
    /// What stood in front of the number.
    pub sign: Sign,
    /// The number.
    pub number: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Lines.
    Lines,
    /// Bytes.
    Bytes,
}

/// The sign of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// None.
    None,
    /// `+`
    Plus,
    /// `-`
    Minus,
}

impl Amount {
    /// What `-n` and `-c` say, ten lines when they say nothing; the last of them counts.
    ///
    /// # Errors
    /// What is no number.
    pub fn of(arguments: &Arguments) -> Result<Self, Usage> {
        let bytes = arguments.value("c", "bytes");
        let lines = arguments.value("n", "lines");
        let (unit, text) = match (bytes, lines) {
            (Some(text), None) => (Unit::Bytes, text),
            (None, Some(text)) => (Unit::Lines, text),
            (None, None) => (Unit::Lines, &b"10"[..]),
            (Some(_), Some(_)) => return Err(Usage::Operands("lines or bytes, not both")),
        };
        let (sign, digits) = match text {
            [b'+', digits @ ..] => (Sign::Plus, digits),
            [b'-', digits @ ..] => (Sign::Minus, digits),
            digits => (Sign::None, digits),
        };
        let number = || str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
        Ok(Self { unit, sign, number: number().ok_or_else(|| Usage::Number(text.to_vec()))? })
    }
}

/// Where the last `number` lines or bytes of the first `size` bytes begin.
///
/// # Errors
/// The file cannot be read.
pub fn last(file: &OwnedFd, size: u64, unit: Unit, number: u64) -> Result<u64, Errno> {
    match unit {
        Unit::Bytes => return Ok(size.saturating_sub(number)),
        Unit::Lines if number == 0 => return Ok(size),
        Unit::Lines => {}
    }
    let mut piece = vec![0; PIECE];
    let (mut end, mut left) = (size, number);
    while end > 0 {
        let start = end.saturating_sub(PIECE as u64);
        let wanted = piece.get_mut(..usize::try_from(end - start).unwrap_or(PIECE)).unwrap_or_default();
        let got = read_full(file, wanted, start)?;
        for (at, _) in wanted.get(..got).unwrap_or_default().iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let behind = start + at as u64 + 1;
            // the newline at the very end ends the last line, and begins none
            if behind == size {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(behind);
            }
        }
        end = start;
    }
    Ok(0)
}

/// Where the first `number` lines or bytes end.
///
/// # Errors
/// The file cannot be read.
pub fn first(file: &OwnedFd, unit: Unit, number: u64) -> Result<u64, Errno> {
    match unit {
        Unit::Bytes => return Ok(number),
        Unit::Lines if number == 0 => return Ok(0),
        Unit::Lines => {}
    }
    let mut piece = vec![0; PIECE];
    let (mut start, mut left) = (0, number);
    loop {
        let got = read_full(file, &mut piece, start)?;
        for (at, _) in piece.get(..got).unwrap_or_default().iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            left -= 1;
            if left == 0 {
                return Ok(start + at as u64 + 1);
            }
        }
        start += got as u64;
        if got < piece.len() {
            return Ok(start);
        }
    }
}

/// Writes a file's bytes from `start` to `end`, or to where it ends now; returns where it came to.
///
/// # Errors
/// The system's.
pub fn pour(file: &OwnedFd, start: u64, end: u64, out: &mut impl Write) -> Result<u64, Failure> {
    let mut piece = vec![0; PIECE];
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let got = read_full(file, piece.get_mut(..wanted).unwrap_or_default(), at)?;
        if got == 0 {
            break;
        }
        out.write_all(piece.get(..got).unwrap_or_default())?;
        at += got as u64;
    }
    Ok(at)
}

/// Reads until the room is full or the file ends.
fn read_full(file: &OwnedFd, room: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut got = 0;
    while let Some(rest) = room.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match pread(file, rest, offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Command;

    fn file(content: &[u8]) -> (OwnedFd, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        (file.into(), content.len() as u64)
    }

    #[test]
    fn lines_are_counted_from_both_ends() {
        for (content, number, want) in [("a\nb\nc\n", 1, "c\n"), ("a\nb\nc\n", 2, "b\nc\n"), ("a\nb\nc", 1, "c"), ("a\nb\nc", 9, "a\nb\nc"), ("\n\n\n", 2, "\n\n"), ("", 3, ""), ("a\n", 0, "")] {
            let (fd, size) = file(content.as_bytes());
            let start = last(&fd, size, Unit::Lines, number).unwrap();
            assert_eq!(content.get(usize::try_from(start).unwrap()..), Some(want), "last {number} of {content:?}");
        }
        for (content, number, want) in [("a\nb\nc\n", 1, "a\n"), ("a\nb\nc\n", 2, "a\nb\n"), ("a\nb", 5, "a\nb"), ("", 3, ""), ("a\n", 0, "")] {
            let (fd, _) = file(content.as_bytes());
            let end = first(&fd, Unit::Lines, number).unwrap();
            assert_eq!(content.get(..usize::try_from(end).unwrap()), Some(want), "first {number} of {content:?}");
        }
        // over more than one piece, with a line that begins at the edge of one
        let long: Vec<u8> = (0..30_000).flat_map(|n| format!("{n:05}\n").into_bytes()).collect();
        let (fd, size) = file(&long);
        assert_eq!(last(&fd, size, Unit::Lines, 20_000).unwrap(), 10_000 * 6);
        assert_eq!(first(&fd, Unit::Lines, 20_000).unwrap(), 20_000 * 6);
        let mut out = Vec::new();
        assert_eq!(pour(&fd, 6, u64::MAX, &mut out).unwrap(), size);
        assert_eq!(out, long[6..]);
    }

    #[test]
    fn amounts_are_read() {
        let of = |line: &str| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            Amount::of(&Command::Tail.grammar().read(&words).unwrap())
        };
        assert_eq!(of("x").unwrap(), Amount { unit: Unit::Lines, sign: Sign::None, number: 10 });
        assert_eq!(of("-n +3 x").unwrap(), Amount { unit: Unit::Lines, sign: Sign::Plus, number: 3 });
        assert_eq!(of("-c -3 x").unwrap(), Amount { unit: Unit::Bytes, sign: Sign::Minus, number: 3 });
        for bad in ["-n x", "-n 5k", "-n +", "-n 99999999999999999999999", "-n 1 -c 1"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
