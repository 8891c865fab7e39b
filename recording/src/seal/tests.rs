use super::*;
use crate::fixtures::{allowed, exec, receipt, session, started};
use crate::verify;
use crate::writer::Writer;
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;

/// A closed recording of `output` bytes that do not compress to nothing, and its bytes.
fn recording(folder: &Path, output: usize) -> Vec<u8> {
    let mut writer = Writer::create(folder, &session(), BootId([5; 16]), None).unwrap();
    writer.append(&started()).unwrap();
    let mut number = 1_u64;
    let mut left = output;
    while left > 0 {
        let piece: Vec<u8> = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b'a' + (number >> 60) as u8
        })
        .take(left.min(60_000))
        .collect();
        writer.output(&piece).unwrap();
        left -= piece.len();
    }
    writer.append(&allowed(7, exec(&["ls"]))).unwrap();
    let path = writer.path().to_owned();
    writer.finish(UnixMs(1), receipt()).unwrap();
    fs::read(path).unwrap()
}

fn read_back(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    Source::open(path).unwrap().0.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_sealed_reads_as_what_it_was_and_takes_less_room() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = recording(folder.path(), 9_000_000);
    let path = path_of(folder.path(), &session());
    let before = verify(&path).unwrap();
    let (manifest, digest) = seal(folder.path(), &session()).unwrap();
    assert!(path.exists(), "what is not on record yet stays");
    unplain(folder.path(), &session()).unwrap();
    assert!(!path.exists());
    assert_eq!(read_back(&path), bytes);
    assert_eq!(Source::open(&path).unwrap().1, bytes.len() as u64);
    let after = verify(&path).unwrap();
    assert!(after.is_whole());
    assert_eq!(after, before);
    assert_eq!((manifest.frames, manifest.head, manifest.bytes, manifest.damage.clone()), (before.frames, before.head.into(), bytes.len() as u64, None));
    assert_eq!((manifest.facts.clone(), manifest.end.clone(), manifest.boot), (crate::fixtures::facts(), Some(receipt()), BootId([5; 16])));
    assert_eq!(manifest.chunks.len(), 3);
    assert_eq!(manifest.chunks.iter().map(|chunk| chunk.frames).sum::<u64>(), manifest.frames);
    assert!(manifest.chunks.iter().map(|chunk| chunk.stored).sum::<u64>() * 5 < manifest.bytes * 4, "{manifest:?}");
    // repeated after a crash at any point, it gives the same
    assert_eq!(seal(folder.path(), &session()).unwrap(), (manifest.clone(), digest));
    unplain(folder.path(), &session()).unwrap();
    fs::write(&path, &bytes).unwrap();
    fs::write(path.with_file_name("chunk-000001.zst.new"), "half").unwrap();
    fs::remove_file(path.with_file_name("chunk-000001.zst")).unwrap();
    assert_eq!(seal(folder.path(), &session()).unwrap(), (manifest, digest));
}

#[test]
fn the_stock_tool_unpacks_the_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = recording(folder.path(), 5_000_000);
    let path = path_of(folder.path(), &session());
    let (manifest, _) = seal(folder.path(), &session()).unwrap();
    let pieces = manifest.chunks.iter().map(|chunk| path.with_file_name(&chunk.file));
    let output = match std::process::Command::new("zstd").arg("-dcq").args(pieces).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::io::stderr().write_all(b"SKIPPED: there is no zstd here\n").unwrap();
            return;
        }
        other => other.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == bytes, "{} bytes, not {}", output.stdout.len(), bytes.len());
}

#[test]
fn a_changed_piece_is_named_by_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path(), 5_000_000);
    let path = path_of(folder.path(), &session());
    let (manifest, _) = seal(folder.path(), &session()).unwrap();
    unplain(folder.path(), &session()).unwrap();
    let piece = path.with_file_name(&manifest.chunks[1].file);
    let good = fs::read(&piece).unwrap();
    let mut changed = good.clone();
    changed[100] ^= 1;
    for (bytes, said) in [(changed, "is not what was sealed"), (good[..50].to_vec(), "is not what was sealed"), ([good.clone(), vec![0]].concat(), "is not what was sealed")] {
        fs::write(&piece, bytes).unwrap();
        let error = verify(&path).unwrap_err();
        assert!(format!("{error:?}").contains("Changed") && format!("{:?}", error).contains("chunk-000001"), "{said}: {error:?}");
    }
    fs::remove_file(&piece).unwrap();
    assert!(verify(&path).is_err());
    std::os::unix::fs::symlink("/etc/passwd", &piece).unwrap();
    assert!(verify(&path).is_err(), "a link is not followed");
}

#[test]
fn what_cannot_be_read_is_kept_and_told() {
    for (cut, changed) in [(true, false), (false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = recording(folder.path(), 100_000);
        let path = path_of(folder.path(), &session());
        if cut {
            bytes.truncate(bytes.len() - 10);
        }
        if changed {
            let at = bytes.len() - 200;
            bytes[at] ^= 1;
        }
        fs::write(&path, &bytes).unwrap();
        let (manifest, _) = seal(folder.path(), &session()).unwrap();
        assert!(manifest.damage.is_some());
        assert_eq!(manifest.bytes, bytes.len() as u64);
        unplain(folder.path(), &session()).unwrap();
        assert_eq!(read_back(&path), bytes);
        assert!(!verify(&path).unwrap().is_whole());
    }
}

#[test]
fn what_has_no_start_or_is_anothers_is_not_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = recording(folder.path(), 10);
    let path = path_of(folder.path(), &session());
    fs::write(&path, &bytes[..90]).unwrap();
    assert!(matches!(seal(folder.path(), &session()), Err(SealError::NoStart(_))));
    let other = SessionId::from_entropy([9; 10]);
    let elsewhere = path_of(folder.path(), &other);
    fs::create_dir(elsewhere.parent().unwrap()).unwrap();
    fs::write(&elsewhere, &bytes).unwrap();
    assert!(matches!(seal(folder.path(), &other), Err(SealError::Another(found)) if found == session()));
    assert!(unplain(folder.path(), &other).is_err(), "what was not sealed is not removed");
    assert!(elsewhere.exists());
}

#[test]
fn a_manifest_that_names_other_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path(), 10);
    let path = path_of(folder.path(), &session());
    seal(folder.path(), &session()).unwrap();
    let manifest = path.with_file_name(MANIFEST_NAME);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("chunk-000000.zst", "../../etc/passwd")).unwrap();
    assert!(matches!(Manifest::read(manifest.parent().unwrap()), Err(ManifestError::ChunkName(_))));
    fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 2, \"more\": true")).unwrap();
    assert!(matches!(Manifest::read(manifest.parent().unwrap()), Err(ManifestError::Newer(2))));
    fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 1, \"more\": true")).unwrap();
    assert!(matches!(Manifest::read(manifest.parent().unwrap()), Err(ManifestError::Parse { .. })));
}
