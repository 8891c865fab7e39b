//! The keeper's side of the socket.

use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, PolicyDigest, RequestId, SessionId};
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::subject::Line;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::frame::{self, Frames};
use portcullis_model::wire::judge::{AllowedForm, ModuleInfo};
use portcullis_model::wire::shell::{FromKeeper, LineAnswer, Notice, ToKeeper};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

/// What the shell said, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<ToKeeper>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<ToKeeper> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.all().iter().filter_map(|message| if let ToKeeper::Line { line, .. } = message { Some(String::from_utf8_lossy(&line.text).into_owned()) } else { None }).collect()
    }

    pub(crate) fn statuses(&self) -> Vec<i32> {
        self.all().iter().filter_map(|message| if let ToKeeper::Done { status, .. } = message { Some(*status) } else { None }).collect()
    }
}

pub(crate) fn module() -> ModuleInfo {
    let form = |form: &str, note: &str| AllowedForm { form: form.into(), note: note.into() };
    ModuleInfo {
        digest: PolicyDigest([0x4f; 32]),
        name: "INFRA_DIAG".into(),
        version: "1.0.0".into(),
        pure: true,
        allowed: vec![form("docker ps [-a]", "lists containers"), form("docker logs NAME", "shows a container's log"), form("journalctl -u UNIT", "shows a unit's log"), form("ls", "lists files")],
    }
}

pub(crate) fn notice(reason: &str) -> Notice {
    Notice { by: "INFRA_DIAG@4f4f".into(), denial: Denial { rule: "no-rm".into(), reason: reason.into(), hint: "ls".into() } }
}

fn facts(tty: bool) -> SessionFacts {
    SessionFacts {
        id: SessionId::from_entropy([1; SessionId::ENTROPY]),
        grant: GrantId::from_entropy([2; GrantId::ENTROPY]),
        request: RequestId::from_entropy([3; RequestId::ENTROPY]),
        ticket: "OPS-7".into(),
        operator: "alice".into(),
        account: "op-7f3a".into(),
        uid: 70_000,
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::ALL[0],
        source: "192.0.2.1:22".into(),
        key_fingerprint: "SHA256:x".into(),
        start: UnixMs(0),
        end: UnixMs::from_system(std::time::SystemTime::now()).plus(3_600_000),
        tty,
    }
}

fn answer(line: &Line) -> Option<LineAnswer> {
    let runs = |name: &str| line.commands.iter().any(|command| command.words.first().is_some_and(|word| word.text == name.as_bytes()));
    if runs("ask-for-ever") {
        None
    } else if runs("rm") {
        Some(LineAnswer::Denied(notice("rm is not allowed")))
    } else {
        Some(LineAnswer::Allowed)
    }
}

/// Starts a keeper; the shell's end of the socket is to be its descriptor 0.
pub(crate) fn keeper(purpose: Purpose, tty: bool, input: Option<OwnedFd>, log: &Log) -> OwnedFd {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let welcome = FromKeeper::Welcome { facts: Box::new(facts(tty)), purpose, module: Some(module()), engine: "/usr/bin/bash".into() };
    let log = log.clone();
    std::thread::spawn(move || {
        let _ = serve(ours, &welcome, input, &log);
    });
    theirs.into()
}

fn serve(mut socket: UnixStream, welcome: &FromKeeper, input: Option<OwnedFd>, log: &Log) -> std::io::Result<()> {
    let bytes = frame::encode(welcome).unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = input.as_ref().map(|input| [input.as_fd()]);
    if let Some(descriptors) = &descriptors {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    assert_eq!(rustix::net::sendmsg(&socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::empty())?, bytes.len());
    drop(input);
    let mut frames = Frames::default();
    let mut room = [0; 4096];
    let say = |socket: &mut UnixStream, message: &FromKeeper| socket.write_all(&frame::encode(message).unwrap());
    loop {
        let read = socket.read(&mut room)?;
        if read == 0 {
            return Ok(());
        }
        frames.push(&room[..read]);
        while let Some(message) = frames.next::<ToKeeper>().unwrap() {
            log.0.lock().unwrap().push(message.clone());
            if let ToKeeper::Trial { id, line } = &message {
                let denied = answer(line).and_then(|answer| if let LineAnswer::Denied(notice) = answer { Some(notice) } else { None });
                say(&mut socket, &FromKeeper::Trial { id: *id, denied })?;
            }
            let ToKeeper::Line { id, line } = message else { continue };
            let text = String::from_utf8_lossy(&line.text).into_owned();
            if let Some(answer) = answer(&line) {
                say(&mut socket, &FromKeeper::Line { id, answer })?;
            }
            if text.contains("exec-denied") {
                for _ in 0..3 {
                    say(&mut socket, &FromKeeper::ExecDenied { path: b"/usr/bin/id\x1b".to_vec(), notice: notice("id is not allowed") })?;
                }
            }
            if text.contains("say-later") {
                std::thread::sleep(std::time::Duration::from_millis(600));
                say(&mut socket, &FromKeeper::Message("the session ends in 5 minutes".into()))?;
            }
            if text.contains("keeper-goes") {
                return Ok(());
            }
        }
    }
}
