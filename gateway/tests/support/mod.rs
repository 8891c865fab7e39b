//! An SSH server with a grant in force and a warden of the test's own, driven by the real OpenSSH client.

#![allow(dead_code, reason = "each test binary uses a part")]

use portcullis_gateway::access::Access;
use portcullis_gateway::config::{Profile, Ssh};
use portcullis_gateway::session::warden::{Event, Warden};
use portcullis_gateway::ssh::hostkeys::HostKeys;
use portcullis_gateway::ssh::{Doors, Server};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::Grant;
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::packet;
use portcullis_model::wire::warden::{FromWarden, OpenSession, ToWarden};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Everything in one test's hands.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    pub(crate) key: PathBuf,
    pub(crate) stop: CancellationToken,
    pub(crate) server: tokio::task::JoinHandle<()>,
}

pub(crate) const ACCOUNT: &str = "op-test1";

/// Settings with small bounds and a port of the system's choice.
pub(crate) fn settings() -> Ssh {
    Ssh {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        profile: Profile::Default,
        login_grace: Duration::from_secs(10),
        max_startups: 20,
        max_startups_per_source: 20,
        max_connections: 50,
        max_sessions: 10,
        keepalive: Duration::from_secs(30),
    }
}

impl Bench {
    /// A server; with `keeper`, a warden that opens every session and gives its socket to that function's thread.
    pub(crate) async fn new(settings: Ssh, keeper: Option<fn(OpenSession, OwnedFd)>) -> Self {
        Self::with_key(settings, keeper, "ed25519", &[]).await
    }

    pub(crate) async fn with_key(settings: Ssh, keeper: Option<fn(OpenSession, OwnedFd)>, kind: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = make_key(folder.path(), "id", kind, more).await;
        let access = Access::default();
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        access.admit(grant(1, ACCOUNT, public.trim()));
        let socket = folder.path().join("warden.sock");
        let stop = CancellationToken::new();
        if let Some(keeper) = keeper {
            fake_warden(&socket, keeper);
        }
        let (events, mut said) = tokio::sync::mpsc::channel(64);
        let (warden, client) = Warden::new(socket, events, stop.clone());
        tokio::spawn(client);
        if keeper.is_some() {
            assert!(matches!(said.recv().await, Some(Event::Up(_))));
        }
        tokio::spawn(async move { while said.recv().await.is_some() {} });
        let keys = HostKeys::load_or_make(&folder.path().join("hostkeys"), settings.profile).unwrap();
        let server = Server::bind(&settings, keys, Doors { access: access.clone(), warden }).await.unwrap();
        let address = server.addresses()[0];
        let server = tokio::spawn(server.serve(stop.clone()));
        Self { folder, address, access, key, stop, server }
    }

    /// `ssh`, ready to be given options; a destination and a command.
    pub(crate) fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(["-F", "none", "-p", &self.address.port().to_string(), "-i"])
            .arg(&self.key)
            .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"])
            .args(["-o", "LogLevel=ERROR"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.folder.path().join("known").display()))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn destination(account: &str) -> String {
        format!("{account}@127.0.0.1")
    }

    /// Runs `ssh` with options, as the account, with a command; within 30 s.
    pub(crate) async fn run(&self, options: &[&str], command: &[&str]) -> Output {
        finish(self.ssh().args(options).arg(Self::destination(ACCOUNT)).args(command)).await
    }
}

pub(crate) async fn finish(command: &mut Command) -> Output {
    tokio::time::timeout(Duration::from_secs(30), command.output()).await.expect("ssh ends").unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) async fn make_key(folder: &Path, name: &str, kind: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind]).args(more).arg("-f").arg(&path).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    path
}

pub(crate) fn grant(number: u8, account: &str, public_key: &str) -> Grant {
    let now = UnixMs::from_system(SystemTime::now());
    Grant {
        id: GrantId::from_entropy([number; 10]),
        request: RequestId::from_entropy([number; 5]),
        ticket: String::new(),
        operator: "alice".into(),
        public_key: public_key.into(),
        account: account.to_owned().try_into().unwrap(),
        uid: 70_001.try_into().unwrap(),
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        not_before: UnixMs(now.0 - 1000),
        not_after: now.plus(600_000),
        idle_timeout_s: 0,
    }
}

fn fake_warden(path: &Path, keeper: fn(OpenSession, OwnedFd)) {
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    rustix::net::listen(&listener, 4).unwrap();
    std::thread::spawn(move || {
        while let Ok(socket) = rustix::net::accept(&listener) {
            std::thread::spawn(move || serve_gateway(&socket, keeper));
        }
    });
}

fn serve_gateway(socket: &OwnedFd, keeper: fn(OpenSession, OwnedFd)) {
    let mut number = 0u8;
    while let Some(message) = receive::<ToWarden>(socket) {
        match message {
            ToWarden::Hello { .. } => {
                send(socket, &FromWarden::Hello { protocol: PROTOCOL, target: "node1".into(), role: Role::Cps, layers: vec![], grants: 0 });
            }
            ToWarden::Open { ticket, open } => {
                number += 1;
                let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
                let granted = grant(1, ACCOUNT, "");
                let now = UnixMs::from_system(SystemTime::now());
                let facts = SessionFacts::new(SessionId::from_entropy([number; 10]), &granted, 70_001, open.source.clone(), open.key_fingerprint.clone(), now, open.pty.is_some());
                send_with(socket, &FromWarden::Opened { ticket, facts: Box::new(facts) }, &theirs);
                std::thread::spawn(move || keeper(*open, ours));
            }
            other => panic!("not expected by this warden: {other:?}"),
        }
    }
}

pub(crate) fn receive<T: serde::de::DeserializeOwned>(socket: &OwnedFd) -> Option<T> {
    let mut buffer = vec![0; packet::PACKET_MAX];
    let (length, _) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()).ok()?;
    if length == 0 { None } else { Some(packet::decode(&buffer[..length]).unwrap()) }
}

/// Whether the peer took it.
pub(crate) fn send<T: serde::Serialize>(socket: &OwnedFd, message: &T) -> bool {
    rustix::net::send(socket, &packet::encode(message).unwrap(), SendFlags::NOSIGNAL).is_ok()
}

fn send_with<T: serde::Serialize>(socket: &OwnedFd, message: &T, descriptor: &OwnedFd) {
    let bytes = packet::encode(message).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [descriptor.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
}

/// A program that repeats its input and ends with status 7 when there is no more.
pub(crate) fn echo(_: OpenSession, socket: OwnedFd) {
    loop {
        match receive::<ToKeeper>(&socket) {
            Some(ToKeeper::Input(bytes)) => {
                if !send(&socket, &FromKeeper::Output(bytes)) {
                    return;
                }
            }
            Some(ToKeeper::Eof) => {
                send(&socket, &FromKeeper::Exit(ExitStatus::Code(7)));
                return;
            }
            Some(_) => {}
            None => return,
        }
    }
}
