//! The descent: what the first process in the new namespaces does, in this order, each step once. Whatever fails ends it, and
//! nothing has run yet.

use crate::account::Account;
use crate::cgroup::MemoryLimit;
use crate::chain::with_sources;
use crate::confine::{self, Confinement};
use crate::control::{self, FromInit, Message};
use crate::guard::filter::{FilterError, install_guard_filter};
use crate::root::{self, At, Root};
use crate::runas::{self, Means};
use crate::socket::{Mode as Wait, SocketError};
use crate::spec::{JailSpec, Privilege};
use crate::sys::confine::new_session_keyring;
use crate::sys::process::{self, Image, Others, Side};
use crate::{environment, init, pty};
use portcullis_model::session::PtyRequest;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::thread::{Gid, Uid};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

/// How much more than others a session's processes are wanted gone when the node is out of memory, in thousandths of that.
const OUT_OF_MEMORY: &str = "300";

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescentError {
    #[error("step 1, die with the keeper")]
    DeathSignal(#[source] Errno),
    #[error("step 1, the keeper's go-ahead")]
    Go,
    #[error("step 2, descriptors")]
    Descriptors(#[source] io::Error),
    #[error("step 2, a standard descriptor of the keeper is closed")]
    Standard,
    #[error("step 3, private mounts")]
    Propagation(#[source] Errno),
    #[error("step 4, views of the host")]
    Take(#[source] At),
    #[error("step 5, a new root")]
    NewRoot(#[source] At),
    #[error("step 6, views in place")]
    Place(#[source] At),
    #[error("step 7, files of its own")]
    Files(#[source] At),
    #[error("step 8, terminals of its own")]
    Terminals(#[source] At),
    #[error("step 9, temporary folders")]
    Temporary(#[source] At),
    #[error("step 10, /proc")]
    Proc(#[source] At),
    #[error("step 11, the root read-only")]
    Seal(#[source] At),
    #[error("step 12, pivot to the new root")]
    Pivot(#[source] Errno),
    #[error("step 13, let go of the old root")]
    Detach(#[source] Errno),
    #[error("step 14, a session of its own")]
    Session(#[source] Errno),
    #[error("step 15, the terminal")]
    Terminal(#[source] io::Error),
    #[error("step 16, the exec guard's filter")]
    Guard(#[source] FilterError),
    #[error("step 16, the guard's listener to the keeper")]
    Send(#[source] SocketError),
    #[error("step 17, the shell's process")]
    Fork(#[source] io::Error),
    #[error("step 18, giving up what init does not need")]
    Lock(#[source] confine::ConfineError),
    #[error("step 18, giving up what init does not need")]
    Keep(#[source] runas::RunAsFault),
    #[error("step 19, waiting")]
    Wait(#[source] init::InitError),
}

/// What init was given by the keeper.
pub(crate) struct Given {
    pub(crate) spec: JailSpec,
    pub(crate) account: Account,
    /// the shell's end of its socket
    pub(crate) shell: OwnedFd,
    /// what bounds the session's memory
    pub(crate) memory: MemoryLimit,
    /// where its output and errors go without a terminal
    pub(crate) pipes: Option<(OwnedFd, OwnedFd)>,
}

/// The life of init, which hears and tells over `control`; does not return.
pub(crate) fn run(given: Given, control: &OwnedFd) -> ! {
    // a panic must not unwind into what is the keeper's code, in the wrong process
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| steps(given, control)));
    process::exit_now(match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            // whoever reads it, if anybody still does, kills us
            let _ = control::send(control.as_fd(), &Message::Report(FromInit::Failed(with_sources(&error))), None);
            1
        }
        Err(_) => 70,
    })
}

fn steps(given: Given, control: &OwnedFd) -> Result<(), DescentError> {
    let Given { spec, account, shell, memory, pipes } = given;
    // 1. dies with the keeper; waits until its users, cgroup and limits are set
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(DescentError::DeathSignal)?;
    let Ok(Some((Message::Go, None))) = control::receive(control.as_fd(), Wait::Blocking) else { return Err(DescentError::Go) };
    let _ = rustix::thread::set_name(c"portcullis-init");
    // 2. nothing of the keeper's stays open; the session keyring and the audit id, where the kernel has them, are its own
    let mut kept: Vec<_> = [control, &shell].into_iter().chain(pipes.iter().flat_map(|(a, b)| [a, b])).map(|fd| fd.as_raw_fd()).collect();
    kept.sort_unstable();
    if kept.first().is_some_and(|least| *least < 3) {
        return Err(DescentError::Standard);
    }
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty()).map_err(|e| DescentError::Descriptors(e.into()))?;
    for number in 0..3 {
        process::place(null.as_raw_fd(), number).map_err(DescentError::Descriptors)?;
    }
    drop(null);
    process::only_descriptors(&kept, Others::Close).map_err(DescentError::Descriptors)?;
    let _ = new_session_keyring();
    let _ = std::fs::write("/proc/self/loginuid", account.uid.to_string());
    // of a node that is out of memory, sessions go before what it is there for
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // 3. what is mounted here is not mounted on the host, and the other way round
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(DescentError::Propagation)?;
    // 4. to 11. the new root
    let taken = root::take(&spec, &account).map_err(DescentError::Take)?;
    let root = Root::new().map_err(DescentError::NewRoot)?;
    let mut places = root.place(taken).map_err(DescentError::Place)?;
    root.files(&account).map_err(DescentError::Files)?;
    let foreign = matches!(spec.privilege, Privilege::Root { .. });
    root.terminals(foreign).map_err(DescentError::Terminals)?;
    let owner = foreign.then_some((account.uid, account.gid));
    places.extend(root.temporary(&spec.profile, &account, owner, spec.folders.as_deref()).map_err(DescentError::Temporary)?);
    root.proc(spec.profile.proc).map_err(DescentError::Proc)?;
    root.seal().map_err(DescentError::Seal)?;
    // 12. it becomes the root, with the old one on top of it,
    rustix::process::fchdir(root.folder()).map_err(DescentError::Pivot)?;
    rustix::process::pivot_root(".", ".").map_err(DescentError::Pivot)?;
    // 13. which goes
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(DescentError::Detach)?;
    rustix::process::chdir("/").map_err(DescentError::Detach)?;
    drop(root);
    // 14. and 15. a session with the terminal, which the keeper gets the other end of
    rustix::process::setsid().map_err(DescentError::Session)?;
    let terminal = match &spec.terminal {
        None => None,
        Some(request) => Some(open_terminal(request, &account, foreign, control).map_err(DescentError::Terminal)?),
    };
    // 16. from here on every execve asks the keeper
    let listener = install_guard_filter().map_err(DescentError::Guard)?;
    control::send(control.as_fd(), &Message::Listener, Some(listener.as_fd())).map_err(DescentError::Send)?;
    drop(listener);
    // 17. the shell
    let means = Means { limits: spec.profile.limits, memory, places };
    let child = match process::fork().map_err(DescentError::Fork)? {
        Side::Child => become_shell(&spec, &account, &means, control, &shell, terminal.as_ref(), pipes.as_ref()),
        Side::Parent { pid, .. } => pid,
    };
    drop((terminal, shell, pipes));
    // 18. init keeps what it needs to make processes of other users; without them nothing is left to do that needs rights
    let means = (foreign && spec.helper.is_some()).then_some(means);
    match &means {
        Some(_) => runas::keep_means().map_err(DescentError::Keep)?,
        None => confine::lock_capabilities().and_then(|()| confine::no_capabilities()).map_err(DescentError::Lock)?,
    }
    let _ = rustix::thread::set_no_new_privs(true);
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // 19. and waits
    init::wait(control, child, means).map_err(DescentError::Wait)
}

fn open_terminal(request: &PtyRequest, account: &Account, foreign: bool, control: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    if foreign {
        rustix::fs::fchown(&slave, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(crate::account::TTY_GID)))?;
    }
    rustix::process::ioctl_tiocsctty(&slave)?;
    pty::apply_modes(&slave, &request.modes)?;
    pty::resize(&slave, request.size)?;
    let rdev = rustix::fs::fstat(&slave)?.st_rdev;
    control::send(control.as_fd(), &Message::Terminal(rdev), Some(master.as_fd())).map_err(io::Error::other)?;
    Ok(slave)
}

fn become_shell(
    spec: &JailSpec,
    account: &Account,
    means: &Means,
    control: &OwnedFd,
    shell: &OwnedFd,
    terminal: Option<&OwnedFd>,
    pipes: Option<&(OwnedFd, OwnedFd)>,
) -> ! {
    let (output, error) = match (terminal, pipes) {
        (Some(terminal), _) => (terminal, terminal),
        (None, Some((output, error))) => (output, error),
        (None, None) => process::exit_now(126), // the keeper gives one or the other
    };
    let to = Confinement {
        standard: [shell.as_fd(), output.as_fd(), error.as_fd()],
        terminal: terminal.map(AsFd::as_fd),
        control: control.as_fd(),
        limits: means.limits,
        memory: means.memory,
        privilege: spec.privilege,
        account,
        places: &means.places,
    };
    let text = |text: String| CString::new(text).ok();
    let variables = environment::of(spec).into_iter().filter_map(text).collect();
    let path = CString::new(root::SHELL).unwrap_or_default();
    let image = Image::new(path.clone(), vec![path], variables);
    let failed = match confine::confine(&to) {
        Err(error) => with_sources(&error),
        Ok(()) => match control::send(control.as_fd(), &Message::Confined, None) {
            Err(error) => with_sources(&error),
            Ok(()) => with_sources(&image.run()),
        },
    };
    let report = FromInit::Failed(format!("step 17, the shell: {failed}"));
    let _ = control::send(control.as_fd(), &Message::Report(report), None);
    process::exit_now(126)
}
