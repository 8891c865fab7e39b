//! What stands for a closed recording: whose it was, what it was, and the digest of each piece that it is kept in.
//!
//! The manifest is a small JSON file beside the pieces. Its own digest is in the node's audit log, so who changes a piece has to
//! change the manifest, and who changes the manifest has to change a log that others have signed.

use crate::summary::Damage;
use portcullis_model::boot::BootId;
use portcullis_model::digest::Digest;
use portcullis_model::receipt::Receipt;
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::time::UnixMs;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Version of the manifest's form; a reader refuses a newer one.
pub const MANIFEST_VERSION: u32 = 1;
/// The manifest's name in its session's folder.
pub const MANIFEST_NAME: &str = "manifest.json";
/// Most bytes of a manifest: some hundred thousand chunks.
const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

/// What stands for a closed recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`] when it was written.
    pub version: u32,
    /// Whose session, under what, from where.
    pub facts: SessionFacts,
    /// The start of the node in which the recording was begun.
    pub boot: BootId,
    /// The modules that judged it, in the order in which they did.
    pub policies: Vec<Digest>,
    /// The wall clock at the first frame.
    pub first: UnixMs,
    /// The wall clock at the last frame.
    pub last: UnixMs,
    /// Nanoseconds from the beginning to the last frame.
    pub elapsed_ns: u64,
    /// Frames that are what was written.
    pub frames: u64,
    /// Bytes of the recording as it was written.
    pub bytes: u64,
    /// The chain's value after the last of the frames.
    pub head: Digest,
    /// The receipt of the session's end; none when its end was not recorded.
    pub end: Option<Receipt>,
    /// How its program ended, if it did so by itself.
    pub exit: Option<ExitStatus>,
    /// What the recording lacks; none when it is whole.
    pub damage: Option<Damage>,
    /// The pieces, in order; together they hold every byte of the recording, and what cannot be read of it as well.
    pub chunks: Vec<Chunk>,
}

/// One piece of a recording: whole frames, compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Chunk {
    /// Its file's name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Bytes of the file.
    pub stored: u64,
    /// Bytes of the recording that it holds.
    pub bytes: u64,
    /// Number of its first frame.
    pub first: u64,
    /// How many frames it has.
    pub frames: u64,
    /// Nanoseconds from the recording's beginning to its first frame.
    pub elapsed_ns: u64,
    /// The chain's value after its last frame.
    pub head: Digest,
}

/// Why there is no manifest to be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// the file
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// It is no manifest.
    #[error("{path} is not a manifest")]
    Parse {
        /// the file
        path: PathBuf,
        /// the reader's complaint
        source: serde_json::Error,
    },
    /// It is one of a later version of Portcullis.
    #[error("the manifest is of version {0}, this program reads up to {MANIFEST_VERSION}")]
    Newer(u32),
    /// It names a file that is not one of a recording's pieces.
    #[error("the manifest names {0:?}, which is no name of a chunk")]
    ChunkName(String),
}

impl Manifest {
    /// Reads the manifest in a session's folder, and gives the digest of its file with it. A symbolic link is not followed.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(folder: &Path) -> Result<(Self, Digest), ManifestError> {
        let path = folder.join(MANIFEST_NAME);
        let mut bytes = Vec::new();
        let read = open_plain(&path).and_then(|file| file.take(MANIFEST_MAX).read_to_end(&mut bytes));
        read.map_err(|source| ManifestError::Io { path: path.clone(), source })?;
        let version = serde_json::from_slice::<Version>(&bytes).map_err(|source| ManifestError::Parse { path: path.clone(), source })?.version;
        if version > MANIFEST_VERSION {
            return Err(ManifestError::Newer(version));
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|source| ManifestError::Parse { path, source })?;
        // the names are part of a path
        match manifest.chunks.iter().find(|chunk| !is_chunk_name(&chunk.file)) {
            Some(chunk) => Err(ManifestError::ChunkName(chunk.file.clone())),
            None => Ok((manifest, Digest::of(&bytes))),
        }
    }
}

/// Of any version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The name of the chunk with this number.
pub(crate) fn chunk_name(number: usize) -> String {
    format!("chunk-{number:06}.zst")
}

fn is_chunk_name(name: &str) -> bool {
    let number = name.strip_prefix("chunk-").and_then(|rest| rest.strip_suffix(".zst"));
    number.is_some_and(|number| !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Opens a regular file; a symbolic link is not followed, and a pipe in its place does not hold anybody up.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunks_name_is_no_path() {
        assert!(is_chunk_name(&chunk_name(0)) && is_chunk_name(&chunk_name(1_234_567)));
        for bad in ["", "chunk-.zst", "chunk-1", "chunk-../x.zst", "/etc/passwd", "chunk-1.zst/../../x.zst", "manifest.json", "chunk-1.zst.age"] {
            assert!(!is_chunk_name(bad), "{bad}");
        }
    }
}
