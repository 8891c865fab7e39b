//! What the judge gives up once its modules are loaded and it listens: everything but answering, and compiling what is pushed.
//!
//! 1. no privileges by execve (`no_new_privs`), no core dumps, no debugger of the same user, few descriptors;
//! 2. a seccomp filter on every thread: memory, time, the sockets that are open already, and new connections from the listeners.
//!    No file is opened, no program or thread started, no other socket made, no memory at once writable and executable;
//! 3. a second filter on the threads that answer: they make no memory executable at all. That is left to the thread that compiles,
//!    which asks nobody and answers nobody.
//!
//! A call that is not listed fails with EPERM. It gains nothing, and the judge goes on or ends; either way nothing is allowed by it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;

/// Why the process is not confined. It must not answer then.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A limit or attribute of the process cannot be set.
    #[error("cannot set {0}")]
    Process(&'static str, #[source] rustix::io::Errno),
    /// The filter cannot be made, or the kernel refuses it.
    #[error("cannot set the seccomp filter")]
    Filter(#[source] seccompiler::Error),
    /// This kind of processor has no filter yet.
    #[error("there is no seccomp filter for {0}")]
    Architecture(&'static str),
}

/// Confines the calling thread further, for good, as one that answers. After [`confine`].
///
/// # Errors
/// [`ConfineError`]; the thread must not answer then.
pub fn confine_answering() -> Result<(), ConfineError> {
    let program = filter(Thread::Answering).map_err(ConfineError::Filter)?.ok_or(ConfineError::Architecture(std::env::consts::ARCH))?;
    seccompiler::apply_filter(&program).map_err(ConfineError::Filter)
}

/// What a thread is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// Answering.
    Answering,
    /// Anything, also compiling.
    Any,
}

/// Confines the whole process, for good: `descriptors` more than are open now may be open at a time. All threads that are ever
/// needed have to be there.
///
/// # Errors
/// [`ConfineError`]; some of it may be in force then.
pub fn confine(descriptors: u64) -> Result<(), ConfineError> {
    let process = |what| move |error| ConfineError::Process(what, error);
    rustix::thread::set_no_new_privs(true).map_err(process("no_new_privs"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(process("not dumpable"))?;
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Core, limit(0)).map_err(process("the limit of core dumps"))?;
    let most = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    setrlimit(Resource::Nofile, limit(most.min(descriptors))).map_err(process("the limit of descriptors"))?;
    let program = filter(Thread::Any).map_err(ConfineError::Filter)?.ok_or(ConfineError::Architecture(std::env::consts::ARCH))?;
    seccompiler::apply_filter_all_threads(&program).map_err(ConfineError::Filter)
}

/// Calls that are allowed whatever their arguments, and who needs them.
const CALLS: &[(&[i64], &str)] = &[
    (&[libc::SYS_read, libc::SYS_readv, libc::SYS_recvfrom, libc::SYS_recvmsg], "connections"),
    (&[libc::SYS_write, libc::SYS_writev, libc::SYS_sendto, libc::SYS_sendmsg], "connections, readiness, the log"),
    (&[libc::SYS_accept4, libc::SYS_getsockopt, libc::SYS_shutdown, libc::SYS_close, libc::SYS_fcntl], "connections"),
    (&[libc::SYS_epoll_ctl, libc::SYS_epoll_pwait], "tokio"),
    (&[libc::SYS_futex, libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_membarrier], "threads"),
    (&[libc::SYS_set_robust_list, libc::SYS_rseq, libc::SYS_exit], "threads that start or end"),
    (&[libc::SYS_munmap, libc::SYS_madvise, libc::SYS_mremap, libc::SYS_brk], "memory"),
    (&[libc::SYS_sigaltstack, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn], "traps"),
    (&[libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_restart_syscall], "time"),
    (&[libc::SYS_getrandom], "hash maps"),
    (&[libc::SYS_getpid, libc::SYS_gettid, libc::SYS_tgkill, libc::SYS_exit_group], "the end, also by abort"),
];

/// Calls beside those that threads need which do not answer.
const COMPILING: &[(&[i64], &str)] = &[
    (&[libc::SYS_memfd_create, libc::SYS_ftruncate], "what a module's memory holds at its start"),
    (&[libc::SYS_seccomp], "the second filter"),
];

/// `_IOWR('f', 16, struct pm_scan_arg)`: which pages of an instance have to be cleaned.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

fn filter(thread: Thread) -> Result<Option<BpfProgram>, seccompiler::Error> {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().flat_map(|(calls, _)| calls.iter()).map(|call| (*call, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([(libc::SYS_epoll_wait, vec![]), (libc::SYS_poll, vec![])]);
    let when = |argument, length, operation, value| SeccompRule::new(vec![SeccompCondition::new(argument, length, operation, value)?]);
    let executable = libc::PROT_EXEC as u64;
    let not_executable = || when(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(executable), 0);
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    let mut prctl = vec![when(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?];
    if thread == Thread::Any {
        rules.extend(COMPILING.iter().flat_map(|(calls, _)| calls.iter()).map(|call| (*call, vec![])));
        let not_writable = when(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(libc::PROT_WRITE as u64), 0)?;
        rules.insert(libc::SYS_mprotect, vec![not_executable()?, not_writable]);
        // the second filter asks for it again
        prctl.push(when(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::PR_SET_NO_NEW_PRIVS as u64)?);
    }
    // what compiles is told to give way, by whoever puts the first assignment in force
    let condition = |argument, value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    rules.insert(libc::SYS_setpriority, vec![SeccompRule::new(vec![condition(0, u64::from(libc::PRIO_PROCESS))?, condition(2, crate::LOWEST as u64)?])?]);
    rules.insert(libc::SYS_ioctl, vec![when(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, PAGEMAP_SCAN)?]);
    rules.insert(libc::SYS_prctl, prctl);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?;
    Ok(Some(filter.try_into()?))
}
