//! A real recording in a temporary folder, for the tests of what writes into one.

use super::*;
use crate::charge::Place;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::time::UnixMs;
use portcullis_recording::{Body, Reader};
use std::path::PathBuf;
use tempfile::TempDir;

/// A recording and where it is.
pub(crate) struct Fixture {
    pub(crate) evidence: Evidence,
    path: PathBuf,
    _folder: TempDir,
}

pub(crate) fn charge(evidence: &Path) -> Charge {
    let facts = SessionFacts {
        id: SessionId::from_entropy([1; 10]),
        grant: GrantId::from_entropy([2; 10]),
        request: RequestId::from_entropy([3; 5]),
        ticket: String::new(),
        operator: "olga".into(),
        account: "op-abcd".into(),
        uid: 70_000,
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        source: "127.0.0.1:5".into(),
        key_fingerprint: "SHA256:x".into(),
        start: clock::now(),
        end: UnixMs(u64::MAX),
        tty: false,
    };
    Charge {
        folders: None,
        facts,
        purpose: Purpose::Shell,
        pty: None,
        environment: vec![],
        idle_timeout_s: 0,
        controller: [0; 32],
        layers: vec![],
        place: Place { near: Default::default(), evidence: evidence.to_owned(), evidence_gid: None, profiles: None, judge: "/judge".into(), shell: "/shell".into(), notices: vec![] },
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        // in memory, where there is such a place: a disk that others keep busy for ten seconds ends a recording
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let charge = charge(folder.path());
        let path = portcullis_recording::path_of(folder.path(), &charge.facts.id);
        let evidence = Folder::open(folder.path()).unwrap().begin(&charge, None).unwrap();
        Self { evidence, path, _folder: folder }
    }

    /// What is on the disk: input, output and standard error, each joined, and the events after the first.
    pub(crate) fn read(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<EventKind>) {
        let (mut input, mut output, mut error, mut events) = (vec![], vec![], vec![], vec![]);
        for frame in Reader::open(&self.path).unwrap() {
            match frame.unwrap().body {
                Body::Event(event) => events.push(event.kind),
                Body::Output(bytes) => output.extend(bytes),
                Body::ErrorOutput(bytes) => error.extend(bytes),
                Body::Input(bytes) => input.extend(bytes),
            }
        }
        assert!(matches!(events.remove(0), EventKind::Started { .. }));
        (input, output, error, events)
    }
}
