use super::*;
use crate::log::{Frontier, open_checkpoint};

fn key() -> LogKey {
    LogKey::new("portcullis/node1", [7; 32]).unwrap()
}

fn open(folder: &Path) -> Result<(Book, Opened), BookError> {
    Book::open(folder, key(), BootId([1; 16]), None)
}

fn alert(n: u64) -> AuditEvent {
    AuditEvent::Alert { session: None, rule: "test".into(), detail: format!("number {n}") }
}

/// A log of `count` entries, committed in batches of `batch`.
fn log(count: u64, batch: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path()).unwrap();
    for n in 0..count {
        assert_eq!(book.append(alert(n)).unwrap(), n);
        if n % batch == batch - 1 {
            book.commit().unwrap();
        }
    }
    book.commit().unwrap();
    book.checkpoint().unwrap();
    folder
}

fn checkpoint(folder: &Path) -> crate::log::Checkpoint {
    open_checkpoint(&fs::read_to_string(folder.join(CHECKPOINT)).unwrap(), &key().verifier()).unwrap()
}

/// All entries, by what docs/audit.md says.
fn entries(folder: &Path) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for index in 0.. {
        let Ok(more) = fs::read(bundle(folder, index)) else { break };
        bytes.extend(more);
    }
    bytes.extend(fs::read(folder.join(TAIL)).unwrap());
    let (mut all, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        all.push(entry.to_vec());
        rest = after;
    }
    all
}

#[test]
fn the_checkpoint_stands_for_every_entry() {
    for (count, batch) in [(1, 1), (255, 7), (256, 256), (257, 100), (700, 1000)] {
        let folder = log(count, batch);
        let all = entries(folder.path());
        assert_eq!(all.len() as u64, count);
        let mut frontier = Frontier::default();
        all.iter().for_each(|entry| frontier.push(leaf_hash(entry)));
        let signed = checkpoint(folder.path());
        assert_eq!((signed.size, signed.root), (count, frontier.root()), "{count} entries");
        let (mut book, opened) = open(folder.path()).unwrap();
        assert_eq!(opened, Opened { entries: count, torn: 0 });
        assert_eq!(book.append(alert(count)).unwrap(), count);
        book.commit().unwrap();
        drop(book);
        // committed and not signed yet is there as well
        assert_eq!(open(folder.path()).unwrap().1.entries, count + 1);
        assert_eq!(checkpoint(folder.path()).size, count + 1);
    }
}

#[test]
fn a_torn_end_is_cut_off_and_kept_and_no_committed_entry_is_lost() {
    let whole = log(10, 1);
    let tail = fs::read(whole.path().join(TAIL)).unwrap();
    let next = log(11, 11);
    let eleventh = fs::read(next.path().join(TAIL)).unwrap().split_off(tail.len());
    let torn: Vec<Vec<u8>> = (1..eleventh.len()).step_by(11).map(|cut| eleventh[..cut].to_vec()).chain([vec![0; 300], b"\x00\x02{}".to_vec(), tail[..80].to_vec()]).collect();
    for torn in torn {
        let folder = log(10, 10);
        let good = fs::read(folder.path().join(TAIL)).unwrap();
        fs::write(folder.path().join(TAIL), [good.as_slice(), &torn].concat()).unwrap();
        let (mut book, opened) = open(folder.path()).unwrap();
        assert_eq!(opened, Opened { entries: 10, torn: torn.len() as u64 });
        assert_eq!(fs::read(folder.path().join("torn-10")).unwrap(), torn);
        assert_eq!(fs::read(folder.path().join(TAIL)).unwrap(), good);
        book.append(alert(10)).unwrap();
        book.commit().unwrap();
        assert_eq!(entries(folder.path()).len(), 11);
    }
}

#[test]
fn what_a_checkpoint_stands_for_and_is_not_there_keeps_the_log_closed() {
    let refused = |change: &dyn Fn(&Path)| {
        let folder = log(300, 300);
        change(folder.path());
        open(folder.path()).map(|(book, opened)| (book.size(), opened))
    };
    let shorten = |name: PathBuf, by: usize| {
        let bytes = fs::read(&name).unwrap();
        fs::write(name, &bytes[..bytes.len() - by]).unwrap();
    };
    let flip = |name: PathBuf, at: usize| {
        let mut bytes = fs::read(&name).unwrap();
        bytes[at] ^= 1;
        fs::write(name, bytes).unwrap();
    };
    assert!(matches!(refused(&|_| ()), Ok((300, _))));
    assert!(matches!(refused(&|folder| shorten(folder.join(TAIL), 1)), Err(BookError::Damaged { size: 300, .. })), "the last entry");
    assert!(matches!(refused(&|folder| fs::remove_file(folder.join(TAIL)).unwrap()), Err(BookError::Damaged { .. })), "the tail");
    assert!(matches!(refused(&|folder| flip(folder.join(TAIL), 150)), Err(BookError::Damaged { .. })), "a byte of an entry");
    assert!(matches!(refused(&|folder| flip(tile(folder, 0, 0), 99)), Err(BookError::Damaged { .. })), "a byte of a tile");
    assert!(matches!(refused(&|folder| fs::remove_file(bundle(folder, 0)).unwrap()), Err(BookError::Damaged { .. })), "a bundle");
    assert!(matches!(refused(&|folder| fs::remove_file(folder.join(CHECKPOINT)).unwrap()), Err(BookError::Damaged { .. })), "the checkpoint of a long log");
    assert!(matches!(refused(&|folder| flip(folder.join(CHECKPOINT), 3)), Err(BookError::Checkpoint(_))), "the checkpoint");
    let folder = log(3, 3);
    assert!(matches!(Book::open(folder.path(), LogKey::new("portcullis/node1", [8; 32]).unwrap(), BootId([1; 16]), None), Err(BookError::Checkpoint(_))), "another key");
}

#[test]
fn a_crash_between_any_two_steps_of_a_full_tail_is_put_right() {
    let folder = log(255, 255);
    let before: Vec<(PathBuf, Vec<u8>)> = [TAIL, CHECKPOINT].map(|name| (folder.path().join(name), fs::read(folder.path().join(name)).unwrap())).into();
    let (mut book, _) = open(folder.path()).unwrap();
    book.append(alert(255)).unwrap();
    book.commit().unwrap();
    drop(book);
    let (full, hashes) = (fs::read(bundle(folder.path(), 0)).unwrap(), fs::read(tile(folder.path(), 0, 0)).unwrap());
    for step in 0..4 {
        let crashed = tempfile::tempdir().unwrap();
        drop(open(crashed.path()).unwrap());
        for (path, bytes) in &before {
            fs::write(crashed.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        fs::write(crashed.path().join(TAIL), &full).unwrap();
        if step >= 1 {
            // the tile, half or whole
            fs::write(tile(crashed.path(), 0, 0), &hashes[..if step == 1 { 100 } else { hashes.len() }]).unwrap();
        }
        if step >= 3 {
            fs::rename(crashed.path().join(TAIL), bundle(crashed.path(), 0)).unwrap();
        }
        let (mut book, opened) = open(crashed.path()).unwrap();
        assert_eq!((opened, book.size()), (Opened { entries: 256, torn: 0 }, 256), "step {step}");
        assert_eq!(fs::read(tile(crashed.path(), 0, 0)).unwrap(), hashes);
        assert_eq!(fs::read(bundle(crashed.path(), 0)).unwrap(), full);
        book.append(alert(256)).unwrap();
        book.commit().unwrap();
        assert_eq!(entries(crashed.path()).len(), 257);
    }
}

#[test]
fn an_entry_that_is_too_long_is_refused_and_the_log_goes_on() {
    let folder = log(1, 1);
    let (mut book, _) = open(folder.path()).unwrap();
    let long = AuditEvent::Alert { session: None, rule: "long".into(), detail: "x".repeat(ENTRY_MAX) };
    assert!(matches!(book.append(long), Err(BookError::TooLong(_))));
    book.append(alert(1)).unwrap();
    book.commit().unwrap();
    assert_eq!(book.size(), 2);
}

#[test]
fn tiles_of_the_second_level_follow_and_a_large_log_opens_by_them() {
    let folder = log(65_536 + 300, 4096);
    assert_eq!(fs::read(tile(folder.path(), 1, 0)).unwrap().len(), 8192);
    let (book, opened) = open(folder.path()).unwrap();
    assert_eq!(opened.entries, 65_836);
    let mut frontier = Frontier::default();
    entries(folder.path()).iter().for_each(|entry| frontier.push(leaf_hash(entry)));
    assert_eq!((book.frontier.root(), checkpoint(folder.path()).root), (frontier.root(), frontier.root()));
}
