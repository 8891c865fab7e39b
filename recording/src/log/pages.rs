//! Reads the entries of a log, one after another: of one that is being written, or of an export.

use super::place::{TAIL, WIDTH, bundle, partial};
use crate::manifest::open_plain;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of a bundle of entries.
const BUNDLE_MAX: u64 = (WIDTH * (2 + portcullis_model::audit::ENTRY_MAX)) as u64;

/// One entry, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its place.
    pub number: u64,
    /// Its bytes: an [`AuditEntry`](portcullis_model::audit::AuditEntry) as JSON.
    pub bytes: Vec<u8>,
}

/// Why entries cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// the file
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// A bundle ends in the middle of an entry, or too early.
    #[error("entry {0} is not there: its bundle ends before it, or in it")]
    Short(u64),
    /// A bundle goes on after its last entry.
    #[error("something follows entry {0} in its bundle")]
    Long(u64),
}

/// The entries of a log. After the last one, [`torn`](Self::torn) says whether something was there that is no whole entry.
#[derive(Debug)]
pub struct Pages {
    folder: PathBuf,
    next: u64,
    bytes: Vec<u8>,
    at: usize,
    /// Whether the bundle that is read is the last one.
    last: Last,
    torn: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// There may be another bundle.
    No,
    /// This one is not full.
    Yes,
    /// It was read to its end, or an error ended the reading.
    Over,
}

impl Pages {
    /// Of the log in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), next: 0, bytes: Vec::new(), at: 0, last: Last::No, torn: 0 }
    }

    /// Of the log in `folder`, from the bundle of entry `number` on.
    #[must_use]
    pub fn from(folder: &Path, number: u64) -> Self {
        Self { next: number / WIDTH as u64 * WIDTH as u64, ..Self::of(folder) }
    }

    /// Bytes after the last whole entry: one is being written now, or was when the writer was killed.
    #[must_use]
    pub fn torn(&self) -> usize {
        self.torn
    }

    /// Takes the next bundle; none is left when it says so.
    fn turn(&mut self) -> Result<bool, PagesError> {
        let full = bundle(&self.folder, self.next / WIDTH as u64);
        let read = |path: &Path| -> Result<Option<Vec<u8>>, PagesError> {
            let mut bytes = Vec::new();
            match open_plain(path).and_then(|file| file.take(BUNDLE_MAX + 1).read_to_end(&mut bytes)) {
                Ok(_) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(PagesError::Io { path: path.to_owned(), source }),
            }
        };
        self.at = 0;
        (self.last, self.bytes) = match read(&full)? {
            Some(bytes) => (Last::No, bytes),
            None => {
                let rest = match read(&self.folder.join(TAIL))? {
                    Some(bytes) => Some(bytes),
                    None => widest(&full).map(|path| read(&path)).transpose()?.flatten(),
                };
                // the tail may just have become the bundle
                match read(&full)? {
                    Some(bytes) => (Last::No, bytes),
                    None => (Last::Yes, rest.unwrap_or_default()),
                }
            }
        };
        Ok(!self.bytes.is_empty())
    }

    fn step(&mut self) -> Result<Option<Page>, PagesError> {
        let begins = self.next.is_multiple_of(WIDTH as u64) && (self.at == self.bytes.len() || self.last == Last::No);
        if begins {
            if self.at < self.bytes.len() {
                return Err(PagesError::Long(self.next.saturating_sub(1)));
            }
            if self.last != Last::No || !self.turn()? {
                return Ok(None);
            }
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let entry = rest.split_first_chunk::<2>().and_then(|(length, after)| after.get(..usize::from(u16::from_be_bytes(*length))));
        match (entry, self.last) {
            (Some(entry), _) => {
                let page = Page { number: self.next, bytes: entry.to_vec() };
                (self.at, self.next) = (self.at + 2 + entry.len(), self.next + 1);
                Ok(Some(page))
            }
            (None, Last::No) => Err(PagesError::Short(self.next)),
            (None, Last::Yes | Last::Over) => {
                self.torn = rest.len();
                Ok(None)
            }
        }
    }
}

/// The widest part of a bundle in an export.
fn widest(full: &Path) -> Option<PathBuf> {
    let folder = partial(full, 0).parent()?.to_owned();
    let widths = fs::read_dir(&folder).ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
    widths.max().map(|width| partial(full, width))
}

impl Iterator for Pages {
    type Item = Result<Page, PagesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last == Last::Over {
            return None;
        }
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.last = Last::Over;
        }
        step
    }
}
