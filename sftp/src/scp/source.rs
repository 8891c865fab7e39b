//! `scp -f`: the client receives.

use super::wire::Wire;
use super::{DEPTH_MAX, ScpError, one};
use crate::files::{Ask, Entry, FileError, Files, Found, Held, How};
use portcullis_model::bytes::printable;
use portcullis_model::scp::Request;
use portcullis_model::subject::FileOpKind;
use rustix::fs::{FileType, Stat};

/// Bytes of one read of a file.
const PIECE: usize = 128 * 1024;

/// Sends what was asked for.
pub(super) fn run<A: Ask>(mut files: Files<A>, request: &Request, wire: &mut Wire<'_>) -> Result<(), ScpError> {
    wire.answer()?;
    let name = request.path.rsplit(|b| *b == b'/').find(|part| !part.is_empty()).unwrap_or(b"/").to_vec();
    let mut source = Source { files: &mut files, request, wire };
    match source.files.names.follow(&request.path) {
        Ok(found) => source.send(&found, &name, 0),
        // asked about all the same: what is not there is told only to who may look
        Err(_) => match source.files.open(&request.path, How { read: true, ..How::default() }) {
            Ok(held) => source.file(held, &name),
            Err(error) => source.wrong(&name, error),
        },
    }
}

struct Source<'s, 'w, A> {
    files: &'s mut Files<A>,
    request: &'s Request,
    wire: &'s mut Wire<'w>,
}

impl<A: Ask> Source<'_, '_, A> {
    fn send(&mut self, found: &Found, name: &[u8], depth: usize) -> Result<(), ScpError> {
        if name.contains(&b'\n') {
            return self.wrong(name, FileError::Odd("a name with a line's end in it cannot be sent this way; use scp -s"));
        }
        if found.kind() == FileType::Directory {
            return self.folder(found, name, depth);
        }
        match self.files.open_found(found, How { read: true, ..How::default() }) {
            Ok(held) => self.file(held, name),
            Err(error) => self.wrong(name, error),
        }
    }

    fn file(&mut self, mut held: Held, name: &[u8]) -> Result<(), ScpError> {
        let stat = rustix::fs::fstat(held.fd())?;
        if !self.times(&stat)? || !self.announce(b'C', &stat, u64::try_from(stat.st_size).unwrap_or(0), name)? {
            return self.closed(held);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let (mut at, mut room, mut failure) = (0, vec![0; PIECE], None);
        while at < size {
            let wanted = room.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
            let piece = room.get_mut(..wanted).unwrap_or_default();
            let got = match held.read(&mut self.files.ask, at, piece) {
                Ok(0) => {
                    failure.get_or_insert_with(|| "it became shorter while it was sent".to_owned());
                    0
                }
                Ok(got) => got,
                Err(error) => {
                    failure = Some(one(error)?);
                    0
                }
            };
            // the client waits for as many bytes as were announced, whatever becomes of the file
            let sent = if got == 0 { wanted } else { got };
            if got == 0 {
                piece.fill(0);
            }
            let piece = piece.get(..sent).unwrap_or_default();
            self.wire.send(piece)?;
            at += sent as u64;
        }
        self.closed(held)?;
        match failure {
            None => self.wire.well()?,
            Some(text) => self.wire.wrong(&format!("{}: {text}", printable(name)))?,
        }
        self.wire.answer().map(drop)
    }

    fn folder(&mut self, found: &Found, name: &[u8], depth: usize) -> Result<(), ScpError> {
        if !self.request.recursive {
            return self.wrong(name, FileError::Odd("it is a folder; scp -r copies folders"));
        }
        if depth >= DEPTH_MAX {
            return self.wrong(name, FileError::Odd("it is in too many folders"));
        }
        let listed = self.files.ask.ask_one(FileOpKind::List, &found.path).and_then(|_| self.files.list_found(found));
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.wrong(name, error),
        };
        if !self.times(&found.stat)? || !self.announce(b'D', &found.stat, 0, name)? {
            return Ok(());
        }
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            // links in a folder are followed, as scp does
            match Entry::inside(found, name).and_then(|entry| self.files.names.follow(&entry.path)) {
                Ok(found) => self.send(&found, name, depth + 1)?,
                Err(errno) => self.wrong(name, errno.into())?,
            }
        }
        self.wire.send(b"E\n")?;
        self.wire.answer().map(drop)
    }

    /// Announces the times, if they are wanted; says whether the client goes on.
    fn times(&mut self, stat: &Stat) -> Result<bool, ScpError> {
        if !self.request.preserve {
            return Ok(true);
        }
        self.wire.send(format!("T{} 0 {} 0\n", stat.st_mtime.max(0), stat.st_atime.max(0)).as_bytes())?;
        Ok(self.wire.answer()?.is_none())
    }

    fn announce(&mut self, kind: u8, stat: &Stat, size: u64, name: &[u8]) -> Result<bool, ScpError> {
        let head = format!("{}{:04o} {size} ", char::from(kind), stat.st_mode & 0o777);
        self.wire.send(&[head.as_bytes(), name, b"\n"].concat())?;
        Ok(self.wire.answer()?.is_none())
    }

    fn closed(&mut self, held: Held) -> Result<(), ScpError> {
        held.close(&mut self.files.ask).or_else(|error| one(error).map(drop))
    }

    fn wrong(&mut self, name: &[u8], error: FileError) -> Result<(), ScpError> {
        let text = one(error)?;
        self.wire.wrong(&format!("{}: {text}", printable(name)))
    }
}
