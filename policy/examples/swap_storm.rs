//! What a swap costs those who ask: sessions that ask a running judge without a pause while two modules take turns in force.
//!
//! `swap_storm admin` prints the key that the judge's list of policy admins has to have in it.
//! `swap_storm quiet|storm|activate KEEPERS.sock POLICIES.sock MODULE.wasm` prints nanoseconds, one a line: of questions of 50
//! sessions, alone or during activations, each followed by the next at once; or of activations of a staged module, from the order
//! to the word that it is in force, with nobody asking.

use anyhow::{Context as _, bail, ensure};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::{PolicyDigest, SessionId};
use portcullis_model::policy::{Assigned, PolicyAssignment, SIGNATURE_NAMESPACE};
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{Frames, encode};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use portcullis_model::wire::packet;
use portcullis_model::wire::policies::{self, JudgeState};
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use std::io::{IoSlice, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SESSIONS: u8 = 50;
/// Of each session.
const QUESTIONS: u64 = 1000;
const ACTIVATIONS: u64 = 500;
/// Between two activations of a storm: each is told to every session.
const PAUSE: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    let (what, keepers, policies, module) = match words[..] {
        ["admin"] => return Ok(writeln!(out, "{}", admin().public_key().to_openssh()?)?),
        [what, keepers, policies, module] => (what, keepers, policies, module),
        _ => bail!("usage: swap_storm admin | quiet|storm|activate KEEPERS.sock POLICIES.sock MODULE.wasm"),
    };
    let module = std::fs::read(module).with_context(|| format!("cannot read {module}"))?;
    // the same module under another digest: with a section that nobody reads
    let other = [module.as_slice(), b"\0\x06\x05other"].concat();
    let mut warden = Warden::connect(policies)?;
    let both = [warden.push(&module)?, warden.push(&other)?];
    warden.activate(both[0], &both)?;
    warden.wait_for_all(&both)?;
    let nanoseconds = match what {
        "quiet" => ask(keepers, |_| Ok(()))?,
        "storm" => ask(keepers, |over| {
            for active in both.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                warden.activate(*active, &both)?;
                std::thread::sleep(PAUSE);
            }
            Ok(())
        })?,
        "activate" => (0..ACTIVATIONS).zip(both.iter().cycle().skip(1)).map(|(_, active)| warden.activate(*active, &both)).collect::<Result<_, _>>()?,
        other => bail!("{other:?} is not quiet, storm or activate"),
    };
    Ok(nanoseconds.iter().try_for_each(|one| writeln!(out, "{}", one.as_nanos()))?)
}

/// What all questions take, while something else is done until they are over.
fn ask(socket: &str, meanwhile: impl FnOnce(&AtomicBool) -> anyhow::Result<()>) -> anyhow::Result<Vec<Duration>> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..SESSIONS).map(|number| scope.spawn(move || session(socket, number))).collect();
        let over = &over;
        let watch = scope.spawn(move || {
            let taken: Result<Vec<_>, _> = asking.into_iter().map(|one| one.join().map_err(|_| anyhow::anyhow!("a session panicked"))?).collect();
            over.store(true, Ordering::Relaxed);
            taken
        });
        meanwhile(over)?;
        let taken = watch.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
        Ok(taken.into_iter().flatten().collect())
    })
}

fn session(socket: &str, number: u8) -> anyhow::Result<Vec<Duration>> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("cannot reach {socket}"))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut frames = Frames::default();
    let mut chunk = [0; 16 * 1024];
    let mut next = |stream: &mut UnixStream| loop {
        if let Some(message) = frames.next::<FromJudge>()? {
            return anyhow::Ok(message);
        }
        let length = stream.read(&mut chunk)?;
        ensure!(length > 0, "the judge hung up");
        frames.push(chunk.get(..length).unwrap_or_default());
    };
    stream.write_all(&encode(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(facts(number)?) })?)?;
    ensure!(matches!(next(&mut stream)?, FromJudge::Ready { .. }), "there is no module");
    let mut taken = Vec::new();
    for id in 0..QUESTIONS {
        let begin = Instant::now();
        stream.write_all(&encode(&ToJudge::Ask { id, now: UnixMs(1), counters: Counters::default(), subject: subject() })?)?;
        loop {
            match next(&mut stream)? {
                FromJudge::Ready { .. } => {}
                FromJudge::Answer { id: answered, .. } if answered == id => break,
                other => bail!("the judge answered {other:?}"),
            }
        }
        taken.push(begin.elapsed());
    }
    Ok(taken)
}

fn subject() -> Subject {
    Subject::Exec(Exec {
        path: b"/usr/bin/ls".to_vec(),
        argv: vec![b"ls".to_vec(), b"-l".to_vec(), b"/var/log".to_vec()],
        scripts: vec![],
        cwd: b"/home/op-ann".to_vec(),
        uid: 70_000,
        tty: true,
        parents: vec![b"bash".to_vec(), b"portcullis-shell".to_vec()],
        line: Some(b"ls -l /var/log".to_vec()),
    })
}

fn facts(number: u8) -> anyhow::Result<SessionFacts> {
    Ok(SessionFacts {
        id: SessionId::from_entropy([number; 10]),
        grant: "g-0000000000000000".parse()?,
        request: "r-00000000".parse()?,
        ticket: "OPS-1".into(),
        operator: "ann@provider.example".into(),
        account: "op-ann".into(),
        uid: 70_000,
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        source: "127.0.0.1:40000".into(),
        key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".into(),
        start: UnixMs(1),
        end: UnixMs(3_600_000),
        tty: true,
    })
}

fn admin() -> PrivateKey {
    Ed25519Keypair::from_seed(&[7; 32]).into()
}

/// The warden's side of the judge.
struct Warden {
    socket: OwnedFd,
    sequence: u64,
}

impl Warden {
    fn connect(path: &str) -> anyhow::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(DEADLINE))?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?).with_context(|| format!("cannot reach {path}"))?;
        let mut warden = Self { socket, sequence: 0 };
        warden.send(&policies::ToJudge::Hello { protocol: PROTOCOL }, None)?;
        warden.send(&policies::ToJudge::Assign { assignment: None, ended: vec![] }, None)?;
        warden.sequence = warden.hear(|_| true)?.state.sequence;
        Ok(warden)
    }

    fn send(&self, message: &policies::ToJudge, file: Option<&std::fs::File>) -> anyhow::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = file.map(|file| [file.as_fd()]);
        if let Some(fds) = &fds {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&packet::encode(message)?)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    fn push(&self, module: &[u8]) -> anyhow::Result<PolicyDigest> {
        let digest = PolicyDigest::of(module);
        let mut file = tempfile::tempfile()?;
        file.write_all(module)?;
        file.rewind()?;
        let signature = admin().sign(SIGNATURE_NAMESPACE, HashAlg::Sha512, module)?.to_pem(LineEnding::LF)?;
        self.send(&policies::ToJudge::Module { digest, signature }, Some(&file))?;
        Ok(digest)
    }

    /// Waits until all modules are ready.
    fn wait_for_all(&self, modules: &[PolicyDigest]) -> anyhow::Result<()> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            // changes nothing, and is answered
            self.send(&policies::ToJudge::Assign { assignment: None, ended: vec![] }, None)?;
            let held = self.hear(|_| true)?.state.held;
            if modules.iter().all(|module| held.contains(module)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the modules are not ready in time")
    }

    /// Puts a module in force; says how long that took.
    fn activate(&mut self, active: PolicyDigest, staged: &[PolicyDigest]) -> anyhow::Result<Duration> {
        self.sequence += 1;
        let sequence = self.sequence;
        let modules = vec![Assigned { action: Action::InfraDiag, role: Role::Cps, active: Some(active), candidate: None }];
        let assignment = PolicyAssignment { target: "node1".into(), sequence, at: UnixMs(1), modules, staged: staged.to_vec() };
        let begin = Instant::now();
        self.send(&policies::ToJudge::Assign { assignment: Some(Box::new(assignment)), ended: vec![] }, None)?;
        let JudgeState { state, .. } = self.hear(|state| state.decided == sequence)?;
        let taken = begin.elapsed();
        ensure!(state.sequence == sequence, "not in force: {state:?}");
        Ok(taken)
    }

    /// The state once it is like this.
    fn hear(&self, is_it: impl Fn(&JudgeState) -> bool) -> anyhow::Result<JudgeState> {
        let mut room = vec![0; packet::PACKET_MAX];
        loop {
            let (_, length) = rustix::net::recv(&self.socket, room.as_mut_slice(), rustix::net::RecvFlags::empty())?;
            ensure!(length > 0, "the judge hung up");
            match packet::decode(room.get(..length).unwrap_or_default())? {
                policies::FromJudge::State(state) if is_it(&state) => return Ok(state),
                policies::FromJudge::Rejected { digest, reason } => bail!("module {digest}: {reason}"),
                policies::FromJudge::State(_) | policies::FromJudge::Hello { .. } | policies::FromJudge::Trial(_) => {}
            }
        }
    }
}
