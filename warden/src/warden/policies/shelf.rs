//! Pushed modules on the disk: only such as the controller has named, each only once it came whole and has its digest.
//!
//! A module comes part by part, one module at a time, into a file of its own; what does not come in its order, or is more than it
//! was said to be, is thrown away. When the last part is there the file gets its name, and a second file with the admin's
//! signature makes it count: a module without that one came half, and is removed at the next start.

use super::super::store::{Store, StoreError};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{HELD_BYTES_MAX, MODULE_MAX, SIGNATURE_MAX};
use portcullis_model::wire::link::ModuleChunk;
use portcullis_model::wire::packet::CHUNK_MAX;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes after which what was written is waited for: the warden has other work.
const SYNC_EVERY: u64 = 1 << 20;
const UNFINISHED: &str = "incoming";

/// Why a module is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// Its parts do not fit together.
    #[error("module {digest} does not come as it should: {problem}")]
    Parts {
        /// the module
        digest: PolicyDigest,
        /// what is wrong
        problem: &'static str,
    },
    /// The bytes are not those that were named.
    #[error("what came as module {0} is something else")]
    Digest(PolicyDigest),
    /// Too much.
    #[error("module {0} finds no room: at most {HELD_BYTES_MAX} bytes of modules are kept")]
    Full(PolicyDigest),
    /// The disk.
    #[error("module {digest} cannot be kept")]
    Disk {
        /// the module
        digest: PolicyDigest,
        /// the system's reason
        source: io::Error,
    },
    /// The disk, at the second file.
    #[error("module {digest} cannot be kept")]
    Store {
        /// the module
        digest: PolicyDigest,
        /// the reason
        source: StoreError,
    },
}

/// What stands beside a module's bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Label {
    signature: String,
    size: u64,
}

#[derive(Debug)]
struct Incoming {
    digest: PolicyDigest,
    label: Label,
    file: File,
    written: u64,
    hash: Sha256,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    labels: Store,
    held: BTreeMap<PolicyDigest, Label>,
    incoming: Option<Incoming>,
}

impl Shelf {
    /// Opens the folder; what is in it without counting is removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let labels = Store::open(folder.clone())?;
        let mut held = BTreeMap::new();
        for found in labels.load::<Label>()? {
            let size = |digest: &PolicyDigest| fs::symlink_metadata(bytes_of(&folder, digest)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
            match (digest(&found.name), found.value) {
                (Some(digest), Ok(label)) if size(&digest) == Some(label.size) => drop(held.insert(digest, label)),
                (_, value) => {
                    let problem = value.err().unwrap_or_else(|| "its bytes are not there, or not all of them".to_owned());
                    tracing::warn!(module = found.name, problem, "a kept module is of no use");
                    labels.remove(&found.name)?;
                }
            }
        }
        let io = |source| StoreError::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(digest);
            let counts = path.extension().is_some_and(|suffix| suffix == "json") || stem.is_some_and(|digest| held.contains_key(&digest));
            if !counts {
                fs::remove_file(&path).map_err(io)?;
            }
        }
        Ok(Self { folder, labels, held, incoming: None })
    }

    /// Whether a module is here.
    pub(crate) fn has(&self, digest: &PolicyDigest) -> bool {
        self.held.contains_key(digest)
    }

    /// A module's file and signature.
    pub(crate) fn get(&self, digest: &PolicyDigest) -> Option<io::Result<(File, String)>> {
        let label = self.held.get(digest)?;
        Some(File::open(bytes_of(&self.folder, digest)).map(|file| (file, label.signature.clone())))
    }

    /// Takes a part of a module; says whether it was the last.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing of the module is left then.
    pub(crate) fn take(&mut self, chunk: &ModuleChunk) -> Result<bool, ShelfError> {
        let taken = self.take_part(chunk);
        if taken.is_err() {
            self.give_up();
        }
        taken
    }

    fn take_part(&mut self, chunk: &ModuleChunk) -> Result<bool, ShelfError> {
        let digest = chunk.digest;
        let parts = |problem| ShelfError::Parts { digest, problem };
        let disk = |source| ShelfError::Disk { digest, source };
        if self.has(&digest) {
            return Ok(false);
        }
        if chunk.bytes.is_empty() || chunk.bytes.len() > CHUNK_MAX {
            return Err(parts("a part is empty or too large"));
        }
        if chunk.offset == 0 {
            self.begin(chunk)?;
        }
        let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.digest == digest) else {
            return Err(parts("the first part is missing"));
        };
        let end = incoming.written + chunk.bytes.len() as u64;
        if chunk.offset != incoming.written || chunk.size != incoming.label.size || chunk.signature != incoming.label.signature {
            return Err(parts("the parts are not in their order, or not of one module"));
        }
        if end > incoming.label.size {
            return Err(parts("there is more than was said"));
        }
        incoming.file.write_all(&chunk.bytes).map_err(disk)?;
        incoming.hash.update(&chunk.bytes);
        if incoming.written / SYNC_EVERY != end / SYNC_EVERY {
            incoming.file.sync_data().map_err(disk)?;
        }
        incoming.written = end;
        if end < incoming.label.size {
            return Ok(false);
        }
        self.finish()?;
        Ok(true)
    }

    fn begin(&mut self, chunk: &ModuleChunk) -> Result<(), ShelfError> {
        let digest = chunk.digest;
        self.give_up();
        let size = chunk.size;
        if size == 0 || size > MODULE_MAX as u64 || chunk.signature.len() > SIGNATURE_MAX {
            return Err(ShelfError::Parts { digest, problem: "the module, or its signature, is empty or too large" });
        }
        let held: u64 = self.held.values().map(|label| label.size).sum();
        if held + size > HELD_BYTES_MAX {
            return Err(ShelfError::Full(digest));
        }
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(self.folder.join(UNFINISHED));
        let file = file.map_err(|source| ShelfError::Disk { digest, source })?;
        let label = Label { signature: chunk.signature.clone(), size };
        self.incoming = Some(Incoming { digest, label, file, written: 0, hash: Sha256::new() });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ShelfError> {
        let Some(Incoming { digest, label, file, hash, .. }) = self.incoming.take() else { return Ok(()) };
        let hash: [u8; 32] = hash.finalize().into();
        if hash != digest.0 {
            return Err(ShelfError::Digest(digest));
        }
        file.sync_all().and_then(|()| fs::rename(self.folder.join(UNFINISHED), bytes_of(&self.folder, &digest))).map_err(|source| ShelfError::Disk { digest, source })?;
        // syncs the folder as well
        self.labels.put(&digest.to_string(), &label).map_err(|source| ShelfError::Store { digest, source })?;
        self.held.insert(digest, label);
        Ok(())
    }

    /// Throws away what has come of a module that is not whole.
    pub(crate) fn give_up(&mut self) {
        self.incoming = None;
        // best effort: it is removed at the next start as well
        let _ = fs::remove_file(self.folder.join(UNFINISHED));
    }

    /// Removes a module.
    pub(crate) fn remove(&mut self, digest: &PolicyDigest) {
        if self.held.remove(digest).is_none() {
            return;
        }
        if let Err(error) = self.labels.remove(&digest.to_string()) {
            tracing::warn!(%digest, %error, "a module's label cannot be removed");
        }
        if let Err(error) = fs::remove_file(bytes_of(&self.folder, digest)) {
            tracing::warn!(%digest, %error, "a module cannot be removed");
        }
    }

    /// Removes all others.
    pub(crate) fn keep(&mut self, named: &BTreeSet<PolicyDigest>) {
        let others: Vec<PolicyDigest> = self.held.keys().filter(|digest| !named.contains(digest)).copied().collect();
        others.iter().for_each(|digest| self.remove(digest));
        if self.incoming.as_ref().is_some_and(|incoming| !named.contains(&incoming.digest)) {
            self.give_up();
        }
    }
}

fn bytes_of(folder: &Path, digest: &PolicyDigest) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

/// The digest that a file is named by.
fn digest(name: &str) -> Option<PolicyDigest> {
    let digit = |c: u8| char::from(c).to_digit(16).filter(|_| !c.is_ascii_uppercase()).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = name.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect();
    Some(PolicyDigest(bytes?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
