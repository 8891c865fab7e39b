//! After the kernel has loaded the new image and before its first instruction: is it what was allowed?
//!
//! At `PTRACE_EVENT_EXEC` the other threads are gone, the memory is new and the process is stopped, so nobody can change what is
//! compared: the file that runs, the arguments and the environment as they lie on the new stack, and the working directory.
//! A read-only /proc and the session's deny filter keep other processes from writing into it.

use super::caller::working_directory;
use super::entry::Entry;
use super::locate::Identity;
use crate::sys::memory::{Piece, read_pieces};
use crate::sys::ptrace;
use portcullis_model::subject::Exec;
use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat, statat};
use rustix::process::Pid;
use std::borrow::Cow;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// What the kernel has to have loaded.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The file.
    pub(super) image: Identity,
    /// Arguments, then environment, each string with its NUL: as the kernel lays them out.
    pub(super) strings: Vec<u8>,
    /// How many of them are arguments; at least one.
    pub(super) argc: usize,
    /// How many of them are the environment.
    pub(super) envc: usize,
    /// How many arguments the caller gave, and the name of the script when it is one: what its exec has to be made of again.
    pub(super) given: Given,
}

/// How an exec was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// How many arguments.
    pub(super) argc: usize,
    /// The name of the outermost script; none for a program.
    pub(super) script: Option<Vec<u8>>,
}

/// Why a process may not go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// It was killed while it was stopped, as anybody may: it never ran.
    Dead,
    /// It is not what was allowed; what differs, in words.
    Different(String),
}

/// Compares what `process` is about to run with what was expected. `room` is for its stack, and is only there to be used again.
pub(super) fn verify(proc: &OwnedFd, process: Pid, exec: &Exec, expected: &Expected, room: &mut Vec<u8>) -> Result<(), Unverified> {
    compare(proc, process, exec, expected, room).map_err(|difference| match ptrace::stack_pointer(process) {
        // a process that is still stopped always has registers to read
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Unverified::Dead,
        _ => Unverified::Different(difference),
    })
}

fn compare(proc: &OwnedFd, process: Pid, exec: &Exec, expected: &Expected, room: &mut Vec<u8>) -> Result<(), String> {
    let image = statat(proc, Entry::of(process, "exe").name(), AtFlags::empty()).map_err(|e| format!("the loaded image could not be looked at: {e}"))?;
    if Identity::of(&image) != expected.image {
        return Err("another file was loaded than the one that was allowed".to_owned());
    }
    let stack = Stack::read(process, expected, room)?;
    let words = stack.words(1 + expected.argc + 1 + expected.envc + 1)?;
    let (argc, rest) = words.split_first().ok_or("the stack could not be read")?;
    let argv = rest.get(..expected.argc).unwrap_or_default();
    let argv_end = rest.get(expected.argc);
    let environment = rest.get(expected.argc + 1..).unwrap_or_default();
    if *argc != expected.argc as u64 || argv.contains(&0) || argv_end != Some(&0) {
        return Err("it has another number of arguments than what was allowed".to_owned());
    }
    if !matches!(environment, [variables @ .., 0] if variables.len() == expected.envc && !variables.contains(&0)) {
        return Err("it has another number of environment variables than what was allowed".to_owned());
    }
    // the kernel lays all strings out in one piece, the first argument first
    let start = argv.first().copied().unwrap_or_default();
    let strings = stack.strings(start, expected.strings.len())?;
    if *strings != *expected.strings {
        let arguments = exec.argv.iter().map(|argument| argument.len() + 1).sum::<usize>();
        let same = strings.get(..arguments) == expected.strings.get(..arguments);
        let what = if same { "environment variables" } else { "arguments" };
        return Err(format!("it has other {what} than those that were allowed"));
    }
    let directory = working_directory(proc, process).map_err(|e| format!("its working directory could not be looked at: {e}"))?;
    if directory != exec.cwd {
        return Err("it runs in another directory than the one that was allowed".to_owned());
    }
    Ok(())
}

/// What the process is about to run, for the record of a difference.
pub(super) fn found(proc: &OwnedFd, process: Pid, allowed: Option<&Exec>) -> Option<Exec> {
    let path = readlinkat(proc, format!("{process}/exe"), Vec::new()).ok()?.into_bytes();
    let file = openat(proc, format!("{process}/cmdline"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut line = Vec::new();
    std::fs::File::from(file).take(super::RECORD_MAX as u64).read_to_end(&mut line).ok()?;
    let argv = line.split_inclusive(|byte| *byte == 0).map(|argument| argument.strip_suffix(b"\0").unwrap_or(argument).to_vec()).collect();
    let cwd = working_directory(proc, process).unwrap_or_default();
    Some(match allowed {
        Some(Exec { uid, tty, parents, line, .. }) => {
            Exec { path, argv, scripts: Vec::new(), cwd, uid: *uid, tty: *tty, parents: parents.clone(), line: line.clone() }
        }
        None => Exec { path, argv, scripts: Vec::new(), cwd, uid: u32::MAX, tty: false, parents: Vec::new(), line: None },
    })
}

/// The stack of a process that has not run yet, from its pointer on: the counts and pointers, the kernel's own words, and the
/// strings mostly.
struct Stack<'a> {
    process: Pid,
    pointer: u64,
    bytes: &'a [u8],
}

impl<'a> Stack<'a> {
    /// What may lie between the pointers and the strings: the auxiliary vector, a few words, and up to 8 KiB of nothing by which the
    /// kernel makes addresses hard to guess (`arch_align_stack`, arch/x86/kernel/process.c).
    const GAP: usize = 8192 + 1024;

    /// Most room that is kept from one to the next.
    const ROOM_MAX: usize = 64 * 1024;

    /// Reads as much as everything that is compared needs, with one call.
    fn read(process: Pid, expected: &Expected, room: &'a mut Vec<u8>) -> Result<Self, String> {
        let pointer = ptrace::stack_pointer(process).map_err(|e| format!("the registers could not be read: {e}"))?;
        let len = (expected.argc + expected.envc + 3) * size_of::<u64>() + Self::GAP + expected.strings.len();
        if room.len() < len || room.len() > Self::ROOM_MAX {
            *room = vec![0; len];
        }
        let bytes = room.get_mut(..len).unwrap_or_default();
        // the stack ends earlier, as a rule
        let read = read_pieces(process, &[Piece { address: pointer, len }], bytes).map_err(unread)?;
        Ok(Self { process, pointer, bytes: bytes.get(..read).unwrap_or_default() })
    }

    fn words(&self, count: usize) -> Result<Vec<u64>, String> {
        let raw = self.bytes.get(..count * size_of::<u64>()).ok_or(TOO_FEW)?;
        Ok(raw.chunks_exact(size_of::<u64>()).map(|word| word.try_into().map_or(0, u64::from_ne_bytes)).collect())
    }

    /// The `len` bytes at `address`, which may be anywhere.
    fn strings(&self, address: u64, len: usize) -> Result<Cow<'_, [u8]>, String> {
        let there = address.checked_sub(self.pointer).and_then(|offset| usize::try_from(offset).ok()).and_then(|start| self.bytes.get(start..start.checked_add(len)?));
        if let Some(strings) = there {
            return Ok(strings.into());
        }
        let mut strings = vec![0; len];
        match read_pieces(self.process, &[Piece { address, len }], &mut strings) {
            Ok(read) if read == len => Ok(strings.into()),
            Ok(_) => Err(TOO_FEW.to_owned()),
            Err(error) => Err(unread(error)),
        }
    }
}

const TOO_FEW: &str = "it has fewer or shorter arguments and environment variables than what was allowed";

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn unread(error: std::io::Error) -> String {
    format!("its stack could not be read: {error}")
}
