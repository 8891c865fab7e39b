//! The jail and its guard: made together when a session starts, unmade together.

use super::fault::Fault;
use super::outlets::{Outlet, Outlets};
use crate::chain::with_sources;
use crate::charge::{Charge, KILL_DEADLINE};
use portcullis_jail::guard::{ChildSignal, Guard, Reaped, Scope};
use portcullis_jail::kill::{self, KillReport, Reap};
use portcullis_jail::profile::Limits;
use portcullis_jail::{ControlError, Said, Jail, JailSpec, Privilege, Terminal, profile, pty};
use portcullis_model::session::SessionSignal;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Canonical path of the shell in the jail.
pub(crate) const SHELL: &str = "/run/portcullis/shell";
/// The program beside the shell's by which a process is held to more than its jail.
const HELPER: &str = "portcullis-confine";
/// The program beside the shell's that is the cage commands.
const CAGE: &str = "portcullis-cage";
/// Canonical path of the shell's engine in the jail.
pub(crate) const ENGINE: &str = "/usr/bin/bash";

/// A jail before its guard: nothing in it has run yet.
#[derive(Debug)]
pub(crate) struct Unguarded {
    jail: Jail,
    limits: Limits,
    children: ChildSignal,
    host_proc: OwnedFd,
}

/// A jail with its guard.
#[derive(Debug)]
pub(crate) struct Custody {
    jail: Jail,
    /// Its guard.
    pub(crate) guard: Guard,
    children: ChildSignal,
}

/// What of a jail the others take over.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The keeper's ends of its terminal or pipes.
    pub(crate) outlets: Outlets,
    /// The keeper's end of the shell's socket.
    pub(crate) shell: OwnedFd,
    /// The pipe of the client's input, for the shell of a session without a terminal.
    pub(crate) client_input: Option<OwnedFd>,
}

/// What is needed to kill a jail without its guard.
#[derive(Debug)]
pub(crate) struct Grip {
    /// A pidfd of its init.
    pub(crate) init: OwnedFd,
    /// Its cgroup's folder.
    pub(crate) cgroup: Option<PathBuf>,
}

fn failed(error: impl std::error::Error) -> Fault {
    Fault::Jail(with_sources(&error))
}

impl Unguarded {
    /// Builds the jail; its shell's exec waits, or will, until there is a guard.
    pub(crate) fn build(charge: &Charge) -> Result<Self, Fault> {
        // before the first child
        let children = ChildSignal::block().map_err(failed)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host_proc = rustix::fs::open("/proc", flags, Mode::empty()).map_err(failed)?;
        let spec = spec(charge)?;
        let jail = Jail::build(&spec).map_err(failed)?;
        Ok(Self { jail, limits: spec.profile.limits, children, host_proc })
    }

    /// What the session may use.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// What is needed to kill it without a guard.
    pub(crate) fn grip(&self) -> Result<Grip, Fault> {
        let init = self.jail.init_fd.try_clone().map_err(failed)?;
        Ok(Grip { init, cgroup: self.jail.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()) })
    }

    /// Enters it: from now on names mean what they mean in the jail.
    pub(crate) fn enter(&self) -> Result<(), Fault> {
        self.jail.enter().map_err(failed)
    }

    /// Sets the guard up; the calling thread is the tracer from now on.
    pub(crate) fn guard(self) -> Result<(Custody, Ends), Fault> {
        let Self { mut jail, children, host_proc, limits: _ } = self;
        let (listener, terminal, shell) = (jail.listener.take(), jail.terminal.take(), jail.shell.take());
        let ((listener, terminal), shell) = listener.zip(terminal).zip(shell).ok_or_else(|| Fault::Jail("it has no ends".to_owned()))?;
        let (outlets, terminal, client_input) = match terminal {
            Terminal::Pty { master, rdev } => (Outlets::Terminal(Outlet::new(master).map_err(failed)?), Some(rdev), None),
            Terminal::Pipes { input, output, error, client_input } => {
                let [input, output, error] = [Outlet::new(input), Outlet::new(output), Outlet::new(error)];
                let (input, output, error) = (input.map_err(failed)?, output.map_err(failed)?, error.map_err(failed)?);
                (Outlets::Pipes { input, output, error }, None, Some(client_input))
            }
        };
        let mut guard = Guard::new(listener, Scope { host_proc, init: jail.init, terminal })?;
        if let Some(others) = jail.others().map_err(failed)? {
            guard.serve_others(others);
        }
        Ok((Custody { jail, guard, children }, Ends { outlets, shell, client_input }))
    }
}

/// What a kill has done.
#[derive(Debug)]
pub(crate) struct Killed {
    /// How many, and who is left.
    pub(crate) report: KillReport,
    /// What came of the last execs.
    pub(crate) reaped: Vec<Reaped>,
}

impl Custody {
    /// Readable when something in the jail has stopped or ended.
    pub(crate) fn children(&self) -> BorrowedFd<'_> {
        self.children.as_fd()
    }

    /// Takes what has stopped or ended.
    pub(crate) fn reap(&mut self) -> Vec<Reaped> {
        self.children.drain();
        self.guard.reap()
    }

    /// Readable when the jail's init has something to say.
    pub(crate) fn init(&self) -> BorrowedFd<'_> {
        self.jail.control.as_fd()
    }

    /// What the jail's init has said.
    pub(crate) fn init_said(&mut self) -> Result<Option<Said>, Fault> {
        match self.jail.control.receive() {
            Ok(said) => Ok(said),
            // how it ended is told by the reaping
            Err(ControlError::Gone) => Err(Fault::Jail("its init has ended".to_owned())),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sends a signal to what runs in the foreground of the terminal; without a terminal, to the shell and what it runs, which
    /// is one process group. `shell` is its pid on the node. A receiver that is gone is no error.
    pub(crate) fn signal(&self, number: i32, terminal: Option<BorrowedFd<'_>>, shell: Option<u32>) {
        let sent = match (terminal, shell) {
            (Some(terminal), _) => pty::signal_foreground(terminal, number),
            (None, Some(shell)) => self.signal_group_of(shell, number),
            (None, None) => Ok(()),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, number, "a signal of the client was not sent");
        }
    }

    fn signal_group_of(&self, shell: u32, number: i32) -> io::Result<()> {
        let shell = i32::try_from(shell).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
        let signal = Signal::from_named_raw(number).ok_or(Errno::INVAL)?;
        let sent = match rustix::process::getpgid(Some(shell)) {
            // init is in the group, and is not to be killed by this: it has the shell's status to tell
            Ok(group) if group == self.jail.init && signal == Signal::KILL => rustix::process::kill_process(shell, signal),
            Ok(group) if group.as_raw_pid() > 1 => rustix::process::kill_process_group(group, signal),
            Ok(_) => Err(Errno::SRCH),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills everything in the jail and reaps until its init is gone: the kernel waits for the tracer of each.
    pub(crate) fn kill(&mut self) -> Killed {
        let mut reaper = Reaper { guard: &mut self.guard, children: &self.children, reaped: Vec::new() };
        let report = kill::kill(&self.jail, &mut reaper, KILL_DEADLINE);
        Killed { report, reaped: reaper.reaped }
    }
}

struct Reaper<'a> {
    guard: &'a mut Guard,
    children: &'a ChildSignal,
    reaped: Vec<Reaped>,
}

impl Reap for Reaper<'_> {
    fn reap(&mut self) -> bool {
        self.children.drain();
        let mut gone = false;
        for reaped in self.guard.reap() {
            gone |= matches!(reaped, Reaped::InitGone(_));
            self.reaped.push(reaped);
        }
        gone
    }
}

impl Grip {
    /// Kills it, as far as that goes without reaping.
    pub(crate) fn kill(&self) {
        let report = kill::kill_orphan(&self.init, self.cgroup.as_deref(), KILL_DEADLINE);
        if !report.survivors.is_empty() {
            tracing::error!(survivors = report.survivors.len(), "processes of a session that did not start are still there");
        }
    }
}

fn spec(charge: &Charge) -> Result<JailSpec, Fault> {
    let facts = charge.facts.clone();
    let profile = profile::of_node(charge.place.profiles.as_deref(), facts.action, facts.role).map_err(failed)?;
    let privilege = if rustix::process::geteuid().is_root() { Privilege::Root { uid: facts.uid, gid: facts.uid } } else { Privilege::UserNamespace };
    Ok(JailSpec {
        facts,
        profile,
        helper: Some(charge.place.shell.with_file_name(HELPER)),
        cage: Some(charge.place.shell.with_file_name(CAGE)),
        shell: charge.place.shell.clone(),
        engine: ENGINE,
        privilege,
        terminal: charge.pty.clone(),
        folders: charge.folders.clone(),
        environment: charge.environment.clone(),
    })
}

/// A client's signal as this node numbers it.
pub(crate) fn number_of(signal: SessionSignal) -> i32 {
    let signal = match signal {
        SessionSignal::Abrt => Signal::ABORT,
        SessionSignal::Alrm => Signal::ALARM,
        SessionSignal::Fpe => Signal::FPE,
        SessionSignal::Hup => Signal::HUP,
        SessionSignal::Ill => Signal::ILL,
        SessionSignal::Int => Signal::INT,
        SessionSignal::Kill => Signal::KILL,
        SessionSignal::Pipe => Signal::PIPE,
        SessionSignal::Quit => Signal::QUIT,
        SessionSignal::Segv => Signal::SEGV,
        SessionSignal::Term => Signal::TERM,
        SessionSignal::Usr1 => Signal::USR1,
        SessionSignal::Usr2 => Signal::USR2,
    };
    signal.as_raw()
}
