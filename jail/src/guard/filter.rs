//! The guard's seccomp filter: what makes every execve of a tree wait for the guard, and what the tree must not be able to do
//! so that the guard's answer holds.
//!
//! The second half is part of the guard and not of the session's deny filter because the guard would not be sound without it:
//! the file names that it judges must mean the same for the caller, so nothing in the tree may get another root, another mount
//! namespace, or a peer outside the thread group that can change its working directory or its descriptors under it.
//! (The threads of the group itself are gone by the time of the verification.) And nothing may make the reading of its memory wait
//! for an answer of its own, as userfaultfd does.
//!
//! Calls whose arguments lie behind a pointer, where no filter sees them, do not exist in the tree, as on an older kernel: programs
//! fall back to the calls that they replaced.
//!
//! x86_64 only: everything that arrives by another system call interface is `ENOSYS`.

use crate::sys::seccomp::{self, AUDIT_ARCH_X86_64, Instruction, X32_SYSCALL_BIT, bpf};
use std::os::fd::OwnedFd;

/// Why the filter is not in place.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The kernel refused it.
    #[error("the exec guard's filter was not installed (Linux 5.19 or newer, and CAP_SYS_ADMIN or no_new_privs, are needed)")]
    Install(#[source] std::io::Error),
}

/// Installs the guard's filter on the calling thread and returns the listener for [`Guard::new`](super::Guard::new).
///
/// To be called by the jail's init when its root is in place and before it has made any other process: everything that it
/// starts from then on inherits the filter, and execs are refused (`ENOSYS`) once the last copy of the listener is closed.
/// From then on chroot, pivot_root, setns and new namespaces are refused to it as well.
///
/// # Errors
/// When the kernel refuses the filter, nothing may be started.
pub fn install_guard_filter() -> Result<OwnedFd, FilterError> {
    seccomp::install_with_listener(&program()).map_err(FilterError::Install)
}

/// Offsets in `struct seccomp_data` (include/uapi/linux/seccomp.h).
const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
/// The low half of the first argument: all flags that count are in it, and the kernel ignores the other half of these calls'.
const OFFSET_FLAGS: u32 = 16;

/// `CLONE_NEWTIME` (include/uapi/linux/sched.h): for unshare only, in clone it is part of the exit signal.
const CLONE_NEWTIME: u32 = 0x80;
const NAMESPACES: u32 = (libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID | libc::CLONE_NEWNET) as u32;
/// A child that a tracer does not get, or gets unasked; or one that is another's, and so not below who made it.
const TRACING: u32 = (libc::CLONE_UNTRACED | libc::CLONE_PTRACE | libc::CLONE_PARENT) as u32;
const THREAD: u32 = libc::CLONE_THREAD as u32;
/// What only the threads of one group may share: the working directory with the root, and the descriptors.
const SHARED: u32 = (libc::CLONE_FS | libc::CLONE_FILES) as u32;

fn program() -> Vec<Instruction> {
    let mut p = Program::default();
    p.load(OFFSET_ARCH);
    p.unless_equal_return(AUDIT_ARCH_X86_64, errno(libc::ENOSYS));
    p.load(OFFSET_NR);
    p.if_at_least_return(X32_SYSCALL_BIT, errno(libc::ENOSYS));
    p.if_equal_return(libc::SYS_execve, libc::SECCOMP_RET_USER_NOTIF);
    p.if_equal_return(libc::SYS_execveat, libc::SECCOMP_RET_USER_NOTIF);
    // its flags are behind a pointer; the C libraries fall back to clone
    p.if_equal_return(libc::SYS_clone3, errno(libc::ENOSYS));
    // so is the mode of the file that it makes, which the session's filter wants to see
    p.if_equal_return(libc::SYS_openat2, errno(libc::ENOSYS));
    for call in [libc::SYS_chroot, libc::SYS_pivot_root, libc::SYS_setns, libc::SYS_userfaultfd] {
        p.if_equal_return(call, errno(libc::EPERM));
    }
    p.if_equal(libc::SYS_clone, |p| {
        p.load(OFFSET_FLAGS);
        p.if_any_bit_return(NAMESPACES | TRACING, errno(libc::EPERM));
        p.if_any_bit_return(THREAD, libc::SECCOMP_RET_ALLOW);
        p.if_any_bit_return(SHARED, errno(libc::EPERM));
        p.ret(libc::SECCOMP_RET_ALLOW);
    });
    p.if_equal(libc::SYS_unshare, |p| {
        p.load(OFFSET_FLAGS);
        p.if_any_bit_return(NAMESPACES | CLONE_NEWTIME, errno(libc::EPERM));
        p.ret(libc::SECCOMP_RET_ALLOW);
    });
    p.ret(libc::SECCOMP_RET_ALLOW);
    p.0
}

const fn errno(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// A BPF program that is written from top to bottom.
#[derive(Default)]
struct Program(Vec<Instruction>);

impl Program {
    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(Instruction { code, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(bpf::LOAD, offset, 0, 0);
    }

    fn ret(&mut self, action: u32) {
        self.push(bpf::RETURN, action, 0, 0);
    }

    fn unless_equal_return(&mut self, value: u32, action: u32) {
        self.push(bpf::JUMP_EQUAL, value, 1, 0);
        self.ret(action);
    }

    fn if_at_least_return(&mut self, value: u32, action: u32) {
        self.push(bpf::JUMP_GREATER_EQUAL, value, 0, 1);
        self.ret(action);
    }

    fn if_any_bit_return(&mut self, bits: u32, action: u32) {
        self.push(bpf::JUMP_ANY_BIT, bits, 0, 1);
        self.ret(action);
    }

    fn if_equal_return(&mut self, call: libc::c_long, action: u32) {
        self.if_equal(call, |p| p.ret(action));
    }

    /// `body` must end with a return: the loaded word is not what it was after it.
    fn if_equal(&mut self, call: libc::c_long, body: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        body(&mut inner);
        // system call numbers are small and bodies short; were one not, the kernel would refuse the program
        self.push(bpf::JUMP_EQUAL, u32::try_from(call).unwrap_or(u32::MAX), 0, u8::try_from(inner.0.len()).unwrap_or(u8::MAX));
        self.0.append(&mut inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn judge(arch: u32, nr: u32, flags: u64) -> u32 {
        let program = program();
        let (mut pc, mut a) = (0usize, 0u32);
        loop {
            let i = program[pc];
            pc += 1;
            let jump = |yes: bool| usize::from(if yes { i.jt } else { i.jf });
            match i.code {
                bpf::LOAD => a = match i.k {
                    OFFSET_NR => nr,
                    OFFSET_ARCH => arch,
                    OFFSET_FLAGS => flags as u32,
                    other => panic!("loads {other}"),
                },
                bpf::JUMP_EQUAL => pc += jump(a == i.k),
                bpf::JUMP_GREATER_EQUAL => pc += jump(a >= i.k),
                bpf::JUMP_ANY_BIT => pc += jump(a & i.k != 0),
                bpf::RETURN => return i.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;

    fn native(nr: libc::c_long, flags: i32) -> u32 {
        judge(AUDIT_ARCH_X86_64, nr as u32, flags as u32 as u64)
    }

    #[test]
    fn execs_wait_and_the_rest_goes_on() {
        assert_eq!(native(libc::SYS_execve, 0), NOTIFY);
        assert_eq!(native(libc::SYS_execveat, 0), NOTIFY);
        for call in [libc::SYS_read, libc::SYS_fork, libc::SYS_vfork, libc::SYS_openat, libc::SYS_wait4, 470] {
            assert_eq!(native(call, -1), ALLOW, "{call}");
        }
    }

    #[test]
    fn other_interfaces_do_not_exist() {
        for arch in [0x4000_0003, 0xc000_00b7, 0] {
            for nr in [11, 358, libc::SYS_execve as u32, 0] {
                assert_eq!(judge(arch, nr, 0), errno(libc::ENOSYS), "{arch:x} {nr}");
            }
        }
        // x32: execve is 520 there, execveat 545; -1 is what a tracer makes of a skipped call
        for nr in [X32_SYSCALL_BIT, X32_SYSCALL_BIT | 520, X32_SYSCALL_BIT | 545, X32_SYSCALL_BIT | libc::SYS_execve as u32, u32::MAX] {
            assert_eq!(judge(AUDIT_ARCH_X86_64, nr, 0), errno(libc::ENOSYS), "{nr:x}");
        }
    }

    #[test]
    fn processes_and_threads_are_made_but_not_mixtures() {
        let pthread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD | libc::CLONE_SYSVSEM
            | libc::CLONE_SETTLS | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID;
        let fork = libc::SIGCHLD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
        let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        for flags in [pthread, fork, vfork, libc::SIGCHLD, CLONE_NEWTIME as i32] {
            assert_eq!(native(libc::SYS_clone, flags), ALLOW, "{flags:x}");
        }
        let refused = [
            libc::CLONE_FS, libc::CLONE_FILES, libc::CLONE_UNTRACED, libc::CLONE_PTRACE, libc::CLONE_NEWNS, libc::CLONE_NEWUSER, libc::CLONE_NEWPID,
            libc::CLONE_NEWNET, libc::CLONE_NEWIPC, libc::CLONE_NEWUTS, libc::CLONE_NEWCGROUP,
        ];
        for flag in refused {
            assert_eq!(native(libc::SYS_clone, fork | flag), errno(libc::EPERM), "{flag:x}");
            assert_eq!(native(libc::SYS_clone, vfork | flag), errno(libc::EPERM), "{flag:x}");
        }
        for flag in [libc::CLONE_UNTRACED, libc::CLONE_NEWUSER] {
            assert_eq!(native(libc::SYS_clone, pthread | flag), errno(libc::EPERM), "{flag:x}");
        }
        assert_eq!(native(libc::SYS_clone3, 0), errno(libc::ENOSYS));
        assert_eq!(native(libc::SYS_openat2, 0), errno(libc::ENOSYS));
    }

    #[test]
    fn names_mean_the_same_for_guard_and_guarded() {
        for call in [libc::SYS_chroot, libc::SYS_pivot_root, libc::SYS_setns, libc::SYS_userfaultfd] {
            assert_eq!(native(call, 0), errno(libc::EPERM));
        }
        for flag in [libc::CLONE_NEWNS, libc::CLONE_NEWUSER, libc::CLONE_NEWNET, CLONE_NEWTIME as i32] {
            assert_eq!(native(libc::SYS_unshare, flag), errno(libc::EPERM), "{flag:x}");
        }
        for flag in [libc::CLONE_FS, libc::CLONE_FILES, libc::CLONE_SYSVSEM, 0] {
            assert_eq!(native(libc::SYS_unshare, flag), ALLOW, "{flag:x}");
        }
    }
}
