//! Telling whether two processes have something in common (kcmp(2)).
#![expect(unsafe_code, reason = "kcmp(2) has no safe wrapper")]

use rustix::process::Pid;

/// `KCMP_VM` (include/uapi/linux/kcmp.h)
const KCMP_VM: i32 = 1;

/// Whether two processes have one memory, and so run one program. Where the kernel does not tell, they have not.
pub(crate) fn share_memory(one: Pid, other: Pid) -> bool {
    // SAFETY: kcmp takes everything by value
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one.as_raw_pid(), other.as_raw_pid(), KCMP_VM, 0_u64, 0_u64) };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_another() {
        let own = rustix::process::getpid();
        // without kcmp, or the right to use it, none has anything in common with any
        if !share_memory(own, own) {
            eprintln!("SKIPPED: this kernel does not tell what processes have in common");
            return;
        }
        assert!(!rustix::process::getppid().is_some_and(|parent| share_memory(own, parent)));
    }
}
