//! The real process: its socket, its protocol, its confinement, and how it fails.

use crate::facts::{exec, session};
use crate::running::{DEADLINE, Judge, fails, spawn};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::encode;
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn sessions_are_answered() {
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", WatModule { judge: DENY, ..ALLOW }.build())]);
    let mut peer = judge.connect();
    let FromJudge::Ready { module } = peer.hello("cps") else { panic!("there is a module") };
    assert_eq!((module.name.as_str(), module.pure), ("T", true));
    (0..50).for_each(|id| peer.ask(id));
    for want in 0..50 {
        let Some(FromJudge::Answer { id, digest, verdict: Verdict::Deny(denial) }) = peer.next() else { panic!("a denial") };
        assert_eq!((id, digest, denial.rule.as_str()), (want, module.digest, "no"));
    }
    let mut other = judge.connect();
    assert_eq!(other.hello("host"), FromJudge::NoModule);
    other.ask(7);
    assert!(matches!(other.next(), Some(FromJudge::Fault { id: 7, .. })));
}

#[test]
fn a_module_that_fails_is_a_fault_and_others_are_not_kept_waiting() {
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", WatModule { judge: "(loop br 0) unreachable", ..ALLOW }.build())]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    for id in 0..20 {
        peer.ask(id);
        let Some(FromJudge::Fault { id: got, fault }) = peer.next() else { panic!("a fault") };
        assert_eq!(got, id);
        assert_eq!(fault.contains("not asked any more"), id >= 16, "{id}: {fault}");
    }
    let mut other = judge.connect();
    assert!(matches!(other.hello("cps"), FromJudge::Ready { .. }));
    other.ask(1);
    assert!(matches!(other.next(), Some(FromJudge::Fault { fault, .. }) if fault.contains("no answer within")), "another session is asked");
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", ALLOW.build())]);
    let hello = encode(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(session("cps")) }).unwrap();
    let version = encode(&ToJudge::Hello { protocol: PROTOCOL + 1, facts: Box::new(session("cps")) }).unwrap();
    let ask = encode(&ToJudge::Ask { id: 1, now: UnixMs(1), counters: Counters::default(), subject: exec("/x", &[]) }).unwrap();
    let twice = [hello.clone(), hello].concat();
    for garbage in [&[0xff; 64][..], b"GET / HTTP/1.1\r\n\r\n", &[4, 0, 0, 0, 9, 9, 9, 9], &version, &ask, &twice] {
        let mut peer = judge.connect();
        let _ = peer.stream.write_all(garbage);
        let mut answers = 0;
        while let Ok(length @ 1..) = peer.stream.read(&mut [0; 4096]) {
            answers += length;
        }
        assert!(answers == 0 || garbage == twice, "{garbage:?}");
    }
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { .. })));
}

#[test]
fn half_a_message_is_waited_for() {
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", ALLOW.build())]);
    let mut peer = judge.connect();
    let hello = encode(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(session("cps")) }).unwrap();
    for part in hello.chunks(7) {
        peer.stream.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(peer.next(), Some(FromJudge::Ready { .. })));
}

#[test]
fn a_killed_judge_hangs_up_and_a_new_one_takes_its_place() {
    let mut judge = Judge::start(&[("INFRA_DIAG.cps.wasm", ALLOW.build())]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    judge.child.kill().unwrap();
    judge.child.wait().unwrap();
    assert!(peer.next().is_none());
    assert_eq!(UnixStream::connect(judge.socket()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    judge.child = spawn(&judge.folder);
    assert!(matches!(judge.connect().hello("cps"), FromJudge::Ready { .. }));
}

#[test]
fn it_ends_when_told_to() {
    let mut judge = Judge::start(&[("INFRA_DIAG.cps.wasm", ALLOW.build())]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    let told = Command::new("kill").args(["-TERM", &judge.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let end = Instant::now() + DEADLINE;
    let status = loop {
        match judge.child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            None => panic!("it does not end"),
        }
    };
    assert_eq!(status.code(), Some(0));
    assert!(peer.next().is_none());
}

#[test]
fn it_is_confined() {
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", ALLOW.build())]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", judge.child.id())).unwrap();
    let mut threads = 0;
    for task in tasks {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default().to_owned();
        assert_eq!((field("NoNewPrivs:").as_str(), field("Seccomp:").as_str()), ("1", "2"), "{status}");
        threads += 1;
    }
    assert!(threads >= 3);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", judge.child.id())).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max core file size") && line.split_whitespace().nth(4) == Some("0")), "{limits}");
}

#[test]
fn what_is_wrong_at_start_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    assert!(fails(&folder).contains("cannot read the folder of modules"), "no folder");
    std::fs::create_dir(folder.path().join("modules")).unwrap();
    let file = folder.path().join("modules/INFRA_DIAG.cps.wasm");
    std::fs::write(&file, b"garbage").unwrap();
    let words = fails(&folder);
    assert!(words.contains("INFRA_DIAG.cps.wasm") && words.contains("not a WebAssembly component"), "{words}");
    std::fs::write(&file, &ALLOW.build()[..300]).unwrap();
    assert!(fails(&folder).contains("does not compile"), "cut short");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.path().join("judge.sock"), b"").unwrap();
    let words = fails(&folder);
    assert!(words.contains("judge.sock exists and is no socket"), "{words}");
    assert!(folder.path().join("judge.sock").exists(), "it is left alone");

    let judge = Judge::start(&[]);
    let words = fails(&judge.folder);
    assert!(words.contains("in use by another judge"), "{words}");
    assert_eq!(judge.connect().hello("cps"), FromJudge::NoModule, "the other one goes on");
}
