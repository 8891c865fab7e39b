//! Starts another process of Portcullis: exactly the given program, user, environment and descriptors, and nothing more.
//!
//! A child is in a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone, in `/`, with default
//! signals and `/dev/null` as its input, and it is told by a signal when its parent dies. The kernel ties that signal to the
//! *thread* that made the child, so children are made by one thread which lives as long as the process.

use crate::sys::process::{self, Image, Others, Side};
use portcullis_model::session::ExitStatus;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};
use rustix::thread::{Gid, Uid};
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A process that is to be started.
#[derive(Debug)]
pub struct Program {
    /// The file that is run; not looked up anywhere.
    pub path: PathBuf,
    /// Its arguments, the program's own name not among them: the child sees `path` as that.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Its user; none for the caller's own.
    pub user: Option<User>,
    /// Descriptors, each with the number that the child has it under. 0 is `/dev/null` and 1 and 2 are the caller's unless
    /// they are given here. All others are closed.
    pub descriptors: Vec<(OwnedFd, RawFd)>,
    /// The signal that the child gets when the caller's process dies.
    pub on_parent_death: ParentDeath,
    /// Resource limits, soft and hard; a hard limit that is lower already stays.
    pub limits: Vec<(Limit, u64)>,
}

/// A user without supplementary groups, or with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// user
    pub uid: u32,
    /// primary group
    pub gid: u32,
    /// the only supplementary group, if any
    pub extra_gid: Option<u32>,
}

/// What a child gets when its parent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentDeath {
    /// It is killed.
    Kill,
    /// It is asked to end.
    Terminate,
}

/// A resource that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of a core dump.
    Core,
    /// Open descriptors.
    OpenFiles,
    /// Bytes of address space.
    AddressSpace,
    /// Processes of the user.
    Processes,
    /// Bytes of a file that is written.
    FileSize,
}

impl Limit {
    fn resource(self) -> Resource {
        match self {
            Self::Core => Resource::Core,
            Self::OpenFiles => Resource::Nofile,
            Self::AddressSpace => Resource::As,
            Self::Processes => Resource::Nproc,
            Self::FileSize => Resource::Fsize,
        }
    }
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A text with a NUL byte, which no process can be given.
    #[error("an argument, variable or path holds a NUL byte")]
    Nul,
    /// A number below 0 or given twice.
    #[error("descriptor number {0} cannot be given to a child")]
    Number(RawFd),
    /// No process could be made.
    #[error("cannot make a process")]
    Fork(#[source] io::Error),
    /// The new process could not become what it should.
    #[error("{step} failed in the new process of {program}")]
    Child {
        /// what failed there
        step: &'static str,
        /// which program it was for
        program: String,
        /// why
        #[source]
        source: io::Error,
    },
    /// The thread that makes children is gone.
    #[error("the thread that starts processes is gone")]
    Spawner,
}

const STEPS: [&str; 9] =
    ["descriptors", "process group", "resource limits", "groups", "gid", "uid", "parent-death signal", "change of directory", "execve"];

/// A child. Whoever drops it without [`Child::wait`] leaves a dead process behind until the caller ends.
#[derive(Debug)]
#[must_use]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    status: Option<ExitStatus>,
}

impl AsFd for Child {
    /// Readable when the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Child {
    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    /// How it ended, none while it runs.
    ///
    /// # Errors
    /// Somebody else has reaped it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_some() {
            return Ok(self.status.clone());
        }
        let found = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?;
        self.status = found.map(|status| match (status.exit_status(), status.terminating_signal()) {
            (_, Some(number)) => ExitStatus::Signal { number, core: status.dumped() },
            (code, None) => ExitStatus::Code(u8::try_from(code.unwrap_or(255) & 0xff).unwrap_or(255)),
        });
        Ok(self.status.clone())
    }

    /// How it ended; none when it still runs after `deadline`.
    ///
    /// # Errors
    /// Somebody else has reaped it.
    pub fn wait(&mut self, deadline: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            match rustix::event::poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Asks it to end. A child that has ended already is no error.
    ///
    /// # Errors
    /// The caller may not.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Kills it. A child that has ended already is no error.
    ///
    /// # Errors
    /// The caller may not.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

type Job = (Program, SyncSender<Result<Child, SpawnError>>);

/// Starts a process; returns when it has become the program, or has failed to.
///
/// # Errors
/// [`SpawnError`], naming the step.
pub fn spawn(program: Program) -> Result<Child, SpawnError> {
    static SPAWNER: OnceLock<Option<SyncSender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, inbox): (SyncSender<Job>, Receiver<Job>) = sync_channel(16);
        let work = move || {
            while let Ok((program, reply)) = inbox.recv() {
                // whoever asked and went away still has a child; it dies with this process
                let _ = reply.send(start(program));
            }
        };
        std::thread::Builder::new().name("spawner".to_owned()).spawn(work).ok().map(|_| jobs)
    });
    let (reply, answer) = sync_channel(1);
    spawner.as_ref().ok_or(SpawnError::Spawner)?.send((program, reply)).map_err(|_| SpawnError::Spawner)?;
    answer.recv().map_err(|_| SpawnError::Spawner)?
}

/// Everything that the child needs, laid out before the fork: after it nothing may be allocated.
struct Plan {
    image: Image,
    user: Option<(Uid, Gid, Vec<Gid>)>,
    placed: Vec<(RawFd, RawFd)>,
    kept: Vec<RawFd>,
    least: RawFd,
    limits: Vec<(Resource, u64)>,
    death: Signal,
    parent: Pid,
    report: RawFd,
}

fn start(program: Program) -> Result<Child, SpawnError> {
    let name = program.path.display().to_string();
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|e| SpawnError::Fork(e.into()))?;
    let (outcome, report) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| SpawnError::Fork(e.into()))?;
    let mut plan = lay_out(&program, null.as_raw_fd(), report.as_raw_fd())?;
    match process::fork().map_err(SpawnError::Fork)? {
        Side::Child => {
            let (step, errno) = plan.become_program();
            let errno = errno.raw_os_error().unwrap_or(0).to_le_bytes();
            let message = [step, errno[0], errno[1], errno[2], errno[3]];
            process::write_to(plan.report, &message);
            process::exit_now(127)
        }
        Side::Parent { pid, pidfd } => {
            drop(report);
            let mut child = Child { pid, pidfd, status: None };
            let mut message = [0; 5];
            let read = loop {
                match rustix::io::read(&outcome, &mut message) {
                    Err(Errno::INTR) => {}
                    result => break result.unwrap_or(0),
                }
            };
            if read == 0 {
                return Ok(child);
            }
            let _ = child.wait(Duration::from_secs(5));
            let [step, errno @ ..] = message;
            let step = STEPS.get(usize::from(step)).copied().unwrap_or("start");
            Err(SpawnError::Child { step, program: name, source: io::Error::from_raw_os_error(i32::from_le_bytes(errno)) })
        }
    }
}

fn lay_out(program: &Program, null: RawFd, report: RawFd) -> Result<Plan, SpawnError> {
    let text = |bytes: OsString| CString::new(bytes.into_vec()).map_err(|_| SpawnError::Nul);
    let path = text(program.path.clone().into_os_string())?;
    let arguments = std::iter::once(Ok(path.clone())).chain(program.args.iter().cloned().map(text)).collect::<Result<_, _>>()?;
    let variable = |(name, value): &(OsString, OsString)| {
        let mut whole = name.clone();
        whole.push("=");
        whole.push(value);
        text(whole)
    };
    let environment = program.environment.iter().map(variable).collect::<Result<_, _>>()?;
    let mut placed: Vec<_> = program.descriptors.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect();
    if placed.iter().all(|(_, number)| *number != 0) {
        placed.push((null, 0));
    }
    placed.sort_by_key(|(_, number)| *number);
    let repeated = placed.windows(2).find_map(|two| matches!(two, [(_, a), (_, b)] if a == b).then(|| two.first().map_or(0, |(_, n)| *n)));
    if let Some(bad) = repeated.or_else(|| placed.iter().map(|(_, number)| *number).find(|number| !(0..256).contains(number))) {
        return Err(SpawnError::Number(bad));
    }
    let gid = |raw: u32| Gid::from_raw(raw);
    let user = program.user.map(|user| (Uid::from_raw(user.uid), gid(user.gid), user.extra_gid.map(gid).into_iter().collect()));
    Ok(Plan {
        image: Image::new(path, arguments, environment),
        user,
        kept: placed.iter().map(|(_, number)| *number).collect(),
        placed,
        least: 256,
        limits: program.limits.iter().map(|(limit, value)| (limit.resource(), *value)).collect(),
        death: match program.on_parent_death {
            ParentDeath::Kill => Signal::KILL,
            ParentDeath::Terminate => Signal::TERM,
        },
        parent: rustix::process::getpid(),
        report,
    })
}

impl Plan {
    /// Becomes the program; returns the step that failed, and why. Runs between fork and exec of a process that may have
    /// had other threads: nothing here allocates or takes a lock.
    fn become_program(&mut self) -> (u8, io::Error) {
        match self.steps() {
            Ok(never) => match never {},
            Err((step, error)) => (step, error),
        }
    }

    fn steps(&mut self) -> Result<std::convert::Infallible, (u8, io::Error)> {
        let at = |step: u8| move |errno: Errno| (step, io::Error::from(errno));
        let io_at = |step: u8| move |error: io::Error| (step, error);
        // first out of the way of the numbers that are wanted, then to them
        self.report = process::duplicate_above(self.report, self.least).map_err(io_at(0))?;
        for (fd, _) in &mut self.placed {
            *fd = process::duplicate_above(*fd, self.least).map_err(io_at(0))?;
        }
        for (fd, number) in &self.placed {
            process::place(*fd, *number).map_err(io_at(0))?;
        }
        process::only_descriptors(&self.kept, Others::CloseOnExec).map_err(io_at(0))?;
        rustix::process::setpgid(None, None).map_err(at(1))?;
        for (resource, value) in &self.limits {
            let hard = rustix::process::getrlimit(*resource).maximum.map_or(*value, |hard| hard.min(*value));
            rustix::process::setrlimit(*resource, Rlimit { current: Some(hard), maximum: Some(hard) }).map_err(at(2))?;
        }
        if let Some((uid, gid, groups)) = &self.user {
            rustix::thread::set_thread_groups(groups).map_err(at(3))?;
            rustix::thread::set_thread_res_gid(*gid, *gid, *gid).map_err(at(4))?;
            rustix::thread::set_thread_res_uid(*uid, *uid, *uid).map_err(at(5))?;
        }
        // after the change of user, which would take it back
        rustix::process::set_parent_process_death_signal(Some(self.death)).map_err(at(6))?;
        if rustix::process::getppid() != Some(self.parent) {
            process::exit_now(127); // the parent died before it could be noticed
        }
        rustix::process::chdir(c"/").map_err(at(7))?;
        process::default_signals();
        Err((8, self.image.run()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn sh(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            user: None,
            descriptors: Vec::new(),
            on_parent_death: ParentDeath::Kill,
            limits: Vec::new(),
        }
    }

    fn output(mut program: Program) -> (ExitStatus, String) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        program.descriptors.push((write, 1));
        let mut child = spawn(program).unwrap();
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        (child.wait(Duration::from_secs(20)).unwrap().expect("it ends"), text)
    }

    #[test]
    fn a_child_has_what_it_was_given_and_nothing_else() {
        let leaked = std::fs::File::open("/dev/null").unwrap();
        process::place(leaked.as_raw_fd(), 99).unwrap();
        let (_keep, extra) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut program = sh("ls /proc/self/fd | tr '\n' ' '; pwd; env | sort | tr '\n' ' '; ps -o pgid= -p $$ | tr -d ' '; echo $$");
        program.descriptors.push((extra, 7));
        let (status, text) = output(program);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(status, ExitStatus::Code(0), "{text}");
        // 3 is the folder that ls reads
        assert_eq!(lines[0], "0 1 2 3 7 /", "{text}");
        assert!(lines[1].starts_with("PATH=/usr/bin:/bin PWD=/ "), "{text}");
        assert!(lines[1].ends_with(lines[2]), "its own process group: {text}");
    }

    #[test]
    fn descriptors_reach_their_numbers_whatever_they_had_before() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let other = OwnedFd::from(std::fs::File::open("/dev/zero").unwrap());
        // each wants the number that the other has
        let (a, b) = (write.as_raw_fd(), other.as_raw_fd());
        let mut program = sh(&format!("echo swapped >&{b}; head -c 3 <&{a} | od -An -tx1 >&{b}"));
        program.descriptors = vec![(write, b), (other, a)];
        let mut child = spawn(program).unwrap();
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "swapped
 00 00 00
");
        assert_eq!(child.wait(Duration::from_secs(20)).unwrap(), Some(ExitStatus::Code(0)));
    }

    #[test]
    fn a_failed_start_is_an_error_and_leaves_no_child() {
        let mut program = sh("");
        program.path = "/does/not/exist".into();
        let error = spawn(program).unwrap_err();
        assert!(matches!(&error, SpawnError::Child { step: "execve", .. }), "{error:?}");
    }

    #[test]
    fn a_child_is_another_user() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can start a process as another user");
            return;
        }
        let mut program = sh("id -u; id -g; id -G");
        program.user = Some(User { uid: 65_534, gid: 65_533, extra_gid: Some(12_345) });
        assert_eq!(output(program).1, "65534
65533
65533 12345
");
    }

    #[test]
    fn a_child_is_killed_and_reaped() {
        let mut child = spawn(sh("exec sleep 1000")).unwrap();
        assert_eq!(child.wait(Duration::from_millis(20)).unwrap(), None);
        child.kill().unwrap();
        assert_eq!(child.wait(Duration::from_secs(20)).unwrap(), Some(ExitStatus::Signal { number: 9, core: false }));
        child.kill().unwrap();
    }
}
