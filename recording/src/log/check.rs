//! Whether a log is what was signed, and which entry is the first that is not.
//!
//! The entries are hashed again and compared three ways: the root over them with the signed one, and each with the tiles, which name
//! the entry that differs. Wall clock and the clock since the boot are held against each other.

use super::note::{Checkpoint, NoteError, VerifierKey, open_checkpoint, open_cosigned};
use super::pages::{Page, Pages};
use super::place::{CHECKPOINT, KEY, TAIL, WIDTH, partial, tile};
use super::tree::{Frontier, leaf_hash, root_of};
use crate::clock::Clock;
use crate::manifest::open_plain;
use portcullis_model::audit::{AUDIT_VERSION, AuditEntry};
use portcullis_model::digest::Digest;
use portcullis_model::time::UnixMs;
use serde::Serialize;
use std::io::Read as _;
use std::path::Path;

/// Most faults that are told.
const FAULTS_MAX: usize = 100;
/// Most bytes of a checkpoint or a key.
const NOTE_MAX: u64 = 64 * 1024;

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum LogFault {
    /// There is no key to check it by.
    #[error("the log's key cannot be used: {0}")]
    Key(String),
    /// It is not the key that it should be.
    #[error("the log's key is {found}, expected was {expected}")]
    OtherKey {
        /// what is there
        found: String,
        /// what should be
        expected: String,
    },
    /// A copy has entries that nobody signed.
    #[error("entry {first} and what follows it are not signed; a copy has nothing of the kind (at the node itself, verify by the session's id)")]
    Unsigned {
        /// the first of them
        first: u64,
    },
    /// The checkpoint is not what the log signed.
    #[error("the checkpoint is not good: {0}")]
    Checkpoint(String),
    /// A witness did not sign the checkpoint.
    #[error("witness {name}: {problem}")]
    Witness {
        /// whose signature was wanted
        name: String,
        /// why it is not there
        problem: String,
    },
    /// Entries that the checkpoint stands for are not there.
    #[error("entry {first} is not there; the checkpoint stands for {size} entries")]
    Missing {
        /// the first that is not there
        first: u64,
        /// how many there should be
        size: u64,
    },
    /// An entry is not what was written.
    #[error("entry {0} was changed")]
    Changed(u64),
    /// The entries are not those that were signed, and the tiles do not say which of them.
    #[error("the entries are not those that the checkpoint of {size} entries stands for; the first that differs from its tile is {first:?}")]
    Root {
        /// how many it stands for
        size: u64,
        /// the first entry that differs from its tile, if one does
        first: Option<u64>,
    },
    /// A tile of hashes does not follow from the entries.
    #[error("tile {0} is not there or was changed")]
    Tile(String),
    /// An entry that does not read as one.
    #[error("entry {number} cannot be read: {problem}")]
    Unreadable {
        /// which
        number: u64,
        /// in words
        problem: String,
    },
    /// The wall clock was set back before this entry.
    #[error("the clock was set back by {by_ms} ms before entry {number}")]
    ClockBack {
        /// the first entry after it
        number: u64,
        /// by how much
        by_ms: u64,
    },
}

/// What the check of a log has found.
#[derive(Debug, Clone)]
#[must_use]
pub struct LogCheck {
    /// The key by which it was checked.
    pub key: Option<VerifierKey>,
    /// What was signed.
    pub checkpoint: Option<Checkpoint>,
    /// Entries that are there, those behind the checkpoint too.
    pub entries: u64,
    /// Who cosigned the checkpoint, of those who were asked for, and when.
    pub witnesses: Vec<(String, UnixMs)>,
    /// What is wrong, in the order of its place.
    pub faults: Vec<LogFault>,
}

/// Where a log lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// At its node, which goes on writing it: what is not signed yet is there too.
    Node,
    /// Anywhere else: only what was signed is believed.
    Copy,
}

/// Checks the log in `folder`, whose key is `expected` (or the one that lies in the folder, which proves less), and that these
/// witnesses have signed its checkpoint; each entry that can be read is given to `each`, in order.
pub fn check(folder: &Path, kept: Kept, expected: Option<&VerifierKey>, witnesses: &[VerifierKey], mut each: impl FnMut(&AuditEntry)) -> LogCheck {
    let mut found = LogCheck { key: None, checkpoint: None, entries: 0, witnesses: Vec::new(), faults: Vec::new() };
    signatures(folder, expected, witnesses, &mut found);
    let size = found.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let mut sums = Sums::new(folder, kept, size);
    let mut clock = Clock::default();
    let mut boot = None;
    for page in Pages::of(folder) {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let source = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
                found.faults.push(LogFault::Unreadable { number: found.entries, problem: format!("{error}{source}") });
                break;
            }
        };
        found.entries = page.number + 1;
        // anybody can put entries behind what was signed
        if kept == Kept::Copy && page.number >= size {
            found.faults.push(LogFault::Unsigned { first: size });
            break;
        }
        sums.add(&page);
        let entry = match read(&page) {
            Ok(entry) => entry,
            Err(problem) => {
                found.faults.push(LogFault::Unreadable { number: page.number, problem });
                continue;
            }
        };
        if boot.replace(entry.boot) != Some(entry.boot) {
            clock.restart();
        }
        if let Some(by_ms) = clock.back(entry.at, entry.since_boot_ns) {
            found.faults.push(LogFault::ClockBack { number: entry.number, by_ms });
        }
        each(&entry);
    }
    if let Some(checkpoint) = &found.checkpoint {
        if found.entries < checkpoint.size {
            found.faults.push(LogFault::Missing { first: found.entries, size: checkpoint.size });
        }
        found.faults.extend(sums.finish(checkpoint));
    }
    found.faults.truncate(FAULTS_MAX);
    found
}

fn read(page: &Page) -> Result<AuditEntry, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let version = serde_json::from_slice::<Version>(&page.bytes).map_err(|error| error.to_string())?.version;
    if version > AUDIT_VERSION {
        return Err(format!("it is of version {version}, this program reads up to {AUDIT_VERSION}"));
    }
    let entry: AuditEntry = serde_json::from_slice(&page.bytes).map_err(|error| error.to_string())?;
    if entry.number == page.number { Ok(entry) } else { Err(format!("it says that it is entry {}", entry.number)) }
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    open_plain(path).and_then(|file| file.take(NOTE_MAX).read_to_string(&mut text)).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}

fn signatures(folder: &Path, expected: Option<&VerifierKey>, witnesses: &[VerifierKey], found: &mut LogCheck) {
    let there = text(&folder.join(KEY)).and_then(|key| key.parse::<VerifierKey>().map_err(|error| error.to_string()));
    let key = match (there, expected) {
        (Ok(there), Some(expected)) if there != *expected => {
            found.faults.push(LogFault::OtherKey { found: there.to_string(), expected: expected.to_string() });
            expected.clone()
        }
        (_, Some(expected)) => expected.clone(),
        (Ok(there), None) => there,
        (Err(problem), None) => return found.faults.push(LogFault::Key(problem)),
    };
    let note = match text(&folder.join(CHECKPOINT)) {
        Ok(note) => note,
        Err(problem) => return found.faults.push(LogFault::Checkpoint(problem)),
    };
    match open_checkpoint(&note, &key) {
        Ok(checkpoint) => found.checkpoint = Some(checkpoint),
        Err(error) => found.faults.push(LogFault::Checkpoint(error.to_string())),
    }
    found.key = Some(key);
    for witness in witnesses {
        match open_cosigned(&note, witness) {
            Ok(at) => found.witnesses.push((witness.name().to_owned(), at)),
            Err(NoteError::Unsigned(name)) => found.faults.push(LogFault::Witness { name, problem: "it did not sign the checkpoint".to_owned() }),
            Err(error) => found.faults.push(LogFault::Witness { name: witness.name().to_owned(), problem: error.to_string() }),
        }
    }
}

/// The tree over the entries, the tree over the tiles, and where they differ.
struct Sums<'a> {
    folder: &'a Path,
    kept: Kept,
    size: u64,
    entries: Frontier,
    tiles: Frontier,
    /// The root over the entries that were signed.
    signed: Option<Digest>,
    /// What is not in a full tile yet, by level.
    open: Vec<Vec<Digest>>,
    /// The index of the open tile of each level.
    index: Vec<u64>,
    changed: Vec<u64>,
    bad_tiles: Vec<String>,
}

impl<'a> Sums<'a> {
    fn new(folder: &'a Path, kept: Kept, size: u64) -> Self {
        let (entries, tiles) = (Frontier::default(), Frontier::default());
        let signed = (size == 0).then(|| entries.root());
        Self { folder, kept, size, entries, tiles, signed, open: Vec::new(), index: Vec::new(), changed: Vec::new(), bad_tiles: Vec::new() }
    }

    fn add(&mut self, page: &Page) {
        let leaf = leaf_hash(&page.bytes);
        self.entries.push(leaf);
        if self.entries.size() == self.size {
            self.signed = Some(self.entries.root());
        }
        self.push(0, leaf);
    }

    fn push(&mut self, level: usize, hash: Digest) {
        if self.open.len() <= level {
            self.open.push(Vec::new());
            self.index.push(0);
        }
        let (Some(open), Some(index)) = (self.open.get_mut(level), self.index.get_mut(level)) else { return };
        open.push(hash);
        if open.len() < WIDTH {
            return;
        }
        let (full, at) = (std::mem::take(open), *index);
        *index += 1;
        self.compare(level, at, &full);
        self.push(level + 1, root_of(&full));
    }

    /// Holds a tile against what it should be.
    fn compare(&mut self, level: usize, index: u64, hashes: &[Digest]) {
        let height = u32::try_from(level).unwrap_or(u32::MAX);
        let full = tile(self.folder, height, index);
        let path = if hashes.len() == WIDTH { full } else { partial(&full, hashes.len()) };
        let mut bytes = Vec::new();
        let read = open_plain(&path).and_then(|file| file.take(WIDTH as u64 * 32 + 1).read_to_end(&mut bytes));
        let there = bytes.as_chunks::<32>().0;
        let differs: Vec<usize> = hashes.iter().enumerate().filter(|(n, hash)| there.get(*n) != Some(&hash.0)).map(|(n, _)| n).collect();
        if level == 0 {
            let hashes = if there.len() == hashes.len() { there.iter().map(|hash| Digest(*hash)).collect() } else { hashes.to_vec() };
            hashes.iter().for_each(|hash| self.tiles.push(*hash));
            self.changed.extend(differs.iter().map(|n| index * WIDTH as u64 + *n as u64).take(FAULTS_MAX));
        }
        if read.is_err() || bytes.len() != hashes.len() * 32 || !differs.is_empty() {
            let name = path.strip_prefix(self.folder).unwrap_or(&path);
            self.bad_tiles.push(name.display().to_string());
        }
    }

    fn finish(mut self, checkpoint: &Checkpoint) -> Vec<LogFault> {
        // fewer are there than were signed: that is told as such
        let Some(entries) = self.signed else { return Vec::new() };
        // an export has the parts of tiles that the checkpoint needs; a node makes them from its tail
        for level in 0..self.open.len() {
            let (open, index) = (self.open.get(level).cloned().unwrap_or_default(), self.index.get(level).copied().unwrap_or(0));
            let height = u32::try_from(level).unwrap_or(u32::MAX);
            let here = partial(&tile(self.folder, height, index), open.len());
            if !open.is_empty() && (here.exists() || self.kept == Kept::Copy || !self.folder.join(TAIL).exists()) {
                self.compare(level, index, &open);
            } else if level == 0 {
                open.iter().for_each(|hash| self.tiles.push(*hash));
            }
        }
        if entries == checkpoint.root {
            return self.bad_tiles.into_iter().take(FAULTS_MAX).map(LogFault::Tile).collect();
        }
        let tiles = if self.tiles.size() == checkpoint.size { Some(self.tiles.root()) } else { None };
        if tiles == Some(checkpoint.root) && !self.changed.is_empty() {
            return self.changed.into_iter().take(FAULTS_MAX).map(LogFault::Changed).collect();
        }
        vec![LogFault::Root { size: checkpoint.size, first: self.changed.first().copied() }]
    }
}
