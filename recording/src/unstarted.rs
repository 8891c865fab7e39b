//! Recordings whose keeper was killed before their first frame was whole. Nothing of such a session ran, because nothing runs
//! before the session's start is recorded; what there is of the file says nothing about it, and cannot be sealed.

use crate::format::{FILE_HEADER, FILE_NAME};
use crate::manifest::open_plain;
use crate::orphan::TORN_NAME;
use crate::path_of;
use crate::reader::{ReadError, Reader};
use crate::sealed::Source;
use portcullis_model::id::SessionId;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Whether the recording of `session` ends before its first frame does.
///
/// # Errors
/// When it cannot be read, or is another session's.
pub fn is_unstarted(evidence: &Path, session: &SessionId) -> Result<bool, ReadError> {
    let file = open_plain(&path_of(evidence, session))?;
    if file.metadata()?.len() < FILE_HEADER as u64 {
        return Ok(true);
    }
    let mut reader = Reader::new(Source::from(file))?;
    Ok(reader.next().transpose()?.is_none())
}

/// Keeps what there is of it under another name, so that nobody takes it for a recording. Repeating it does no harm.
///
/// # Errors
/// The system's.
pub fn set_aside(evidence: &Path, session: &SessionId) -> io::Result<()> {
    let path = path_of(evidence, session);
    let folder = path.parent().unwrap_or(evidence);
    match fs::rename(folder.join(FILE_NAME), folder.join(TORN_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| File::open(folder)?.sync_all()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{session, started};
    use crate::writer::Writer;
    use portcullis_model::boot::BootId;
    use portcullis_model::decision::Journal as _;

    #[test]
    fn it_is_one_until_its_first_frame_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(folder.path(), &session(), BootId::UNKNOWN, None).unwrap();
        assert!(is_unstarted(folder.path(), &session()).unwrap());
        writer.append(&started()).unwrap();
        assert!(!is_unstarted(folder.path(), &session()).unwrap());
        let path = writer.path().to_owned();
        drop(writer);
        let whole = fs::read(&path).unwrap();
        for kept in 0..FILE_HEADER + 200 {
            fs::write(&path, &whole[..kept]).unwrap();
            assert!(is_unstarted(folder.path(), &session()).unwrap(), "{kept} bytes");
        }
        let mut changed = whole;
        changed[FILE_HEADER + 50] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(is_unstarted(folder.path(), &session()).is_err(), "what was altered is no beginning");
        set_aside(folder.path(), &session()).unwrap();
        set_aside(folder.path(), &session()).unwrap();
        assert!(!path.exists());
    }
}
