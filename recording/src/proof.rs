//! What a node's log says of its sessions, held against the recordings that are there.
//!
//! The log names each session when it is let in, how far its recording had come while it ran, and the digest of its manifest once it
//! is sealed. A recording whose chain was rebuilt is another one than the log names; one that was taken away is missed; one that the
//! log does not know is a stranger.

use crate::clock::Clock;
use crate::format::{BadFrame, FILE_NAME};
use crate::manifest::{MANIFEST_NAME, Manifest, open_plain};
use crate::reader::{ReadError, Reader, Tail};
use crate::sealed::{Source, file_of, stored, unpack};
use portcullis_model::audit::{AuditEntry, AuditEvent};
use portcullis_model::digest::Digest;
use portcullis_model::id::SessionId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// Most faults of one recording that are told.
const FAULTS_MAX: usize = 50;

/// What the log says of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// The entry that let it in.
    pub admitted: Option<u64>,
    /// The entry that says that it is over.
    pub ended: Option<u64>,
    /// The manifest's digest, frames and the chain's last value.
    pub sealed: Option<(Digest, u64, Digest)>,
    /// Why there is no recording, when the log says so.
    pub missing: Option<String>,
    /// How far the recording was known to have come: frames, and the chain's value after them.
    pub grew: BTreeMap<u64, Digest>,
    /// Entries that contradict an earlier one.
    pub contradictions: Vec<u64>,
}

/// What the log says of all sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    /// By session.
    pub sessions: BTreeMap<SessionId, Logged>,
}

impl Register {
    /// Takes note of an entry; they come in order.
    pub fn note(&mut self, entry: &AuditEntry) {
        let Some(session) = entry.event.session() else { return };
        let logged = self.sessions.entry(session.clone()).or_default();
        match &entry.event {
            AuditEvent::SessionAdmitted { .. } => logged.admitted = logged.admitted.or(Some(entry.number)),
            AuditEvent::SessionEnded { .. } => logged.ended = logged.ended.or(Some(entry.number)),
            AuditEvent::RecordingGrew { frames, head, .. } => {
                if logged.grew.insert(*frames, *head).is_some_and(|before| before != *head) {
                    logged.contradictions.push(entry.number);
                }
            }
            AuditEvent::RecordingSealed { manifest, frames, head, .. } => {
                let sealed = (*manifest, *frames, *head);
                // said twice after a crash, it is the same
                if logged.sealed.get_or_insert(sealed) != &sealed {
                    logged.contradictions.push(entry.number);
                }
            }
            AuditEvent::RecordingMissing { why, .. } => logged.missing = Some(why.clone()),
            AuditEvent::Opened { .. }
            | AuditEvent::GrantAdmitted { .. }
            | AuditEvent::GrantRevoked { .. }
            | AuditEvent::RevocationDone { .. }
            | AuditEvent::PolicyAssigned { .. }
            | AuditEvent::Alert { .. } => {}
        }
    }
}

/// How a recording stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Closed, sealed.
    Sealed,
    /// Closed, and not sealed yet.
    Closed,
    /// Not closed: the session runs, or its end was cut off.
    Open,
    /// There is none, and the log says why.
    None(String),
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingFault {
    /// It is not there.
    #[error("the recording is not there")]
    Missing,
    /// The log does not know the session.
    #[error("the log does not know this session")]
    Stranger,
    /// The log says two things about it.
    #[error("entry {0} of the log says something else than an earlier one")]
    Contradiction(u64),
    /// There is one, while the log says that there is none.
    #[error("there is a recording, while the log says that there is none: {0}")]
    Unexpected(String),
    /// The manifest is not there, while the log has its digest.
    #[error("the manifest is not there: {0}")]
    NoManifest(String),
    /// The manifest is not the one that the log names: it was changed, or the whole recording was made anew.
    #[error("the manifest is not the one that was logged: its digest is {found}, not {logged}")]
    Manifest {
        /// of the file that is there
        found: Digest,
        /// the log's
        logged: Digest,
    },
    /// A piece is not what was sealed.
    #[error("frames {first} to {last}: {problem}")]
    Chunk {
        /// its first frame
        first: u64,
        /// its last frame
        last: u64,
        /// which file, and what is wrong with it
        problem: String,
    },
    /// A file `recording` lies beside the pieces and is another one.
    #[error("the file `recording` beside the pieces is not what was sealed")]
    Beside,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// A frame is not what was written.
    #[error("frame {seq}: {reason}")]
    Frame {
        /// which
        seq: u64,
        /// what is wrong with it
        reason: String,
    },
    /// It ends in the middle of a frame.
    #[error("frame {0} is cut off")]
    Torn(u64),
    /// It has fewer frames than it was known to have.
    #[error("frame {frames} and all after it were dropped; the recording was known to have {known}")]
    Dropped {
        /// how many are there
        frames: u64,
        /// how many there were
        known: u64,
    },
    /// The chain is another one than was logged or is in the manifest: it was made anew.
    #[error("the chain was made anew: after {frames} frames its value is {found}, not {known}")]
    Chain {
        /// after so many frames
        frames: u64,
        /// its value
        found: Digest,
        /// what it was
        known: Digest,
    },
    /// The wall clock was set back while it was written.
    #[error("the clock was set back by {by_ms} ms before frame {seq}")]
    ClockBack {
        /// the first frame after it
        seq: u64,
        /// by how much
        by_ms: u64,
    },
}

/// What the check of a recording has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[must_use]
pub struct RecordingCheck {
    /// The session.
    pub session: SessionId,
    /// How it stands.
    pub standing: Standing,
    /// Good frames.
    pub frames: u64,
    /// Bytes of the recording that were checked.
    pub bytes: u64,
    /// The chain's value after the good frames.
    pub head: Option<Digest>,
    /// What is wrong.
    pub faults: Vec<RecordingFault>,
}

/// Checks the recording in a session's folder; without what the log says of it, by itself, which proves less.
pub fn check_recording(folder: &Path, session: &SessionId, logged: Option<&Logged>) -> RecordingCheck {
    let mut check = RecordingCheck { session: session.clone(), standing: Standing::Open, frames: 0, bytes: 0, head: None, faults: Vec::new() };
    check.faults.extend(logged.iter().flat_map(|logged| &logged.contradictions).map(|number| RecordingFault::Contradiction(*number)));
    let sealed = logged.and_then(|logged| logged.sealed);
    let plain = folder.join(FILE_NAME);
    if let Some(why) = logged.and_then(|logged| logged.missing.clone())
        && sealed.is_none()
        && (folder.join(MANIFEST_NAME).exists() || plain.exists())
    {
        check.faults.push(RecordingFault::Unexpected(why));
    }
    if !folder.join(MANIFEST_NAME).exists() {
        if let Some((digest, ..)) = sealed {
            check.faults.push(RecordingFault::NoManifest(digest.to_string()));
        }
        return match open_plain(&plain) {
            Ok(file) => {
                frames(Source::from(file), logged, None, &mut check);
                check
            }
            Err(error) => without(error, logged, check),
        };
    }
    let (manifest, digest) = match Manifest::read(folder) {
        Ok(read) => read,
        Err(error) => {
            check.faults.push(RecordingFault::Unreadable(error.to_string()));
            return check;
        }
    };
    if let Some((known, ..)) = sealed
        && known != digest
    {
        check.faults.push(RecordingFault::Manifest { found: digest, logged: known });
    }
    let mut pieces = Pieces { folder, chunks: manifest.chunks.iter(), current: io::Cursor::default(), faults: Vec::new() };
    frames(&mut pieces, logged, Some(&manifest), &mut check);
    let Pieces { mut faults, chunks, .. } = pieces;
    // those that were not reached by the reader
    faults.extend(chunks.filter_map(|chunk| stored(folder, chunk).err().map(|error| fault(chunk, &error))));
    // a piece comes before what it has done to the frames
    faults.append(&mut check.faults);
    check.faults = faults;
    if let Ok(file) = open_plain(&plain) {
        let mut beside = RecordingCheck { faults: Vec::new(), ..check.clone() };
        frames(Source::from(file), None, Some(&manifest), &mut beside);
        if !beside.faults.is_empty() && check.faults.is_empty() {
            check.faults.push(RecordingFault::Beside);
        }
    }
    if check.standing == Standing::Closed && check.faults.is_empty() {
        check.standing = Standing::Sealed;
    }
    check.faults.truncate(FAULTS_MAX);
    check
}

fn without(error: io::Error, logged: Option<&Logged>, mut check: RecordingCheck) -> RecordingCheck {
    match (error.kind(), logged.and_then(|logged| logged.missing.clone())) {
        (io::ErrorKind::NotFound, Some(why)) if check.faults.is_empty() => check.standing = Standing::None(why),
        (io::ErrorKind::NotFound, _) => check.faults.push(RecordingFault::Missing),
        (_, _) => check.faults.push(RecordingFault::Unreadable(error.to_string())),
    }
    check
}

/// The bytes of the pieces, as far as they unpack, whatever their digests say: the chain then names the frame.
struct Pieces<'a> {
    folder: &'a Path,
    chunks: std::slice::Iter<'a, crate::manifest::Chunk>,
    current: io::Cursor<Vec<u8>>,
    faults: Vec<RecordingFault>,
}

fn fault(chunk: &crate::manifest::Chunk, error: &crate::sealed::ChunkError) -> RecordingFault {
    let source = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    RecordingFault::Chunk { first: chunk.first, last: chunk.first.saturating_add(chunk.frames).saturating_sub(1), problem: format!("{error}{source}") }
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.current.read(room)?;
            if n > 0 || room.is_empty() {
                return Ok(n);
            }
            let Some(chunk) = self.chunks.next() else { return Ok(0) };
            let bytes = match stored(self.folder, chunk) {
                Ok(bytes) => unpack(chunk, &bytes).map_err(|error| self.faults.push(fault(chunk, &error))).ok(),
                Err(error) => {
                    self.faults.push(fault(chunk, &error));
                    file_of(self.folder, chunk).ok().and_then(|bytes| unpack(chunk, &bytes).ok())
                }
            };
            match bytes {
                Some(bytes) => self.current = io::Cursor::new(bytes),
                // what follows is out of place
                None => return Ok(0),
            }
        }
    }
}

/// Reads all frames, and holds the chain against what is known of it.
fn frames(input: impl Read, logged: Option<&Logged>, manifest: Option<&Manifest>, check: &mut RecordingCheck) {
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return check.faults.push(RecordingFault::Unreadable(error.to_string())),
    };
    if *reader.session() != check.session {
        check.faults.push(RecordingFault::Unreadable(format!("it is the recording of session {}", reader.session())));
    }
    let mut known: BTreeMap<u64, Digest> = logged.map(|logged| logged.grew.clone()).unwrap_or_default();
    let sealed = logged.and_then(|logged| logged.sealed).map(|(_, frames, head)| (frames, head));
    let at_chunks = manifest.into_iter().flat_map(|manifest| &manifest.chunks).map(|chunk| (chunk.first.saturating_add(chunk.frames), chunk.head));
    for (frames, head) in sealed.into_iter().chain(manifest.map(|manifest| (manifest.frames, manifest.head))).chain(at_chunks) {
        // what the log says counts before what the manifest says
        known.entry(frames).or_insert(head);
    }
    let most = known.last_key_value().map_or(0, |(frames, _)| *frames);
    let mut clock = Clock::default();
    let mut bad = false;
    let mut anew = false;
    while let Some(frame) = reader.next() {
        match frame {
            Ok(frame) => {
                let elapsed_ns = u64::try_from(frame.elapsed.as_nanos()).unwrap_or(u64::MAX);
                if let Some(by_ms) = clock.back(frame.at, elapsed_ns) {
                    check.faults.push(RecordingFault::ClockBack { seq: frame.seq, by_ms });
                }
                let found = Digest::from(reader.head());
                if let Some(known) = known.get(&reader.frames())
                    && *known != found
                    && !std::mem::replace(&mut anew, true)
                {
                    check.faults.push(RecordingFault::Chain { frames: reader.frames(), found, known: *known });
                }
            }
            Err(ReadError::Bad { seq, reason, .. }) => {
                bad = true;
                check.faults.push(frame_fault(seq, &reason));
            }
            Err(error) => {
                bad = true;
                check.faults.push(RecordingFault::Unreadable(error.to_string()));
            }
        }
    }
    (check.frames, check.bytes, check.head) = (reader.frames(), reader.offset(), Some(reader.head().into()));
    if !bad && reader.frames() < most {
        check.faults.push(RecordingFault::Dropped { frames: reader.frames(), known: most });
    }
    let ended = logged.is_some_and(|logged| logged.ended.is_some()) || manifest.is_some();
    match reader.tail() {
        Some(Tail::Closed) => check.standing = Standing::Closed,
        // a recording that could not be closed was sealed as what it is
        Some(Tail::Open | Tail::Torn { .. }) if manifest.is_some_and(|manifest| manifest.damage.is_some()) => check.standing = Standing::Closed,
        Some(Tail::Torn { .. }) if ended => check.faults.push(RecordingFault::Torn(reader.frames())),
        _ => {}
    }
}

fn frame_fault(seq: u64, reason: &BadFrame) -> RecordingFault {
    RecordingFault::Frame { seq, reason: reason.to_string() }
}

/// The sessions that have a folder in `evidence`, in order.
///
/// # Errors
/// The system's.
pub fn sessions_in(evidence: &Path) -> io::Result<Vec<SessionId>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(evidence)? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<SessionId>().ok()));
    }
    found.sort();
    Ok(found)
}

/// Checks all recordings in `evidence` against what the log says, one after another.
///
/// # Errors
/// The system's, when the folder cannot be read.
pub fn check_all(evidence: &Path, register: &Register, mut each: impl FnMut(RecordingCheck)) -> io::Result<()> {
    let there = sessions_in(evidence)?;
    for session in &there {
        let folder = evidence.join(session.as_str());
        let logged = register.sessions.get(session);
        let mut check = check_recording(&folder, session, logged);
        if logged.is_none_or(|logged| logged.admitted.is_none()) {
            check.faults.insert(0, RecordingFault::Stranger);
        }
        each(check);
    }
    for (session, logged) in register.sessions.iter().filter(|(session, logged)| logged.admitted.is_some() && there.binary_search(session).is_err()) {
        each(check_recording(&evidence.join(session.as_str()), session, Some(logged)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
