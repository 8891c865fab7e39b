//! Runs programs under the real guard: a mount namespace in which everything is read-only but /tmp, a stand-in for the jail's
//! init that installs the filter, and the loop that a keeper has.

use portcullis_jail::guard::{Attempt, ChildSignal, Guard, Reaped, Received, Scope, filter};
use portcullis_model::decision::{Committed, Decision, Heard, Journal, Standing, decide};
use portcullis_model::event::Event;
use portcullis_model::id::PolicyDigest;
use portcullis_model::session::ExitStatus;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Confinement, Denial, Enforcement, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};
use std::ffi::CString;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the programs of a test are seen by it.
pub(crate) const PLACE: &str = "/mnt";
const DEADLINE: Duration = Duration::from_secs(120);

/// What a test's policy says about an exec.
pub(crate) enum Say {
    Allow,
    Deny,
    /// No answer for now, and never another.
    Hold,
    /// A permit for something else.
    AllowAnother,
    /// The session ends, and then it is allowed.
    End,
}

/// What the guard told.
#[derive(Debug)]
pub(crate) enum Seen {
    Asked(Exec),
    Repeated(Exec),
    Refused(Exec, Denial, bool),
    Gone(Exec),
    NotStarted(String),
    Verified,
    Lapsed,
    Killed(String, Option<Box<Exec>>),
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) status: ExitStatus,
    pub(crate) seen: Vec<Seen>,
}

impl Outcome {
    pub(crate) fn verified(&self) -> usize {
        self.seen.iter().filter(|seen| matches!(seen, Seen::Verified)).count()
    }

    pub(crate) fn killed(&self) -> usize {
        self.seen.iter().filter(|seen| matches!(seen, Seen::Killed(..))).count()
    }

    pub(crate) fn rules(&self) -> Vec<&str> {
        self.seen.iter().filter_map(|seen| if let Seen::Refused(_, denial, _) = seen { Some(denial.rule.as_str()) } else { None }).collect()
    }

    pub(crate) fn asked(&self) -> Vec<&Exec> {
        self.seen.iter().filter_map(|seen| if let Seen::Asked(exec) = seen { Some(exec) } else { None }).collect()
    }

    /// Every line of an attack program's output says HELD.
    #[track_caller]
    pub(crate) fn held(&self) {
        let good = !self.output.is_empty() && self.output.lines().all(|line| line.starts_with("HELD"));
        assert!(good && self.status == ExitStatus::Code(0), "{}\n{:?}", self.output, self.status);
    }
}

/// Programs for a test.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// None, said aloud, when this machine or user cannot run the guard.
    pub(crate) fn new(attacks: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: the guard's tests need root");
            return None;
        }
        let world = Self { directory: tempfile::tempdir().unwrap() };
        world.compile("target", "allowed");
        fs::copy(world.path("allowed"), world.path("forbidden")).unwrap();
        for attack in attacks {
            world.compile(attack, attack);
        }
        Some(world)
    }

    /// The path on the host of something in the place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    fn compile(&self, source: &str, name: &str) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
        let cc = std::process::Command::new("cc")
            .args(["-O1", "-w", "-pthread", "-o"])
            .arg(self.path(name))
            .arg(sources.join(source).with_extension("c"))
            .status()
            .unwrap();
        assert!(cc.success(), "cc {source}");
    }

    /// Runs `command` in this world, with an almost empty environment.
    pub(crate) fn run(&self, command: &[&str], policy: impl FnMut(&Exec) -> Say + Send) -> Outcome {
        self.run_with(command, &["PATH=/usr/bin:/bin", "LANG=C"], policy)
    }

    /// Runs `command` in this world.
    pub(crate) fn run_with(&self, command: &[&str], environment: &[&str], mut policy: impl FnMut(&Exec) -> Say + Send) -> Outcome {
        // mount namespace and tracing belong to a thread
        std::thread::scope(|scope| scope.spawn(|| self.keep(command, environment, &mut policy)).join().unwrap())
    }

    /// What `command` prints in this world without a guard.
    pub(crate) fn run_unguarded(&self, command: &[&str]) -> String {
        let run = || {
            self.enter();
            let output = std::process::Command::new(command[0]).args(&command[1..]).env_clear().output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        std::thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    /// The same in a user namespace of an unprivileged user, keeper included. The outcome stays in the process that it needs, so
    /// it is checked there; none when this node does not let users have namespaces.
    pub(crate) fn run_unprivileged(&self, command: &[&str], mut policy: impl FnMut(&Exec) -> Say, check: impl Fn(&Outcome) -> bool) -> Option<bool> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // SAFETY: the child uses locks that no other thread of a test holds for long, and ends without returning
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut run = || {
                // SAFETY: plain system calls of a process with one thread
                let user = unsafe { libc::setresgid(65534, 65534, 65534) == 0 && libc::setresuid(65534, 65534, 65534) == 0 };
                // SAFETY: as above
                let alone = user && unsafe { libc::unshare(libc::CLONE_NEWUSER) == 0 };
                // SAFETY: as above
                unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
                if !alone || fs::write("/proc/self/setgroups", "deny").is_err() {
                    return 2;
                }
                fs::write("/proc/self/uid_map", "65534 65534 1").unwrap();
                fs::write("/proc/self/gid_map", "65534 65534 1").unwrap();
                i32::from(!check(&self.keep(command, &["PATH=/usr/bin"], &mut policy)))
            };
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut run)).unwrap_or(3);
            // SAFETY: ends the process
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        if libc::WEXITSTATUS(status) == 2 { None } else { Some(status == 0) }
    }

    fn keep(&self, command: &[&str], environment: &[&str], policy: &mut dyn FnMut(&Exec) -> Say) -> Outcome {
        let signal = ChildSignal::block().unwrap();
        let host_proc = openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        self.enter();
        let (output, output_end) = std::io::pipe().unwrap();
        let (init, listener) = start(command, environment, output_end.into());
        let mut guard = Guard::new(listener, Scope { host_proc, init, terminal: None }).unwrap();
        let mut keeper = Keeper { seen: Vec::new(), held: Vec::new(), paper: Paper(0), text: Vec::new() };
        let end = Instant::now() + DEADLINE;
        let mut output = Some(fs::File::from(OwnedFd::from(output)));
        let status = loop {
            if Instant::now() > end {
                let _ = kill_process(init, Signal::KILL);
                panic!("not done in {DEADLINE:?}: {:?}\n{}", keeper.seen.last(), String::from_utf8_lossy(&keeper.text));
            }
            let (listener, child) = (guard.listener(), signal.as_fd());
            let mut fds = vec![PollFd::new(&listener, PollFlags::IN), PollFd::new(&child, PollFlags::IN)];
            fds.extend(output.as_ref().map(|output| PollFd::new(output, PollFlags::IN)));
            // short, because another thread of the test program may take the SIGCHLD
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 })).unwrap();
            let readable = fds.get(2).is_some_and(|fd| !fd.revents().is_empty());
            if readable && !keeper.read(output.as_mut().unwrap()) {
                output = None;
            }
            signal.drain();
            let gone = keeper.reap(&mut guard);
            keeper.receive(&mut guard, policy);
            if let Some(status) = gone {
                break status;
            }
        };
        if let Some(output) = &mut output {
            let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
            while poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&nothing)).unwrap() > 0 && keeper.read(output) {}
        }
        Outcome { output: String::from_utf8_lossy(&keeper.text).into_owned(), status, seen: keeper.seen }
    }

    /// Everything is read-only, but /tmp, from which programs can be executed as far as mounts go.
    fn enter(&self) {
        // SAFETY: this thread shares nothing of its view of the file system that another needs
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "unshare: {}", std::io::Error::last_os_error());
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        mount_bind_recursive(self.directory.path(), PLACE).unwrap();
        #[repr(C)]
        struct MountAttr([u64; 4]);
        // MOUNT_ATTR_RDONLY, AT_RECURSIVE (include/uapi/linux/mount.h, fcntl.h)
        let attr = MountAttr([1, 0, 0, 0]);
        // SAFETY: the path and the attributes outlive the call, which only reads them
        let result = unsafe { libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, c"/".as_ptr(), 0x8000, &raw const attr, size_of::<MountAttr>()) };
        assert_eq!(result, 0, "mount_setattr: {}", std::io::Error::last_os_error());
        mount("tmpfs", "/tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777").unwrap();
    }
}

struct Keeper {
    seen: Vec<Seen>,
    held: Vec<Attempt>,
    paper: Paper,
    text: Vec<u8>,
}

impl Keeper {
    fn read(&mut self, output: &mut fs::File) -> bool {
        let mut buffer = [0; 4096];
        let read = output.read(&mut buffer).unwrap();
        self.text.extend_from_slice(&buffer[..read]);
        read > 0
    }

    fn reap(&mut self, guard: &mut Guard) -> Option<ExitStatus> {
        let mut gone = None;
        for reaped in guard.reap() {
            match reaped {
                Reaped::Verified { .. } => self.seen.push(Seen::Verified),
                Reaped::Lapsed { .. } => self.seen.push(Seen::Lapsed),
                Reaped::Killed { difference, found, .. } => self.seen.push(Seen::Killed(difference, found)),
                Reaped::InitGone(status) => gone = Some(status),
            }
        }
        gone
    }

    fn receive(&mut self, guard: &mut Guard, policy: &mut dyn FnMut(&Exec) -> Say) {
        for attempt in std::mem::take(&mut self.held) {
            let exec = attempt.exec().clone();
            match guard.forget_if_gone(attempt) {
                Some(attempt) => self.held.push(attempt),
                None => self.seen.push(Seen::Gone(exec)),
            }
        }
        loop {
            match guard.receive().unwrap() {
                Received::Nothing => return,
                Received::Missing => {}
                Received::Lapsed { .. } => self.seen.push(Seen::Lapsed),
                Received::Refused { exec, denial, repeated, .. } => self.seen.push(Seen::Refused(*exec, denial, repeated)),
                Received::Attempt(attempt) => {
                    let exec = attempt.exec().clone();
                    self.seen.push(if attempt.repeated() { Seen::Repeated(exec.clone()) } else { Seen::Asked(exec.clone()) });
                    match policy(&exec) {
                        Say::Deny => guard.refuse(attempt),
                        Say::Hold => self.held.push(attempt),
                        say @ (Say::Allow | Say::AllowAnother | Say::End) => {
                            if let Say::End = say {
                                guard.refuse_all_from_now();
                            }
                            let mut exec = exec;
                            if let Say::AllowAnother = say {
                                exec.argv.push(b"more".to_vec());
                            }
                            let permit = permit(Subject::Exec(exec), &mut self.paper);
                            if let Err(error) = guard.proceed(attempt, permit) {
                                self.seen.push(Seen::NotStarted(error.to_string()));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A journal that only counts.
pub(crate) struct Paper(u64);
impl Journal for Paper {
    type Error = std::convert::Infallible;
    fn append(&mut self, _: &Event) -> Result<u64, Self::Error> {
        self.0 += 1;
        Ok(self.0)
    }
}

/// A permit as the keeper gets one.
pub(crate) fn permit(subject: Subject, paper: &mut Paper) -> Committed {
    let heard = Heard::Verdict { digest: PolicyDigest([7; 32]), verdict: Verdict::Allow(Confinement::default()) };
    let Decision::Allow(permit) = decide(subject, heard, Standing { now: UnixMs(1), end: UnixMs(2), ending: false, enforcement: Enforcement::Nothing }) else { panic!("allowed") };
    permit.commit(UnixMs(1), 1, paper).unwrap()
}

/// Starts a process that installs the filter, runs the command below it, and ends as the command does.
fn start(command: &[&str], environment: &[&str], output: OwnedFd) -> (Pid, OwnedFd) {
    let strings = |list: &[&str]| list.iter().map(|text| CString::new(*text).unwrap()).collect::<Vec<_>>();
    let (command, environment) = (strings(command), strings(environment));
    let pointers = |list: &[CString]| list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, envp) = (pointers(&command), pointers(&environment));
    let (mut ready, ready_end) = std::io::pipe().unwrap();
    let (go, go_end) = std::io::pipe().unwrap();
    // SAFETY: the child makes system calls and small allocations only, which glibc allows after a fork
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let listener = filter::install_guard_filter().unwrap();
        let number = listener.as_raw_fd();
        // SAFETY: plain system calls on descriptors and strings of our own
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::write(ready_end.as_raw_fd(), (&raw const number).cast(), 4);
            let mut byte = 0u8;
            libc::read(go.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::close(listener.into_raw_fd());
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
            let program = libc::fork();
            if program == 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::dup2(output.as_raw_fd(), 1);
                libc::dup2(output.as_raw_fd(), 2);
                libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR), 0);
                libc::close_range(3, u32::MAX, 0);
                libc::execve(argv[0], argv.as_ptr(), envp.as_ptr());
                libc::_exit(127);
            }
            libc::close(output.as_raw_fd());
            let mut status = 0;
            libc::waitpid(program, &raw mut status, 0);
            libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) });
        }
    }
    drop((output, ready_end, go));
    let pid = Pid::from_raw(pid).unwrap();
    let mut number = [0; 4];
    ready.read_exact(&mut number).unwrap();
    let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let listener = pidfd_getfd(&handle, i32::from_ne_bytes(number), PidfdGetfdFlags::empty()).unwrap();
    rustix::io::write(&go_end, b"x").unwrap();
    // SAFETY: the descriptor is ours
    let listener = unsafe { OwnedFd::from_raw_fd(listener.into_raw_fd()) };
    (pid, listener)
}
