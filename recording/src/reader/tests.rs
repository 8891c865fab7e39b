use super::*;
use crate::format::FILE_HEADER;
use crate::fixtures::{allowed, denied, exec, line, receipt, session, started};
use crate::verify::{Verification, verify};
use crate::writer::Writer;
use portcullis_model::decision::Journal as _;
use proptest::prelude::*;
use std::ops::Range;
use std::path::PathBuf;

/// A closed recording of six frames, and where each of them lies.
fn sample() -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<Range<usize>>) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    writer.input(b"ls\r").unwrap();
    writer.append(&allowed(0, line("ls"))).unwrap();
    writer.append(&allowed(7, exec(&["ls"]))).unwrap();
    writer.output(b"a  b\r\n").unwrap();
    let path = writer.path().to_owned();
    writer.finish(UnixMs(1), receipt()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut places = Vec::new();
    let mut at = FILE_HEADER;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + FRAME_HEADER + length + FRAME_TRAILER;
        places.push(at..end);
        at = end;
    }
    assert_eq!(places.len(), 6);
    (folder, path, bytes, places)
}

fn check(path: &Path, bytes: &[u8]) -> Verification {
    std::fs::write(path, bytes).unwrap();
    verify(path).unwrap()
}

#[test]
fn any_changed_byte_names_its_frame() {
    let (_folder, path, bytes, places) = sample();
    assert!(check(&path, &bytes).is_whole());
    for (seq, place) in places.iter().enumerate() {
        for at in place.clone() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            let found = check(&path, &changed);
            assert_eq!(found.first_bad.map(|(bad, _)| bad), Some(seq as u64), "byte {at}");
            assert_eq!((found.frames, found.ended), (seq as u64, false));
        }
    }
}

#[test]
fn any_changed_byte_of_the_header_is_refused() {
    let (_folder, path, bytes, _) = sample();
    for at in 0..FILE_HEADER {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        std::fs::write(&path, &changed).unwrap();
        assert!(verify(&path).is_err(), "byte {at}");
    }
}

#[test]
fn a_dropped_repeated_or_moved_frame_is_named() {
    let (_folder, path, bytes, places) = sample();
    let of = |order: &[usize]| [&bytes[..FILE_HEADER], &order.iter().flat_map(|i| bytes[places[*i].clone()].to_vec()).collect::<Vec<_>>()].concat();
    let bad = |order: &[usize]| check(&path, &of(order)).first_bad;
    assert_eq!(bad(&[0, 1, 2, 3, 4, 5]), None);
    assert_eq!(bad(&[0, 1, 3, 4, 5]), Some((2, BadFrame::Sequence(3))), "dropped");
    assert_eq!(bad(&[0, 1, 1, 2, 3, 4, 5]), Some((2, BadFrame::Sequence(1))), "repeated");
    assert_eq!(bad(&[0, 2, 1, 3, 4, 5]), Some((1, BadFrame::Sequence(2))), "reordered");
    assert_eq!(bad(&[1, 2, 3, 4, 5]), Some((0, BadFrame::Sequence(1))), "the head dropped");
    assert_eq!(bad(&[0, 1, 2, 3, 4, 5, 5]), Some((6, BadFrame::AfterEnd)), "the end twice");
    assert_eq!(bad(&[0, 1, 2, 5]), Some((3, BadFrame::Sequence(5))), "the middle dropped");
}

#[test]
fn a_frame_of_another_recording_is_named() {
    let (_folder, path, bytes, places) = sample();
    let (_other_folder, _, other, other_places) = sample();
    let mut mixed = bytes.clone();
    mixed.splice(places[4].clone(), other[other_places[4].clone()].to_vec());
    assert_eq!(check(&path, &mixed).first_bad, Some((4, BadFrame::Header)));
}

#[test]
fn a_cut_is_told_from_an_end_wherever_it_is() {
    let (_folder, path, bytes, places) = sample();
    for cut in FILE_HEADER..bytes.len() {
        let found = check(&path, &bytes[..cut]);
        let whole = places.iter().filter(|place| place.end <= cut).count();
        let begun = places.iter().find(|place| place.start < cut && cut < place.end);
        assert_eq!(found.frames, whole as u64);
        assert_eq!(found.first_bad, None, "cut at {cut}");
        assert_eq!(found.torn, begun.map(|place| place.start as u64));
        assert!(!found.ended && !found.is_whole());
    }
    for cut in 0..FILE_HEADER {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(verify(&path).is_err());
    }
}

#[test]
fn what_follows_the_end_is_named() {
    let (_folder, path, bytes, places) = sample();
    for garbage in [&b"\0"[..], b"garbage", &[0; 4096]] {
        assert_eq!(check(&path, &[&bytes, garbage].concat()).first_bad, Some((6, BadFrame::AfterEnd)));
    }
    // zeros behind an open recording are what a power cut can leave: no frame, and not silent
    let end = places[4].end;
    assert_eq!(check(&path, &[&bytes[..end], &[0; 4096]].concat()).first_bad, Some((5, BadFrame::Header)));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let (_folder, path, bytes, _) = sample();
    let mut newer = bytes.clone();
    newer[8] = 3;
    std::fs::write(&path, &newer).unwrap();
    let error = verify(&path).unwrap_err();
    assert_eq!(error.to_string(), "the recording's form is of version 3, this program reads up to 2");
    std::fs::write(&path, b"hello, this is a text file that is long enough for a header, or is it").unwrap();
    assert!(matches!(verify(&path), Err(ReadError::NotARecording)));
}

#[test]
fn a_link_is_not_followed() {
    let (folder, path, ..) = sample();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Reader::open(&link).is_err());
}

#[test]
fn reading_ends_after_the_first_bad_frame() {
    let (_folder, path, mut bytes, places) = sample();
    bytes[places[2].start + FRAME_HEADER] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err();
    assert!(matches!(error, ReadError::Bad { seq: 2, at, reason: BadFrame::Chain } if at == places[2].start as u64));
    assert!(reader.next().is_none());
    assert_eq!(reader.tail(), None);
}

#[derive(Debug, Clone)]
enum Call {
    Output(Vec<u8>),
    ErrorOutput(Vec<u8>),
    Input(Vec<u8>),
    Allowed(u32, String),
    Denied(u32, String),
}

fn call() -> impl Strategy<Value = Call> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..2000);
    prop_oneof![
        bytes().prop_map(Call::Output),
        bytes().prop_map(Call::ErrorOutput),
        bytes().prop_map(Call::Input),
        (any::<u32>(), ".{0,40}").prop_map(|(pid, text)| Call::Allowed(pid, text)),
        (any::<u32>(), ".{0,40}").prop_map(|(pid, text)| Call::Denied(pid, text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_recorded_is_read_back(calls in prop::collection::vec(call(), 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(folder.path(), &session(), BootId::UNKNOWN, None).unwrap();
        writer.append(&started()).unwrap();
        let mut expected = vec![Body::Event(Box::new(started()))];
        for (n, call) in calls.into_iter().enumerate() {
            let (seq, body) = match call {
                Call::Output(bytes) => (writer.output(&bytes), Body::Output(bytes)),
                Call::ErrorOutput(bytes) => (writer.error_output(&bytes), Body::ErrorOutput(bytes)),
                Call::Input(bytes) => (writer.input(&bytes), Body::Input(bytes)),
                Call::Allowed(pid, text) => {
                    let event = allowed(pid, exec(&[&text, "\u{0}"]));
                    (writer.append(&event), Body::Event(Box::new(event)))
                }
                Call::Denied(pid, text) => {
                    let event = denied(pid, line(&text));
                    (writer.append(&event), Body::Event(Box::new(event)))
                }
            };
            prop_assert_eq!(seq.unwrap(), n as u64 + 1);
            expected.push(body);
        }
        let head = writer.head();
        let mut reader = Reader::open(writer.path()).unwrap();
        let read: Vec<Frame> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(reader.tail(), Some(Tail::Open));
        prop_assert_eq!(reader.head(), head);
        prop_assert_eq!(reader.session(), &session());
        prop_assert!(read.windows(2).all(|pair| pair[0].elapsed <= pair[1].elapsed));
        prop_assert_eq!(read.into_iter().map(|frame| frame.body).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..4000), valid in any::<bool>()) {
        let mut bytes = garbage;
        if valid {
            let header = FileHeader { started: UnixMs(1), boot_ns: 2, session: session(), boot: BootId::UNKNOWN }.encode();
            bytes.splice(0..0, header);
        }
        if let Ok(reader) = Reader::new(bytes.as_slice()) {
            prop_assert!(reader.filter_map(Result::ok).next().is_none());
        }
    }
}

/// The beginning of a recording that the program wrote when the form was of version 1.
const VERSION_1: &[u8] = include_bytes!("../../tests/fixtures/version1");

#[test]
fn a_recording_of_version_1_is_read_closed_and_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = crate::path_of(folder.path(), &session());
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let found = check(&path, VERSION_1);
    assert_eq!((found.frames, found.first_bad.clone(), found.ended, found.torn), (5, None, false, None));
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!((reader.session(), reader.boot()), (&session(), BootId::UNKNOWN));
    let last = reader.by_ref().last().unwrap().unwrap();
    crate::close_orphan(folder.path(), &session(), (UnixMs(9), BootId([7; 16])), |_| receipt()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(VERSION_1), "nothing is rewritten");
    let closed = verify(&path).unwrap();
    assert!(closed.is_whole() && closed.frames == 6, "{closed:?}");
    // in another start of the node than it was begun in: time goes on from the last frame
    let end = Reader::open(&path).unwrap().last().unwrap().unwrap();
    assert!(end.elapsed >= last.elapsed && end.elapsed < last.elapsed + Duration::from_secs(60), "{:?} after {:?}", end.elapsed, last.elapsed);
    for at in 0..FILE_HEADER_1 {
        let mut changed = VERSION_1.to_vec();
        changed[at] ^= 0x20;
        std::fs::write(&path, &changed).unwrap();
        assert!(verify(&path).is_err(), "byte {at}");
    }
}
