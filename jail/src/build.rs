//! The keeper's side of a jail: makes init in its namespaces, gives it what it needs, and holds on to everything that is
//! needed to watch it, enter it and end it.

use crate::account::{Account, host_groups};
use crate::cgroup::{Cgroup, CgroupError, CpuShare, MemoryLimit};
use crate::control::{self, Control, ControlError, FromInit, Message};
use crate::descent::{self, Given};
use crate::kill::pid_namespace;
use crate::profile::Network;
use crate::socket::{self, Kind, Mode as Wait, SocketError};
use crate::spec::{JailSpec, Privilege};
use crate::sys::process::{self, Side};
use crate::users::{Others, User, host_users};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use rustix::thread::{Gid, LinkNameSpaceType, Uid, move_into_link_name_space};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the descent may take. Tearing down and making namespaces waits for the kernel's grace periods, which are long on
/// a busy machine.
const DESCENT_DEADLINE: Duration = Duration::from_secs(30);

/// Most processes of a session whose processes each have a share of the processors of their own: what ends the session has to
/// have its turn among them.
const UNSHARED_PROCESSES_MAX: u32 = 256;

/// Why there is no jail.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The wanted privilege is not one that the caller can give.
    #[error("{0}")]
    Privilege(&'static str),
    /// The node's /proc cannot be opened.
    #[error("cannot open /proc")]
    Proc(#[source] Errno),
    /// A program of ours cannot be found.
    #[error("cannot find the program {}", path.display())]
    Shell {
        /// where it was looked for
        path: PathBuf,
        /// why
        #[source]
        source: io::Error,
    },
    /// No cgroup.
    #[error("no cgroup for the session")]
    Cgroup(#[from] CgroupError),
    /// No sockets or pipes.
    #[error("no sockets for the session")]
    Socket(#[from] SocketError),
    /// No pipes.
    #[error("no pipes for the session")]
    Pipe(#[source] Errno),
    /// The kernel refused the namespaces.
    #[error("the kernel refused new namespaces")]
    Clone(#[source] io::Error),
    /// The user namespace could not be given its one user.
    #[error("cannot map the user into its namespace ({file})")]
    Map {
        /// the file of /proc that could not be written
        file: &'static str,
        /// why
        #[source]
        source: io::Error,
    },
    /// The limit on processes could not be set.
    #[error("cannot limit the session's processes")]
    Bound(#[source] io::Error),
    /// The new namespaces cannot be held.
    #[error("cannot hold the session's namespace {0}")]
    Hold(&'static str, #[source] Errno),
    /// A step of the descent failed in the jail.
    #[error("building the jail failed: {0}")]
    Descent(String),
    /// Init went away or does not make sense.
    #[error("building the jail failed")]
    Control(#[from] ControlError),
    /// The descent did not end in time.
    #[error("building the jail took longer than {} seconds", DESCENT_DEADLINE.as_secs())]
    Late,
    /// The jail cannot be entered.
    #[error("cannot enter the jail ({0})")]
    Enter(&'static str, #[source] io::Error),
}

/// The keeper's ends of what the session reads and writes. All but `client_input` are non-blocking.
#[derive(Debug)]
pub enum Terminal {
    /// A terminal.
    Pty {
        /// its master
        master: OwnedFd,
        /// the device number of its slave
        rdev: u64,
    },
    /// Pipes.
    Pipes {
        /// the client's input is written here,
        input: OwnedFd,
        /// standard output is read here,
        output: OwnedFd,
        /// and standard error here
        error: OwnedFd,
        /// the other end of `input`, for the shell
        client_input: OwnedFd,
    },
}

/// A jail. When it is dropped its init exits, and the kernel ends everything in it; [`kill`](crate::kill::kill) does that and
/// proves it.
#[derive(Debug)]
#[must_use]
pub struct Jail {
    /// Its init, a child of the calling thread.
    pub init: Pid,
    /// Its init, as a descriptor.
    pub init_fd: OwnedFd,
    /// The listener of its exec guard; taken by whoever becomes the guard.
    pub listener: Option<OwnedFd>,
    /// The keeper's ends of its terminal or pipes; taken by whoever relays them.
    pub terminal: Option<Terminal>,
    /// The keeper's end of the shell's stream socket, non-blocking; taken by whoever talks to the shell.
    pub shell: Option<OwnedFd>,
    /// What init says.
    pub control: Control,
    /// Its cgroup, where there is one.
    pub cgroup: Option<Cgroup>,
    /// The node's /proc.
    pub(crate) host_proc: OwnedFd,
    /// The number of its PID namespace.
    pub(crate) pid_namespace: Option<u64>,
    /// Whom processes can become.
    others: Vec<User>,
    mounts: OwnedFd,
    users: Option<OwnedFd>,
    /// Namespaces whose teardown must not be on the path of a kill.
    _held: Vec<OwnedFd>,
}

/// A jail that is not finished: unless it is, it ends here, and its init is reaped.
struct Unfinished {
    init: Option<OwnedFd>,
    cgroup: Option<Cgroup>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(init) = &self.init {
            let _ = rustix::process::pidfd_send_signal(init, Signal::KILL);
            let _ = rustix::process::waitid(WaitId::PidFd(init.as_fd()), WaitIdOptions::EXITED);
            if let Some(cgroup) = &self.cgroup {
                let _ = cgroup.remove();
            }
        }
    }
}

impl Jail {
    /// Builds a jail. Returns when the shell's process is confined and about to be executed, which waits for the guard.
    ///
    /// The calling process must have one thread: the new process is a copy of it, in which locks that another thread held
    /// would never be released.
    ///
    /// # Errors
    /// [`JailError`], naming the step; nothing is left behind then.
    pub fn build(spec: &JailSpec) -> Result<Self, JailError> {
        let (uid, gid) = who(spec.privilege)?;
        let host_proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(JailError::Proc)?;
        let mut spec = spec.clone();
        let program = |path: &PathBuf| path.canonicalize().map_err(|source| JailError::Shell { path: path.clone(), source });
        spec.shell = program(&spec.shell)?;
        spec.helper = spec.helper.as_ref().map(program).transpose()?;
        let groups = if matches!(spec.privilege, Privilege::Root { .. }) { host_groups(&spec.profile.groups) } else { Vec::new() };
        let users = if matches!(spec.privilege, Privilege::Root { .. }) && spec.helper.is_some() { host_users(&spec.profile.users, uid) } else { Vec::new() };
        let others = users.clone();
        let account = Account::new(&spec, uid, gid, groups, users);
        let cgroup = Cgroup::create(spec.facts.id.as_str(), &spec.profile.limits)?;
        let memory = cgroup.as_ref().map_or(MemoryLimit::Process, Cgroup::memory_limit);
        if cgroup.as_ref().is_none_or(|cgroup| cgroup.share() == CpuShare::Process) {
            spec.profile.limits.processes = spec.profile.limits.processes.min(UNSHARED_PROCESSES_MAX);
        }
        let (control, their_control) = socket::pair(Kind::Packets)?;
        let (shell, their_shell) = socket::pair(Kind::Stream)?;
        let (pipes, their_pipes) = if spec.terminal.is_some() { (None, None) } else { make_pipes(spec.privilege).map(|(a, b)| (Some(a), Some(b)))? };

        let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        let mut names = vec!["mnt", "ipc", "uts"];
        if spec.profile.network == Network::None {
            flags |= libc::CLONE_NEWNET;
            names.push("net");
        }
        if spec.privilege == Privilege::UserNamespace {
            flags |= libc::CLONE_NEWUSER;
            names.push("user");
        }
        let privilege = spec.privilege;
        let (init, init_fd) = match process::clone3(flags, cgroup.as_ref().map(Cgroup::folder)).map_err(JailError::Clone)? {
            Side::Child => descent::run(Given { spec, account, shell: their_shell, pipes: their_pipes, memory }, &their_control),
            Side::Parent { pid, pidfd } => (pid, pidfd),
        };
        let mut unfinished = Unfinished { init: Some(init_fd), cgroup };
        drop((their_control, their_shell, their_pipes));
        let number = init.as_raw_pid().cast_unsigned();
        if privilege == Privilege::UserNamespace {
            map_user(&host_proc, number, uid, gid)?;
        }
        if let Some(cgroup) = &unfinished.cgroup {
            cgroup.bound(number).map_err(JailError::Bound)?;
        }
        let mut held = Vec::new();
        for name in names {
            let file = openat(&host_proc, format!("{number}/ns/{name}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            held.push(file.map_err(|errno| JailError::Hold(name, errno))?);
        }
        let users = if privilege == Privilege::UserNamespace { held.pop() } else { None };
        let mounts = held.first().ok_or(JailError::Hold("mnt", Errno::NOENT))?.try_clone().map_err(|_| JailError::Hold("mnt", Errno::MFILE))?;
        let pid_namespace = pid_namespace(host_proc.as_fd(), number);
        control::send(control.as_fd(), &Message::Go, None)?;
        let control = Control(control);
        let (listener, terminal) = follow(&control, pipes)?;
        socket::set_nonblocking(&shell)?;
        let cgroup = unfinished.cgroup.take();
        let init_fd = unfinished.init.take().ok_or(JailError::Control(ControlError::Gone))?;
        Ok(Self {
            init,
            init_fd,
            listener: Some(listener),
            terminal: Some(terminal),
            shell: Some(shell),
            control,
            cgroup,
            host_proc,
            pid_namespace,
            others,
            mounts,
            users,
            _held: held,
        })
    }

    /// What a guard needs to have programs run as other users; none where there is nobody else.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn others(&self) -> Result<Option<Others>, JailError> {
        if self.others.is_empty() {
            return Ok(None);
        }
        let init = self.control.as_fd().try_clone_to_owned().map_err(|error| JailError::Enter("its init's socket", error))?;
        Ok(Some(Others { users: self.others.clone(), init }))
    }

    /// The calling process, which must have one thread, enters the jail's mount namespace, and with it the jail's root and
    /// user namespace: names mean what they mean in the jail from then on. What it holds open it keeps, and its PID namespace
    /// too: it sees, traces and kills as before. Its parent-death signal stays what it was.
    ///
    /// # Errors
    /// The process has other threads, or may not.
    pub fn enter(&self) -> Result<(), JailError> {
        let death = rustix::process::parent_process_death_signal().map_err(|e| JailError::Enter("parent-death signal", e.into()))?;
        if let Some(users) = &self.users {
            move_into_link_name_space(users.as_fd(), Some(LinkNameSpaceType::User)).map_err(|e| JailError::Enter("user namespace", e.into()))?;
        }
        process::unshare_fs().map_err(|e| JailError::Enter("its own root", e))?;
        move_into_link_name_space(self.mounts.as_fd(), Some(LinkNameSpaceType::Mount)).map_err(|e| JailError::Enter("mount namespace", e.into()))?;
        // the change of user namespace took it back
        rustix::process::set_parent_process_death_signal(death).map_err(|e| JailError::Enter("parent-death signal", e.into()))
    }
}

/// Who the session's processes are, if the caller can make them so.
fn who(privilege: Privilege) -> Result<(u32, u32), JailError> {
    let root = rustix::process::geteuid().is_root();
    match privilege {
        Privilege::Root { .. } if !root => Err(JailError::Privilege("only root can run a session as another user")),
        Privilege::Root { uid: 0, .. } | Privilege::Root { gid: 0, .. } => Err(JailError::Privilege("a session is never run as root")),
        Privilege::Root { uid, gid } => Ok((uid, gid)),
        Privilege::UserNamespace if root => Err(JailError::Privilege("root needs another user for a session: in a user namespace it would stay root")),
        Privilege::UserNamespace => Ok((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())),
    }
}

type OurPipes = Terminal;
type TheirPipes = (OwnedFd, OwnedFd);

fn make_pipes(privilege: Privilege) -> Result<(OurPipes, TheirPipes), JailError> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(JailError::Pipe);
    let ((client_input, input), (output, their_output), (error, their_error)) = (pipe()?, pipe()?, pipe()?);
    if let Privilege::Root { uid, gid } = privilege {
        // so that the session can open them again, as /dev/stdin, /dev/stdout and /dev/stderr
        for end in [&client_input, &their_output, &their_error] {
            rustix::fs::fchown(end, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(JailError::Pipe)?;
        }
    }
    for end in [&input, &output, &error] {
        socket::set_nonblocking(end)?;
    }
    Ok((Terminal::Pipes { input, output, error, client_input }, (their_output, their_error)))
}

/// Gives a user namespace its one user and one group: the caller's, under their own numbers.
fn map_user(proc: &OwnedFd, init: u32, uid: u32, gid: u32) -> Result<(), JailError> {
    let files = [("setgroups", "deny".to_owned()), ("uid_map", format!("{uid} {uid} 1")), ("gid_map", format!("{gid} {gid} 1"))];
    files.into_iter().try_for_each(|(file, text)| {
        let opened = openat(proc, format!("{init}/{file}"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let written = opened.map_err(io::Error::from).and_then(|opened| File::from(opened).write_all(text.as_bytes()));
        written.map_err(|source| JailError::Map { file, source })
    })
}

/// Hears the descent out: the listener, and the terminal if there is one.
fn follow(control: &Control, pipes: Option<Terminal>) -> Result<(OwnedFd, Terminal), JailError> {
    let end = Instant::now() + DESCENT_DEADLINE;
    let (mut listener, mut terminal) = (None, pipes);
    loop {
        match control::receive(control.as_fd(), Wait::NonBlocking)? {
            Some((Message::Terminal(rdev), Some(master))) => {
                socket::set_nonblocking(&master)?;
                terminal = Some(Terminal::Pty { master, rdev });
            }
            Some((Message::Listener, Some(fd))) => listener = Some(fd),
            Some((Message::Confined, None)) => {
                return listener.zip(terminal).ok_or(JailError::Control(ControlError::Malformed));
            }
            Some((Message::Report(FromInit::Failed(why)), _)) => return Err(JailError::Descent(why)),
            Some(_) => return Err(JailError::Control(ControlError::Malformed)),
            None => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(JailError::Late);
                }
                let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
                match rustix::event::poll(&mut [PollFd::new(control, PollFlags::IN)], Some(&timeout)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(JailError::Control(ControlError::Socket(SocketError::Call { call: "poll", source: errno.into() }))),
                }
            }
        }
    }
}
