//! The end of a recording whose writer died: checked, continued by one frame, closed.
//!
//! Every frame is read and checked first, and nothing is changed unless all of them are what was written. What a writer left
//! that is not a whole frame is moved beside the recording, into `recording.torn`, before it is cut off; the last event says
//! so. The chain goes on from the last whole frame, so the recording is one that can be verified to its end.

use crate::format::BadFrame;
use crate::manifest::open_plain;
use crate::reader::{ReadError, Reader, Tail};
use crate::sealed::Source;
use crate::writer::{Sealed, WriteError, Writer};
use crate::path_of;
use portcullis_model::boot::BootId;
use portcullis_model::id::SessionId;
use portcullis_model::receipt::Receipt;
use portcullis_model::time::UnixMs;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a recording stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame is not what was written; nothing is added to such a recording.
    #[error("frame {seq} is not what was written: {reason}")]
    Damaged {
        /// its number
        seq: u64,
        /// what is wrong with it
        reason: BadFrame,
    },
    /// It does not hold the session's start.
    #[error("the session's start was not recorded")]
    Empty,
    /// It is another session's.
    #[error("it is the recording of session {0}")]
    Another(SessionId),
    /// What is not a whole frame cannot be kept beside it.
    #[error("cannot keep the last, unfinished frame at {path}")]
    Torn {
        /// where it was to be kept
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What became of the recording of a dead writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orphan {
    /// The writer had closed it.
    WasClosed,
    /// It is closed now.
    Closed {
        /// what it is
        sealed: Sealed,
        /// bytes of an unfinished frame that were moved to `recording.torn`
        torn: u64,
    },
}

/// What was no whole frame, beside its recording.
pub(crate) const TORN_NAME: &str = "recording.torn";

/// Closes the recording of `session`, whose writer is dead: a writer that lives would write into it. `receipt` is asked for
/// the session's end, by the number of bytes that were not a whole frame; it is now `at`, in this start of the node.
///
/// Reads all of the recording.
///
/// # Errors
/// [`OrphanError`]; a recording that is damaged or empty is not touched.
pub fn close_orphan(evidence: &Path, session: &SessionId, (at, boot): (UnixMs, BootId), receipt: impl FnOnce(u64) -> Receipt) -> Result<Orphan, OrphanError> {
    let path = path_of(evidence, session);
    let mut reader = Reader::new(Source::from(open_plain(&path).map_err(ReadError::Io)?))?;
    if reader.session() != session {
        return Err(OrphanError::Another(reader.session().clone()));
    }
    let mut last = Duration::ZERO;
    for frame in &mut reader {
        match frame {
            Ok(frame) => last = frame.elapsed,
            Err(ReadError::Bad { seq, reason, .. }) => return Err(OrphanError::Damaged { seq, reason }),
            Err(other) => return Err(other.into()),
        }
    }
    let length = match reader.tail() {
        _ if reader.frames() == 0 => return Err(OrphanError::Empty),
        Some(Tail::Closed) => return Ok(Orphan::WasClosed),
        Some(Tail::Open | Tail::Torn { .. }) => reader.offset(),
        None => return Err(OrphanError::Read(ReadError::Header)),
    };
    let options = |options: &mut std::fs::OpenOptions| options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(&path);
    let file = options(File::options().read(true).append(true)).map_err(ReadError::Io)?;
    let torn = keep_torn(&file, &path, length)?;
    let last_ns = u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
    let writer = Writer::after(file, path, &reader, (length, last_ns), boot)?;
    Ok(Orphan::Closed { sealed: writer.finish(at, receipt(torn))?, torn })
}

/// Moves what follows the last whole frame beside the recording; how many bytes that were.
fn keep_torn(mut file: &File, path: &Path, length: u64) -> Result<u64, OrphanError> {
    let beside = path.with_file_name(TORN_NAME);
    let mut keep = || -> io::Result<u64> {
        let meta = file.metadata()?;
        let torn = meta.len().saturating_sub(length);
        if torn == 0 {
            return Ok(0);
        }
        file.seek(SeekFrom::Start(length))?;
        let mut kept = File::options().write(true).create_new(true).mode(0o640).open(&beside)?;
        if io::copy(&mut file.take(torn), &mut kept)? != torn {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        fchown(&kept, None, Some(meta.gid()))?;
        kept.sync_all()?;
        if let Some(folder) = beside.parent() {
            File::open(folder)?.sync_all()?;
        }
        file.set_len(length)?;
        Ok(torn)
    };
    keep().map_err(|source| OrphanError::Torn { path: beside.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{receipt, session, started};
    use crate::{Body, verify};
    use portcullis_model::decision::Journal as _;
    use portcullis_model::event::EventKind;
    use portcullis_model::receipt::EndCause;
    use std::io::Write as _;

    fn died(torn: u64) -> Receipt {
        Receipt { cause: EndCause::Fault(format!("the keeper died, {torn} bytes torn")), ..receipt() }
    }

    /// A recording whose writer is dropped in the middle.
    fn open(folder: &Path) -> PathBuf {
        let mut writer = Writer::create(folder, &session(), BootId::UNKNOWN, None).unwrap();
        writer.append(&started()).unwrap();
        writer.output(b"half a ses").unwrap();
        writer.path().to_owned()
    }

    fn last(path: &Path) -> EventKind {
        let frame = Reader::open(path).unwrap().last().unwrap().unwrap();
        let Body::Event(event) = frame.body else { panic!("{frame:?}") };
        event.kind
    }

    #[test]
    fn it_is_closed_by_one_more_frame_of_the_same_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = open(folder.path());
        let before = std::fs::read(&path).unwrap();
        let Orphan::Closed { sealed, torn: 0 } = close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died).unwrap() else { panic!() };
        let found = verify(&path).unwrap();
        assert!(found.is_whole() && found.frames == 3 && found.head == sealed.head, "{found:?}");
        assert!(std::fs::read(&path).unwrap().starts_with(&before), "nothing was changed");
        assert_eq!(last(&path), EventKind::Ended(died(0)));
        // and it is not closed twice
        assert_eq!(close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died).unwrap(), Orphan::WasClosed);
    }

    #[test]
    fn a_frame_that_is_not_whole_is_kept_beside_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = open(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 39, 45] {
            let tail = vec![7; cut];
            // the beginning of the frame that was written last, once more, would be a bad number: a header is cut off, or a payload
            let torn = if cut < 40 { tail } else { torn_frame(&whole, cut) };
            std::fs::write(&path, [whole.as_slice(), &torn].concat()).unwrap();
            assert!(matches!(close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died), Ok(Orphan::Closed { torn: t, .. }) if t == cut as u64), "{cut}");
            let beside = path.with_file_name("recording.torn");
            assert_eq!(std::fs::read(&beside).unwrap(), torn);
            assert!(verify(&path).unwrap().is_whole());
            assert_eq!(last(&path), EventKind::Ended(died(cut as u64)));
            // another one is never written over
            std::fs::write(&path, [whole.as_slice(), &torn].concat()).unwrap();
            assert!(matches!(close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died), Err(OrphanError::Torn { .. })));
            std::fs::remove_file(beside).unwrap();
        }
    }

    /// The first bytes of the frame that would follow.
    fn torn_frame(whole: &[u8], cut: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), &session());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, whole).unwrap();
        close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died).unwrap();
        std::fs::read(&path).unwrap()[whole.len()..][..cut].to_vec()
    }

    #[test]
    fn what_is_damaged_empty_or_anothers_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = open(folder.path());
        let good = std::fs::read(&path).unwrap();
        let mut changed = good.clone();
        let middle = good.len() - 40;
        changed[middle] ^= 1;
        for (bytes, what) in [(changed, "frame 1"), (good[..crate::format::FILE_HEADER].to_vec(), "start")] {
            std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
            let error = close_orphan(folder.path(), &session(), (UnixMs(9), BootId::UNKNOWN), died).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        let other = SessionId::from_entropy([9; 10]);
        let elsewhere = path_of(folder.path(), &other);
        std::fs::create_dir(elsewhere.parent().unwrap()).unwrap();
        std::fs::write(&elsewhere, &good).unwrap();
        assert!(matches!(close_orphan(folder.path(), &other, (UnixMs(9), BootId::UNKNOWN), died), Err(OrphanError::Another(found)) if found == session()));
    }
}
