//! The few ptrace(2) requests that the exec guard makes, and the wait that belongs to them. The tracer is the calling thread.
#![expect(unsafe_code, reason = "ptrace(2) has no safe wrapper")]

use super::memory::write_piece;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use std::ffi::CStr;
use std::io;
use std::ptr;

/// `PTRACE_EVENT_EXEC` (include/uapi/linux/ptrace.h): the new image is loaded, nothing of it has run.
pub(crate) const EVENT_EXEC: i32 = libc::PTRACE_EVENT_EXEC;

/// Attaches without stopping. The thread will stop at an exec, and dies with the tracer.
pub(crate) fn seize(thread: Pid) -> io::Result<()> {
    let options = (libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL) as usize;
    // SAFETY: PTRACE_SEIZE takes options by value and touches no memory of ours
    done(unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread.as_raw_pid(), ptr::null_mut::<libc::c_void>(), options) })
}

/// Makes a seized thread stop before it next runs code of its own.
pub(crate) fn interrupt(thread: Pid) -> io::Result<()> {
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_INTERRUPT takes no pointers
    done(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, thread.as_raw_pid(), null, null) })
}

/// Lets a stopped thread go, with `signal` delivered to it (0 for none). A group stop that is in force stays so.
pub(crate) fn detach(thread: Pid, signal: i32) -> io::Result<()> {
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_DETACH takes the signal by value
    done(unsafe { libc::ptrace(libc::PTRACE_DETACH, thread.as_raw_pid(), null, signal as usize) })
}

/// At [`EVENT_EXEC`]: the id that the thread had before the exec made it the leader of its group.
pub(crate) fn former_thread(process: Pid) -> io::Result<Option<Pid>> {
    let mut message: libc::c_ulong = 0;
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_GETEVENTMSG writes one unsigned long, for which there is room
    done(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, process.as_raw_pid(), null, &raw mut message) })?;
    Ok(i32::try_from(message).ok().and_then(Pid::from_raw))
}

/// The stack pointer of a stopped 64-bit thread. At [`EVENT_EXEC`] it points to the argument count, as the new image finds it.
pub(crate) fn stack_pointer(process: Pid) -> io::Result<u64> {
    Ok(registers(process)?.rsp)
}

fn registers(thread: Pid) -> io::Result<libc::user_regs_struct> {
    // SAFETY: user_regs_struct is plain integers, for which zero is a value
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_GETREGS writes one user_regs_struct, for which there is room
    done(unsafe { libc::ptrace(libc::PTRACE_GETREGS, thread.as_raw_pid(), null, &raw mut registers) })?;
    Ok(registers)
}

/// Has a thread that stopped behind a refused system call execute `path` next, with `name` as its only argument and without an
/// environment. The strings go below its stack, where nobody keeps anything; whether another thread changes them before the kernel
/// reads them is seen when the image is loaded.
pub(crate) fn exec_instead(thread: Pid, path: &CStr, name: &CStr) -> io::Result<()> {
    /// What a function may use below its stack pointer (System V ABI, AMD64).
    const RED_ZONE: u64 = 128;
    /// Length of the `syscall` instruction, which the thread stopped behind.
    const SYSCALL_LEN: u64 = 2;
    let mut registers = registers(thread)?;
    let (path, name) = (path.to_bytes_with_nul(), name.to_bytes_with_nul());
    let pointers = 2 * size_of::<u64>();
    let len = (pointers + path.len() + name.len()) as u64;
    let base = registers.rsp.checked_sub(RED_ZONE + len).ok_or(io::ErrorKind::InvalidInput)? & !0xf;
    let (path_at, name_at) = (base + pointers as u64, base + (pointers + path.len()) as u64);
    let bytes = [name_at.to_ne_bytes().as_slice(), &[0; size_of::<u64>()], path, name].concat();
    write_piece(thread, base, &bytes)?;
    registers.rax = libc::SYS_execve.cast_unsigned();
    // no system call, so nothing that the kernel would restart by itself
    registers.orig_rax = u64::MAX;
    registers.rip = registers.rip.wrapping_sub(SYSCALL_LEN);
    (registers.rdi, registers.rsi, registers.rdx) = (path_at, base, 0);
    let null = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_SETREGS reads one user_regs_struct, which this is
    done(unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread.as_raw_pid(), null, &raw const registers) })
}

/// What waitpid told about one process or thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waited {
    /// A traced thread stopped: `event` is a `PTRACE_EVENT_*` number or 0, `signal` the stop's signal.
    Stopped {
        /// which
        pid: Pid,
        /// the event, 0 for a signal that is to be delivered
        event: i32,
        /// the signal
        signal: i32,
    },
    /// It is gone; its zombie is no longer there for us.
    Gone {
        /// which
        pid: Pid,
        /// its wait status
        status: WaitStatus,
    },
}

/// Takes the next state change of any child or traced thread of the calling thread, of any kind, without waiting.
pub(crate) fn wait_any() -> Option<Waited> {
    // __WALL: threads and clone children too, not only what a SIGCHLD is sent for; __WNOTHREAD: nothing of another thread's
    let options = WaitOptions::NOHANG | WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());
    let (pid, status) = retry_on_intr(|| wait(options)).ok().flatten()?;
    Some(match status.stopping_signal() {
        Some(signal) => Waited::Stopped { pid, event: status.as_raw() >> 16, signal },
        None => Waited::Gone { pid, status },
    })
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
