//! A program that runs as another user: made by the jail's init, because only a process of the session can be in the job of the
//! one that asked for it, and only init has the rights for it.
//!
//! The process that asked has become the helper, which stands for it in its job: it stops, goes on and ends as the program does.
//! What is run, as whom and how held comes from the guard; of the process that asked only its three standard descriptors are
//! taken, its process group, and its being alive: when it is gone, the program is ended.
//!
//! Nothing else of the caller's reaches the program: no other descriptor, no limit, signal or mask, and of its environment what is
//! allowed. It has the session's Landlock rules and filter of system calls as everything in the jail, then those of its verdict; no
//! capability but those that the verdict names, and none of those that would undo the jail.

use crate::cgroup::MemoryLimit;
use crate::confine::{limits, priority};
use crate::hold::{self, HoldFault};
use crate::profile::Limits;
use crate::ruleset::{self, Ruled, RulesetFault};
use crate::sys::process::{self, Marks};
use crate::users::User;
use portcullis_model::verdict::{Confinement, GRANTABLE};
use rustix::io::Errno;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::str::FromStr as _;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunAs {
    /// The program, by the name that leads to what was judged.
    #[serde(with = "portcullis_model::bytes")]
    pub(crate) name: Vec<u8>,
    /// Its arguments.
    #[serde(with = "portcullis_model::bytes::list")]
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Its whole environment.
    #[serde(with = "portcullis_model::bytes::list")]
    pub(crate) environment: Vec<Vec<u8>>,
    /// The directory that it runs in.
    #[serde(with = "portcullis_model::bytes")]
    pub(crate) directory: Vec<u8>,
    /// What it is held to.
    pub(crate) confinement: Confinement,
    /// As whom.
    pub(crate) user: User,
}

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunAsFault {
    #[error("descriptors")]
    Descriptors(#[source] std::io::Error),
    #[error("limits")]
    Limits(#[source] crate::confine::ConfineError),
    #[error("secure bits")]
    SecureBits(#[source] Errno),
    #[error("capability {0}")]
    Capability(String),
    #[error("capabilities")]
    Capabilities(#[from] caps::errors::CapsError),
    #[error("capabilities")]
    Sets(#[source] Errno),
    #[error("Landlock")]
    Landlock(#[from] RulesetFault),
    #[error(transparent)]
    Hold(#[from] HoldFault),
    #[error("user")]
    User(#[source] Errno),
    #[error("filter of system calls")]
    Filter(#[from] seccompiler::BackendError),
    #[error("installing the filter of system calls")]
    Install(#[from] seccompiler::Error),
    #[error("the directory cannot be entered")]
    Directory(#[source] Errno),
}

/// What init keeps for that.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) limits: Limits,
    pub(crate) memory: MemoryLimit,
    pub(crate) places: Vec<Ruled>,
}

/// Locked in what runs as another user: its number gives root nothing, and nothing gives capabilities later.
const LOCKED: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);
/// The same before the ambient set is filled, by which capabilities pass an exec.
const NO_ROOT: CapabilitiesSecureBits =
    CapabilitiesSecureBits::NO_ROOT.union(CapabilitiesSecureBits::NO_ROOT_LOCKED).union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED);

/// Leaves init what it needs to make such processes, and takes the rest from it and from all that it will make.
pub(crate) fn keep_means() -> Result<(), RunAsFault> {
    rustix::thread::set_capabilities_secure_bits(NO_ROOT).map_err(RunAsFault::SecureBits)?;
    let mut kept = GRANTABLE.iter().map(|name| capability(name)).collect::<Result<Vec<_>, _>>()?;
    kept.extend([caps::Capability::CAP_SETUID, caps::Capability::CAP_SETGID, caps::Capability::CAP_SETPCAP, caps::Capability::CAP_KILL]);
    bound(&kept)?;
    let held = rustix::thread::capabilities(None).map_err(RunAsFault::Sets)?.permitted;
    let kept = bits(&kept) & held;
    set(CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
}

/// Makes the calling process, a child of init that has one thread, what it is to be; it has to execute the program then.
pub(crate) fn become_user(run: &RunAs, means: &Means, standard: &[OwnedFd; 3]) -> Result<Marks, RunAsFault> {
    let RunAs { user, confinement, directory, .. } = run;
    // 1. three descriptors
    for (number, fd) in (0..).zip(standard) {
        process::place(fd.as_raw_fd(), number).map_err(RunAsFault::Descriptors)?;
    }
    process::only_descriptors(&[], process::Others::Close).map_err(RunAsFault::Descriptors)?;
    // 2. signals, limits and priority as the session's shell has them
    process::default_signals();
    limits(means.limits, means.memory).and_then(|()| priority()).map_err(RunAsFault::Limits)?;
    // 3. the caller's directory, which the user need not be able to enter: it would be there already had it not been made by init
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::chdir(directory.as_slice()).map_err(RunAsFault::Directory)?;
    // 4. no capability that is not wanted, in any set
    let wanted = confinement.capabilities.iter().map(|name| capability(name)).collect::<Result<Vec<_>, _>>()?;
    bound(&wanted)?;
    // 5. the session's rules, then the verdict's, while everything that they name can be looked at
    ruleset::restrict(&means.places)?;
    let marks = hold::hold(confinement)?;
    // 6. the user
    rustix::thread::set_thread_groups(&[]).map_err(RunAsFault::User)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(RunAsFault::User)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(RunAsFault::User)?;
    // 7. what is wanted and there passes the exec; nothing is added after it
    let held = rustix::thread::capabilities(None).map_err(RunAsFault::Sets)?.permitted;
    let kept = bits(&wanted) & held;
    let locks = CapabilitySet::SETPCAP & held;
    set(CapabilitySets { effective: kept | locks, permitted: kept | locks, inheritable: kept })?;
    for capability in wanted.iter().filter(|capability| held.contains(bits(&[**capability]))) {
        caps::raise(None, caps::CapSet::Ambient, *capability)?;
    }
    if user.uid == 0 {
        rustix::thread::set_capabilities_secure_bits(LOCKED).map_err(RunAsFault::SecureBits)?;
    }
    set(CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
    let filter = crate::deny::filter()?;
    seccompiler::apply_filter(&filter)?;
    Ok(marks)
}

fn capability(name: &str) -> Result<caps::Capability, RunAsFault> {
    caps::Capability::from_str(name).map_err(|_| RunAsFault::Capability(name.to_owned()))
}

fn bits(capabilities: &[caps::Capability]) -> CapabilitySet {
    CapabilitySet::from_bits_truncate(capabilities.iter().fold(0, |bits, capability| bits | capability.bitmask()))
}

/// Drops all but these from the bounding set.
fn bound(kept: &[caps::Capability]) -> Result<(), RunAsFault> {
    for capability in caps::read(None, caps::CapSet::Bounding)? {
        if !kept.contains(&capability) {
            caps::drop(None, caps::CapSet::Bounding, capability)?;
        }
    }
    Ok(())
}

fn set(sets: CapabilitySets) -> Result<(), RunAsFault> {
    rustix::thread::set_capabilities(None, sets).map_err(RunAsFault::Sets)
}
