//! The real process: its socket, its protocol, its confinement, and how it fails.

use crate::facts::{exec, session};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{Frames, encode};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Judge {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) child: Child,
}

impl Judge {
    pub(crate) fn start(modules: &[(&str, Vec<u8>)]) -> Self {
        Self::start_with(modules, |_| ())
    }

    /// After more was put into its folder.
    pub(crate) fn start_with(modules: &[(&str, Vec<u8>)], prepare: impl FnOnce(&std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("modules")).unwrap();
        for (name, bytes) in modules {
            std::fs::write(folder.path().join("modules").join(name), bytes).unwrap();
        }
        prepare(folder.path());
        let child = spawn(&folder);
        Self { folder, child }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("judge.sock")
    }

    pub(crate) fn connect(&self) -> Peer {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Peer { stream, frames: Frames::default() }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a judge and waits until it says that it is ready.
pub(crate) fn spawn(folder: &tempfile::TempDir) -> Child {
    let notify = folder.path().join("notify.sock");
    let _ = std::fs::remove_file(&notify);
    let ready = UnixDatagram::bind(&notify).unwrap();
    ready.set_read_timeout(Some(DEADLINE)).unwrap();
    let child = command(folder).env("NOTIFY_SOCKET", &notify).stderr(Stdio::null()).spawn().unwrap();
    let mut message = [0; 64];
    let length = ready.recv(&mut message).expect("the judge becomes ready");
    assert_eq!(&message[..length], b"READY=1");
    child
}

fn command(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-judge"));
    command.arg("--modules").arg(folder.path().join("modules")).arg("--socket").arg(folder.path().join("judge.sock"));
    // a judge with a list of admins is one with a warden
    if folder.path().join("admins").exists() {
        command.arg("--policies").arg(folder.path().join("policies.sock")).arg("--policy-admins").arg(folder.path().join("admins"));
    }
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

/// Runs a judge that cannot start, and returns its last words.
fn fails(folder: &tempfile::TempDir) -> String {
    let Output { status, stderr, stdout } = command(folder).output().unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{words}");
    assert!(stdout.is_empty());
    let last: Vec<&str> = words.lines().filter(|line| line.starts_with("portcullis-judge: ")).collect();
    assert_eq!(last.len(), 1, "{words}");
    last[0].to_owned()
}

pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    frames: Frames,
}

impl Peer {
    pub(crate) fn send(&mut self, message: &ToJudge) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    pub(crate) fn send_hello(&mut self, role: &str) {
        self.send(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(session(role)) });
    }

    pub(crate) fn hello(&mut self, role: &str) -> FromJudge {
        self.send_hello(role);
        self.next().expect("an answer to hello")
    }

    pub(crate) fn ask(&mut self, id: u64) {
        self.send(&ToJudge::Ask { id, now: UnixMs(1), counters: Counters::default(), subject: exec("/usr/bin/ls", &["-l"]) });
    }

    /// The next message; none when the judge hung up.
    pub(crate) fn next(&mut self) -> Option<FromJudge> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(message) = self.frames.next().unwrap() {
                return Some(message);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(length) => self.frames.push(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

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
