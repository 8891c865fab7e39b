//! A warden in a temporary folder, and its gateway's end of the socket.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

pub(crate) mod session;

use portcullis_jail::probe;
use portcullis_jail::socket::{self, Received};
use portcullis_jail::spawn::{Child, ParentDeath, Program, spawn};
use portcullis_model::account::{AccountName, AccountUid};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::{Ending, Grant, Revocation, Signable, Signed};
use portcullis_model::id::{GrantId, RequestId};
use portcullis_model::layer::LayerState;
use portcullis_model::session::ExitStatus;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::packet::{self, PACKET_MAX};
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use ed25519_dalek::SigningKey;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);
const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
/// The fingerprint of the key of every grant here.
pub(crate) const FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

pub(crate) fn controller() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn stranger() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

pub(crate) fn signed_by<T: Signable>(key: &SigningKey, value: &T) -> Signed<T> {
    Signed::sign(value, key).unwrap()
}

fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

thread_local! {
    /// Tests run beside each other, each in a thread of its own or in a process of its own: each has users of its own.
    static USERS: u32 = {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let thread = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (std::process::id() * 320 + thread * 16) % 19_000
    };
}

pub(crate) fn grant(n: u8) -> Grant {
    Grant {
        id: GrantId::from_entropy([n; 10]),
        request: RequestId::from_entropy([n; 5]),
        ticket: String::new(),
        operator: "olga".into(),
        public_key: PUBLIC.into(),
        account: AccountName::try_from(format!("op-{n}")).unwrap(),
        uid: AccountUid::try_from(70_000 + USERS.with(|users| *users) + u32::from(n)).unwrap(),
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        not_before: UnixMs(0),
        // the same bytes each time that it is made
        not_after: UnixMs(now().0 / 3_600_000 * 3_600_000 + 7_200_000),
        idle_timeout_s: 0,
    }
}

/// A grant that ends so many milliseconds from now.
pub(crate) fn grant_for(n: u8, ms: u64) -> Grant {
    Grant { not_after: now().plus(ms), ..grant(n) }
}

pub(crate) fn revocation(n: u8) -> Revocation {
    let grant = grant(n);
    Revocation { grant: grant.id, request: grant.request, target: grant.target, at: UnixMs(5), by: "carol".into(), reason: "enough".into(), ending: Ending::Revoke }
}

/// A folder with all that a warden needs.
pub(crate) struct Stage {
    folder: TempDir,
    judge: Option<Judge>,
    shell: PathBuf,
}

/// A judge that runs, or can be started again.
pub(crate) struct Judge {
    program: PathBuf,
    modules: PathBuf,
    socket: PathBuf,
    notify: PathBuf,
    /// The warden's socket and the list of admins, of one whose modules can be pushed.
    policies: Option<(PathBuf, PathBuf)>,
    process: Option<Child>,
}

/// A warden that runs.
pub(crate) struct Warden<'a> {
    stage: &'a Stage,
    process: Child,
}

/// A gateway's connection.
pub(crate) struct Gateway(OwnedFd);

impl Stage {
    /// None, with a line that says why, where no session can be held.
    pub(crate) fn new() -> Option<Self> {
        let missing: Vec<_> = probe::layers().into_iter().filter(|layer| layer.state == LayerState::Missing).map(|layer| layer.name).collect();
        if !missing.is_empty() {
            eprintln!("SKIPPED: this machine lacks {}", missing.join(", "));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let hex: String = controller().verifying_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.path().join("controller.pub"), hex + "\n").unwrap();
        Some(Self { folder, judge: None, shell: "/bin/true".into() })
    }

    /// With a judge that runs and the real shell. None, with a line that says why, where they were not built.
    pub(crate) fn with_judge() -> Option<Self> {
        Self::with_a_judge(|_, _| ())
    }

    /// With a judge that has no modules of its own, but those that this admin signs.
    pub(crate) fn with_pushed_modules(admin: &str) -> Option<Self> {
        Self::with_a_judge(|stage, judge| {
            judge.modules = stage.path("no-modules");
            fs::create_dir(&judge.modules).unwrap();
            let (socket, admins) = (stage.path("policies.sock"), stage.path("admins"));
            fs::write(&admins, admin).unwrap();
            judge.policies = Some((socket, admins));
        })
    }

    /// With a judge whose module has people asked, of INFRA_HYPERVISOR. None, with a line that says why, where it was not built.
    pub(crate) fn with_module_that_asks() -> Option<Self> {
        let module = std::env::var_os("PORTCULLIS_CANARY").map(|folder| PathBuf::from(folder).join("INFRA_HYPERVISOR.cps.wasm"));
        let Some(module) = module.filter(|module| module.exists()) else {
            eprintln!("SKIPPED: PORTCULLIS_CANARY does not say where the modules for tests are built");
            return None;
        };
        Self::with_a_judge(|_, judge| {
            fs::copy(module, judge.modules.join("INFRA_HYPERVISOR.cps.wasm")).unwrap();
        })
    }

    fn with_a_judge(change: impl FnOnce(&Self, &mut Judge)) -> Option<Self> {
        let mut stage = Self::new()?;
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_portcullis-warden")).parent().unwrap().to_owned();
        let (judge, shell, modules) = (programs.join("portcullis-judge"), programs.join("portcullis-shell"), programs.parent().unwrap().join("policies"));
        for part in [&judge, &shell, &modules.join("INFRA_DIAG.cps.wasm")] {
            if !part.exists() {
                eprintln!("SKIPPED: {} is not built", part.display());
                return None;
            }
        }
        // the one module that is asked: the judge has nothing else to compile
        let own = stage.path("modules");
        fs::create_dir(&own).unwrap();
        fs::copy(modules.join("INFRA_DIAG.cps.wasm"), own.join("INFRA_DIAG.cps.wasm")).unwrap();
        let mut judge = Judge { program: judge, modules: own, socket: stage.path("judge.sock"), notify: stage.path("judge-notify.sock"), policies: None, process: None };
        change(&stage, &mut judge);
        judge.start();
        stage.judge = Some(judge);
        stage.shell = shell;
        Some(stage)
    }

    /// A module as it was built.
    pub(crate) fn module(&self, name: &str) -> Vec<u8> {
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_portcullis-warden")).parent().unwrap().to_owned();
        fs::read(programs.parent().unwrap().join("policies").join(name)).unwrap()
    }

    /// The judge, to be ended and started again.
    pub(crate) fn take_judge(&mut self) -> Judge {
        self.judge.take().unwrap()
    }


    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a warden for this process's user and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Warden<'_> {
        self.start_for(rustix::process::geteuid().as_raw())
    }

    pub(crate) fn start_for(&self, gateway_uid: u32) -> Warden<'_> {
        let ready = notification(&self.path("notify.sock"));
        let process = self.spawn(&[("--gateway-uid", &gateway_uid.to_string())]);
        let mut message = [0; 64];
        let length = ready.recv(&mut message).unwrap_or_else(|error| panic!("not ready: {error}\n{}", self.said()));
        assert_eq!(&message[..length], b"READY=1\n");
        Warden { stage: self, process }
    }

    /// Runs a warden with one option that keeps it from starting.
    pub(crate) fn fail_with(&self, option: &str, value: &str) -> (ExitStatus, String) {
        let mut process = self.spawn(&[(option, value)]);
        let status = process.wait(DEADLINE).unwrap().expect("it ends");
        (status, self.said())
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap()
    }

    fn spawn(&self, changed: &[(&str, &str)]) -> Child {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let uid = rustix::process::geteuid().as_raw().to_string();
        let mut options = vec![
            ("--target", "node1".to_owned()),
            ("--role", "cps".to_owned()),
            ("--state", path("state")),
            ("--evidence", path("evidence")),
            ("--audit", path("audit")),
            ("--socket", path("warden.sock")),
            ("--gateway-uid", uid),
            ("--judge", path("judge.sock")),
            ("--controller-key", path("controller.pub")),
            ("--shell", self.shell.to_str().unwrap().to_owned()),
        ];
        if self.path("admins").exists() {
            options.push(("--judge-policies", path("policies.sock")));
        }
        for (option, value) in changed {
            options.retain(|(name, _)| name != option);
            options.push((option, (*value).to_owned()));
        }
        spawn(Program {
            path: env!("CARGO_BIN_EXE_portcullis-warden").into(),
            args: options.into_iter().flat_map(|(name, value)| [OsString::from(name), OsString::from(value)]).collect(),
            environment: vec![("NOTIFY_SOCKET".into(), self.path("notify.sock").into())],
            user: None,
            descriptors: vec![(File::create(self.path("stderr")).unwrap().into(), 2)],
            on_parent_death: ParentDeath::Kill,
            limits: vec![],
        })
        .unwrap()
    }
}

/// The socket on which a process says that it is ready.
fn notification(path: &Path) -> UnixDatagram {
    let _ = fs::remove_file(path);
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

impl Judge {
    pub(crate) fn start(&mut self) {
        let ready = notification(&self.notify);
        let uid = rustix::process::geteuid().as_raw().to_string();
        let mut options = vec![("--modules", self.modules.to_str().unwrap()), ("--socket", self.socket.to_str().unwrap()), ("--keeper-uid", &uid)];
        if let Some((socket, admins)) = &self.policies {
            options.extend([("--policies", socket.to_str().unwrap()), ("--policy-admins", admins.to_str().unwrap())]);
        }
        let process = spawn(Program {
            path: self.program.clone(),
            args: options.into_iter().flat_map(|(name, value)| [OsString::from(name), OsString::from(value)]).collect(),
            environment: vec![("NOTIFY_SOCKET".into(), self.notify.clone().into())],
            user: None,
            descriptors: vec![],
            on_parent_death: ParentDeath::Kill,
            limits: vec![],
        });
        self.process = Some(process.unwrap());
        ready.recv(&mut [0; 64]).expect("the judge is ready");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait(DEADLINE).unwrap().expect("it ends");
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Warden<'_> {
    /// Kills the keepers, as the kernel would for want of memory.
    pub(crate) fn kill_keepers(&self) {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.pid())).unwrap().flatten();
        let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect::<String>();
        for child in children.split_whitespace() {
            rustix::process::kill_process(rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap(), rustix::process::Signal::KILL).unwrap();
        }
    }

    pub(crate) fn connect(&self) -> Gateway {
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(DEADLINE)).unwrap();
        rustix::net::connect(&fd, &SocketAddrUnix::new(self.stage.path("warden.sock")).unwrap()).unwrap();
        Gateway(fd)
    }

    /// Tells it to stop, as a service manager does.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.terminate().unwrap();
        self.process.wait(DEADLINE).unwrap().expect("it ends")
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait(DEADLINE).unwrap().expect("it ends");
    }
}

impl Drop for Warden<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait(DEADLINE);
    }
}

impl Gateway {
    pub(crate) fn say(&mut self, message: &ToWarden) {
        self.say_bytes(&packet::encode(message).unwrap());
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL).unwrap();
    }

    /// Says something to a warden that may have closed the connection already.
    pub(crate) fn say_quietly(&mut self, message: &ToWarden) {
        let _ = rustix::net::send(&self.0, &packet::encode(message).unwrap(), SendFlags::NOSIGNAL);
    }

    /// What the warden says; none when it has closed the connection. What it says of policies is for [`hear_all`](Self::hear_all).
    pub(crate) fn hear(&mut self) -> Option<FromWarden> {
        self.hear_with_descriptor().0
    }

    pub(crate) fn hear_with_descriptor(&mut self) -> (Option<FromWarden>, Option<OwnedFd>) {
        loop {
            match self.hear_all() {
                (Some(FromWarden::Policies(_)), _) => {}
                other => return other,
            }
        }
    }

    pub(crate) fn hear_all(&mut self) -> (Option<FromWarden>, Option<OwnedFd>) {
        let mut buffer = vec![0; PACKET_MAX];
        match socket::receive(&self.0, &mut buffer, socket::Mode::Blocking) {
            Ok(Received::Packet { length, descriptors }) => (Some(packet::decode(&buffer[..length]).unwrap()), descriptors.into_iter().next()),
            Ok(Received::Closed) => (None, None),
            other => panic!("nothing was heard: {other:?}"),
        }
    }

    /// Says and hears the greeting; how many grants it told.
    pub(crate) fn greet(&mut self) -> usize {
        self.say(&ToWarden::Hello { protocol: PROTOCOL });
        match self.hear() {
            Some(FromWarden::Hello { grants, .. }) => {
                let mut told = 0;
                while told < grants as usize {
                    match self.hear() {
                        Some(FromWarden::Kept(page)) => told += page.len(),
                        other => panic!("{other:?}"),
                    }
                }
                told
            }
            other => panic!("{other:?}"),
        }
    }
}
