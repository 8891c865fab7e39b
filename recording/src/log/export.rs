//! A copy of a log for somebody else: exactly what its checkpoint stands for, in the layout of C2SP's tlog-tiles, partial tiles too.

use super::note::{Checkpoint, NoteError, VerifierKey, open_checkpoint};
use super::pages::{Pages, PagesError};
use super::place::{CHECKPOINT, KEY, WIDTH, bundle, partial, tile};
use super::tree::{Frontier, leaf_hash, root_of};
use portcullis_model::digest::Digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system says no.
    #[error("cannot use {path}")]
    Io {
        /// the file
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// The key in the log's folder is none.
    #[error("the log's key cannot be used")]
    Key(#[from] super::note::KeyError),
    /// The checkpoint is not the log's.
    #[error("the log's checkpoint is not good")]
    Checkpoint(#[from] NoteError),
    /// The entries cannot be read.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// Fewer entries are there than were signed, or others.
    #[error("the entries are not those that the checkpoint stands for; `portcullis audit verify` says more")]
    Differs,
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { path, source }
}

fn place(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes)).map_err(io(path))
}

/// Copies the log in `from` to the folder `to`, which is made; gives what the copy's checkpoint says.
///
/// # Errors
/// [`ExportError`]; also when the log is not what was signed.
pub fn export(from: &Path, to: &Path) -> Result<Checkpoint, ExportError> {
    let read = |name: &str| fs::read_to_string(from.join(name)).map_err(io(&from.join(name)));
    let key = read(KEY)?;
    let note = read(CHECKPOINT)?;
    let checkpoint = open_checkpoint(&note, &key.parse::<VerifierKey>()?)?;
    let (mut frontier, mut entries) = (Frontier::default(), Vec::new());
    let mut levels: Vec<(u64, Vec<Digest>)> = Vec::new();
    for page in Pages::of(from) {
        if frontier.size() == checkpoint.size {
            break;
        }
        let page = page?;
        let length = u16::try_from(page.bytes.len()).map_err(|_| ExportError::Differs)?;
        entries.extend_from_slice(&length.to_be_bytes());
        entries.extend_from_slice(&page.bytes);
        let leaf = leaf_hash(&page.bytes);
        frontier.push(leaf);
        if frontier.size().is_multiple_of(WIDTH as u64) {
            place(&bundle(to, frontier.size() / WIDTH as u64 - 1), &std::mem::take(&mut entries))?;
        }
        grow(to, &mut levels, 0, leaf)?;
    }
    if frontier.size() != checkpoint.size || frontier.root() != checkpoint.root {
        return Err(ExportError::Differs);
    }
    let rest = usize::try_from(checkpoint.size % WIDTH as u64).unwrap_or(0);
    if rest > 0 {
        place(&partial(&bundle(to, checkpoint.size / WIDTH as u64), rest), &entries)?;
    }
    for (level, (index, hashes)) in levels.iter().enumerate().filter(|(_, (_, hashes))| !hashes.is_empty()) {
        let full = tile(to, u32::try_from(level).unwrap_or(u32::MAX), *index);
        place(&partial(&full, hashes.len()), &flat(hashes))?;
    }
    place(&to.join(KEY), key.as_bytes())?;
    place(&to.join(CHECKPOINT), note.as_bytes())?;
    Ok(checkpoint)
}

/// Adds a hash to the tiles of a level, and what is full to the next one.
fn grow(to: &Path, levels: &mut Vec<(u64, Vec<Digest>)>, level: usize, hash: Digest) -> Result<(), ExportError> {
    if levels.len() <= level {
        levels.push((0, Vec::new()));
    }
    let Some((index, hashes)) = levels.get_mut(level) else { return Ok(()) };
    hashes.push(hash);
    if hashes.len() < WIDTH {
        return Ok(());
    }
    let full = std::mem::take(hashes);
    place(&tile(to, u32::try_from(level).unwrap_or(u32::MAX), *index), &flat(&full))?;
    *index += 1;
    grow(to, levels, level + 1, root_of(&full))
}

fn flat(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The root over the first `size` entries of a log; none when there are fewer.
///
/// # Errors
/// [`PagesError`].
pub fn root_at(folder: &Path, size: u64) -> Result<Option<Digest>, PagesError> {
    let mut frontier = Frontier::default();
    let mut pages = Pages::of(folder);
    while frontier.size() < size {
        let Some(page) = pages.next() else { return Ok(None) };
        frontier.push(leaf_hash(&page?.bytes));
    }
    Ok(Some(frontier.root()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Book, Kept, LogKey, check};
    use portcullis_model::audit::AuditEvent;
    use portcullis_model::boot::BootId;

    #[test]
    fn a_copy_is_checked_by_itself_and_has_what_was_signed_and_no_more() {
        for count in [1, 255, 256, 600, 65_536 + 257] {
            let folder = tempfile::tempdir().unwrap();
            let (log, copy) = (folder.path().join("log"), folder.path().join("copy"));
            let key = LogKey::new("portcullis/node1", [7; 32]).unwrap();
            let (mut book, _) = Book::open(&log, key, BootId([1; 16]), None).unwrap();
            let alert = |n: u64| AuditEvent::Alert { session: None, rule: "test".into(), detail: format!("number {n}") };
            (0..count).for_each(|n| assert_eq!(book.append(alert(n)).unwrap(), n));
            book.commit().unwrap();
            book.checkpoint().unwrap();
            // committed and not signed: not in the copy
            book.append(alert(count)).unwrap();
            book.commit().unwrap();
            let checkpoint = export(&log, &copy).unwrap();
            assert_eq!(checkpoint.size, count);
            let found = check(&copy, Kept::Copy, None, &[], |_| ());
            assert_eq!((found.faults, found.entries), (vec![], count));
            assert_eq!(root_at(&copy, count).unwrap(), Some(checkpoint.root));
            assert_eq!(root_at(&copy, count + 1).unwrap(), None);
            assert!(!copy.join("tail").exists());
            let rest = count % 256;
            // what stands behind what was signed is nobody's word
            if rest != 255 {
                fs::copy(log.join("tail"), copy.join("tail")).unwrap();
                let forged = check(&copy, Kept::Copy, None, &[], |entry| assert!(entry.number < count));
                assert!(forged.faults.contains(&crate::log::LogFault::Unsigned { first: count }), "{:?}", forged.faults);
                fs::remove_file(copy.join("tail")).unwrap();
            }
            assert_eq!(partial(&tile(&copy, 0, count / 256), usize::try_from(rest).unwrap()).exists(), rest > 0);
            // a partial tile that was changed is named
            if rest > 0 {
                let path = partial(&tile(&copy, 0, count / 256), usize::try_from(rest).unwrap());
                let mut bytes = fs::read(&path).unwrap();
                bytes[3] ^= 1;
                fs::write(&path, bytes).unwrap();
                assert!(matches!(check(&copy, Kept::Copy, None, &[], |_| ()).faults.as_slice(), [crate::log::LogFault::Tile(name)] if name.contains(".p/")));
            }
            fs::write(log.join("tail"), "").unwrap();
            // the entry that was not signed may have filled the tile: then there is no tail
            assert!(rest == 0 || rest == 255 || matches!(export(&log, &folder.path().join("again")), Err(ExportError::Differs)));
        }
    }
}
