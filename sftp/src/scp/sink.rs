//! `scp -t`: the client sends.

use super::wire::Wire;
use super::{DEPTH_MAX, ScpError, one};
use crate::files::{Ask, Entry, FileError, Files, Found, How};
use crate::protocol::Attributes;
use portcullis_model::bytes::printable;
use portcullis_model::scp::Request;
use portcullis_model::subject::FileOpKind;
use rustix::fs::FileType;

/// What one line of the client announces.
#[derive(Debug, PartialEq, Eq)]
enum Announced<'a> {
    File { mode: u32, size: u64, name: &'a [u8] },
    Folder { mode: u32, name: &'a [u8] },
    FolderEnd,
    /// Of what comes next: access, change.
    Times(u32, u32),
}

/// Where things go: into a folder, or to one name whatever they are called.
enum Target {
    Into(Found),
    As(Vec<u8>),
}

/// A file that comes.
struct Incoming {
    mode: u32,
    size: u64,
    /// What to set afterwards.
    attributes: Option<Attributes>,
}

/// Receives everything.
pub(super) fn run<A: Ask>(mut files: Files<A>, request: &Request, wire: &mut Wire<'_>) -> Result<(), ScpError> {
    let target = match files.names.follow(&request.path) {
        Ok(found) if found.kind() == FileType::Directory => match files.ask.ask_one(FileOpKind::Stat, &found.path) {
            Ok(_) => Target::Into(found),
            Err(error) => return wire.wrong(&format!("{}: {}", printable(&request.path), one(error)?)),
        },
        Ok(_) | Err(_) if request.folder => return wire.wrong(&format!("{}: not a folder", printable(&request.path))),
        Ok(_) | Err(_) => Target::As(request.path.clone()),
    };
    wire.well()?;
    let (mut levels, mut times) = (vec![target], None);
    while let Some(line) = wire.line()? {
        if matches!(line.first(), Some(1 | 2)) {
            // about a file of the client's own, which it has told its user
            wire.note_failure();
            continue;
        }
        let target = levels.last().ok_or(ScpError::Protocol("more ends of folders than folders"))?;
        match announced(&line, request.recursive).map_err(ScpError::Protocol)? {
            Announced::Times(accessed, modified) => {
                times = Some((accessed, modified));
                wire.well()?;
            }
            Announced::File { mode, size, name } => {
                let attributes = Attributes { mode: Some(mode), times: times.take(), ..Attributes::default() };
                receive(&mut files, target, name, Incoming { mode, size, attributes: request.preserve.then_some(attributes) }, wire)?;
            }
            Announced::Folder { .. } if levels.len() > DEPTH_MAX => return Err(ScpError::Protocol("folders in too many folders")),
            Announced::Folder { mode, name } => {
                times = None;
                match folder(&mut files, target, name, mode) {
                    Ok(found) => {
                        levels.push(Target::Into(found));
                        wire.well()?;
                    }
                    // the client passes over all of it then
                    Err(error) => wire.wrong(&format!("{}: {}", printable(name), one(error)?))?,
                }
            }
            Announced::FolderEnd => {
                levels.pop();
                wire.well()?;
            }
        }
    }
    Ok(())
}

fn receive<A: Ask>(files: &mut Files<A>, target: &Target, name: &[u8], file: Incoming, wire: &mut Wire<'_>) -> Result<(), ScpError> {
    let how = How { write: true, create: true, truncate: true, mode: file.mode, ..How::default() };
    let shown = printable(name);
    let mut held = match open(files, target, name, how) {
        Ok(held) => held,
        Err(error) => return wire.wrong(&format!("{shown}: {}", one(error)?)),
    };
    wire.well()?;
    let (mut at, mut failure) = (0, None);
    while at < file.size {
        let most = usize::try_from(file.size - at).unwrap_or(usize::MAX);
        let data = wire.take(most)?;
        if data.is_empty() {
            held.leave(&mut files.ask).or_else(|error| one(error).map(drop))?;
            return Err(ScpError::Cut);
        }
        let length = data.len() as u64;
        if failure.is_none()
            && let Err(error) = held.write(&mut files.ask, at, data)
        {
            failure = Some(one(error)?);
        }
        at += length;
    }
    if let (None, Some(attributes)) = (&failure, &file.attributes)
        && let Err(error) = files.set_attributes_of(&mut held, attributes)
    {
        failure = Some(one(error)?);
    }
    if let Err(error) = held.close(&mut files.ask) {
        failure = Some(one(error)?);
    }
    // the client says whether all of it was read
    wire.answer()?;
    match failure {
        None => wire.well(),
        Some(text) => wire.wrong(&format!("{shown}: {text}")),
    }
}

fn open<A: Ask>(files: &mut Files<A>, target: &Target, name: &[u8], how: How) -> Result<crate::files::Held, FileError> {
    match target {
        Target::As(path) => files.open(path, how),
        Target::Into(folder) => files.open_in(&Entry::inside(folder, name)?, how),
    }
}

fn folder<A: Ask>(files: &mut Files<A>, target: &Target, name: &[u8], mode: u32) -> Result<Found, FileError> {
    let entry = match target {
        Target::As(path) => files.names.entry(path)?,
        Target::Into(folder) => Entry::inside(folder, name)?,
    };
    match entry.find() {
        Ok(found) if found.kind() == FileType::Directory => {
            files.ask.ask_one(FileOpKind::Stat, &found.path)?;
            Ok(found)
        }
        _ => {
            files.make_folder_at(&entry, mode | 0o700)?;
            Ok(entry.find()?)
        }
    }
}

fn announced(line: &[u8], recursive: bool) -> Result<Announced<'_>, &'static str> {
    let (kind, rest) = line.split_first().ok_or("an empty line")?;
    match kind {
        b'E' if rest.is_empty() && recursive => Ok(Announced::FolderEnd),
        b'T' => {
            let numbers: Vec<u32> = rest.split(|b| *b == b' ').map_while(|text| number(text, 10)).filter_map(|n| u32::try_from(n).ok()).collect();
            match *numbers {
                [modified, _, accessed, _] => Ok(Announced::Times(accessed, modified)),
                _ => Err("times that are none"),
            }
        }
        b'C' | b'D' => {
            let mut parts = rest.splitn(3, |b| *b == b' ');
            let mode = parts.next().and_then(|text| number(text, 8)).and_then(|mode| u32::try_from(mode).ok()).ok_or("a mode that is none")?;
            let size = parts.next().and_then(|text| number(text, 10)).ok_or("a size that is none")?;
            let name = parts.next().ok_or("a file without a name")?;
            if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) {
                return Err("a name that leads elsewhere");
            }
            match kind {
                b'C' => Ok(Announced::File { mode, size, name }),
                _ if recursive => Ok(Announced::Folder { mode, name }),
                _ => Err("a folder where none was asked for"),
            }
        }
        _ => Err("a line that is none"),
    }
}

fn number(text: &[u8], base: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    u64::from_str_radix(text, base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_clients_announce_is_understood_and_nothing_else() {
        assert_eq!(announced(b"C0644 12 a b", false), Ok(Announced::File { mode: 0o644, size: 12, name: b"a b" }));
        assert_eq!(announced(b"D0755 0 \xff", true), Ok(Announced::Folder { mode: 0o755, name: b"\xff" }));
        assert_eq!(announced(b"E", true), Ok(Announced::FolderEnd));
        assert_eq!(announced(b"T17 0 18 0", false), Ok(Announced::Times(18, 17)));
        for bad in [
            &b"C0644 12 ../x"[..], b"C0644 12 ..", b"C0644 12 .", b"C0644 12 ", b"C0644 12", b"C0644 -1 x", b"C0844 1 x", b"C0644 99999999999999999999 x", b"C0644 1 a/b", b"C0644 1 a\0b", b"", b"E", b"D0755 0 x",
            b"T1 2", b"T-1 0 1 0", b"Xyz", b"C+644 1 x",
        ] {
            assert!(announced(bad, false).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..100), recursive: bool) {
            if let Ok(Announced::File { name, .. } | Announced::Folder { name, .. }) = announced(&line, recursive) {
                prop_assert!(!name.contains(&b'/') && name != b".." && !name.is_empty());
            }
        }
    }
}
