//! System calls that a session's processes do not get, each with its reason. The list is a second bottom: most of it needs
//! capabilities that nobody in the jail has; what is left has been a way out of jails before.
//!
//! What the exec guard's own filter refuses (namespaces by clone, other architectures' calls) is not repeated here.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// Calls that are refused whatever their arguments are.
pub(crate) const REFUSED: &[(i64, &str, &str)] = &[
    (libc::SYS_ptrace, "ptrace", "a tracer changes what another process has been allowed to run"),
    (libc::SYS_process_vm_readv, "process_vm_readv", "reads another process"),
    (libc::SYS_process_vm_writev, "process_vm_writev", "changes another process"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd", "takes another process's descriptors"),
    (libc::SYS_kcmp, "kcmp", "tells kernel addresses apart"),
    (libc::SYS_mount, "mount", "changes the view"),
    (libc::SYS_umount2, "umount2", "uncovers what lies under a mount"),
    (libc::SYS_pivot_root, "pivot_root", "changes the root"),
    (libc::SYS_chroot, "chroot", "changes what names mean to the guard"),
    (libc::SYS_open_tree, "open_tree", "copies mounts"),
    (libc::SYS_move_mount, "move_mount", "changes the view"),
    (libc::SYS_fsopen, "fsopen", "makes mounts"),
    (libc::SYS_fsconfig, "fsconfig", "makes mounts"),
    (libc::SYS_fsmount, "fsmount", "makes mounts"),
    (libc::SYS_fspick, "fspick", "changes mounts"),
    (libc::SYS_mount_setattr, "mount_setattr", "makes a read-only mount writable"),
    (OPEN_TREE_ATTR, "open_tree_attr", "copies mounts with other attributes"),
    (libc::SYS_unshare, "unshare", "a user namespace gives all capabilities in it, and with them most of the kernel"),
    (libc::SYS_setns, "setns", "enters other namespaces"),
    (libc::SYS_bpf, "bpf", "runs code in the kernel"),
    (libc::SYS_perf_event_open, "perf_event_open", "large, often broken; watches other processes"),
    (libc::SYS_userfaultfd, "userfaultfd", "holds the kernel up in the middle of a copy: widens races"),
    (libc::SYS_io_uring_setup, "io_uring_setup", "does file and socket work past the filter"),
    (libc::SYS_io_uring_enter, "io_uring_enter", "does file and socket work past the filter"),
    (libc::SYS_io_uring_register, "io_uring_register", "does file and socket work past the filter"),
    (libc::SYS_add_key, "add_key", "keys are not namespaced"),
    (libc::SYS_request_key, "request_key", "starts a program of the host"),
    (libc::SYS_keyctl, "keyctl", "keys are not namespaced"),
    (libc::SYS_kexec_load, "kexec_load", "replaces the kernel"),
    (libc::SYS_kexec_file_load, "kexec_file_load", "replaces the kernel"),
    (libc::SYS_init_module, "init_module", "runs code in the kernel"),
    (libc::SYS_finit_module, "finit_module", "runs code in the kernel"),
    (libc::SYS_delete_module, "delete_module", "takes code out of the kernel"),
    (libc::SYS_reboot, "reboot", "ends the node; a policy that allows it does so by a program that is run as root"),
    (libc::SYS_swapon, "swapon", "a disk becomes memory"),
    (libc::SYS_swapoff, "swapoff", "memory is taken from the node"),
    (libc::SYS_acct, "acct", "turns the node's accounting off"),
    (libc::SYS_quotactl, "quotactl", "the node's, not the session's"),
    (libc::SYS_quotactl_fd, "quotactl_fd", "the node's, not the session's"),
    (libc::SYS_syslog, "syslog", "kernel addresses, and the clearing of evidence"),
    (libc::SYS_name_to_handle_at, "name_to_handle_at", "first half of opening files by handle, past every view"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at", "opens files by handle, past every view"),
    (libc::SYS_fanotify_init, "fanotify_init", "watches and holds up whole file systems"),
    (libc::SYS_lookup_dcookie, "lookup_dcookie", "obsolete; names of files by number"),
    (libc::SYS_settimeofday, "settimeofday", "the clock that records are written by"),
    (libc::SYS_clock_settime, "clock_settime", "the clock that records are written by"),
    (libc::SYS_sethostname, "sethostname", "the prompt would lie about the node"),
    (libc::SYS_setdomainname, "setdomainname", "the prompt would lie about the node"),
    (libc::SYS_vhangup, "vhangup", "hangs up the terminal that is recorded"),
    (libc::SYS_mbind, "mbind", "rarely used, often broken"),
    (libc::SYS_move_pages, "move_pages", "moves another process's memory"),
    (libc::SYS_migrate_pages, "migrate_pages", "moves another process's memory"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_modify_ldt, "modify_ldt", "obsolete; has been a way into the kernel"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_uselib, "uselib", "obsolete; maps a program without an exec"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_iopl, "iopl", "the machine's ports"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_ioperm, "ioperm", "the machine's ports"),
];

/// `open_tree_attr`, Linux 6.15: one number on all architectures.
const OPEN_TREE_ATTR: i64 = 467;

/// Terminal requests that are refused.
pub(crate) const REFUSED_IOCTLS: &[(u32, &str, &str)] = &[
    (0x5412, "TIOCSTI", "types into the terminal as if the operator had"),
    (0x541c, "TIOCLINUX", "pastes into the console"),
    (0x5423, "TIOCSETD", "loads line disciplines into the kernel"),
    (0x541d, "TIOCCONS", "takes the console's messages"),
];

/// Address families that a socket may have.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Netlink protocols: routes and addresses (`ip`, name look-up) and sockets (`ss`); none that changes more than its caller may.
const NETLINK: [i32; 2] = [libc::NETLINK_ROUTE, libc::NETLINK_SOCK_DIAG];

/// The filter: what is on the lists is `EPERM`.
pub(crate) fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|(call, ..)| (*call, Vec::new())).collect();
    let ioctls = REFUSED_IOCTLS.iter().map(|(request, ..)| when(vec![(1, Op::Eq, u64::from(*request))]));
    rules.insert(libc::SYS_ioctl, ioctls.collect::<Result<_, _>>()?);
    // a family that is none of those listed; and netlink with a protocol that is none of those listed
    let other = when(FAMILIES.iter().map(|family| (0, Op::Ne, number(*family))).collect())?;
    let netlink = std::iter::once((0, Op::Eq, number(libc::AF_NETLINK))).chain(NETLINK.iter().map(|protocol| (2, Op::Ne, number(*protocol))));
    rules.insert(libc::SYS_socket, vec![other, when(netlink.collect())?]);
    rules.insert(libc::SYS_socketpair, vec![when(vec![(0, Op::Ne, number(libc::AF_UNIX))])?]);
    // asking for the personality is harmless, and common
    rules.insert(libc::SYS_personality, vec![when(vec![(0, Op::Ne, 0xffff_ffff)])?]);
    // a file in memory that could be executed has no path for a policy; vm.memfd_noexec=2 says the same, where it can be set
    rules.insert(libc::SYS_memfd_create, vec![when(vec![(1, Op::MaskedEq(MFD_NOEXEC_SEAL), 0)])?]);
    rules.insert(SYS_MEMFD_SECRET, Vec::new());
    // the limits of others: of the jail's init, or of a program of another user
    rules.insert(libc::SYS_prlimit64, vec![when(vec![(0, Op::Ne, 0)])?]);
    // a file that makes whoever starts it its owner: on a view that is written to, it would outlive the session
    for (call, mode) in MODES {
        rules.entry(*call).or_default().extend(SET_ID.iter().map(|bit| when(vec![(*mode, Op::MaskedEq(*bit), *bit)])).collect::<Result<Vec<_>, _>>()?);
    }
    for (call, flags) in [(libc::SYS_open, 1), (libc::SYS_openat, 2)] {
        // the mode counts only where a file is made
        let made = [number(libc::O_CREAT), number(libc::O_TMPFILE & !libc::O_DIRECTORY)];
        let each = made.into_iter().flat_map(|flag| SET_ID.iter().map(move |bit| when(vec![(flags, Op::MaskedEq(flag), flag), (flags + 1, Op::MaskedEq(*bit), *bit)])));
        rules.insert(call, each.collect::<Result<_, _>>()?);
    }
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.cast_unsigned()), arch)?.try_into()
}

/// The bits of a mode that give a program its file's user or group.
const SET_ID: [u64; 2] = [0o4000, 0o2000];
/// `fchmodat2`, Linux 6.6: one number on all architectures.
const SYS_FCHMODAT2: i64 = 452;
/// Calls that give a file a mode, and which argument that is.
const MODES: &[(i64, u8)] = &[
    (libc::SYS_chmod, 1), (libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (SYS_FCHMODAT2, 2), (libc::SYS_mkdir, 1), (libc::SYS_mkdirat, 2), (libc::SYS_mknod, 1),
    (libc::SYS_mknodat, 2), (libc::SYS_creat, 1),
];

const MFD_NOEXEC_SEAL: u64 = 8;
/// `memfd_secret`, Linux 5.14: memory that not even the kernel's own tools see.
const SYS_MEMFD_SECRET: i64 = 447;

fn number(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn when(conditions: Vec<(u8, Op, u64)>) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.into_iter().map(|(argument, op, value)| Condition::new(argument, Width::Dword, op, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_have_no_doubles_and_every_entry_a_reason() {
        let mut numbers: Vec<_> = REFUSED.iter().map(|(call, ..)| *call).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), REFUSED.len());
        assert!(REFUSED.iter().all(|(_, name, why)| !name.is_empty() && why.len() > 8));
        assert!(REFUSED_IOCTLS.iter().all(|(_, name, why)| name.starts_with("TIOC") && why.len() > 8));
        assert!(filter().unwrap().len() > REFUSED.len());
    }
}
