//! Before a decision: what would the kernel run if the exec went on now? Reads the caller's arguments, finds the file, follows
//! `#!` lines, applies the guard's own rules, and ends with the facts that are judged and later compared.

use super::call::{Call, Strings};
use super::caller::{Ancestors, Caller};
use super::environment;
use super::image::{Image, Images};
use super::locate::{Located, Locator, Mutable, Start, names_descriptor};
use super::remote::{Remote, Unread};
use super::rules;
use super::shebang::{DEPTH_MAX, Interpreter};
use super::verify::{Expected, Given};
use crate::sys::seccomp::Notification;
use portcullis_model::bytes::printable;
use portcullis_model::subject::{ARGV_BYTES_MAX, ARGV_MAX, ENV_BYTES_MAX, Exec};
use portcullis_model::verdict::Denial;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::OwnedFd;

/// Most variables of an environment.
const VARIABLES_MAX: usize = 8192;

/// What the pre-check came to.
#[derive(Debug)]
pub(super) enum Checked {
    /// It can be judged.
    Judge(Exec, Expected),
    /// A rule of the guard's own refuses it.
    Refused(Exec, Denial),
    /// The kernel would refuse it with this error number.
    Errno(i32),
}

/// What the check needs besides the call.
pub(super) struct Context<'a> {
    /// The host's /proc.
    pub(super) proc: &'a OwnedFd,
    /// The folder of this process's own descriptors in it.
    pub(super) own: &'a OwnedFd,
    /// The jail's init.
    pub(super) init: Pid,
    /// Device number of the session's terminal.
    pub(super) terminal: Option<u64>,
    /// Reader of the caller's memory.
    pub(super) memory: &'a mut Remote,
    /// Callers' callers that are known.
    pub(super) ancestors: &'a mut Ancestors,
    /// What files are known to be.
    pub(super) images: &'a mut Images,
}

/// Why there is nothing to judge.
pub(super) enum Stop {
    Errno(i32),
    Rule(Denial),
}

/// Finds out what `notification`'s caller wants to run. What comes out is only true while the notification is valid.
pub(super) fn check(context: &mut Context<'_>, caller: &Caller, notification: &Notification) -> Checked {
    let mut exec = Exec {
        path: Vec::new(),
        argv: Vec::new(),
        scripts: Vec::new(),
        cwd: Vec::new(),
        uid: caller.uid,
        tty: false,
        parents: Vec::new(),
        line: None,
    };
    match fill(context, caller, notification, &mut exec) {
        Ok(expected) => {
            describe(context, caller, &mut exec);
            Checked::Judge(exec, expected)
        }
        Err(Stop::Errno(errno)) => Checked::Errno(errno),
        Err(Stop::Rule(denial)) => {
            describe(context, caller, &mut exec);
            Checked::Refused(exec, denial)
        }
    }
}

/// The facts that decide nothing here.
fn describe(context: &mut Context<'_>, caller: &Caller, exec: &mut Exec) {
    exec.tty = caller.on_terminal(context.proc, context.terminal);
    exec.parents = caller.chain(context.proc, context.ancestors, context.init);
}

fn fill(context: &mut Context<'_>, caller: &Caller, notification: &Notification, exec: &mut Exec) -> Result<Expected, Stop> {
    let call = Call::decode(notification).map_err(Stop::Errno)?;
    exec.cwd = caller.working_directory(context.proc).map_err(errno)?;
    context.memory.turn_to(caller.thread);
    call.prefetch(context.memory).map_err(unread)?;
    let name = call.path(context.memory).map_err(|error| match error {
        Unread::TooLong => Stop::Errno(libc::ENAMETOOLONG),
        other => unread(other),
    })?;
    exec.path.clone_from(&name);
    let mut arguments = Strings::with_limits(ARGV_MAX, ARGV_BYTES_MAX);
    let read = call.arguments(context.memory, &mut arguments);
    if read.is_err() {
        exec.argv = record(&arguments);
    }
    read.map_err(|error| over(error, &format!("more than {ARGV_MAX} arguments, or more than {ARGV_BYTES_MAX} bytes of them")))?;
    if arguments.count == 0 {
        // so does Linux since 5.18, rather than let a program find no argv[0]
        arguments.push_empty();
    }
    exec.argv = arguments.iter().map(<[u8]>::to_vec).collect();
    let mut variables = Strings::with_limits(VARIABLES_MAX, ENV_BYTES_MAX);
    let limit = format!("more than {VARIABLES_MAX} variables, or more than {ENV_BYTES_MAX} bytes of them");
    call.environment(context.memory, &mut variables).map_err(|error| over(error, &limit))?;

    let locator = Locator { proc: context.proc, own: context.own, thread: caller.thread };
    let given = exec.argv.len();
    let image = resolve(locator, context.images, &call, &name, exec)?;
    // a script is run by a name of the caller's own, which leads to it from anywhere
    let given = Given { argc: given, script: Some(name).filter(|_| !exec.scripts.is_empty()) };
    if let Some((name, reader)) = environment::dangerous(variables.iter()) {
        return Err(Stop::Rule(rules::environment(name, reader)));
    }
    let mut strings = Vec::with_capacity(arguments.bytes.len() + variables.bytes.len() + 256);
    for argument in &exec.argv {
        strings.extend_from_slice(argument);
        strings.push(0);
    }
    strings.extend_from_slice(&variables.bytes);
    Ok(Expected { image: image.identity, strings, argc: exec.argv.len(), envc: variables.count, given })
}

/// Finds the image, through the scripts that lead to it, and leaves the facts in `exec`.
pub(super) fn resolve(locator: Locator<'_>, images: &mut Images, call: &Call, name: &[u8], exec: &mut Exec) -> Result<Located, Stop> {
    let start = if call.dirfd == libc::AT_FDCWD { Start::WorkingDirectory } else { Start::Descriptor(call.dirfd) };
    let last_link = if call.no_follow { OFlags::NOFOLLOW } else { OFlags::empty() };
    let mut file = match name {
        [] if call.empty_path => locator.descriptor(start).map_err(errno)?,
        [] => return Err(Stop::Errno(libc::ENOENT)),
        name => locate(locator, start, name, last_link)?,
    };
    // the name by which an interpreter would open the file, if it is the caller's own: not one below a descriptor
    let mut script_name = Some(name.to_vec()).filter(|name| name.starts_with(b"/") || (!name.is_empty() && start == Start::WorkingDirectory));
    for _ in 0..=DEPTH_MAX {
        let Interpreter { name: interpreter, argument } = match admit(locator, images, &file, exec)? {
            Image::Program => return Ok(file),
            Image::Loader => return Err(Stop::Rule(rules::loader(&file.path))),
            Image::Foreign(why) => return Err(Stop::Rule(rules::foreign(&file.path, why))),
            Image::Script(interpreter) => interpreter,
        };
        let script = script_name.ok_or_else(|| Stop::Rule(rules::script_name(&file.path, "is a descriptor")))?;
        fixed_name(locator, &script, &exec.cwd, &file)?;
        exec.scripts.push(file.path);
        // the kernel puts interpreter, its argument and the script's name in front, in the place of argv[0]
        let front = [Some(interpreter.clone()), argument, Some(script)].into_iter().flatten();
        exec.argv.splice(..exec.argv.len().min(1), front);
        file = locate(locator, Start::WorkingDirectory, &interpreter, OFlags::empty())?;
        script_name = Some(interpreter);
    }
    Err(Stop::Errno(libc::ELOOP))
}

fn locate(locator: Locator<'_>, start: Start, name: &[u8], last_link: OFlags) -> Result<Located, Stop> {
    locator.name(start, name, last_link).map_err(|error| match error {
        // a link of /proc, if it is not too many links; for a caller the latter is EACCES as well, and as rare
        Errno::LOOP if last_link.is_empty() => Stop::Rule(rules::proc_link(name)),
        other => errno(other),
    })
}

/// Whether a file may be run or read as a program at all, and what it is.
fn admit(locator: Locator<'_>, images: &mut Images, file: &Located, exec: &mut Exec) -> Result<Image, Stop> {
    exec.path.clone_from(&file.path);
    match file.kind {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(Stop::Errno(libc::ELOOP)),
        _ => return Err(Stop::Errno(libc::EACCES)),
    }
    if file.mode & 0o111 == 0 {
        return Err(Stop::Errno(libc::EACCES));
    }
    if !file.linked {
        return Err(Stop::Rule(rules::unlinked(&file.path)));
    }
    if file.mount.no_exec() {
        return Err(Stop::Rule(rules::no_exec(&file.path)));
    }
    if !file.mount.read_only() {
        return Err(Stop::Rule(rules::writable(&file.path)));
    }
    if rules::is_loader_name(&file.path) {
        return Err(Stop::Rule(rules::loader(&file.path)));
    }
    images.get(file.identity, || locator.reopen(file)).map_err(|error| Stop::Rule(rules::unreadable_image(&file.path, error)))
}

/// Whether the interpreter will find the same script by this name as the kernel and the guard did.
fn fixed_name(locator: Locator<'_>, name: &[u8], cwd: &[u8], file: &Located) -> Result<(), Stop> {
    let changes = |why: &str| Err(Stop::Rule(rules::script_name(name, why)));
    if names_descriptor(name) {
        return changes("is a descriptor");
    }
    // a relative one is looked up from a directory that is compared at the end
    let full = if name.starts_with(b"/") { name.to_vec() } else { [cwd, b"/", name].concat() };
    match locator.immutable(&full) {
        Ok(identity) if identity == file.identity => Ok(()),
        Ok(_) => changes("has just changed"),
        Err(Mutable::Proc) => changes("leads through /proc"),
        Err(Mutable::Directory(directory)) => changes(&format!("leads through {}, which the session can write to", printable(&directory))),
        Err(Mutable::Errno(error)) => Err(errno(error)),
    }
}

fn errno(errno: Errno) -> Stop {
    Stop::Errno(errno.raw_os_error())
}

fn unread(error: Unread) -> Stop {
    match error {
        Unread::Fault => Stop::Errno(libc::EFAULT),
        Unread::TooLong => Stop::Rule(rules::limit("a string is too long")),
        Unread::Unreadable(error) => Stop::Rule(rules::unreadable(&error)),
    }
}

fn over(error: Unread, limit: &str) -> Stop {
    match error {
        Unread::TooLong => Stop::Rule(rules::limit(limit)),
        other => unread(other),
    }
}

/// The first arguments of too many, for the record.
fn record(arguments: &Strings) -> Vec<Vec<u8>> {
    let mut room = super::RECORD_MAX;
    arguments
        .iter()
        .map_while(|argument| {
            let part = argument.get(..argument.len().min(room)).filter(|_| room > 0)?;
            room = room.saturating_sub(argument.len() + 1);
            Some(part.to_vec())
        })
        .collect()
}
