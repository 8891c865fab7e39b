//! What a verdict holds one process to, applied by that process to itself just before it becomes the program: path sets and
//! ports by Landlock, the rest by a filter of system calls. All of it is inherited and none of it can be shed.
//!
//! *Children that may not be* are refused by the filter, with one exception: the exec that the process is about to do, which is
//! told from all later ones by three random words in registers that an execve does not use. They are gone with the image that
//! knew them, and even who had them would have an exec that is judged like any other.
//!
//! Limits: Landlock knows TCP alone, so with a set of ports there are no other sockets of the internet families, no listening and
//! no fast open. A socket that a process outside of the set hands over by a local socket is not held.

use crate::places::{self, PlaceFault};
use crate::sys::confine::landlock_abi;
use crate::sys::process::{Marks, looking_at, random_marks};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus,
};
use portcullis_model::verdict::{Children, Confinement, Network};
use rustix::io::Errno;
use rustix::net::AddressFamily;
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;

/// The first version of Landlock that knows TCP ports.
const PORTS_ABI: i32 = 4;

/// Why a process is not held, and so does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldFault {
    #[error("the kernel has no Landlock, or one without ports")]
    Landlock,
    #[error("the ruleset was refused")]
    Ruleset(#[from] RulesetError),
    #[error("the kernel enforces only a part of the ruleset")]
    Partial,
    #[error("path set")]
    Place(#[from] PlaceFault),
    #[error("filter of system calls")]
    Filter(#[from] BackendError),
    #[error("installing the filter of system calls")]
    Install(#[from] seccompiler::Error),
    #[error("no random numbers")]
    Random(#[source] std::io::Error),
    #[error("descriptors cannot be looked at")]
    Descriptors(#[source] std::io::Error),
    #[error("descriptor {0} is a network connection, and the policy allows none such")]
    Connection(i32),
    #[error("children that are lost to their parents cannot be kept together")]
    Subreaper(#[source] Errno),
}

/// Holds the calling process, which has one thread. The next exec has to carry the marks that are returned.
pub(crate) fn hold(to: &Confinement) -> Result<Marks, HoldFault> {
    if to.network != Network::Session {
        no_inherited_connection()?;
    }
    if to.children == Children::Trusted || to.time_limit_ms.is_some() {
        // orphans below it become its children and not init's, so that whoever descends from it is seen to
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(HoldFault::Subreaper)?;
    }
    restrict(to)?;
    let marks = random_marks().map_err(HoldFault::Random)?;
    let rules = refused(to, marks)?;
    // a filter always, be it an empty one: it can be seen from outside, for good, that something holds this process
    if !is_another_user_only(to) {
        let arch = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EACCES.cast_unsigned()), arch)?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&program)?;
    }
    Ok(marks)
}

/// Whether nothing is held, beyond what runs as another user is held to anyway.
fn is_another_user_only(to: &Confinement) -> bool {
    *to == Confinement { run_as: to.run_as.clone(), capabilities: to.capabilities.clone(), ..Confinement::default() }
}

/// Landlock: a set that is not there holds nothing, one that is there holds everything outside of it.
fn restrict(to: &Confinement) -> Result<(), HoldFault> {
    let files = to.read.is_some() || to.write.is_some() || to.execute.is_some();
    if !files && to.network == Network::Session {
        return Ok(());
    }
    let version = landlock_abi().ok_or(HoldFault::Landlock)?;
    let abi = ABI::from(version);
    let all = AccessFs::from_all(abi);
    let sets = [
        (&to.read, AccessFs::ReadFile | AccessFs::ReadDir),
        (&to.write, AccessFs::from_write(abi) & all & !AccessFs::IoctlDev),
        (&to.execute, AccessFs::Execute.into()),
    ];
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let handled = sets.iter().filter(|(set, _)| set.is_some()).fold(BitFlags::EMPTY, |handled, (_, rights)| handled | *rights);
    if !handled.is_empty() {
        ruleset = ruleset.handle_access(handled)?;
    }
    if to.network != Network::Session {
        if version < PORTS_ABI {
            return Err(HoldFault::Landlock);
        }
        ruleset = ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?;
    }
    let mut created = ruleset.create()?.no_new_privs(false);
    for (set, rights) in sets {
        for path in set.iter().flatten() {
            // on most nodes some of a set is not there
            let Some(place) = places::find(path)? else { continue };
            let rights = if place.folder { rights } else { rights & AccessFs::from_file(abi) };
            if !rights.is_empty() {
                created = created.add_rule(PathBeneath::new(place.fd, rights))?;
            }
        }
    }
    if let Network::Ports(ports) = &to.network {
        for port in ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    if created.restrict_self()?.ruleset == RulesetStatus::FullyEnforced { Ok(()) } else { Err(HoldFault::Partial) }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The system calls that are refused.
fn refused(to: &Confinement, marks: Marks) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    if to.children == Children::Forbidden {
        let unmarked = (3..).zip(marks).map(|(argument, mark)| rule(&[(argument, Width::Qword, Op::Ne, mark)]));
        rules.insert(libc::SYS_execve, unmarked.collect::<Result<_, _>>()?);
        rules.insert(libc::SYS_execveat, Vec::new());
    }
    if to.children == Children::Trusted || to.time_limit_ms.is_some() {
        // whose orphans would go elsewhere
        rules.insert(libc::SYS_prctl, vec![rule(&[(0, Width::Dword, Op::Eq, number(libc::PR_SET_CHILD_SUBREAPER))])?]);
    }
    let families = [libc::AF_INET, libc::AF_INET6].map(number);
    match to.network {
        Network::Session => {}
        Network::None => {
            let sockets = families.map(|family| rule(&[(0, Width::Dword, Op::Eq, family)]));
            rules.insert(libc::SYS_socket, sockets.into_iter().collect::<Result<_, _>>()?);
        }
        Network::Ports(_) => {
            let mut sockets = Vec::new();
            for family in families {
                // everything but TCP; a kind has four bits, a protocol of 0 is the kind's own
                for kind in (0..16).filter(|kind| *kind != number(libc::SOCK_STREAM)) {
                    sockets.push(rule(&[(0, Width::Dword, Op::Eq, family), (1, Width::Dword, Op::MaskedEq(0xf), kind)])?);
                }
                let others = [(0, Width::Dword, Op::Eq, family), (2, Width::Dword, Op::Ne, 0), (2, Width::Dword, Op::Ne, number(libc::IPPROTO_TCP))];
                sockets.push(rule(&others)?);
            }
            rules.insert(libc::SYS_socket, sockets);
            rules.insert(libc::SYS_listen, Vec::new());
            // a connection that is made by sending is none that Landlock sees
            let fast_open = number(libc::MSG_FASTOPEN);
            for (call, argument) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
                rules.insert(call, vec![rule(&[(argument, Width::Dword, Op::MaskedEq(fast_open), fast_open)])?]);
            }
        }
    }
    Ok(rules)
}

fn number(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn rule(conditions: &[(u8, Width, Op, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, width, op, value)| Condition::new(*argument, width.clone(), op.clone(), *value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// A connection that the caller has open already is not seen by Landlock, nor by the filter.
fn no_inherited_connection() -> Result<(), HoldFault> {
    let entries = std::fs::read_dir("/proc/self/fd").map_err(HoldFault::Descriptors)?;
    let numbers: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        let domain = looking_at(number, |fd| rustix::net::sockopt::socket_domain(fd));
        match domain {
            Err(_) | Ok(AddressFamily::UNIX | AddressFamily::NETLINK) => {}
            Ok(_) => return Err(HoldFault::Connection(number)),
        }
    }
    Ok(())
}
