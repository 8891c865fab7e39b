//! The one writer of a log.
//!
//! An entry is committed when it is in `tail`, whole and synced: that is one append and one `fdatasync` for as many entries as came
//! together. All else follows from it. A tail of 256 entries becomes a full bundle by being renamed, after its tile of hashes is
//! there. The signed checkpoint follows the commits.
//!
//! What a crash leaves is put in order when the log is opened: a tail that is full is made a bundle; bytes at its end that are no whole
//! entry were never committed, are kept in a file beside it and cut off; a checkpoint is signed for what is there. A checkpoint that was
//! signed is a promise: when what it stands for is not there, the log is not opened.

use super::note::{LogKey, NoteError, open_checkpoint};
use super::place::{CHECKPOINT, KEY, TAIL, WIDTH, bundle, tile};
use super::tree::{Frontier, leaf_hash, root_of};
use crate::boot::since_boot_ns;
use portcullis_model::audit::{AUDIT_VERSION, AuditEntry, AuditEvent, ENTRY_MAX};
use portcullis_model::boot::BootId;
use portcullis_model::digest::Digest;
use portcullis_model::time::UnixMs;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Added to the names of files that are not whole yet.
const UNFINISHED: &str = ".new";

/// Why a log cannot be opened or written. After the first of these nothing more is written, except after
/// [`TooLong`](Self::TooLong) and [`Encode`](Self::Encode).
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The system says no.
    #[error("cannot use {path}")]
    Io {
        /// the file
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// What a checkpoint stands for is not there.
    #[error("the log is not what its checkpoint of {size} entries says: {problem}")]
    Damaged {
        /// entries that the checkpoint stands for
        size: u64,
        /// in words
        problem: String,
    },
    /// The checkpoint is not this log's.
    #[error("the log's checkpoint is not this node's")]
    Checkpoint(#[from] NoteError),
    /// An entry is longer than one can be.
    #[error("an entry of {0} bytes is more than the log takes")]
    TooLong(usize),
    /// An entry cannot be written as JSON.
    #[error("an entry cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// An earlier call failed.
    #[error("the log failed before")]
    Failed,
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Entries that are there.
    pub entries: u64,
    /// Bytes at the end that were no whole entry.
    pub torn: u64,
}

/// The one writer of a log.
#[derive(Debug)]
pub struct Book {
    folder: PathBuf,
    key: LogKey,
    boot: BootId,
    gid: Option<u32>,
    frontier: Frontier,
    tail: File,
    tail_bytes: u64,
    /// The leaves of the entries that are in the tail.
    leaves: Vec<Digest>,
    /// Entries that are not committed yet.
    waiting: Vec<Vec<u8>>,
    failed: bool,
}

impl Book {
    /// Opens the log in `folder`, or begins it, for a process that is the only one to do so; `gid` is the group that may read it.
    ///
    /// # Errors
    /// [`BookError`], also when the log is not what was signed.
    pub fn open(folder: &Path, key: LogKey, boot: BootId, gid: Option<u32>) -> Result<(Self, Opened), BookError> {
        for part in [folder.to_owned(), folder.join("tile"), folder.join("tile/0"), folder.join("tile/entries")] {
            make_folder(&part, gid)?;
        }
        let vkey = folder.join(KEY);
        place_file(&vkey, format!("{}\n", key.verifier()).as_bytes(), gid)?;
        let full = (0..).find(|index| !bundle(folder, *index).exists()).unwrap_or(0);
        let path = folder.join(TAIL);
        let tail = File::options().read(true).append(true).create(true).mode(0o640).open(&path).map_err(io(&path))?;
        give(&tail, gid).map_err(io(&path))?;
        let bytes = fs::read(&path).map_err(io(&path))?;
        let (leaves, whole) = entries_of(&bytes, full * WIDTH as u64);
        let signed = signed(folder, &key)?;
        let entries = full * WIDTH as u64 + leaves.len() as u64;
        let mut book = Self {
            folder: folder.to_owned(),
            key,
            boot,
            gid,
            frontier: Frontier::default(),
            tail,
            tail_bytes: whole,
            leaves,
            waiting: Vec::new(),
            failed: false,
        };
        let torn = bytes.len() as u64 - whole;
        // what was signed is looked for before anything is changed
        if let Some((size, root)) = signed {
            let damaged = |problem: String| BookError::Damaged { size, problem };
            if entries < size {
                return Err(damaged(format!("{entries} whole entries are there")));
            }
            let found = book.frontier_at(size).map_err(|error| damaged(chain(&error)))?.root();
            if found != root {
                return Err(damaged(format!("the root over them is {found}, not {root}")));
            }
        } else if full > 0 {
            return Err(BookError::Damaged { size: 0, problem: format!("there is no checkpoint, and {full} full bundles are there") });
        }
        book.frontier = book.frontier_at(entries)?;
        if torn > 0 {
            let beside = folder.join(format!("torn-{entries}"));
            place_file(&beside, bytes.get(usize::try_from(whole).unwrap_or(usize::MAX)..).unwrap_or_default(), gid)?;
            book.tail.set_len(whole).and_then(|()| book.tail.sync_all()).map_err(io(&path))?;
        }
        sync_folder(folder)?;
        if book.leaves.len() == WIDTH {
            book.turn()?;
        }
        book.checkpoint()?;
        Ok((book, Opened { entries, torn }))
    }

    /// How many entries are committed.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Prepares an entry, and gives the number that it will have. It counts once [`commit`](Self::commit) returned.
    ///
    /// # Errors
    /// [`BookError`]; an entry that is too long is not taken, and the log goes on.
    pub fn append(&mut self, event: AuditEvent) -> Result<u64, BookError> {
        if self.failed {
            return Err(BookError::Failed);
        }
        let number = self.size() + self.waiting.len() as u64;
        let (at, since_boot_ns) = (UnixMs::from_system(SystemTime::now()), since_boot_ns());
        let entry = AuditEntry { version: AUDIT_VERSION, number, at, boot: self.boot, since_boot_ns, event };
        let json = serde_json::to_vec(&entry).map_err(BookError::Encode)?;
        if json.len() > ENTRY_MAX {
            return Err(BookError::TooLong(json.len()));
        }
        self.waiting.push(json);
        Ok(number)
    }

    /// Takes all entries that were prepared to the disk.
    ///
    /// # Errors
    /// [`BookError`]; none of them counts then, and the log has failed.
    pub fn commit(&mut self) -> Result<(), BookError> {
        let waiting = std::mem::take(&mut self.waiting);
        if self.failed {
            return Err(BookError::Failed);
        }
        let written = self.write(waiting);
        self.failed |= written.is_err();
        written
    }

    fn write(&mut self, waiting: Vec<Vec<u8>>) -> Result<(), BookError> {
        let mut rest = waiting.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(WIDTH - self.leaves.len()));
            rest = later;
            let mut bytes = Vec::new();
            for entry in now {
                let length = u16::try_from(entry.len()).map_err(|_| BookError::TooLong(entry.len()))?;
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(entry);
            }
            let path = self.folder.join(TAIL);
            if let Err(source) = self.tail.write_all(&bytes).and_then(|()| self.tail.sync_data()) {
                // best effort: what is left of it is no whole entry, or one that nobody was told of
                let _ = self.tail.set_len(self.tail_bytes);
                return Err(BookError::Io { path, source });
            }
            self.tail_bytes += bytes.len() as u64;
            for entry in now {
                let leaf = leaf_hash(entry);
                self.frontier.push(leaf);
                self.leaves.push(leaf);
            }
            if self.leaves.len() == WIDTH {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// Makes a bundle of a full tail.
    fn turn(&mut self) -> Result<(), BookError> {
        let index = self.size() / WIDTH as u64 - 1;
        self.tile(0, index, &self.leaves)?;
        // a tile that is the last one of a tile of the next level fills that
        let (mut level, mut index_at) = (0, index);
        while (index_at + 1).is_multiple_of(WIDTH as u64) {
            let first = index_at + 1 - WIDTH as u64;
            let roots = (first..=index_at).map(|below| Ok(root_of(&read_tile(&self.folder, level, below)?))).collect::<Result<Vec<_>, BookError>>()?;
            (level, index_at) = (level + 1, index_at / WIDTH as u64);
            self.tile(level, index_at, &roots)?;
        }
        let (tail, full) = (self.folder.join(TAIL), bundle(&self.folder, index));
        make_folders_of(&full, &self.folder, self.gid)?;
        fs::rename(&tail, &full).map_err(io(&full))?;
        self.tail = File::options().read(true).append(true).create_new(true).mode(0o640).open(&tail).map_err(io(&tail))?;
        give(&self.tail, self.gid).map_err(io(&tail))?;
        sync_folder(full.parent().unwrap_or(&self.folder))?;
        sync_folder(&self.folder)?;
        (self.tail_bytes, self.leaves) = (0, Vec::new());
        Ok(())
    }

    fn tile(&self, level: u32, index: u64, hashes: &[Digest]) -> Result<(), BookError> {
        let path = tile(&self.folder, level, index);
        make_folders_of(&path, &self.folder, self.gid)?;
        place_file(&path, &hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>(), self.gid)
    }

    /// Signs what is committed; to be called after those who wait for commits were told.
    ///
    /// # Errors
    /// [`BookError`]; the log has failed then.
    pub fn checkpoint(&mut self) -> Result<(), BookError> {
        let note = self.key.sign(self.size(), &self.frontier.root());
        let signed = place_file(&self.folder.join(CHECKPOINT), note.as_bytes(), self.gid);
        self.failed |= signed.is_err();
        signed
    }

    /// The tree over the first `size` entries, from what is in the folder.
    fn frontier_at(&self, size: u64) -> Result<Frontier, BookError> {
        let mut frontier = Frontier::default();
        let full = size / WIDTH as u64;
        let mut index = 0;
        while index < full {
            // one tile of the next level says as much as 256 of this one
            let above = (index % WIDTH as u64 == 0 && index + WIDTH as u64 <= full).then(|| tile(&self.folder, 1, index / WIDTH as u64));
            if above.is_some_and(|path| path.exists()) {
                read_tile(&self.folder, 1, index / WIDTH as u64)?.into_iter().for_each(|hash| frontier.push_perfect(8, hash));
                index += WIDTH as u64;
            } else {
                // a crash can leave a full tail without its tile
                let hashes = if bundle(&self.folder, index).exists() { read_tile(&self.folder, 0, index)? } else { self.leaves.clone() };
                frontier.push_perfect(8, root_of(&hashes));
                index += 1;
            }
        }
        let rest = usize::try_from(size % WIDTH as u64).unwrap_or(0);
        if rest > 0 {
            let in_tail = !bundle(&self.folder, full).exists();
            let leaves = if in_tail { self.leaves.clone() } else { read_tile(&self.folder, 0, full)? };
            leaves.iter().take(rest).for_each(|leaf| frontier.push(*leaf));
        }
        Ok(frontier)
    }
}

/// The newest checkpoint: size and root.
fn signed(folder: &Path, key: &LogKey) -> Result<Option<(u64, Digest)>, BookError> {
    let path = folder.join(CHECKPOINT);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(&path)(error)),
        Ok(note) => {
            let checkpoint = open_checkpoint(&note, &key.verifier())?;
            Ok(Some((checkpoint.size, checkpoint.root)))
        }
    }
}

/// The leaves of the whole entries at the beginning of a tail, and how many bytes they have; `first` is the number of the first.
fn entries_of(bytes: &[u8], first: u64) -> (Vec<Digest>, u64) {
    let (mut leaves, mut rest, mut whole) = (Vec::new(), bytes, 0);
    while leaves.len() < WIDTH
        && let Some((length, after)) = rest.split_first_chunk::<2>()
        && let Some((entry, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        && serde_json::from_slice::<AuditEntry>(entry).is_ok_and(|entry| entry.number == first + leaves.len() as u64)
    {
        leaves.push(leaf_hash(entry));
        whole += 2 + entry.len() as u64;
        rest = after;
    }
    (leaves, whole)
}

/// The hashes of a full tile.
pub(crate) fn read_tile(folder: &Path, level: u32, index: u64) -> Result<Vec<Digest>, BookError> {
    let path = tile(folder, level, index);
    let bytes = fs::read(&path).map_err(io(&path))?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() == WIDTH && rest.is_empty() {
        Ok(hashes.iter().map(|hash| Digest(*hash)).collect())
    } else {
        Err(BookError::Io { path, source: io::Error::new(io::ErrorKind::InvalidData, format!("a tile has 256 hashes, not {} bytes", bytes.len())) })
    }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> BookError {
    let path = path.to_owned();
    move |source| BookError::Io { path, source }
}

fn chain(error: &BookError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn give(file: &File, gid: Option<u32>) -> io::Result<()> {
    fchown(file, None, gid)?;
    file.set_permissions(fs::Permissions::from_mode(0o640))
}

fn make_folder(path: &Path, gid: Option<u32>) -> Result<(), BookError> {
    let made = match fs::DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        // the umask does not decide who may read it
        Ok(()) => chown(path, None, gid).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o750))),
    };
    made.map_err(io(path))
}

/// Makes the folders between the log's own and a file.
fn make_folders_of(file: &Path, folder: &Path, gid: Option<u32>) -> Result<(), BookError> {
    let between: Vec<&Path> = file.ancestors().skip(1).take_while(|path| *path != folder).collect();
    between.into_iter().rev().try_for_each(|path| {
        let known = path.is_dir();
        make_folder(path, gid)?;
        if known { Ok(()) } else { sync_folder(path.parent().unwrap_or(folder)) }
    })
}

/// Makes a file that is there whole or not at all.
fn place_file(path: &Path, bytes: &[u8], gid: Option<u32>) -> Result<(), BookError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o640).open(&unfinished)?;
        give(&file, gid)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(io(path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn sync_folder(path: &Path) -> Result<(), BookError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io(path))
}

#[cfg(test)]
mod tests;
