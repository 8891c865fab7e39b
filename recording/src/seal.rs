//! Makes pieces and a manifest of a recording that is closed.
//!
//! The recording is read and checked from its beginning, cut between two frames where a piece has [`CHUNK_BYTES`] or
//! [`CHUNK_TIME`], and each piece is compressed into a file of its own. A piece is unpacked again and compared before it counts:
//! the recording is removed in the end. What cannot be read of a damaged recording is in the last piece, as it was found.
//!
//! Nothing is removed here: [`seal`] leaves the recording where it is, and [`unplain`] takes it away, once the manifest's digest is
//! on record elsewhere. Both can be repeated after a crash at any point.
//!
//! It decodes and compresses what operators wrote, so it belongs into a process of its own.

use crate::manifest::{Chunk, MANIFEST_NAME, MANIFEST_VERSION, Manifest, ManifestError, chunk_name, open_plain};
use crate::path_of;
use crate::reader::{Body, Frame, ReadError, Reader};
use crate::sealed::{ChunkError, Source, unpack};
use crate::summary::Damage;
use portcullis_model::digest::Digest;
use portcullis_model::event::EventKind;
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes after which a piece ends.
pub const CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// Time of the session after which a piece ends.
pub const CHUNK_TIME: Duration = Duration::from_secs(600);
/// Added to the names of files that are not whole yet.
const UNFINISHED: &str = ".new";

/// Why a recording is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not even its start can be read: there is nothing that says whose it was.
    #[error("the session's start cannot be read: {0}")]
    NoStart(String),
    /// It is another session's.
    #[error("it is the recording of session {0}")]
    Another(SessionId),
    /// A file cannot be made.
    #[error("cannot make {path}")]
    Write {
        /// the file
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// A piece that was packed does not unpack to what it was.
    #[error("a piece could not be packed")]
    Pack(#[from] ChunkError),
    /// A piece unpacks to something else.
    #[error("{0} does not unpack to what was packed")]
    Differs(String),
    /// The manifest cannot be made or read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Where a piece ends, and what is true of it.
#[derive(Debug)]
struct Cut {
    end: u64,
    frames: u64,
    first: u64,
    elapsed_ns: u64,
    head: Digest,
}

/// Seals the recording of `session` and gives its manifest, and the digest of the manifest's file. When this returns, the pieces
/// and the manifest are on the disk, with the owner group of the recording.
///
/// # Errors
/// [`SealError`]; the recording is untouched.
pub fn seal(evidence: &Path, session: &SessionId) -> Result<(Manifest, Digest), SealError> {
    let path = path_of(evidence, session);
    let folder = path.parent().unwrap_or(evidence);
    let file = match open_plain(&path) {
        // it was sealed before, and its file is gone
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.join(MANIFEST_NAME).exists() => return Ok(Manifest::read(folder)?),
        other => other.map_err(ReadError::Io)?,
    };
    let length = file.metadata().map_err(ReadError::Io)?.len();
    let (mut manifest, cuts) = survey(&path, session, length)?;
    let sealer = Sealer { folder, gid: file.metadata().map_err(ReadError::Io)?.gid() };
    let mut input = file;
    let mut start = 0;
    for (number, cut) in cuts.iter().enumerate() {
        let mut plain = Vec::new();
        (&mut input).take(cut.end - start).read_to_end(&mut plain).map_err(ReadError::Io)?;
        if plain.len() as u64 != cut.end - start {
            return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()).into());
        }
        manifest.chunks.push(sealer.chunk(number, &plain, cut)?);
        start = cut.end;
    }
    let json = serde_json::to_vec_pretty(&manifest).map_err(|source| ManifestError::Parse { path: folder.join(MANIFEST_NAME), source })?;
    sealer.file(MANIFEST_NAME, &json)?;
    Ok((manifest, Digest::of(&json)))
}

/// Removes the file of a recording that was sealed and is on record. Repeating it does no harm.
///
/// # Errors
/// When there is no manifest, or the system says no.
pub fn unplain(evidence: &Path, session: &SessionId) -> Result<(), SealError> {
    let path = path_of(evidence, session);
    let folder = path.parent().unwrap_or(evidence);
    Manifest::read(folder)?;
    let failed = |source| SealError::Write { path: path.clone(), source };
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| File::open(folder)?.sync_all()).map_err(failed),
    }
}

/// Reads all of a recording: what it is, and where its pieces end.
fn survey(path: &Path, session: &SessionId, length: u64) -> Result<(Manifest, Vec<Cut>), SealError> {
    let mut reader = Reader::new(Source::from(open_plain(path).map_err(ReadError::Io)?))?;
    if reader.session() != session {
        return Err(SealError::Another(reader.session().clone()));
    }
    let (mut manifest, first) = match reader.next() {
        Some(Ok(frame)) => (begin(&reader, &frame)?, frame),
        Some(Err(error)) => return Err(SealError::NoStart(error.to_string())),
        None => return Err(SealError::NoStart("it was cut off".to_owned())),
    };
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut cuts: Vec<Cut> = Vec::new();
    let mut cut = Cut { end: reader.offset(), frames: 1, first: 0, elapsed_ns: ns(first.elapsed), head: reader.head().into() };
    let (mut start, mut began) = (0, first.elapsed);
    while let Some(frame) = reader.next() {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                manifest.damage = Some(Damage::from_error(error)?);
                break;
            }
        };
        if cut.end - start >= CHUNK_BYTES || frame.elapsed.saturating_sub(began) >= CHUNK_TIME {
            (start, began) = (cut.end, frame.elapsed);
            let next = Cut { end: 0, frames: 0, first: frame.seq, elapsed_ns: ns(frame.elapsed), head: cut.head };
            cuts.push(std::mem::replace(&mut cut, next));
        }
        cut = Cut { end: reader.offset(), frames: cut.frames + 1, head: reader.head().into(), ..cut };
        (manifest.last, manifest.elapsed_ns) = (frame.at, ns(frame.elapsed));
        note(&mut manifest, frame);
    }
    manifest.damage = manifest.damage.or_else(|| reader.tail().and_then(Damage::from_tail));
    (manifest.frames, manifest.head) = (reader.frames(), reader.head().into());
    // what is not a whole frame is kept as well
    cut.end = length.max(cut.end);
    manifest.bytes = cut.end;
    cuts.push(cut);
    Ok((manifest, cuts))
}

fn begin(reader: &Reader, frame: &Frame) -> Result<Manifest, SealError> {
    let Body::Event(event) = &frame.body else { return Err(SealError::NoStart("it does not begin with it".to_owned())) };
    let EventKind::Started { facts, policy, .. } = &event.kind else { return Err(SealError::NoStart("it does not begin with it".to_owned())) };
    Ok(Manifest {
        version: MANIFEST_VERSION,
        facts: (**facts).clone(),
        boot: reader.boot(),
        policies: policy.iter().map(|policy| Digest::from(*policy)).collect(),
        first: frame.at,
        last: UnixMs(frame.at.0),
        elapsed_ns: u64::try_from(frame.elapsed.as_nanos()).unwrap_or(u64::MAX),
        frames: 0,
        bytes: 0,
        head: reader.head().into(),
        end: None,
        exit: None,
        damage: None,
        chunks: Vec::new(),
    })
}

fn note(manifest: &mut Manifest, frame: Frame) {
    let Body::Event(event) = frame.body else { return };
    match event.kind {
        EventKind::PolicyChanged { policy: Some(policy), .. } => {
            let policy = Digest::from(policy);
            if !manifest.policies.contains(&policy) {
                manifest.policies.push(policy);
            }
        }
        EventKind::Exited(status) => manifest.exit = Some(status),
        EventKind::Ended(receipt) => manifest.end = Some(receipt),
        _ => {}
    }
}

struct Sealer<'a> {
    folder: &'a Path,
    gid: u32,
}

impl Sealer<'_> {
    /// Packs one piece, and makes sure that it can be unpacked.
    fn chunk(&self, number: usize, plain: &[u8], cut: &Cut) -> Result<Chunk, SealError> {
        let stored = compress_to_vec(plain, CompressionLevel::Fastest);
        let chunk = Chunk {
            file: chunk_name(number),
            sha256: Digest::of(&stored),
            stored: stored.len() as u64,
            bytes: plain.len() as u64,
            first: cut.first,
            frames: cut.frames,
            elapsed_ns: cut.elapsed_ns,
            head: cut.head,
        };
        if unpack(&chunk, &stored)? != plain {
            return Err(SealError::Differs(chunk.file));
        }
        self.file(&chunk.file, &stored)?;
        Ok(chunk)
    }

    /// Makes a file that is there whole or not at all.
    fn file(&self, name: &str, bytes: &[u8]) -> Result<(), SealError> {
        let (path, unfinished) = (self.folder.join(name), self.folder.join(format!("{name}{UNFINISHED}")));
        let write = || -> io::Result<()> {
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = File::options().write(true).create_new(true).mode(0o640).open(&unfinished)?;
            fchown(&file, None, Some(self.gid))?;
            file.set_permissions(fs::Permissions::from_mode(0o640))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(self.folder)?.sync_all()
        };
        write().map_err(|source| SealError::Write { path: path.clone(), source })
    }
}

#[cfg(test)]
mod tests;
