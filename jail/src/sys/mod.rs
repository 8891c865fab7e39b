//! Thin wrappers over the system calls that neither the standard library nor rustix offers: the only place with `unsafe`.
//! Each file wraps one kernel interface, keeps nothing and decides nothing.

pub(crate) mod confine;
pub(crate) mod kcmp;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod pidfd;
pub(crate) mod ptrace;
pub(crate) mod seccomp;
pub(crate) mod signal;
