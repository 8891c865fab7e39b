//! A node's evidence, altered in every way that there is, in every kind of file.

use super::*;
use crate::fixtures::{allowed, exec, facts, receipt};
use crate::log::{Book, CHECKPOINT, KEY, LogCheck, LogFault, LogKey, VerifierKey, cosign};
use crate::seal::{seal, unplain};
use crate::writer::Writer;
use portcullis_model::audit::Opening;
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;
use portcullis_model::event::{Event, EventKind};
use portcullis_model::receipt::{EndCause, Receipt};
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::time::UnixMs;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

const BOOT: BootId = BootId([5; 16]);

fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

fn id(n: u8) -> SessionId {
    SessionId::from_entropy([n; 10])
}

fn key() -> LogKey {
    LogKey::new("portcullis/node1", [7; 32]).unwrap()
}

fn facts_of(n: u8) -> SessionFacts {
    SessionFacts { id: id(n), ..facts() }
}

struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn log(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn evidence(&self) -> PathBuf {
        self.folder.path().join("evidence")
    }

    fn of(&self, n: u8) -> PathBuf {
        self.evidence().join(id(n).as_str())
    }

    /// A recording with output enough for two pieces, closed or not.
    fn record(&self, n: u8, text: u8, closed: bool) -> Vec<(u64, Digest)> {
        let mut writer = Writer::create(&self.evidence(), &id(n), BOOT, None).unwrap();
        let started = EventKind::Started { facts: Box::new(facts_of(n)), purpose: Purpose::Shell, window: None, layers: vec![], policy: None };
        writer.append(&Event { at: now(), kind: started }).unwrap();
        let mut grew = Vec::new();
        for round in 0..12_u64 {
            writer.output(&vec![text; 400_000]).unwrap();
            let event = Event { at: now(), ..allowed(7, exec(&["ls"])) };
            writer.append(&event).unwrap();
            if round % 5 == 4 {
                grew.push((writer.next_seq(), writer.head().into()));
            }
        }
        if closed {
            writer.finish(now(), Receipt { session: id(n), cause: EndCause::Exit, ..receipt() }).unwrap();
        }
        grew
    }

    /// Three sessions that are over, and one that runs; all on record.
    fn new() -> Self {
        let node = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(node.evidence()).unwrap();
        let (mut book, _) = Book::open(&node.log(), key(), BOOT, None).unwrap();
        for n in 1..=4 {
            book.append(AuditEvent::SessionAdmitted { facts: Box::new(facts_of(n)), purpose: Opening::Shell }).unwrap();
            for (frames, head) in node.record(n, b'a' + n, n != 4) {
                book.append(AuditEvent::RecordingGrew { session: id(n), frames, head }).unwrap();
            }
            if n == 4 {
                continue;
            }
            book.append(AuditEvent::ended(&Receipt { session: id(n), ..receipt() }, None)).unwrap();
            let (manifest, digest) = seal(&node.evidence(), &id(n)).unwrap();
            let sealed = AuditEvent::RecordingSealed { session: id(n), manifest: digest, frames: manifest.frames, head: manifest.head, damage: None };
            book.append(sealed).unwrap();
            book.commit().unwrap();
            unplain(&node.evidence(), &id(n)).unwrap();
        }
        book.append(AuditEvent::SessionAdmitted { facts: Box::new(facts_of(5)), purpose: Opening::Shell }).unwrap();
        book.append(AuditEvent::ended(&Receipt { session: id(5), ..receipt() }, None)).unwrap();
        book.append(AuditEvent::RecordingMissing { session: id(5), why: "no module".into() }).unwrap();
        book.commit().unwrap();
        book.checkpoint().unwrap();
        node
    }

    fn check(&self) -> (LogCheck, Vec<RecordingCheck>) {
        self.check_by(None, &[])
    }

    fn check_by(&self, expected: Option<&VerifierKey>, witnesses: &[VerifierKey]) -> (LogCheck, Vec<RecordingCheck>) {
        let mut register = Register::default();
        let log = crate::log::check(&self.log(), crate::log::Kept::Node, expected, witnesses, |entry| register.note(entry));
        let mut all = Vec::new();
        check_all(&self.evidence(), &register, |check| all.push(check)).unwrap();
        (log, all)
    }

    /// What is wrong with a session's recording.
    fn faults(&self, n: u8) -> Vec<RecordingFault> {
        let (_, all) = self.check();
        for other in all.iter().filter(|check| check.session != id(n)) {
            assert_eq!(other.faults, [], "nothing else is called bad: {other:?}");
        }
        all.into_iter().find(|check| check.session == id(n)).unwrap().faults
    }

    fn log_faults(&self) -> Vec<LogFault> {
        self.check().0.faults
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, by: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - by]).unwrap();
}

#[test]
fn untouched_evidence_is_good() {
    let node = Node::new();
    let (log, all) = node.check_by(Some(&key().verifier()), &[]);
    assert_eq!(log.faults, []);
    assert_eq!(log.entries, log.checkpoint.unwrap().size);
    let standings: Vec<_> = all.iter().map(|check| (check.session.clone(), check.standing.clone(), check.faults.len())).collect();
    let sealed = |n| (id(n), Standing::Sealed, 0);
    assert_eq!(standings, [sealed(1), sealed(2), sealed(3), (id(4), Standing::Open, 0), (id(5), Standing::None("no module".into()), 0)]);
}

#[test]
fn a_changed_piece_names_its_file_and_frames() {
    let node = Node::new();
    for (piece, first) in [("chunk-000000.zst", 0), ("chunk-000001.zst", 22)] {
        let path = node.of(1).join(piece);
        let good = fs::read(&path).unwrap();
        for change in 0..5 {
            match change {
                0 => flip(&path, good.len() / 2),
                1 => cut(&path, 1),
                2 => fs::write(&path, [good.as_slice(), b"x"].concat()).unwrap(),
                3 => fs::remove_file(&path).unwrap(),
                _ => drop(fs::copy(node.of(2).join(piece), &path).unwrap()),
            }
            let faults = node.faults(1);
            assert!(matches!(&faults[0], RecordingFault::Chunk { first: f, problem, .. } if *f == first && problem.contains(piece)), "{change}: {faults:?}");
            fs::write(&path, &good).unwrap();
            assert_eq!(node.faults(1), []);
        }
    }
    // the two exchanged
    let [a, b] = ["chunk-000000.zst", "chunk-000001.zst"].map(|name| node.of(1).join(name));
    let (first, second) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    fs::write(&a, second).unwrap();
    fs::write(&b, first).unwrap();
    assert!(node.faults(1).iter().filter(|fault| matches!(fault, RecordingFault::Chunk { .. })).count() == 2, "{:?}", node.faults(1));
}

#[test]
fn a_changed_manifest_is_not_the_one_that_was_logged() {
    let node = Node::new();
    let path = node.of(2).join(MANIFEST_NAME);
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("olga", "otto")).unwrap();
    assert!(matches!(node.faults(2).as_slice(), [RecordingFault::Manifest { .. }]), "{:?}", node.faults(2));
    fs::write(&path, good.replace("\"cause\": \"exit\"", "\"cause\": \"idle\"")).unwrap();
    assert!(matches!(node.faults(2).as_slice(), [RecordingFault::Manifest { .. }]));
    fs::write(&path, good.get(..good.len() / 2).unwrap()).unwrap();
    assert!(matches!(node.faults(2).as_slice(), [RecordingFault::Unreadable(_)]));
    fs::copy(node.of(1).join(MANIFEST_NAME), &path).unwrap();
    assert!(node.faults(2).iter().any(|fault| matches!(fault, RecordingFault::Manifest { .. })));
    fs::remove_file(&path).unwrap();
    assert!(node.faults(2).iter().any(|fault| matches!(fault, RecordingFault::NoManifest(_))));
}

#[test]
fn a_recording_that_was_made_anew_is_another_one_than_was_logged() {
    let node = Node::new();
    // all of it is right in itself: another text, a new chain, new pieces, a new manifest
    fs::remove_dir_all(node.of(3)).unwrap();
    node.record(3, b'z', true);
    seal(&node.evidence(), &id(3)).unwrap();
    unplain(&node.evidence(), &id(3)).unwrap();
    assert_eq!(check_recording(&node.of(3), &id(3), None).faults, [], "by itself it is good");
    let faults = node.faults(3);
    assert!(matches!(faults[0], RecordingFault::Manifest { .. }), "{faults:?}");
    assert!(faults.iter().any(|fault| matches!(fault, RecordingFault::Chain { frames: 11, .. })), "{faults:?}");
}

#[test]
fn a_running_sessions_recording_is_held_to_what_was_logged_of_it() {
    let node = Node::new();
    let path = node.of(4).join(FILE_NAME);
    let good = fs::read(&path).unwrap();
    // dropped, at a frame's end, up to before what was logged last
    let frame = 400_000 + 72;
    let lengths: Vec<usize> = {
        let (mut at, mut all) = (80, Vec::new());
        while at < good.len() {
            all.push(at);
            at += 72 + u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
        }
        all
    };
    fs::write(&path, &good[..lengths[15]]).unwrap();
    assert_eq!(node.faults(4), [RecordingFault::Dropped { frames: 15, known: 21 }]);
    // dropped behind it: that is what a session that runs looks like
    fs::write(&path, &good[..lengths[23]]).unwrap();
    assert_eq!(node.faults(4), []);
    // exchanged
    let mut swapped = good.clone();
    swapped[lengths[3]..lengths[3] + frame].copy_from_slice(&good[lengths[5]..lengths[5] + frame]);
    fs::write(&path, &swapped).unwrap();
    assert!(matches!(node.faults(4).as_slice(), [RecordingFault::Frame { seq: 3, .. }]));
    fs::write(&path, &good).unwrap();
    flip(&path, lengths[9] + 50);
    assert!(matches!(node.faults(4).as_slice(), [RecordingFault::Frame { seq: 9, .. }]));
    // made anew
    fs::remove_dir_all(node.of(4)).unwrap();
    node.record(4, b'z', false);
    assert!(matches!(node.faults(4).as_slice(), [RecordingFault::Chain { frames: 11, .. }]));
    fs::remove_dir_all(node.of(4)).unwrap();
    assert_eq!(node.faults(4), [RecordingFault::Missing]);
}

#[test]
fn a_session_that_was_taken_away_or_put_there_is_named() {
    let node = Node::new();
    fs::remove_dir_all(node.of(1)).unwrap();
    assert!(node.faults(1).contains(&RecordingFault::Missing), "{:?}", node.faults(1));
    let node = Node::new();
    node.record(9, b'q', true);
    assert_eq!(node.faults(9)[0], RecordingFault::Stranger);
    let node = Node::new();
    node.record(5, b'q', true);
    assert!(matches!(node.faults(5).as_slice(), [RecordingFault::Unexpected(_)]), "{:?}", node.faults(5));
    let node = Node::new();
    // under another's name
    fs::remove_dir_all(node.of(1)).unwrap();
    fs::create_dir(node.of(1)).unwrap();
    for entry in fs::read_dir(node.of(2)).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, node.of(1).join(from.file_name().unwrap())).unwrap();
    }
    assert!(node.faults(1).iter().any(|fault| matches!(fault, RecordingFault::Manifest { .. })), "{:?}", node.faults(1));
}

#[test]
fn a_recording_beside_the_pieces_is_the_same_or_named() {
    let node = Node::new();
    fs::create_dir(node.folder.path().join("other")).unwrap();
    let mut bytes = Vec::new();
    Source::open(&node.of(1).join(FILE_NAME)).unwrap().0.read_to_end(&mut bytes).unwrap();
    fs::write(node.of(1).join(FILE_NAME), &bytes).unwrap();
    assert_eq!(node.faults(1), [], "a crash between sealing and removing");
    flip(&node.of(1).join(FILE_NAME), 500);
    assert_eq!(node.faults(1), [RecordingFault::Beside]);
}

#[test]
fn a_manifest_that_promises_too_much_costs_nobody_memory() {
    let node = Node::new();
    let path = node.of(1).join(MANIFEST_NAME);
    let good = fs::read_to_string(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&good).unwrap();
    manifest["chunks"][0]["bytes"] = u64::MAX.into();
    manifest["chunks"][0]["stored"] = u64::MAX.into();
    manifest["chunks"][1]["first"] = u64::MAX.into();
    manifest["chunks"][1]["frames"] = 5.into();
    fs::write(&path, manifest.to_string()).unwrap();
    // a file that seems to be larger than any memory
    fs::File::options().write(true).open(node.of(1).join("chunk-000000.zst")).unwrap().set_len(1 << 40).unwrap();
    assert!(node.faults(1).iter().any(|fault| matches!(fault, RecordingFault::Chunk { .. })), "{:?}", node.faults(1));
    let pipe = node.of(1).join("chunk-000001.zst");
    fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(!node.faults(1).is_empty(), "a pipe holds nobody up");
}

#[test]
fn every_change_of_an_entry_is_found_and_named() {
    let node = Node::new();
    let tail = node.log().join("tail");
    let good = fs::read(&tail).unwrap();
    let mut starts = Vec::new();
    let mut at = 0;
    while at < good.len() {
        starts.push(at);
        at += 2 + usize::from(u16::from_be_bytes([good[at], good[at + 1]]));
    }
    let entry = |n: usize| good[starts[n]..starts.get(n + 1).copied().unwrap_or(good.len())].to_vec();
    for at in (0..good.len()).step_by(97) {
        flip(&tail, at);
        assert_ne!(node.log_faults(), [], "byte {at}");
        fs::write(&tail, &good).unwrap();
    }
    // dropped at the end
    fs::write(&tail, &good[..*starts.last().unwrap()]).unwrap();
    let last = starts.len() as u64 - 1;
    assert_eq!(node.log_faults(), [LogFault::Missing { first: last, size: last + 1 }]);
    // exchanged, dropped from the middle, repeated
    let order = |order: Vec<usize>| order.into_iter().flat_map(entry).collect::<Vec<_>>();
    let all: Vec<usize> = (0..starts.len()).collect();
    let mut swapped = all.clone();
    swapped.swap(2, 3);
    fs::write(&tail, order(swapped)).unwrap();
    assert!(matches!(node.log_faults().first(), Some(LogFault::Unreadable { number: 2, .. })), "{:?}", node.log_faults());
    fs::write(&tail, order(all.iter().copied().filter(|n| *n != 5).collect())).unwrap();
    assert!(matches!(node.log_faults().first(), Some(LogFault::Unreadable { number: 5, .. })));
    fs::write(&tail, order([&all[..4], &all[3..]].concat())).unwrap();
    assert!(matches!(node.log_faults().first(), Some(LogFault::Unreadable { number: 4, .. })));
    fs::remove_file(&tail).unwrap();
    assert!(matches!(node.log_faults().first(), Some(LogFault::Missing { first: 0, .. })));
}

#[test]
fn in_a_long_log_the_tiles_name_the_entry() {
    let node = Node::new();
    let (mut book, _) = Book::open(&node.log(), key(), BOOT, None).unwrap();
    for n in 0..600 {
        book.append(AuditEvent::Alert { session: None, rule: "test".into(), detail: format!("number {n}") }).unwrap();
    }
    book.commit().unwrap();
    book.checkpoint().unwrap();
    drop(book);
    assert_eq!(node.log_faults(), []);
    let bundle = node.log().join("tile/entries/001");
    let good = fs::read(&bundle).unwrap();
    let at = good.windows(10).position(|window| window == b"number 300").unwrap() + 7;
    // the text of an alert: valid JSON before and after
    flip(&bundle, at);
    let entry = String::from_utf8_lossy(&good[at - 200..at]).into_owned();
    let number: u64 = entry.rsplit_once("\"number\":").unwrap().1.split(',').next().unwrap().parse().unwrap();
    let faults = node.log_faults();
    assert_eq!(faults, [LogFault::Changed(number)]);
    fs::write(&bundle, &good).unwrap();
    flip(&node.log().join("tile/0/000"), 40);
    assert_eq!(node.log_faults(), [LogFault::Tile("tile/0/000".into())]);
    flip(&node.log().join("tile/0/000"), 40);
    cut(&bundle, 3);
    assert!(matches!(node.log_faults().first(), Some(LogFault::Unreadable { number: 511, .. })), "{:?}", node.log_faults());
    fs::write(&bundle, [good.as_slice(), &good[..80]].concat()).unwrap();
    assert!(matches!(node.log_faults().first(), Some(LogFault::Unreadable { .. })));
    fs::remove_file(&bundle).unwrap();
    assert!(!node.log_faults().is_empty());
}

#[test]
fn a_checkpoint_is_the_logs_and_seen_by_whom_it_should_be() {
    let node = Node::new();
    let path = node.log().join(CHECKPOINT);
    let good = fs::read_to_string(&path).unwrap();
    for at in (0..good.len()).step_by(7) {
        flip(&path, at);
        assert!(!node.log_faults().is_empty(), "byte {at}");
        fs::write(&path, &good).unwrap();
    }
    let (other, witness) = (LogKey::new("portcullis/node1", [8; 32]).unwrap(), LogKey::new("portcullis/node2", [9; 32]).unwrap());
    // another history under another key: found by whoever knows the key
    let expected = key().verifier();
    fs::write(node.log().join(KEY), other.verifier().to_string()).unwrap();
    fs::write(&path, other.sign(3, &Digest::of(b"x"))).unwrap();
    let (found, _) = node.check_by(Some(&expected), &[]);
    assert!(matches!(found.faults.as_slice(), [LogFault::OtherKey { .. }, LogFault::Checkpoint(_)]), "{:?}", found.faults);
    fs::write(node.log().join(KEY), expected.to_string()).unwrap();
    fs::write(&path, &good).unwrap();
    let (found, _) = node.check_by(None, &[witness.verifier()]);
    assert!(matches!(found.faults.as_slice(), [LogFault::Witness { .. }]));
    fs::write(&path, cosign(&good, &witness, now()).unwrap()).unwrap();
    let (found, _) = node.check_by(None, &[witness.verifier()]);
    assert_eq!((found.faults, found.witnesses.len()), (vec![], 1));
    fs::remove_file(&path).unwrap();
    assert!(matches!(node.log_faults().as_slice(), [LogFault::Checkpoint(_)]));
}

#[test]
fn a_clock_that_was_set_back_is_told() {
    // in the log: the entries of a node whose clock was changed, signed by its own key
    let node = Node::new();
    let tail = node.log().join("tail");
    let mut bytes = Vec::new();
    for (n, page) in crate::log::Pages::of(&node.log()).enumerate() {
        let mut entry: AuditEntry = serde_json::from_slice(&page.unwrap().bytes).unwrap();
        if n >= 5 {
            entry.at = UnixMs(entry.at.0 - 3_600_000);
        }
        let json = serde_json::to_vec(&entry).unwrap();
        bytes.extend(u16::try_from(json.len()).unwrap().to_be_bytes());
        bytes.extend(json);
    }
    fs::write(&tail, bytes).unwrap();
    fs::remove_file(node.log().join(CHECKPOINT)).unwrap();
    drop(Book::open(&node.log(), key(), BOOT, None).unwrap());
    let faults = node.log_faults();
    assert!(matches!(faults.as_slice(), [LogFault::ClockBack { number: 5, by_ms }] if by_ms.abs_diff(3_600_000) < 5000), "{faults:?}");
    // in a recording
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &id(1), BOOT, None).unwrap();
    let started = EventKind::Started { facts: Box::new(facts_of(1)), purpose: Purpose::Shell, window: None, layers: vec![], policy: None };
    writer.append(&Event { at: now(), kind: started }).unwrap();
    writer.append(&Event { at: UnixMs(now().0 - 60_000), ..allowed(7, exec(&["ls"])) }).unwrap();
    drop(writer);
    let found = check_recording(&folder.path().join(id(1).as_str()), &id(1), None);
    assert!(matches!(found.faults.as_slice(), [RecordingFault::ClockBack { seq: 1, .. }]), "{found:?}");
}
