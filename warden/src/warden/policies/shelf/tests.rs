use super::*;

fn chunks(bytes: &[u8], part: usize) -> Vec<ModuleChunk> {
    let (digest, size) = (PolicyDigest::of(bytes), bytes.len() as u64);
    let chunk = |(number, bytes): (usize, &[u8])| ModuleChunk { digest, signature: "signed".into(), size, offset: (number * part) as u64, bytes: bytes.to_vec() };
    bytes.chunks(part).enumerate().map(chunk).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn shelf() -> (tempfile::TempDir, Shelf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("modules");
    let shelf = Shelf::open(path.clone()).unwrap();
    (folder, shelf, path)
}

#[test]
fn a_module_that_came_whole_is_there_after_a_restart_and_others_are_removed() {
    let (_folder, mut shelf, path) = shelf();
    let (one, two) = (vec![1u8; 3 * SYNC_EVERY as usize / 2], vec![2u8; 100]);
    let done: Vec<bool> = chunks(&one, CHUNK_MAX).iter().map(|chunk| shelf.take(chunk).unwrap()).collect();
    assert_eq!((done.iter().filter(|done| **done).count(), done.last()), (1, Some(&true)));
    assert!(shelf.take(&chunks(&two, 100)[0]).unwrap());
    assert!(!shelf.take(&chunks(&one, CHUNK_MAX)[0]).unwrap(), "it is here already");
    let (one, two) = (PolicyDigest::of(&one), PolicyDigest::of(&two));
    let mut shelf = Shelf::open(path.clone()).unwrap();
    assert!(shelf.has(&one) && shelf.has(&two));
    let (file, signature) = shelf.get(&two).unwrap().unwrap();
    assert_eq!((PolicyDigest::of(&io::read_to_string(file).unwrap().into_bytes()), signature.as_str()), (two, "signed"));
    shelf.keep(&BTreeSet::from([two]));
    assert_eq!(files(&path), [format!("{two}.json"), format!("{two}.wasm")]);
}

#[test]
fn what_does_not_come_as_it_should_leaves_nothing() {
    let (_folder, mut shelf, path) = shelf();
    let bytes = vec![7u8; 1000];
    let good = chunks(&bytes, 100);
    let changed = |number: usize, change: fn(&mut ModuleChunk)| {
        let mut chunks = good.clone();
        change(&mut chunks[number]);
        chunks
    };
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    let attacks = [
        ("not in order", swapped),
        ("without the first", good[1..].to_vec()),
        ("a part twice", [&good[..2], &good[1..]].concat()),
        ("empty", changed(2, |chunk| chunk.bytes.clear())),
        ("a large part", changed(0, |chunk| chunk.bytes = vec![0; CHUNK_MAX + 1])),
        ("more than was said", changed(9, |chunk| chunk.bytes.push(0))),
        ("another size meanwhile", changed(5, |chunk| chunk.size += 1)),
        ("another signature meanwhile", changed(5, |chunk| chunk.signature.push('x'))),
        ("no size", changed(0, |chunk| chunk.size = 0)),
        ("a giant", changed(0, |chunk| chunk.size = MODULE_MAX as u64 + 1)),
        ("a size that wraps", changed(0, |chunk| chunk.size = u64::MAX)),
        ("a giant signature", changed(0, |chunk| chunk.signature = "x".repeat(SIGNATURE_MAX + 1))),
        ("other bytes", changed(9, |chunk| chunk.bytes[0] ^= 1)),
    ];
    for (what, chunks) in attacks {
        assert!(chunks.iter().any(|chunk| shelf.take(chunk).is_err()), "{what}");
        shelf.give_up();
        assert!(!shelf.has(&PolicyDigest::of(&bytes)) && files(&path).is_empty(), "{what}");
    }
    // one that never ends is given up for the next
    shelf.take(&good[0]).unwrap();
    assert_eq!(files(&path), [UNFINISHED]);
    assert!(shelf.take(&chunks(b"other", 100)[0]).unwrap());
    assert!(matches!(shelf.take(&good[1]), Err(ShelfError::Parts { .. })));
    assert!(good.iter().any(|chunk| shelf.take(chunk).unwrap()), "and can come again");
}

#[test]
fn what_is_kept_is_bounded() {
    let (_folder, mut shelf, _path) = shelf();
    let label = Label { signature: String::new(), size: MODULE_MAX as u64 };
    for number in 0..HELD_BYTES_MAX / MODULE_MAX as u64 {
        shelf.held.insert(PolicyDigest::of(&number.to_le_bytes()), label.clone());
    }
    assert!(matches!(shelf.take(&chunks(b"x", 1)[0]), Err(ShelfError::Full(_))));
}

#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_there() {
    let (_folder, mut shelf, path) = shelf();
    assert!(shelf.take(&chunks(b"first", 5)[0]).unwrap());
    std::os::unix::fs::symlink("/dev/full", path.join("full")).unwrap();
    // give_up removes the file at the beginning of each module: the second part meets the full disk
    let bytes = vec![9u8; 200];
    let parts = chunks(&bytes, 100);
    shelf.take(&parts[0]).unwrap();
    shelf.incoming.as_mut().unwrap().file = File::options().write(true).open(path.join("full")).unwrap();
    let error = shelf.take(&parts[1]).unwrap_err();
    assert!(matches!(&error, ShelfError::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull), "{error:?}");
    assert!(shelf.has(&PolicyDigest::of(b"first")) && !shelf.has(&PolicyDigest::of(&bytes)));
}

#[test]
fn what_is_left_over_or_damaged_does_not_count_after_a_restart() {
    let (_folder, mut shelf, path) = shelf();
    for bytes in [&b"one"[..], b"two", b"three"] {
        assert!(shelf.take(&chunks(bytes, 10)[0]).unwrap());
    }
    let name = |bytes: &[u8], suffix: &str| path.join(format!("{}.{suffix}", PolicyDigest::of(bytes)));
    fs::write(name(b"one", "wasm"), "shorter than before").unwrap();
    fs::write(name(b"two", "json"), "{").unwrap();
    fs::write(path.join(UNFINISHED), "half").unwrap();
    fs::write(path.join("something.wasm"), "else").unwrap();
    let shelf = Shelf::open(path.clone()).unwrap();
    assert!(!shelf.has(&PolicyDigest::of(b"one")) && !shelf.has(&PolicyDigest::of(b"two")) && shelf.has(&PolicyDigest::of(b"three")));
    assert_eq!(files(&path).len(), 2);
}
