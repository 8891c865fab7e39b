//! The exec guard: every execve in a session's tree waits here until it is decided, and what then runs is exactly what was decided.
//!
//! # How
//! A seccomp filter ([`filter`]) makes each execve and execveat of the tree wait at a listener. The guard reads what the caller
//! wants, finds the file, expands `#!` lines, and hands out an [`Attempt`] to be judged, which may take minutes: its caller just
//! waits, and dies of ^C like any other process. A refusal is answered `EACCES`.
//!
//! A permission alone would be worth little: between the reading and the kernel's own, another thread can change the arguments
//! or the files. So for this one exec the caller becomes the guard's tracee: seized, told to stop, and then continued. It stops again
//! either when the new image is loaded and has not run yet, where everything is compared with what was judged and a difference
//! is death; or when the exec failed. Either way it is then let go, so nothing else of a session is traced.
//!
//! # What it holds to
//! - One commit a thread group: seizing a thread blocks while a sibling is within an exec, and that one waits for its tracer.
//! - It never waits: not for a tracee (`WNOHANG`), not in the seizing (a timer breaks it), not for a descriptor.
//! - A tracee that has loaded an image without a commit dies.
//! - When this process dies, so do tracees, and execs of the others fail (`ENOSYS`).
//!
//! # Limits
//! An interpreter that was allowed runs what it is told without any exec, and memory that can be made executable runs what was put there:
//! those are held by the jail, not by the guard. Names are resolved with the guard's rights, so an exec tells a caller whether there is
//! something of that name in a directory that it may not search; it does not get to run it. Memory that a file server backs is read as
//! slowly as the server answers. Names of callers ([`Exec::parents`](portcullis_model::subject::Exec::parents)) are what
//! the callers call themselves. x86_64 only.

mod attempt;
mod call;
mod caller;
mod child_signal;
mod elevation;
mod entry;
mod environment;
mod errand;
pub mod filter;
mod image;
mod lineage;
mod locate;
mod precheck;
mod reap;
mod remote;
mod rules;
mod shebang;
mod stand;
mod subtree;
mod verify;

pub use attempt::{Attempt, AttemptKey, Reaped, Received};
pub use child_signal::ChildSignal;
pub use subtree::Unended;

use crate::sys::ptrace;
use crate::sys::seccomp::{self, Answer, Notification};
use crate::sys::signal::Watchdog;
use crate::users::Others;
use caller::{Ancestors, Caller};
use errand::Errand;
use image::Images;
use portcullis_model::decision::Committed;
use portcullis_model::subject::Exec;
use portcullis_model::verdict::Enforcement;
use precheck::{Checked, Context};
use remote::Remote;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use stand::Stand;
use subtree::Subtree;
use verify::Expected;

/// Longest that the seizing of a caller may block.
const SEIZE_LIMIT: Duration = Duration::from_millis(100);
/// How long a refusal of the same to the same process counts as a repetition.
const REPETITION: Duration = Duration::from_secs(1);
/// Most refusals that are remembered for that.
const REFUSALS_MAX: usize = 64;
/// Most execs that one call of receive takes without reporting one.
const UNREPORTED_MAX: usize = 32;
/// Most bytes of arguments and environments of attempts that wait for their decisions, together.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most bytes of arguments that are recorded of an exec whose arguments are too many to be judged.
const RECORD_MAX: usize = 4096;

/// What the guard has to know about its jail.
#[derive(Debug)]
pub struct Scope {
    /// The host's /proc, opened before the keeper entered the jail's mount namespace.
    pub host_proc: OwnedFd,
    /// The jail's init, a child of the calling thread.
    pub init: Pid,
    /// Device number of the session's terminal, if it has one.
    pub terminal: Option<u64>,
}

/// Why the guard did not do something. An attempt that was given with the call is answered all the same, with a refusal.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The scope's descriptor is not that of this process's own /proc.
    #[error("the descriptor is not the host's /proc")]
    Proc,
    /// The timer that keeps a seizing from blocking was not made.
    #[error("the exec guard's timer was not made")]
    Timer(#[source] io::Error),
    /// The listener failed; the session cannot go on.
    #[error("the exec guard's listener failed")]
    Listener(#[source] io::Error),
    /// The permit is for something else than the attempt.
    #[error("the permit is for another exec than the one that waits")]
    OtherSubject,
    /// The caller no longer waits: it was killed.
    #[error("the caller of the exec is gone")]
    Gone,
    /// The session is being ended.
    #[error("the session is being ended")]
    Ending,
    /// The confinement is one that this node cannot enforce.
    #[error("the confinement cannot be enforced here")]
    Unenforceable,
    /// The program's orders could not be written down.
    #[error("the orders for a confined program could not be written down")]
    Orders(#[source] io::Error),
    /// Another exec of the same process is under way.
    #[error("another exec of the same process is under way")]
    Busy,
    /// The caller could not be seized: another tracer has it, or the system forbids tracing.
    #[error("the caller of the exec could not be traced")]
    Seize(#[source] io::Error),
}

/// The guard of one jail. Belongs to the thread that made it, which is the tracer.
#[derive(Debug)]
pub struct Guard {
    listener: OwnedFd,
    scope: Scope,
    /// The folder of this process's own descriptors in the host's /proc.
    own: OwnedFd,
    watchdog: Watchdog,
    memory: Remote,
    /// Room for a new image's stack.
    stack: Vec<u8>,
    images: Images,
    ancestors: Ancestors,
    /// Attempts that were handed out, by notification.
    waiting: HashMap<u64, Waiting>,
    /// Execs that were let go on, by thread, until it is known what came of them.
    commits: HashMap<Pid, Commit>,
    /// Received, but another exec of the same process comes first.
    deferred: Vec<Deferred>,
    /// Processes on their way to programs that are confined.
    errands: HashMap<Pid, Errand>,
    /// Programs whose descendants are known: trusted, or to be ended together.
    subtrees: Vec<Subtree>,
    /// Helpers that stand for programs of other users.
    stands: HashMap<Pid, Stand>,
    others: Option<Others>,
    enforcement: Enforcement,
    /// Seized when the caller was already gone and its number perhaps another's; let go when they stop.
    strays: HashSet<Pid>,
    refusals: VecDeque<(AttemptKey, Instant)>,
    hasher: RandomState,
    state: State,
    /// Tracing belongs to a thread, so the guard is not sent to another.
    thread: PhantomData<*const ()>,
}

#[derive(Debug)]
struct Waiting {
    group: Pid,
    bytes: usize,
}

#[derive(Debug)]
struct Deferred {
    group: Pid,
    notification: Notification,
}

#[derive(Debug)]
struct Commit {
    group: Pid,
    decision: u64,
    what: What,
}

/// What was let go on.
#[derive(Debug)]
enum What {
    /// An exec as it was asked for; and, when it is a confined one, what it was allowed as.
    Program(Box<(Exec, Expected)>, Option<Box<Errand>>),
    /// The exec of the helper, on an errand.
    Helper(Box<(Exec, Expected)>),
    /// Nothing: it was refused, and is to be made one of the helper.
    Redirection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ending,
}

impl Guard {
    /// A guard at `listener`. The calling thread is the tracer from now on. It must have entered the jail's mount namespace (and
    /// user namespace) before, and must be the only thread that SIGALRM can end a system call of.
    ///
    /// # Errors
    /// A scope that is not usable, or no timer.
    pub fn new(listener: OwnedFd, scope: Scope) -> Result<Self, GuardError> {
        let process = readlinkat(&scope.host_proc, "self", Vec::new()).map_err(|_| GuardError::Proc)?;
        let is_proc = fstatfs(&scope.host_proc).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC);
        if !is_proc || process.to_bytes() != getpid().to_string().as_bytes() {
            return Err(GuardError::Proc);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = openat(&scope.host_proc, "self/fd", flags, Mode::empty()).map_err(|_| GuardError::Proc)?;
        let watchdog = Watchdog::new().map_err(GuardError::Timer)?;
        let memory = Remote::new(scope.init);
        seccomp::take_turns(listener.as_fd());
        Ok(Self {
            listener,
            scope,
            own,
            watchdog,
            memory,
            stack: Vec::new(),
            images: Images::default(),
            ancestors: Ancestors::default(),
            waiting: HashMap::new(),
            commits: HashMap::new(),
            deferred: Vec::new(),
            errands: HashMap::new(),
            subtrees: Vec::new(),
            stands: HashMap::new(),
            others: None,
            enforcement: errand::enforcement(),
            strays: HashSet::new(),
            refusals: VecDeque::new(),
            hasher: RandomState::new(),
            state: State::Open,
            thread: PhantomData,
        })
    }

    /// Readable while an exec waits to be received; hung up when no process of the jail is left.
    #[must_use]
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Takes the next exec that waits, without waiting itself. To be called until it finds nothing, when the listener is readable
    /// (level-triggered: more may wait than was found) and, while one [was put off](Self::has_deferred), after each
    /// [`reap`](Self::reap) or answer. A session can ask without end, so the caller should do its other work in between.
    ///
    /// # Errors
    /// [`GuardError::Listener`], after which the session has to be ended.
    pub fn receive(&mut self) -> Result<Received, GuardError> {
        for _ in 0..UNREPORTED_MAX {
            let Some(notification) = self.next()? else { break };
            if self.state == State::Ending {
                self.answer(notification.id, Answer::Errno(libc::EACCES));
            } else if let Some(received) = self.consider(notification) {
                return Ok(received);
            }
        }
        Ok(Received::Nothing)
    }

    /// Whether an exec was put off, which [`receive`](Self::receive) gives once another of the same process has been answered and
    /// reaped, although the listener is not readable.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Refuses an attempt: its caller's exec fails with `EACCES`.
    pub fn refuse(&mut self, attempt: Attempt) {
        self.refuse_with(&attempt, libc::EACCES);
        self.remember(attempt.key);
    }

    /// Lets an attempt go on, as permitted: as it is, or by way of the helper when the permit confines it. What comes of it is
    /// told by [`reap`](Self::reap).
    ///
    /// # Errors
    /// Any; the exec does not happen then and the decision has lapsed.
    pub fn proceed(&mut self, attempt: Attempt, permit: Committed) -> Result<(), GuardError> {
        if !attempt.is_subject(permit.subject()) {
            self.refuse_with(&attempt, libc::EPERM);
            return Err(GuardError::OtherSubject);
        }
        let (notification, thread, group, decision) = (attempt.notification, attempt.thread, attempt.group, permit.seq());
        let (what, then) = if permit.confinement().is_empty() {
            (What::Program(Box::new((attempt.exec, attempt.expected)), None), Answer::Continue)
        } else {
            match self.errand(&attempt, permit) {
                Ok(errand) => self.errands.insert(group, errand),
                Err(error) => {
                    self.refuse_waiting(notification, libc::EPERM);
                    return Err(error);
                }
            };
            (What::Redirection, Answer::Errno(libc::EAGAIN))
        };
        let committed = self.commit(notification, thread, Commit { group, decision, what }, then);
        if committed.is_err() {
            self.errands.remove(&group);
        }
        committed
    }

    /// Seizes a thread that waits and answers its call, so that it stops before it next runs code of its own.
    fn commit(&mut self, notification: u64, thread: Pid, commit: Commit, then: Answer) -> Result<(), GuardError> {
        let refusal = if self.state == State::Ending {
            Some(GuardError::Ending)
        } else if self.commits.values().any(|other| other.group == commit.group) {
            Some(GuardError::Busy)
        } else if !seccomp::is_valid(self.listener(), notification) {
            Some(GuardError::Gone)
        } else {
            // not before this moment: a tracee that waits does not die of ^C
            self.watchdog.guarding(SEIZE_LIMIT, || ptrace::seize(thread)).err().map(GuardError::Seize)
        };
        if let Some(refusal) = refusal {
            self.refuse_waiting(notification, libc::EPERM);
            return Err(refusal);
        }
        if !seccomp::is_valid(self.listener(), notification) {
            // it died just now, and what was seized may be another with its number
            self.strays.insert(thread);
            let _ = ptrace::interrupt(thread);
            self.refuse_waiting(notification, libc::EPERM);
            return Err(GuardError::Gone);
        }
        // from here on the thread is a tracee, and is known as one until reap has seen it stop or end
        self.waiting.remove(&notification);
        self.commits.insert(thread, commit);
        // it stops before it runs code of its own, whether the exec succeeds or not; if this fails it is dead already
        let answer = match ptrace::interrupt(thread) {
            Ok(()) => then,
            Err(_) => Answer::Errno(libc::EPERM),
        };
        self.answer(notification, answer);
        Ok(())
    }

    /// Gives an attempt back if its caller still waits; otherwise the caller was killed, and the attempt is over.
    pub fn forget_if_gone(&mut self, attempt: Attempt) -> Option<Attempt> {
        if seccomp::is_valid(self.listener(), attempt.notification) {
            return Some(attempt);
        }
        self.waiting.remove(&attempt.notification);
        None
    }

    /// The session is being ended: what waits and what comes is answered `EACCES` without being asked about.
    pub fn refuse_all_from_now(&mut self) {
        self.state = State::Ending;
        let waiting: Vec<u64> = self.waiting.drain().map(|(id, _)| id).chain(self.deferred.drain(..).map(|deferred| deferred.notification.id)).collect();
        for id in waiting {
            self.answer(id, Answer::Errno(libc::EACCES));
        }
    }

    fn next(&mut self) -> Result<Option<Notification>, GuardError> {
        if !self.deferred.is_empty() {
            let listener = self.listener.as_fd();
            self.deferred.retain(|deferred| seccomp::is_valid(listener, deferred.notification.id));
            if let Some(free) = self.deferred.iter().position(|deferred| !self.is_busy(deferred.group)) {
                return Ok(Some(self.deferred.remove(free).notification));
            }
        }
        loop {
            let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
            match poll(&mut listener, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Ok(_) if listener.iter().any(|fd| fd.revents().contains(PollFlags::IN)) => {}
                Ok(_) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(GuardError::Listener(errno.into())),
            }
            match seccomp::receive(self.listener()) {
                Ok(notification) => return Ok(Some(notification)),
                // its caller died since
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {}
                Err(error) => return Err(GuardError::Listener(error)),
            }
        }
    }

    /// None when there is nothing to report: the caller is gone, or has to wait for another of its threads.
    fn consider(&mut self, notification: Notification) -> Option<Received> {
        let caller = thread_of(&notification).and_then(|thread| Caller::of(&self.scope.host_proc, thread).ok());
        let Some(caller) = caller else {
            self.answer(notification.id, Answer::Errno(libc::EACCES));
            return None;
        };
        if self.is_busy(caller.group) {
            self.deferred.push(Deferred { group: caller.group, notification });
            return None;
        }
        if let ControlFlow::Break(received) = self.run_errand(&caller, &notification) {
            return received;
        }
        let checked = self.check(&caller, &notification);
        let trust = self.trust_in(&caller);
        let callers = lineage::numbers(&self.scope.host_proc, &caller, self.scope.init);
        // only now is it certain that all of it was about this caller
        if !seccomp::is_valid(self.listener(), notification.id) {
            return None;
        }
        let pid = caller.group.as_raw_pid().cast_unsigned();
        let (exec, denial) = match checked {
            Checked::Errno(errno) => {
                self.answer(notification.id, Answer::Errno(errno));
                return Some(Received::Missing);
            }
            Checked::Judge(exec, _) if errand::is_helper(&exec) => (exec, rules::helper()),
            Checked::Judge(exec, expected) => {
                // the strings are held twice: as facts and as what is expected
                let bytes = 2 * expected.strings.len();
                if self.waiting.values().map(|waiting| waiting.bytes).sum::<usize>() + bytes <= WAITING_BYTES_MAX {
                    self.waiting.insert(notification.id, Waiting { group: caller.group, bytes });
                    let key = self.key(pid, &exec);
                    let repeated = self.is_repetition(key);
                    let Caller { thread, group, .. } = caller;
                    return Some(Received::Attempt(Attempt { notification: notification.id, thread, group, exec, expected, key, repeated, trust, callers }));
                }
                (exec, rules::overload())
            }
            Checked::Refused(exec, denial) => (exec, denial),
        };
        self.answer(notification.id, Answer::Errno(libc::EACCES));
        let key = self.key(pid, &exec);
        let repeated = self.is_repetition(key);
        self.remember(key);
        Some(Received::Refused { pid, exec: Box::new(exec), denial, repeated })
    }

    /// Whether another exec of this process comes first: one that is under way, or one that waits for its decision.
    fn is_busy(&self, group: Pid) -> bool {
        self.commits.values().any(|commit| commit.group == group)
            || self.waiting.iter().any(|(id, waiting)| waiting.group == group && seccomp::is_valid(self.listener(), *id))
    }

    fn check(&mut self, caller: &Caller, notification: &Notification) -> Checked {
        let Self { memory, images, ancestors, scope, own, .. } = self;
        let mut context = Context { proc: &scope.host_proc, own, init: scope.init, terminal: scope.terminal, memory, ancestors, images };
        precheck::check(&mut context, caller, notification)
    }

    fn refuse_with(&mut self, attempt: &Attempt, errno: i32) {
        self.refuse_waiting(attempt.notification, errno);
    }

    fn refuse_waiting(&mut self, notification: u64, errno: i32) {
        // when it is not there, the session is being ended and it was answered
        if self.waiting.remove(&notification).is_some() {
            self.answer(notification, Answer::Errno(errno));
        }
    }

    fn answer(&self, id: u64, answer: Answer) {
        // this fails only when the caller is gone, or is leaving its wait because it was killed: then there is nobody to tell.
        // If it was about to continue, what came of that is told by its end
        let _ = seccomp::send(self.listener(), id, answer);
    }

    fn key(&self, pid: u32, exec: &Exec) -> AttemptKey {
        AttemptKey(self.hasher.hash_one((pid, &exec.path, &exec.argv)))
    }

    fn is_repetition(&self, key: AttemptKey) -> bool {
        self.refusals.iter().any(|(refused, at)| *refused == key && at.elapsed() < REPETITION)
    }

    fn remember(&mut self, key: AttemptKey) {
        self.refusals.retain(|(refused, at)| *refused != key && at.elapsed() < REPETITION);
        if self.refusals.len() >= REFUSALS_MAX {
            self.refusals.pop_front();
        }
        self.refusals.push_back((key, Instant::now()));
    }
}

fn thread_of(notification: &Notification) -> Option<Pid> {
    // 0 for a caller outside this process's pid namespace, which a jail's process never is
    Some(notification.tid).filter(|tid| *tid > 0).and_then(Pid::from_raw)
}
