//! The judge's end of the socket is played here message by message: what is tested is the connection, not a policy.

use super::*;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::verdict::Confinement;
use portcullis_model::wire::frame;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

fn facts() -> SessionFacts {
    SessionFacts {
        id: SessionId::from_entropy([1; 10]),
        grant: GrantId::from_entropy([1; 10]),
        request: RequestId::from_entropy([1; 5]),
        ticket: String::new(),
        operator: "olga".into(),
        account: "op-abcd".into(),
        uid: 70_000,
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        source: String::new(),
        key_fingerprint: String::new(),
        start: UnixMs(0),
        end: UnixMs(1),
        tty: false,
    }
}

fn module(n: u8, pure: bool) -> ModuleInfo {
    ModuleInfo { digest: PolicyDigest([n; 32]), name: "INFRA_DIAG".into(), version: "1".into(), pure, allowed: vec![] }
}

fn exec() -> Exec {
    Exec { path: b"/usr/bin/ls".to_vec(), argv: vec![], scripts: vec![], cwd: vec![], uid: 0, tty: false, parents: vec![], line: None }
}

struct Stage {
    judge: Judge,
    listener: UnixListener,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judge.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self { judge: Judge::find(&path, &facts()).unwrap(), listener, _folder: folder }
    }

    /// Connects and has the judge greet.
    fn greet(&mut self, answer: &FromJudge) -> UnixStream {
        self.judge.tick(Instant::now());
        let (mut peer, _) = self.listener.accept().unwrap();
        let mut header = [0; 4];
        peer.read_exact(&mut header).unwrap();
        let mut body = vec![0; u32::from_le_bytes(header) as usize];
        peer.read_exact(&mut body).unwrap();
        say(&mut peer, answer);
        self.judge.pump();
        assert!(matches!(self.judge.news(), Some(News::Live(_))));
        peer
    }

    fn ask(&mut self, id: u64) -> Option<Heard> {
        self.judge.ask(id, UnixMs(0), Counters::default(), &Subject::Exec(exec()))
    }
}

fn say(peer: &mut UnixStream, message: &FromJudge) {
    peer.write_all(&frame::encode(message).unwrap()).unwrap();
}

fn allow(n: u8) -> (PolicyDigest, Verdict) {
    (PolicyDigest([n; 32]), Verdict::Allow(Confinement::default()))
}

#[test]
fn without_a_judge_or_a_module_everything_is_silence() {
    let mut stage = Stage::new();
    assert!(matches!(stage.ask(1), Some(Heard::Silence(Silence::JudgeGone))));
    let _peer = stage.greet(&FromJudge::NoModule);
    assert!(matches!(stage.ask(2), Some(Heard::Silence(Silence::NoModule))));
}

#[test]
fn an_answer_is_news_and_a_pure_modules_is_remembered() {
    let mut stage = Stage::new();
    let mut peer = stage.greet(&FromJudge::Ready { module: module(1, true) });
    assert!(stage.ask(1).is_none());
    let (digest, verdict) = allow(1);
    say(&mut peer, &FromJudge::Answer { id: 1, digest, verdict: verdict.clone() });
    stage.judge.pump();
    assert!(matches!(stage.judge.news(), Some(News::Answer { id: 1, heard: Heard::Verdict { .. } })));
    stage.judge.remember(&exec(), digest, &verdict);
    assert!(matches!(stage.ask(2), Some(Heard::Verdict { .. })));
}

#[test]
fn a_module_that_depends_on_more_is_asked_each_time() {
    let mut stage = Stage::new();
    let _peer = stage.greet(&FromJudge::Ready { module: module(1, false) });
    let (digest, verdict) = allow(1);
    stage.judge.remember(&exec(), digest, &verdict);
    assert!(stage.ask(2).is_none());
}

#[test]
fn a_swap_that_the_judge_has_announced_is_seen_before_a_remembered_answer_is_used() {
    let mut stage = Stage::new();
    let mut peer = stage.greet(&FromJudge::Ready { module: module(1, true) });
    let (digest, verdict) = allow(1);
    stage.judge.remember(&exec(), digest, &verdict);
    say(&mut peer, &FromJudge::Ready { module: module(2, true) });
    assert!(stage.ask(2).is_none(), "the new module is asked");
    assert_eq!(stage.judge.module().map(|m| m.digest), Some(PolicyDigest([2; 32])));
}

#[test]
fn a_judge_that_died_is_seen_before_a_remembered_answer_is_used() {
    let mut stage = Stage::new();
    let peer = stage.greet(&FromJudge::Ready { module: module(1, true) });
    let (digest, verdict) = allow(1);
    stage.judge.remember(&exec(), digest, &verdict);
    drop(peer);
    assert!(matches!(stage.ask(2), Some(Heard::Silence(Silence::JudgeGone))));
    assert!(matches!(stage.judge.news(), Some(News::Gone)));
    stage.judge.tick(Instant::now() + RETRY);
    let (_peer, _) = stage.listener.accept().unwrap();
    assert!(matches!(stage.ask(3), Some(Heard::Silence(Silence::JudgeGone))), "not before it has greeted");
}

#[test]
fn a_judge_that_talks_nonsense_is_gone() {
    let mut stage = Stage::new();
    let mut peer = stage.greet(&FromJudge::Ready { module: module(1, true) });
    peer.write_all(&u32::MAX.to_le_bytes()).unwrap();
    stage.judge.pump();
    assert!(matches!(stage.judge.news(), Some(News::Gone)));
    assert!(stage.judge.socket().is_none());
}

#[test]
fn another_module_is_news_once_and_the_same_one_empties_the_memory() {
    let mut stage = Stage::new();
    let mut peer = stage.greet(&FromJudge::Ready { module: module(1, true) });
    let (digest, verdict) = allow(1);
    stage.judge.remember(&exec(), digest, &verdict);
    say(&mut peer, &FromJudge::Ready { module: module(1, true) });
    assert!(stage.ask(1).is_none(), "what is asked from here on may be on trial");
    assert!(stage.judge.news().is_none());
    say(&mut peer, &FromJudge::Ready { module: module(2, true) });
    say(&mut peer, &FromJudge::NoModule);
    assert!(matches!(stage.ask(2), Some(Heard::Silence(Silence::NoModule))));
    assert!(matches!(stage.judge.news(), Some(News::Changed(Some(module))) if module.digest == PolicyDigest([2; 32])));
    assert!(matches!(stage.judge.news(), Some(News::Changed(None))));
    assert!(stage.judge.news().is_none());
}
