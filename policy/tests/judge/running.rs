//! A judge that runs, and peers that speak its protocol.

use crate::facts::{exec, session_under};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{Frames, encode};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long anything may take on a machine that does much else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A judge with modules of its own.
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

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("judge.sock")
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
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
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = command(folder).env("NOTIFY_SOCKET", &notify).stderr(log).spawn().unwrap();
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
pub(crate) fn fails(folder: &tempfile::TempDir) -> String {
    let Output { status, stderr, stdout } = command(folder).output().unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{words}");
    assert!(stdout.is_empty());
    let last: Vec<&str> = words.lines().filter(|line| line.starts_with("portcullis-judge: ")).collect();
    assert_eq!(last.len(), 1, "{words}");
    last[0].to_owned()
}

/// What a keeper is to the judge.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    frames: Frames,
}

impl Peer {
    pub(crate) fn send(&mut self, message: &ToJudge) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    pub(crate) fn hello(&mut self, role: &str) -> FromJudge {
        self.hello_under("INFRA_DIAG", role)
    }

    pub(crate) fn send_hello(&mut self, role: &str) {
        self.send_hello_under("INFRA_DIAG", role);
    }

    fn send_hello_under(&mut self, action: &str, role: &str) {
        self.send(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(session_under(action, role)) });
    }

    pub(crate) fn hello_under(&mut self, action: &str, role: &str) -> FromJudge {
        self.send_hello_under(action, role);
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
