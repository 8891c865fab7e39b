//! Which layers of enforcement this node has: not looked up but tried. A process of its own builds a real jail around
//! `/usr/bin/true`, guards its exec, and kills it; what worked is live.
//!
//! | layer | required | weaker |
//! | --- | --- | --- |
//! | users | some way | without root every session runs as the caller |
//! | jail | yes | - |
//! | exec-guard | yes | - |
//! | deny-filter | yes | - |
//! | proc-readonly | yes | - |
//! | landlock | version 1 | before version 6 abstract sockets of the host and signals are not kept out by it |
//! | cgroup-kill | no | a kill is by the PID namespace alone |
//! | pids-limit | no | processes are limited by user, not by session |
//! | memory-limit | no | each process of a session has the limit that its session should have |
//! | cpu-share | no | a session of many processes slows the node's own, and with that its own end |
//! | memfd-noexec | no | files in memory are refused by the filter of system calls alone |

use crate::cgroup::{Cgroup, CpuShare, MemoryLimit, PidsLimit};
use crate::chain::with_sources;
use crate::guard::{ChildSignal, Guard, Reaped, Received, Scope};
use crate::kill::{KillReport, Reap, kill};
use crate::profile::{self, Profile};
use crate::root::{forbid_executable_memory, own_proc};
use crate::ruleset::SCOPES_ABI;
use crate::sys::confine::landlock_abi;
use crate::sys::process::{self, Side};
use crate::{FromInit, Jail, JailSpec, Privilege};
use portcullis_model::action::{Action, Role};
use portcullis_model::decision::{Charter, Journal};
use portcullis_model::event::Event;
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::layer::{Layer, LayerState};
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{MemfdFlags, Mode, OFlags, StatVfsMountFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

const TRIAL_DEADLINE: Duration = Duration::from_secs(40);
const EXEC_DEADLINE: Duration = Duration::from_secs(10);
/// A user that owns nothing, for trials by root.
const NOBODY: u32 = 65_534;

/// Tries every layer; takes some tens of milliseconds. May be called from a process with several threads.
#[must_use]
pub fn layers() -> Vec<Layer> {
    let mut layers = vec![users()];
    layers.extend(tried(trial_jail, &["jail", "exec-guard", "deny-filter", "proc-readonly", "cgroup-kill", "pids-limit", "memory-limit", "cpu-share"]));
    layers.push(landlock());
    layers.extend(tried(trial_memfd, &["memfd-noexec"]));
    layers
}

fn layer(name: &str, state: LayerState, detail: impl Into<String>) -> Layer {
    Layer { name: name.to_owned(), state, detail: detail.into() }
}

fn users() -> Layer {
    if rustix::process::geteuid().is_root() {
        layer("users", LayerState::Live, "root: sessions run as temporary users")
    } else {
        layer("users", LayerState::Weaker, "no root: every session runs as the caller's own user, in a user namespace")
    }
}

fn landlock() -> Layer {
    match landlock_abi() {
        None => layer("landlock", LayerState::Missing, "the kernel has no Landlock, or it is switched off (lsm=)"),
        Some(abi) if abi < SCOPES_ABI => {
            layer("landlock", LayerState::Weaker, format!("version {abi}: abstract sockets and signals are not scoped before version {SCOPES_ABI}"))
        }
        Some(abi) => layer("landlock", LayerState::Live, format!("version {abi}")),
    }
}

/// Runs a trial in a process of its own and reads what it found; a layer that it says nothing about is missing.
fn tried(trial: fn() -> Vec<Layer>, names: &[&str]) -> Vec<Layer> {
    let outcome = in_process(trial);
    let (found, why) = match outcome {
        Ok(found) => (found, "the trial ended early".to_owned()),
        Err(why) => (Vec::new(), why),
    };
    let one = |name: &&str| found.iter().find(|l| l.name == **name).cloned().unwrap_or_else(|| layer(name, LayerState::Missing, why.clone()));
    names.iter().map(one).collect()
}

fn in_process(trial: fn() -> Vec<Layer>) -> Result<Vec<Layer>, String> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| e.to_string())?;
    let pidfd = match process::fork().map_err(|e| e.to_string())? {
        Side::Child => {
            // a jail's init needs its keeper's standard descriptors, and no trial needs anything else of this process
            let _ = process::only_descriptors(&[write.as_raw_fd()], process::Others::Close);
            let found = std::panic::catch_unwind(trial).unwrap_or_default();
            let lines = found.iter().map(|l| format!("{}\t{}\t{}\n", l.name, state_name(l.state), l.detail.replace(['\t', '\n'], " ")));
            let _ = File::from(write).write_all(lines.collect::<String>().as_bytes());
            process::exit_now(0)
        }
        Side::Parent { pidfd, .. } => pidfd,
    };
    drop(write);
    let timeout = Timespec::try_from(TRIAL_DEADLINE).unwrap_or(Timespec { tv_sec: 40, tv_nsec: 0 });
    let ended = rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout));
    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    if !matches!(ended, Ok(n) if n > 0) {
        return Err("the trial did not end in time".to_owned());
    }
    let mut text = String::new();
    File::from(read).take(64 * 1024).read_to_string(&mut text).map_err(|e| e.to_string())?;
    Ok(text.lines().filter_map(parse).collect())
}

fn state_name(state: LayerState) -> &'static str {
    match state {
        LayerState::Live => "live",
        LayerState::Weaker => "weaker",
        LayerState::Missing => "missing",
    }
}

fn parse(line: &str) -> Option<Layer> {
    let mut fields = line.split('\t');
    let (name, state, detail) = (fields.next()?, fields.next()?, fields.next()?);
    let state = [LayerState::Live, LayerState::Weaker, LayerState::Missing].into_iter().find(|s| state_name(*s) == state)?;
    Some(layer(name, state, detail))
}

/// Exit status of the trial when the setting was set and had no effect; no error number is that large.
const MEMFD_MADE: i32 = 255;

/// Whether a file in memory can be executed in a new PID namespace once its setting forbids it.
fn trial_memfd() -> Vec<Layer> {
    let mut flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
    if !rustix::process::geteuid().is_root() {
        flags |= libc::CLONE_NEWUSER;
    }
    let weaker = |why: &str| vec![layer("memfd-noexec", LayerState::Weaker, format!("{why}; the filter of system calls refuses them alone"))];
    match process::clone3(flags, None) {
        Err(error) => weaker(&format!("no PID namespace: {error}")),
        Ok(Side::Child) => {
            // as the jail does it: through a /proc of its own, not through one that other namespaces' settings pass too
            let set = own_proc().map_err(std::io::Error::from).and_then(|proc| forbid_executable_memory(proc.as_fd()));
            let refused = rustix::fs::memfd_create(c"trial", MemfdFlags::CLOEXEC | MemfdFlags::EXEC).is_err();
            process::exit_now(match set {
                Ok(()) if refused => 0,
                Ok(()) => MEMFD_MADE,
                Err(error) => error.raw_os_error().unwrap_or(MEMFD_MADE),
            })
        }
        Ok(Side::Parent { pidfd, .. }) => match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) if status.exit_status() == Some(0) => vec![layer("memfd-noexec", LayerState::Live, "vm.memfd_noexec=2 in each jail")],
            Ok(Some(status)) if status.exit_status() == Some(MEMFD_MADE) => weaker("vm.memfd_noexec is set and refuses nothing"),
            Ok(Some(status)) if status.exit_status().is_some() => {
                let why = std::io::Error::from_raw_os_error(status.exit_status().unwrap_or_default());
                weaker(&format!("vm.memfd_noexec cannot be set (Linux 6.3, root): {why}"))
            }
            Ok(_) => weaker("the trial of vm.memfd_noexec was killed"),
            Err(errno) => weaker(&format!("the trial of vm.memfd_noexec was not seen to end: {errno}")),
        },
    }
}

/// Nothing is kept of what a trial decides.
struct Nowhere;
impl Journal for Nowhere {
    type Error = std::convert::Infallible;
    fn append(&mut self, _: &Event) -> Result<u64, Self::Error> {
        Ok(0)
    }
}

fn trial_jail() -> Vec<Layer> {
    let mut found = Vec::new();
    let missing = |name: &str, why: String| layer(name, LayerState::Missing, why);
    let children = ChildSignal::block();
    let host_proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let profile = profile::built_in(Action::InfraDiag, Role::Generic);
    let (children, host_proc, profile) = match (children, host_proc, profile) {
        (Ok(children), Ok(host_proc), Ok(profile)) => (children, host_proc, profile),
        (Err(e), ..) => return vec![missing("jail", e.to_string())],
        (_, Err(e), _) => return vec![missing("jail", e.to_string())],
        (.., Err(e)) => return vec![missing("jail", with_sources(&e))],
    };
    let mut jail = match Jail::build(&trial_spec(profile)) {
        Ok(jail) => jail,
        Err(error) => return vec![missing("jail", with_sources(&error))],
    };
    if let Err(error) = jail.enter() {
        return vec![missing("jail", with_sources(&error))];
    }
    found.push(layer("jail", LayerState::Live, "namespaces, a root of its own, no capabilities"));
    found.push(layer("deny-filter", LayerState::Live, format!("{} system calls refused", crate::deny::REFUSED.len())));
    found.push(match rustix::fs::statvfs("/proc") {
        Ok(fs) if fs.f_flag.contains(StatVfsMountFlags::RDONLY) => layer("proc-readonly", LayerState::Live, "/proc is read-only in each jail"),
        _ => missing("proc-readonly", "/proc is not read-only in a jail".to_owned()),
    });
    found.push(match jail.cgroup.as_ref() {
        Some(cgroup) => layer("pids-limit", if cgroup.limit() == PidsLimit::UserLimit { LayerState::Weaker } else { LayerState::Live }, limit_detail(cgroup)),
        None => layer("pids-limit", LayerState::Weaker, "no cgroup: processes are limited by user (RLIMIT_NPROC)"),
    });
    found.push(memory_layer(jail.cgroup.as_ref().map_or(MemoryLimit::Process, Cgroup::memory_limit)));
    found.push(match jail.cgroup.as_ref().map(Cgroup::share) {
        Some(CpuShare::Session) => layer("cpu-share", LayerState::Live, "the processes of a session share the processors as one"),
        Some(CpuShare::Process) | None => {
            layer("cpu-share", LayerState::Weaker, "no cpu controller: a session's processes have a lower priority, and each has a share of its own")
        }
    });
    let Some(listener) = jail.listener.take() else { return found };
    let mut guarding = match Guarding::new(listener, host_proc, &jail, children) {
        Ok(guarding) => guarding,
        Err(why) => {
            found.push(missing("exec-guard", why));
            return found;
        }
    };
    let verified = guarding.exec(&jail);
    let report = kill(&jail, &mut guarding, EXEC_DEADLINE);
    found.push(match verified {
        Ok(()) => layer("exec-guard", LayerState::Live, "an exec was held, let go on and verified"),
        Err(why) => missing("exec-guard", why),
    });
    found.push(kill_layer(jail.cgroup.as_ref(), &report));
    found
}

fn limit_detail(cgroup: &Cgroup) -> &'static str {
    match cgroup.limit() {
        PidsLimit::Version2 => "cgroup version 2",
        PidsLimit::Version1 => "cgroup version 1",
        PidsLimit::UserLimit => "no pids controller: processes are limited by user (RLIMIT_NPROC)",
    }
}

fn memory_layer(limit: MemoryLimit) -> Layer {
    let (state, detail) = match limit {
        MemoryLimit::Version2 => (LayerState::Live, "cgroup version 2"),
        MemoryLimit::Version1 => (LayerState::Live, "cgroup version 1"),
        MemoryLimit::Process => (LayerState::Weaker, "no memory controller: each process has the limit of a session (RLIMIT_DATA), and a session as many as it has processes"),
    };
    layer("memory-limit", state, detail)
}

fn kill_layer(cgroup: Option<&Cgroup>, report: &KillReport) -> Layer {
    match cgroup {
        _ if !report.survivors.is_empty() => layer("cgroup-kill", LayerState::Missing, "the jail of the trial could not be killed"),
        Some(cgroup) => layer("cgroup-kill", LayerState::Live, format!("killed in {} us under {}", report.micros, cgroup.path().display())),
        None => layer("cgroup-kill", LayerState::Weaker, format!("no cgroup version 2 to use: killed by the PID namespace alone, in {} us", report.micros)),
    }
}

/// The guard of the trial's one exec.
struct Guarding {
    guard: Guard,
    children: ChildSignal,
    verified: bool,
    gone: bool,
}

impl Guarding {
    fn new(listener: OwnedFd, host_proc: OwnedFd, jail: &Jail, children: ChildSignal) -> Result<Self, String> {
        let guard = Guard::new(listener, Scope { host_proc, init: jail.init, terminal: None }).map_err(|e| with_sources(&e))?;
        Ok(Self { guard, children, verified: false, gone: false })
    }

    /// Lets the shell of the trial be executed, and hears how it ended.
    fn exec(&mut self, jail: &Jail) -> Result<(), String> {
        let mut charter = Charter::new(crate::root::SHELL.into(), Vec::new());
        let end = Instant::now() + EXEC_DEADLINE;
        while Instant::now() < end {
            while let Received::Attempt(attempt) = self.guard.receive().map_err(|e| with_sources(&e))? {
                match charter.take(&Subject::Exec(attempt.exec().clone())) {
                    None => self.guard.refuse(attempt),
                    Some(permit) => {
                        let Ok(permit) = permit.commit(UnixMs(0), attempt.pid(), &mut Nowhere);
                        self.guard.proceed(attempt, permit).map_err(|e| with_sources(&e))?;
                    }
                }
            }
            self.reap();
            match jail.control.receive().map_err(|e| with_sources(&e))? {
                Some((FromInit::ShellExited(ExitStatus::Code(0)), _)) if self.verified => return Ok(()),
                Some((FromInit::ShellExited(status), _)) => return Err(format!("the exec was not verified, and ended by {status:?}")),
                Some((FromInit::Failed(why), _)) => return Err(why),
                Some((FromInit::Child { .. }, _)) => return Err("the jail's init speaks of a program that nobody ordered".to_owned()),
                None => {}
            }
            let listener = self.guard.listener();
            let mut fds = [PollFd::new(&listener, PollFlags::IN), PollFd::new(&self.children, PollFlags::IN), PollFd::new(&jail.control, PollFlags::IN)];
            let _ = rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }));
        }
        Err("the exec did not end in time".to_owned())
    }
}

impl Reap for Guarding {
    fn reap(&mut self) -> bool {
        self.children.drain();
        for reaped in self.guard.reap() {
            match reaped {
                Reaped::Verified { .. } => self.verified = true,
                Reaped::InitGone(_) => self.gone = true,
                Reaped::Lapsed { .. } | Reaped::Killed { .. } => {}
            }
        }
        self.gone
    }
}

fn trial_spec(profile: Profile) -> JailSpec {
    let root = rustix::process::geteuid().is_root();
    // its process's number keeps one trial from another's cgroup
    let pid = std::process::id().to_le_bytes();
    let mut entropy = [0; 10];
    entropy.iter_mut().zip(pid).for_each(|(byte, part)| *byte = part);
    let facts = SessionFacts {
        id: SessionId::from_entropy(entropy),
        grant: GrantId::from_entropy([0; 10]),
        request: RequestId::from_entropy([0; 5]),
        ticket: String::new(),
        operator: "trial".to_owned(),
        account: "trial".to_owned(),
        uid: if root { NOBODY } else { rustix::process::geteuid().as_raw() },
        action: Action::InfraDiag,
        target: "trial".to_owned(),
        role: Role::Generic,
        source: String::new(),
        key_fingerprint: String::new(),
        start: UnixMs(0),
        end: UnixMs(u64::MAX),
        tty: false,
    };
    JailSpec {
        folders: None,
        facts,
        profile,
        shell: "/usr/bin/true".into(),
        helper: None,
        cage: None,
        engine: "/usr/bin/bash",
        privilege: if root { Privilege::Root { uid: NOBODY, gid: NOBODY } } else { Privilege::UserNamespace },
        terminal: None,
        environment: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_node_has_every_required_layer() {
        let layers = layers();
        for layer in &layers {
            eprintln!("{layer:?}");
            assert_ne!(layer.state, LayerState::Missing, "{layer:?}");
        }
        assert_eq!(layers.len(), 11);
    }
}
