//! Real jails for tests: a keeper in a process of its own, as root or as an ordinary user in a user namespace, which builds
//! the jail, lets every exec go on, and kills it. The session's shell is the node's `dash`, which reads its script from the
//! socket that the mediating shell would talk on.

use portcullis_jail::guard::{ChildSignal, Guard, Reaped, Received, Scope};
use portcullis_jail::kill::{Reap, kill};
use portcullis_jail::profile::{Profile, built_in};
use portcullis_jail::{FromInit, Jail, JailSpec, Privilege, Terminal};
use portcullis_model::action::{Action, Role};
use portcullis_model::decision::{Decision, Heard, Journal, Standing, decide};
use portcullis_model::event::Event;
use portcullis_model::id::{GrantId, PolicyDigest, RequestId, SessionId};
use portcullis_model::session::{ExitStatus, PtyRequest, SessionFacts, WindowSize};
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Confinement, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long enough for a busy machine; reached only when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// An ordinary user, for keepers and for sessions.
pub(crate) const USER: u32 = 65_534;
/// The name of each session's account.
pub(crate) const ACCOUNT: &str = "op-test";

/// Whose the keeper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    Ordinary,
}

/// When the keeper does something to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// It kills the jail once its shell has ended.
    Exit,
    /// It kills the jail once this was said.
    Said(&'static str),
    /// It hangs the terminal up once this was said, and kills the jail once its shell has ended.
    HangUp(&'static str),
}

/// A session.
pub(crate) struct Session {
    pub(crate) profile: Profile,
    pub(crate) script: String,
    pub(crate) terminal: bool,
    /// What it shares with the others of its grant.
    pub(crate) folders: Option<std::path::PathBuf>,
    /// What is typed, each once what comes before it was said.
    pub(crate) typed: Vec<(&'static str, &'static [u8])>,
    pub(crate) until: Until,
    /// What execs are held to.
    pub(crate) policy: fn(&Exec) -> Confinement,
}

/// A keeper that runs.
pub(crate) struct Keeper {
    pid: Option<Pid>,
    /// The jail's init, on the node.
    pub(crate) init: Pid,
    /// Its cgroup's folder.
    pub(crate) cgroup: Option<PathBuf>,
    facts: File,
    output: File,
}

/// What came of a session.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) output: String,
    /// How the shell ended, if it did before the kill.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) killed: u32,
    pub(crate) survivors: usize,
}

impl Outcome {
    /// Its output, when the script ended well.
    #[track_caller]
    pub(crate) fn good(&self) -> &str {
        assert!(self.status == Some(ExitStatus::Code(0)) && self.survivors == 0, "{self:?}\n{}", self.output);
        &self.output
    }
}

/// The kinds of keepers that there can be here; says aloud which cannot.
pub(crate) fn everyone() -> Vec<Who> {
    let mut all = Vec::new();
    if rustix::process::geteuid().is_root() {
        all.push(Who::Root);
    } else {
        eprintln!("SKIPPED: jails as root need root");
    }
    // the real thing is the only proof that users have namespaces here
    match Session::new(":").try_start(Who::Ordinary) {
        Ok(keeper) => {
            keeper.finish();
            all.push(Who::Ordinary);
        }
        Err(why) => eprintln!("SKIPPED: jails as an ordinary user: {why}"),
    }
    all
}

impl Session {
    /// A script without a terminal, under the largest profile.
    pub(crate) fn new(script: impl Into<String>) -> Self {
        let profile = built_in(Action::InfraFull, Role::Generic).unwrap();
        Self { profile, script: script.into(), terminal: false, folders: None, typed: Vec::new(), until: Until::Exit, policy: |_| Confinement::default() }
    }

    /// An interactive bash on a terminal.
    pub(crate) fn interactive(typed: &[(&'static str, &'static [u8])]) -> Self {
        let script = "export PS1='> ' HISTFILE=; exec /usr/bin/bash --norc --noprofile --noediting -i < /dev/tty > /dev/tty 2>&1\n";
        Self { terminal: true, typed: typed.to_vec(), ..Self::new(script) }
    }

    pub(crate) fn until(self, until: Until) -> Self {
        Self { until, ..self }
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self, who: Who) -> Outcome {
        self.start(who).finish()
    }

    /// Starts it; the jail is there when this returns.
    #[track_caller]
    pub(crate) fn start(self, who: Who) -> Keeper {
        self.try_start(who).unwrap_or_else(|why| panic!("no jail as {who:?}: {why}"))
    }

    fn try_start(self, who: Who) -> Result<Keeper, String> {
        let (facts, facts_end) = std::io::pipe().unwrap();
        let (output, output_end) = std::io::pipe().unwrap();
        // SAFETY: the child has one thread, takes no lock that another thread of the test holds for long, and does not return
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let (mut facts, output) = (File::from(OwnedFd::from(facts_end)), File::from(OwnedFd::from(output_end)));
            close_others([facts.as_raw_fd(), output.as_raw_fd()]);
            let keep = std::panic::AssertUnwindSafe(|| self.keep(who, &mut facts, output));
            let outcome = std::panic::catch_unwind(keep).unwrap_or_else(|_| Err("the keeper panicked".to_owned()));
            if let Err(why) = outcome {
                let _ = writeln!(facts, "failed {why}");
            }
            // SAFETY: ends the process
            unsafe { libc::_exit(0) };
        }
        drop((facts_end, output_end));
        let pid = Pid::from_raw(pid).unwrap();
        let (mut facts, output) = (File::from(OwnedFd::from(facts)), File::from(OwnedFd::from(output)));
        let line = read_line(&mut facts);
        let Some((init, cgroup)) = line.strip_prefix("init ").and_then(|rest| rest.split_once(' ')) else {
            reap(pid);
            return Err(line);
        };
        let cgroup = (!cgroup.is_empty()).then(|| PathBuf::from(cgroup));
        Ok(Keeper { pid: Some(pid), init: Pid::from_raw(init.parse().unwrap()).unwrap(), cgroup, facts, output })
    }

    /// The keeper's whole life.
    fn keep(&self, who: Who, facts: &mut File, output: File) -> Result<(), String> {
        let text = |error: &dyn std::error::Error| std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
        let privilege = match who {
            Who::Root => Privilege::Root { uid: USER, gid: USER },
            Who::Ordinary if rustix::process::geteuid().is_root() => {
                // SAFETY: plain system calls of a process with one thread
                let user = unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setresgid(USER, USER, USER) == 0 && libc::setresuid(USER, USER, USER) == 0 };
                assert!(user, "root can become another user");
                rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable).unwrap();
                Privilege::UserNamespace
            }
            Who::Ordinary => Privilege::UserNamespace,
        };
        let children = ChildSignal::block().map_err(|e| text(&e))?;
        let host_proc = openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut jail = Jail::build(&self.spec(privilege)).map_err(|e| text(&e))?;
        let cgroup = jail.cgroup.as_ref().map(|cgroup| cgroup.path().display().to_string()).unwrap_or_default();
        jail.enter().map_err(|e| text(&e))?;
        let mut guard = Guard::new(jail.listener.take().unwrap(), Scope { host_proc, init: jail.init, terminal: None }).map_err(|e| text(&e))?;
        if let Some(others) = jail.others().map_err(|e| text(&e))? {
            guard.serve_others(others);
        }
        writeln!(facts, "init {} {cgroup}", jail.init.as_raw_pid()).unwrap();
        rustix::io::write(jail.shell.as_ref().unwrap(), self.script.as_bytes()).unwrap();
        rustix::net::shutdown(jail.shell.as_ref().unwrap(), rustix::net::Shutdown::Write).unwrap();
        let mut turning = Turning { guard, children, output, said: Vec::new(), status: None, gone: false, policy: self.policy, unasked: 0, written: 0 };
        self.turn(&mut jail, &mut turning);
        if turning.unasked > 0 {
            let unasked = turning.unasked;
            turning.tell(&format!("UNASKED {unasked}"));
        }
        let report = kill(&jail, &mut turning, DEADLINE);
        turning.read(jail.terminal.as_ref());
        let status = match turning.status {
            None => "none".to_owned(),
            Some(ExitStatus::Code(code)) => format!("code {code}"),
            Some(ExitStatus::Signal { number, core }) => format!("signal {number} {core}"),
        };
        writeln!(facts, "end {} {} {status}", report.killed, report.survivors.len()).unwrap();
        Ok(())
    }

    fn turn(&self, jail: &mut Jail, turning: &mut Turning) {
        let end = Instant::now() + DEADLINE;
        let (mut typed, mut from) = (self.typed.iter(), 0);
        let mut next = typed.next();
        while turning.status.is_none() && !turning.gone && Instant::now() < end {
            turning.execs();
            turning.reap();
            turning.guard.end_overdue(Instant::now()).unwrap();
            turning.read(jail.terminal.as_ref());
            match jail.control.receive() {
                Ok(Some((FromInit::ShellExited(status), _))) => {
                    turning.status = Some(status);
                    turning.read(jail.terminal.as_ref());
                }
                Ok(Some((said @ FromInit::Child { .. }, process))) => {
                    let _ = turning.guard.child_said(said, process);
                }
                _ => {}
            }
            if let (Some((after, bytes)), Some(Terminal::Pty { master, .. })) = (next, jail.terminal.as_ref())
                && let Some(at) = find(&turning.said[from..], after)
            {
                from += at;
                rustix::io::write(master, bytes).unwrap();
                next = typed.next();
            }
            match self.until {
                Until::Said(text) if find(&turning.said, text).is_some() => return,
                Until::HangUp(text) if find(&turning.said, text).is_some() => jail.terminal = None,
                Until::Exit | Until::Said(_) | Until::HangUp(_) => {}
            }
            let (listener, child) = (turning.guard.listener(), turning.children.as_fd());
            let mut fds = vec![PollFd::new(&listener, PollFlags::IN), PollFd::new(&child, PollFlags::IN), PollFd::new(&jail.control, PollFlags::IN)];
            match &jail.terminal {
                Some(Terminal::Pty { master, .. }) => fds.push(PollFd::new(master, PollFlags::IN)),
                Some(Terminal::Pipes { output, error, .. }) => fds.extend([PollFd::new(output, PollFlags::IN), PollFd::new(error, PollFlags::IN)]),
                None => {}
            }
            // at least now and then: the end of a pipe is readable for ever, and is not waited for
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 })).unwrap();
        }
    }

    fn spec(&self, privilege: Privilege) -> JailSpec {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut entropy = [0; 10];
        entropy[..4].copy_from_slice(&std::process::id().to_le_bytes());
        entropy[4..8].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        entropy[9] = 7;
        let facts = SessionFacts {
            id: SessionId::from_entropy(entropy),
            grant: GrantId::from_entropy([0; 10]),
            request: RequestId::from_entropy([0; 5]),
            ticket: String::new(),
            operator: "olga".to_owned(),
            account: ACCOUNT.to_owned(),
            uid: USER,
            action: Action::InfraFull,
            target: "node1".to_owned(),
            role: Role::Generic,
            source: String::new(),
            key_fingerprint: String::new(),
            start: UnixMs(0),
            end: UnixMs(u64::MAX),
            tty: self.terminal,
        };
        let size = WindowSize { cols: 100, rows: 30, width_px: 0, height_px: 0 };
        JailSpec {
            folders: self.folders.clone(),
            facts,
            profile: self.profile.clone(),
            shell: "/usr/bin/dash".into(),
            helper: Some(env!("CARGO_BIN_EXE_portcullis-confine").into()),
            cage: None,
            engine: "/usr/bin/bash",
            privilege,
            terminal: self.terminal.then(|| PtyRequest { term: "vt100".to_owned(), size, modes: vec![] }),
            environment: vec![("LANG".to_owned(), "C".to_owned()), ("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned())],
        }
    }
}

/// What a keeper needs turn after turn.
struct Turning {
    guard: Guard,
    children: ChildSignal,
    output: File,
    said: Vec<u8>,
    status: Option<ExitStatus>,
    gone: bool,
    policy: fn(&Exec) -> Confinement,
    /// Execs that nobody was asked about.
    unasked: u32,
    written: u64,
}

impl Turning {
    fn execs(&mut self) {
        while let Ok(received) = self.guard.receive() {
            match received {
                Received::Nothing => return,
                Received::Missing => {}
                Received::Refused { denial, .. } => self.tell(&format!("REFUSED {}", denial.rule)),
                Received::Lapsed { .. } => self.tell("LAPSED"),
                Received::Attempt(attempt) => {
                    let standing = Standing { now: UnixMs(1), end: UnixMs(2), ending: false, enforcement: self.guard.enforcement() };
                    let by_trust = self.guard.by_trust(&attempt, standing);
                    self.unasked += u32::from(by_trust.is_some());
                    let decision = by_trust.unwrap_or_else(|| {
                        let heard = Heard::Verdict { digest: PolicyDigest([7; 32]), verdict: Verdict::Allow((self.policy)(attempt.exec())) };
                        decide(Subject::Exec(attempt.exec().clone()), heard, standing)
                    });
                    match decision {
                        Decision::Allow(permit) => {
                            if let Some(denial) = self.guard.unable(&attempt, permit.confinement()) {
                                self.tell(&format!("DENIED {}", denial.rule));
                                self.guard.refuse(attempt);
                                continue;
                            }
                            let permit = permit.commit(UnixMs(1), attempt.pid(), &mut Counted(&mut self.written)).unwrap();
                            // a caller that is gone meanwhile is no failure
                            let _ = self.guard.proceed(attempt, permit);
                        }
                        Decision::Deny(_) | Decision::Ask(_) => self.guard.refuse(attempt),
                    }
                }
            }
        }
    }

    /// Passes a word of the keeper's own to the test.
    fn tell(&mut self, word: &str) {
        let _ = writeln!(self.output, "KEEPER {word}");
    }

    /// Takes what was said, and passes it to the test.
    fn read(&mut self, terminal: Option<&Terminal>) {
        let sources = match terminal {
            Some(Terminal::Pty { master, .. }) => vec![master],
            Some(Terminal::Pipes { output, error, .. }) => vec![output, error],
            None => vec![],
        };
        let mut buffer = [0; 4096];
        for source in sources {
            while let Ok(length @ 1..) = rustix::io::read(source, &mut buffer) {
                self.said.extend_from_slice(&buffer[..length]);
                let _ = self.output.write_all(&buffer[..length]);
            }
        }
    }
}

impl Reap for Turning {
    fn reap(&mut self) -> bool {
        self.children.drain();
        self.gone |= self.guard.reap().into_iter().any(|reaped| matches!(reaped, Reaped::InitGone(_)));
        self.gone
    }
}

struct Counted<'a>(&'a mut u64);
impl Journal for Counted<'_> {
    type Error = std::convert::Infallible;
    fn append(&mut self, _: &Event) -> Result<u64, Self::Error> {
        *self.0 += 1;
        Ok(*self.0)
    }
}

impl Keeper {
    /// Waits until the session has said this.
    #[track_caller]
    pub(crate) fn hear(&mut self, text: &str) {
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while find(&heard, text).is_none() {
            assert!(readable(&self.output), "{text:?} was not said: {}", String::from_utf8_lossy(&heard));
            let length = self.output.read(&mut buffer).unwrap();
            assert!(length > 0, "it ended before {text:?} was said: {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&buffer[..length]);
        }
    }

    /// Sends the keeper a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid.unwrap(), signal).unwrap();
    }

    /// Waits for the end of a keeper that has been killed.
    pub(crate) fn forget(mut self) {
        self.reap();
    }

    fn reap(&mut self) {
        if let Some(pid) = self.pid.take() {
            reap(pid);
        }
    }

    /// Waits for its end; what came of it.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let mut output = Vec::new();
        self.output.read_to_end(&mut output).unwrap();
        let line = read_line(&mut self.facts);
        self.reap();
        let words: Vec<_> = line.split(' ').collect();
        let ["end", killed, survivors, how @ ..] = words.as_slice() else { panic!("the keeper said {line:?}\n{}", String::from_utf8_lossy(&output)) };
        let status = match how {
            ["code", code] => Some(ExitStatus::Code(code.parse().unwrap())),
            ["signal", number, core] => Some(ExitStatus::Signal { number: number.parse().unwrap(), core: *core == "true" }),
            _ => None,
        };
        Outcome { output: String::from_utf8_lossy(&output).into_owned(), status, killed: killed.parse().unwrap(), survivors: survivors.parse().unwrap() }
    }
}

impl Drop for Keeper {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            self.reap();
        }
    }
}

/// Leaves a process that was just forked its standard descriptors and these: those of other tests would keep their pipes open.
fn close_others(mut kept: [RawFd; 2]) {
    kept.sort_unstable();
    let [first, second] = kept.map(i32::cast_unsigned);
    for (from, to) in [(3, first - 1), (first + 1, second - 1), (second + 1, u32::MAX)] {
        if from <= to {
            // SAFETY: nothing that is closed here is used again
            unsafe { libc::close_range(from, to, 0) };
        }
    }
}

fn reap(pid: Pid) {
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
}

fn readable(file: &File) -> bool {
    let timeout = Timespec::try_from(DEADLINE).unwrap();
    poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)).unwrap() > 0
}

fn read_line(file: &mut File) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while readable(file) && file.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// The end of the first occurrence of a text.
fn find(said: &[u8], text: &str) -> Option<usize> {
    said.windows(text.len()).position(|window| window == text.as_bytes()).map(|at| at + text.len())
}

/// Processes of the node whose command line holds this text, each past its exec: nobody traces it any more.
pub(crate) fn processes_with(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let named = entries.filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| find(&line, text).is_some()));
    named.filter(|entry| std::fs::read(entry.path().join("status")).is_ok_and(|status| find(&status, "TracerPid:\t0").is_some())).count()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
