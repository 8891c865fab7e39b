//! A recording as it is kept: one file while its session runs, pieces with a manifest afterwards. Readers see the same bytes.

use crate::manifest::{Chunk, MANIFEST_NAME, Manifest, ManifestError, open_plain};
use portcullis_model::digest::Digest;
use ruzstd::decoding::FrameDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Most bytes of one chunk: what one holds at least before it ends, and one frame of the largest size.
pub(crate) const CHUNK_BYTES_MAX: u64 = crate::seal::CHUNK_BYTES + crate::format::PAYLOAD_MAX as u64 + 4096;

/// The bytes of a recording, from whatever it is kept in.
#[derive(Debug)]
pub enum Source {
    /// One file.
    Plain(BufReader<File>),
    /// Pieces.
    Sealed(Box<Chunks>),
}

impl From<File> for Source {
    fn from(file: File) -> Self {
        Self::Plain(BufReader::with_capacity(256 * 1024, file))
    }
}

impl Source {
    /// Opens the recording whose file is, or was before it was sealed, at `path`; and says how many bytes it has now. Symbolic
    /// links are not followed.
    ///
    /// # Errors
    /// The system's; [`NotFound`](io::ErrorKind::NotFound) when there is neither a file nor a manifest.
    pub fn open(path: &Path) -> io::Result<(Self, u64)> {
        let folder = path.parent().unwrap_or(Path::new("."));
        if folder.join(MANIFEST_NAME).exists() {
            return Self::sealed(folder);
        }
        match open_plain(path) {
            Ok(file) => {
                let length = file.metadata()?.len();
                Ok((file.into(), length))
            }
            // it may just have been sealed: the manifest is there before the file goes
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.join(MANIFEST_NAME).exists() => Self::sealed(folder),
            Err(error) => Err(error),
        }
    }

    fn sealed(folder: &Path) -> io::Result<(Self, u64)> {
        let (manifest, _) = Manifest::read(folder).map_err(|problem| match problem {
            ManifestError::Io { source, .. } => source,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        })?;
        Ok((Self::Sealed(Box::new(Chunks::new(folder.to_owned(), manifest.chunks))), manifest.bytes))
    }
}

impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(room),
            Self::Sealed(chunks) => chunks.read(room),
        }
    }
}

/// The pieces of a sealed recording, one after another.
#[derive(Debug)]
pub struct Chunks {
    folder: PathBuf,
    rest: std::vec::IntoIter<Chunk>,
    current: Cursor<Vec<u8>>,
}

/// Why a piece does not give its bytes.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// It cannot be read.
    #[error("cannot read {file}")]
    Io {
        /// the file
        file: String,
        /// the system's reason
        source: io::Error,
    },
    /// It is not the file that the manifest names.
    #[error("{file} is not what was sealed: its digest is {found}, not {named}")]
    Changed {
        /// the file
        file: String,
        /// the digest of what is there
        found: Digest,
        /// the manifest's
        named: Digest,
    },
    /// It does not hold what the manifest says.
    #[error("{file} cannot be unpacked: {problem}")]
    Unpack {
        /// the file
        file: String,
        /// in words
        problem: String,
    },
}

impl Chunks {
    pub(crate) fn new(folder: PathBuf, chunks: Vec<Chunk>) -> Self {
        Self { folder, rest: chunks.into_iter(), current: Cursor::default() }
    }
}

impl Read for Chunks {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.current.read(room)?;
            if n > 0 || room.is_empty() {
                return Ok(n);
            }
            let Some(chunk) = self.rest.next() else { return Ok(0) };
            let bytes = stored(&self.folder, &chunk).and_then(|stored| unpack(&chunk, &stored));
            self.current = Cursor::new(bytes.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?);
        }
    }
}

/// The file of a piece, checked against the manifest's digest.
pub(crate) fn stored(folder: &Path, chunk: &Chunk) -> Result<Vec<u8>, ChunkError> {
    let bytes = file_of(folder, chunk).map_err(|source| ChunkError::Io { file: chunk.file.clone(), source })?;
    let found = Digest::of(&bytes);
    if found == chunk.sha256 { Ok(bytes) } else { Err(ChunkError::Changed { file: chunk.file.clone(), found, named: chunk.sha256 }) }
}

/// The file of a piece, whatever it is; of one that is longer than it should be, one byte more.
pub(crate) fn file_of(folder: &Path, chunk: &Chunk) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // what does not compress takes a little more room than it has
    let most = chunk.stored.min(CHUNK_BYTES_MAX * 2).saturating_add(1);
    open_plain(&folder.join(&chunk.file)).and_then(|file| file.take(most).read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// The bytes of the recording in the file of a piece.
pub(crate) fn unpack(chunk: &Chunk, stored: &[u8]) -> Result<Vec<u8>, ChunkError> {
    let failed = |problem: String| ChunkError::Unpack { file: chunk.file.clone(), problem };
    if chunk.bytes > CHUNK_BYTES_MAX {
        return Err(failed(format!("it says that it has {} bytes", chunk.bytes)));
    }
    let length = usize::try_from(chunk.bytes).map_err(|_| failed("it is too long".to_owned()))?;
    let mut bytes = vec![0; length];
    match FrameDecoder::new().decode_all(stored, &mut bytes) {
        Ok(found) if found == length => Ok(bytes),
        Ok(found) => Err(failed(format!("it has {found} bytes, not {length}"))),
        Err(error) => Err(failed(error.to_string())),
    }
}
