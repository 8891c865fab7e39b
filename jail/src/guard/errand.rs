//! The way of a process to a program that is confined. The guard can let an exec happen or not, but not change what the process
//! is; so it has the process become the helper first, which changes itself and then becomes the program.
//!
//! 1. The exec is refused, and while its caller is stopped behind it, its registers are set so that it executes the helper. (Were it
//!    to run a signal handler before that and not come back, its next exec is judged like any other and the errand is over.)
//! 2. That exec is let happen because it is exactly the helper's, and because it comes from this process; and it is verified.
//! 3. The process, which now is the helper and nothing else, asks for its orders and gets them.
//! 4. It does the exec that was judged, or, where that is another user's, stands for the process that does (see `stand`): the same file, arguments, scripts, directory and kept environment. Anything else is refused.
//!
//! Each step is taken once, by one process, in this order. A process is known by its pidfd: one that has died and whose number
//! another has is not taken for it. Nobody else can run the helper at all.

use super::attempt::Attempt;
use super::call::Call;
use super::caller::Caller;
use super::elevation::{self, Elevation};
use super::environment;
use super::locate::Locator;
use super::precheck::{self, Checked, Stop};
use super::verify::{Expected, Given};
use super::{Commit, Guard, GuardError, Reaped, Received, What, rules};
use crate::orders::{HELPER, HELPER_NAME, ORDERS, Orders};
use crate::root::REQUESTS;
use crate::sys::seccomp::{self, Answer, Notification};
use crate::users::{self, User};
use portcullis_model::decision::Committed;
use portcullis_model::subject::Exec;
use portcullis_model::verdict::{Children, Confinement, Denial, Enforcement};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, FileType, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom, fcntl_add_seals, memfd_create, openat, seek, statat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// The shell of `su` and `sudo -i`: an ordinary one, whose commands are judged one by one.
const SHELL: &[u8] = b"/usr/bin/bash";
/// Where the commands of `sudo` are looked for: what a node installs, then Portcullis' own.
const FOLDERS: &[&[u8]] = &[b"/usr/sbin/", b"/usr/bin/", b"/sbin/", b"/bin/", b"/run/portcullis/bin/"];

/// How long a process may be on its way, on a busy machine: a permit is not to be kept for later.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process on its way.
#[derive(Debug)]
pub(super) struct Errand {
    /// The process, whatever becomes of its number.
    pub(super) process: OwnedFd,
    pub(super) group: Pid,
    pub(super) permit: Committed,
    /// What it, or the process that it stands for, is to become.
    pub(super) exec: Exec,
    expected: Expected,
    /// The same as it has to be asked for.
    pub(super) name: Vec<u8>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) environment: Vec<Vec<u8>>,
    /// As whom, when not as itself.
    user: Option<User>,
    stage: Stage,
    /// When it was sent on its way.
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is to execute the helper.
    Redirected,
    /// It is the helper and has no orders yet.
    Helped,
    /// It is to execute the program.
    Ordered,
}

/// What this jail can hold a process to: nothing without the helper.
pub(super) fn enforcement() -> Enforcement {
    if statat(CWD, HELPER, AtFlags::empty()).is_ok() { Enforcement::Confinement } else { Enforcement::Nothing }
}

/// Whether it is the helper that would run.
pub(super) fn is_helper(exec: &Exec) -> bool {
    exec.path == HELPER.as_bytes()
}

/// Whether a process has not ended.
pub(super) fn lives(process: &OwnedFd) -> bool {
    let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&nothing)), Ok(0))
}

impl Errand {
    /// It has become the helper.
    pub(super) fn is_helped(&mut self) {
        self.stage = Stage::Helped;
    }

    /// The same for the process of another user that was made for it.
    pub(super) fn of_child(self, process: OwnedFd, group: Pid) -> Self {
        Self { process, group, stage: Stage::Ordered, user: None, ..self }
    }

    /// Whether an exec is the one that it leads to.
    fn leads_to(&self, exec: &Exec, expected: &Expected) -> bool {
        let Exec { path, argv, scripts, cwd, uid: _, tty: _, parents: _, line: _ } = exec;
        let same = (path, argv, scripts, cwd) == (&self.exec.path, &self.exec.argv, &self.exec.scripts, &self.exec.cwd);
        same && expected.image == self.expected.image && expected.strings == self.expected.strings
    }
}

/// The arguments as the caller gave them. Of a script's, the first is replaced by the kernel anyway.
fn given(exec: &Exec, expected: &Expected) -> Vec<Vec<u8>> {
    let behind = exec.argv.len().saturating_sub(expected.given.argc.saturating_sub(1));
    match &expected.given.script {
        None => exec.argv.clone(),
        Some(script) => std::iter::once(script).chain(exec.argv.get(behind..).unwrap_or_default()).cloned().collect(),
    }
}

fn terminated(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|string| string.iter().copied().chain([0])).collect()
}

/// Something for another process to read.
pub(super) fn written(orders: &impl Serialize) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("orders", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(&serde_json::to_vec(orders)?)?;
    // whoever else of the same user gets at it only reads it
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

impl Guard {
    /// Why a permit for this attempt could not be followed here, in words for the operator; none when it can.
    pub fn unable(&mut self, attempt: &Attempt, confinement: &Confinement) -> Option<Denial> {
        if confinement.is_empty() {
            return None;
        }
        self.program(attempt.thread, &attempt.exec, &attempt.expected, confinement).err()
    }

    /// The way of an attempt to what its permit says.
    pub(super) fn errand(&mut self, attempt: &Attempt, permit: Committed) -> Result<Errand, GuardError> {
        let confinement = permit.confinement();
        if confinement.unenforced(self.enforcement).is_some() {
            return Err(GuardError::Unenforceable);
        }
        let program = self.program(attempt.thread, &attempt.exec, &attempt.expected, confinement);
        let (exec, expected, user) = program.map_err(|_| GuardError::Unenforceable)?;
        let process = pidfd_open(attempt.group, PidfdFlags::empty()).map_err(|_| GuardError::Gone)?;
        let length = attempt.exec.argv.iter().map(|argument| argument.len() + 1).sum::<usize>();
        let variables = attempt.expected.strings.get(length..).unwrap_or_default().split_inclusive(|byte| *byte == 0);
        let variables = variables.map(|variable| variable.strip_suffix(b"\0").unwrap_or(variable));
        let environment = match &user {
            None if confinement.children == Children::Trusted => users::without_steering(environment::kept(variables, Some(&User::variables(confinement)))),
            None => environment::kept(variables, confinement.environment.as_deref()),
            Some(user) => user.environment(environment::kept(variables, Some(&User::variables(confinement))), attempt.exec.uid),
        };
        let expected = Expected { strings: [terminated(&exec.argv), terminated(&environment)].concat(), argc: exec.argv.len(), envc: environment.len(), ..expected };
        let name = expected.given.script.clone().unwrap_or_else(|| exec.path.clone());
        let arguments = given(&exec, &expected);
        Ok(Errand { process, group: attempt.group, permit, exec, expected, name, arguments, environment, user, stage: Stage::Redirected, since: Instant::now() })
    }

    /// What is to run in the end, and as whom: what was asked for, or what `sudo` or `su` was asked for.
    fn program(&mut self, thread: Pid, exec: &Exec, expected: &Expected, confinement: &Confinement) -> Result<(Exec, Expected, Option<User>), Denial> {
        let Some(name) = &confinement.run_as else { return Ok((exec.clone(), expected.clone(), None)) };
        if filters(&self.scope.host_proc, thread).is_none_or(|filters| filters > SESSION_FILTERS) {
            return Err(rules::held(name));
        }
        let user = self.user(name).cloned().ok_or_else(|| rules::no_user(name))?;
        let asked = if exec.scripts.is_empty() { elevation::asked(&exec.path, &exec.argv) } else { None };
        let Some(asked) = asked else { return Ok((exec.clone(), expected.clone(), Some(user))) };
        let Some(Elevation { command, .. }) = asked.ok().filter(|asked| asked.user == name.as_bytes()) else {
            return Err(rules::elevation(name));
        };
        let mut inner = Exec { argv: command, scripts: Vec::new(), ..exec.clone() };
        let mut candidates = vec![inner.argv.first().cloned().unwrap_or_default()];
        if inner.argv.is_empty() {
            inner.argv = vec![b"-bash".to_vec()];
            candidates = vec![SHELL.to_vec()];
            let is_home = statat(CWD, &user.home, AtFlags::empty()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
            inner.cwd = if is_home { user.home.clone().into_bytes() } else { b"/".to_vec() };
        } else if !candidates.iter().any(|name| name.contains(&b'/')) {
            candidates = FOLDERS.iter().flat_map(|folder| candidates.iter().map(|name| [*folder, name].concat())).collect();
        }
        let argc = inner.argv.len();
        let locator = Locator { proc: &self.scope.host_proc, own: &self.own, thread };
        // a request for a program is none itself
        let is_request = |candidate: &[u8]| candidate.strip_prefix(b"/run/portcullis/bin/").is_some_and(|name| REQUESTS.iter().any(|request| request.as_bytes() == name));
        for candidate in candidates.into_iter().filter(|candidate| !is_request(candidate)) {
            let mut found = inner.clone();
            match precheck::resolve(locator, &mut self.images, &Call::by_name(), &candidate, &mut found) {
                Ok(image) => {
                    let script = Some(candidate).filter(|_| !found.scripts.is_empty());
                    let expected = Expected { image: image.identity, given: Given { argc, script }, ..expected.clone() };
                    return Ok((found, expected, Some(user)));
                }
                Err(Stop::Errno(_)) => {}
                Err(Stop::Rule(denial)) => return Err(denial),
            }
        }
        Err(rules::no_command(inner.argv.first().map_or(&b""[..], Vec::as_slice)))
    }

    /// What this guard can hold a process to.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        self.enforcement
    }

    /// Takes an errand's next step, if the caller is on one. Otherwise its exec is as any other.
    pub(super) fn run_errand(&mut self, caller: &Caller, notification: &Notification) -> ControlFlow<Option<Received>> {
        if self.stands.get(&caller.group).is_some_and(|stand| lives(&stand.process)) {
            return ControlFlow::Break(self.asked_for_news(caller, notification));
        }
        let Some(errand) = self.errands.get(&caller.group).filter(|errand| lives(&errand.process)) else { return ControlFlow::Continue(()) };
        if errand.since.elapsed() > PATIENCE {
            // what was allowed then is not what is wanted now
            let lapsed = self.end_errand(caller);
            self.deferred.push(super::Deferred { group: caller.group, notification: *notification });
            return ControlFlow::Break(lapsed);
        }
        match errand.stage {
            Stage::Helped => ControlFlow::Break(self.give_orders(caller, notification)),
            Stage::Redirected => self.enter_helper(caller, notification),
            Stage::Ordered => ControlFlow::Break(self.enter_program(caller, notification)),
        }
    }

    fn enter_helper(&mut self, caller: &Caller, notification: &Notification) -> ControlFlow<Option<Received>> {
        match self.check(caller, notification) {
            Checked::Judge(exec, expected) if is_helper(&exec) && exec.argv == [HELPER_NAME.to_bytes()] && expected.envc == 0 => {
                let Some(decision) = self.errands.get(&caller.group).map(|errand| errand.permit.seq()) else { return ControlFlow::Break(None) };
                let commit = Commit { group: caller.group, decision, what: What::Helper(Box::new((exec, expected))) };
                ControlFlow::Break(self.commit_own(notification, caller, commit))
            }
            // a signal's handler, or a sibling thread, had another idea
            Checked::Judge(..) | Checked::Refused(..) | Checked::Errno(_) => {
                let lapsed = self.end_errand(caller);
                // it comes again, and is no errand's any more
                self.deferred.push(super::Deferred { group: caller.group, notification: *notification });
                ControlFlow::Break(lapsed)
            }
        }
    }

    fn give_orders(&mut self, caller: &Caller, notification: &Notification) -> Option<Received> {
        let asked = Call::decode(notification).ok().and_then(|call| {
            self.memory.turn_to(caller.thread);
            call.prefetch(&mut self.memory).ok()?;
            call.path(&mut self.memory).ok()
        });
        let mut errand = self.errands.remove(&caller.group)?;
        let decision = errand.permit.seq();
        if let Err(denial) = self.can_be_held(caller, &errand) {
            self.answer(notification.id, Answer::Errno(libc::EACCES));
            return Some(Received::Refused { pid: raw(caller.group), exec: Box::new(errand.exec), denial, repeated: false });
        }
        let given = match (asked.as_deref() == Some(ORDERS.to_bytes()), errand.user.take()) {
            (false, _) => Err(GuardError::OtherSubject),
            (true, Some(user)) => self.order(errand, user, notification.id),
            (true, None) => {
                let orders = Orders::Become {
                    name: std::mem::take(&mut errand.name),
                    arguments: std::mem::take(&mut errand.arguments),
                    environment: std::mem::take(&mut errand.environment),
                    confinement: errand.permit.confinement().clone(),
                };
                let given = written(&orders).and_then(|orders| seccomp::give(self.listener.as_fd(), notification.id, orders.as_fd()));
                errand.stage = Stage::Ordered;
                self.errands.insert(caller.group, errand);
                given.map_err(GuardError::Orders)
            }
        };
        if given.is_ok() {
            return None;
        }
        self.errands.remove(&caller.group);
        self.answer(notification.id, Answer::Errno(libc::EACCES));
        Some(Received::Lapsed { pid: raw(caller.group), decision })
    }

    /// Whether a process, which is the helper now, has one thread and waits, can be held to what its permit says.
    fn can_be_held(&self, helper: &Caller, errand: &Errand) -> Result<(), Denial> {
        // a filter of the caller's own may answer for the kernel, so that nothing of it is done
        if filters(&self.scope.host_proc, helper.thread).is_none_or(|filters| filters > SESSION_FILTERS) {
            return Err(rules::filtered());
        }
        // a child from before would be taken for one of the program's
        let trusted = errand.user.is_none() && errand.permit.confinement().children == Children::Trusted;
        if trusted && has_children(&self.scope.host_proc, helper.group) { Err(rules::has_children()) } else { Ok(()) }
    }

    fn enter_program(&mut self, caller: &Caller, notification: &Notification) -> Option<Received> {
        let checked = self.check(caller, notification);
        if !seccomp::is_valid(self.listener(), notification.id) {
            return None;
        }
        let errand = self.errands.remove(&caller.group)?;
        let decision = errand.permit.seq();
        match checked {
            Checked::Judge(exec, expected) if errand.leads_to(&exec, &expected) => {
                let what = What::Program(Box::new((exec, expected)), Some(Box::new(errand)));
                self.commit_own(notification, caller, Commit { group: caller.group, decision, what })
            }
            Checked::Judge(exec, _) | Checked::Refused(exec, _) => {
                self.answer(notification.id, Answer::Errno(libc::EACCES));
                let denial = rules::another(&exec.path);
                Some(Received::Refused { pid: raw(caller.group), exec: Box::new(exec), denial, repeated: false })
            }
            Checked::Errno(errno) => {
                self.answer(notification.id, Answer::Errno(errno));
                Some(Received::Lapsed { pid: raw(caller.group), decision })
            }
        }
    }

    fn commit_own(&mut self, notification: &Notification, caller: &Caller, commit: Commit) -> Option<Received> {
        let decision = commit.decision;
        self.waiting.insert(notification.id, super::Waiting { group: caller.group, bytes: 0 });
        match self.commit(notification.id, caller.thread, commit, Answer::Continue) {
            Ok(()) => None,
            Err(_) => {
                self.errands.remove(&caller.group);
                Some(Received::Lapsed { pid: raw(caller.group), decision })
            }
        }
    }

    fn end_errand(&mut self, caller: &Caller) -> Option<Received> {
        let errand = self.errands.remove(&caller.group)?;
        Some(Received::Lapsed { pid: raw(caller.group), decision: errand.permit.seq() })
    }

    /// The errands of processes that have died on the way.
    pub(super) fn lost_errands(&mut self) -> Vec<Reaped> {
        let mut lapsed = self.lost_stands();
        if self.errands.is_empty() {
            return lapsed;
        }
        let commits = &self.commits;
        // what dies in the middle of a commit is told by its tracing
        let is_lost = |errand: &Errand| !lives(&errand.process) && !commits.values().any(|commit| commit.group == errand.group);
        let lost: Vec<Pid> = self.errands.iter().filter(|(_, errand)| is_lost(errand)).map(|(group, _)| *group).collect();
        let lost = lost.into_iter().filter_map(|group| self.errands.remove(&group));
        lapsed.extend(lost.map(|errand| Reaped::Lapsed { pid: raw(errand.group), decision: errand.permit.seq() }));
        lapsed
    }
}

/// Filters of system calls of everything in a session: the guard's and the jail's own. Whatever is held to more has more, and cannot lose them.
const SESSION_FILTERS: u32 = 2;

/// How many filters of system calls a thread has.
fn filters(proc: &OwnedFd, thread: Pid) -> Option<u32> {
    let file = openat(proc, format!("{}/status", thread.as_raw_pid()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut status = Vec::new();
    File::from(file).read_to_end(&mut status).ok()?;
    // a newline in the name, which is the first field, is escaped
    let field = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Seccomp_filters:\t"))?;
    str::from_utf8(field).ok()?.trim().parse().ok()
}

/// Whether a process has children, or cannot be asked.
fn has_children(proc: &OwnedFd, group: Pid) -> bool {
    let parent = |pid: Pid| Caller::of(proc, pid).ok().and_then(|process| process.parent());
    super::subtree::processes(proc).is_none_or(|all| all.into_iter().any(|pid| parent(pid) == Some(group)))
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_pid().cast_unsigned()
}

