//! What the shell's process loses before it becomes the shell, in this order; afterwards nothing can be had back, by it or by
//! anything that it starts.

use crate::account::Account;
use crate::cgroup::MemoryLimit;
use crate::profile::Limits;
use crate::ruleset::{self, Ruled, RulesetFault};
use crate::spec::Privilege;
use crate::sys::process;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The nice value of all that a session runs, unless its keeper is nicer: what ends it, init first, comes before it. Without
/// `CAP_SYS_NICE`, and with `RLIMIT_NICE` at 0, it can only be raised.
const NICE: i32 = 10;

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error("descriptors")]
    Descriptors(#[source] std::io::Error),
    #[error("foreground process group")]
    Foreground(#[source] Errno),
    #[error("resource limit {0:?}")]
    Limit(Resource, #[source] Errno),
    #[error("priority")]
    Priority(#[source] Errno),
    #[error("secure bits")]
    SecureBits(#[source] Errno),
    #[error("capability bounding set")]
    Bounding(#[source] caps::errors::CapsError),
    #[error("groups")]
    Groups(#[source] Errno),
    #[error("gid")]
    Gid(#[source] Errno),
    #[error("uid")]
    Uid(#[source] Errno),
    #[error("capabilities")]
    Capabilities(#[source] Errno),
    #[error("no new privileges")]
    NoNewPrivs(#[source] Errno),
    #[error("dumpable")]
    Dumpable(#[source] Errno),
    #[error("Landlock")]
    Landlock(#[source] RulesetFault),
    #[error("filter of system calls")]
    Filter(#[source] seccompiler::BackendError),
    #[error("installing the filter of system calls")]
    Install(#[source] seccompiler::Error),
    #[error("home folder")]
    Home(#[source] Errno),
}

/// What the shell's process is to be.
pub(crate) struct Confinement<'a> {
    /// its three standard descriptors
    pub(crate) standard: [BorrowedFd<'a>; 3],
    /// the terminal, when the session has one
    pub(crate) terminal: Option<BorrowedFd<'a>>,
    /// the only other descriptor that stays until the exec
    pub(crate) control: BorrowedFd<'a>,
    pub(crate) limits: Limits,
    pub(crate) memory: MemoryLimit,
    pub(crate) privilege: Privilege,
    pub(crate) account: &'a Account,
    pub(crate) places: &'a [Ruled],
}

/// Confines the calling process, which has one thread and is about to become the shell.
pub(crate) fn confine(to: &Confinement<'_>) -> Result<(), ConfineError> {
    // 1. a process group of its own, in the foreground of the terminal
    rustix::process::setpgid(None, None).map_err(ConfineError::Foreground)?;
    if let Some(terminal) = to.terminal {
        // a process in the background that changes this is stopped, unless it ignores the signal
        process::ignore(libc::SIGTTOU);
        rustix::termios::tcsetpgrp(terminal, rustix::process::getpid()).map_err(ConfineError::Foreground)?;
    }
    // 2. no descriptor of the keeper's or init's
    for (number, fd) in (0..).zip(&to.standard) {
        process::place(fd.as_raw_fd(), number).map_err(ConfineError::Descriptors)?;
    }
    process::only_descriptors(&[to.control.as_raw_fd()], process::Others::Close).map_err(ConfineError::Descriptors)?;
    // 3. signals as a program expects them
    process::default_signals();
    // 4. limits, and a lower priority
    limits(to.limits, to.memory)?;
    priority()?;
    // 5. no way to get capabilities back, whatever is executed
    lock_capabilities()?;
    // 6. the session's user
    if let Privilege::Root { uid, gid } = to.privilege {
        let groups: Vec<Gid> = to.account.groups.iter().map(|(_, gid)| Gid::from_raw(*gid)).collect();
        rustix::thread::set_thread_groups(&groups).map_err(ConfineError::Groups)?;
        let gid = Gid::from_raw(gid);
        rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(ConfineError::Gid)?;
        let uid = Uid::from_raw(uid);
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(ConfineError::Uid)?;
    }
    // 7. no capabilities, no new privileges
    no_capabilities()?;
    rustix::thread::set_no_new_privs(true).map_err(ConfineError::NoNewPrivs)?;
    // 8. the keeper of a user namespace is nobody special outside it: it may trace this process only while that is dumpable
    if to.privilege == Privilege::UserNamespace {
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(ConfineError::Dumpable)?;
    }
    // 9. Landlock, then the filter, which would refuse much of the above
    ruleset::restrict(to.places).map_err(ConfineError::Landlock)?;
    let filter = crate::deny::filter().map_err(ConfineError::Filter)?;
    seccompiler::apply_filter(&filter).map_err(ConfineError::Install)?;
    // 10. home
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::chdir(to.account.home()).map_err(ConfineError::Home)
}

/// Bounds what the calling process may use; its memory too, where nothing bounds that of the session.
pub(crate) fn limits(to: Limits, memory: MemoryLimit) -> Result<(), ConfineError> {
    let own = (memory == MemoryLimit::Process).then(|| (Resource::Data, u64::from(to.memory_mib) * 1024 * 1024));
    resources(to).into_iter().chain(own).try_for_each(|(resource, value)| {
        let value = rustix::process::getrlimit(resource).maximum.map_or(value, |hard| hard.min(value));
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        rustix::process::setrlimit(resource, limit).map_err(|errno| ConfineError::Limit(resource, errno))
    })
}

/// Lowers the calling process's priority.
pub(crate) fn priority() -> Result<(), ConfineError> {
    let nice = rustix::process::getpriority_process(None).map_err(ConfineError::Priority)?;
    rustix::process::setpriority_process(None, nice.max(NICE)).map_err(ConfineError::Priority)
}

fn resources(limits: Limits) -> [(Resource, u64); 6] {
    [
        (Resource::Nproc, u64::from(limits.processes)),
        (Resource::Nofile, u64::from(limits.open_files)),
        (Resource::Fsize, u64::from(limits.file_size_mib) * 1024 * 1024),
        (Resource::Core, 0),
        // a lower priority is kept, and no real-time one is had
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ]
}

/// Sees to it that neither root's uid nor a file's capabilities ever give any, and empties the bounding set.
pub(crate) fn lock_capabilities() -> Result<(), ConfineError> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).map_err(ConfineError::SecureBits)?;
    caps::clear(None, caps::CapSet::Bounding).map_err(ConfineError::Bounding)
}

/// Gives up all capabilities.
pub(crate) fn no_capabilities() -> Result<(), ConfineError> {
    let none = CapabilitySets { effective: CapabilitySet::empty(), permitted: CapabilitySet::empty(), inheritable: CapabilitySet::empty() };
    rustix::thread::clear_ambient_capability_set().map_err(ConfineError::Capabilities)?;
    rustix::thread::set_capabilities(None, none).map_err(ConfineError::Capabilities)
}
