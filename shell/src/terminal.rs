//! The session's terminal: who owns it, and in what state it is when the operator is to type.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::Pid;
use rustix::termios::{ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};
use std::cell::RefCell;

/// The terminal.
#[derive(Debug)]
pub struct Terminal {
    tty: OwnedFd,
    own: Pid,
    sane: Termios,
    /// As it was before it was edited on.
    before: RefCell<Option<Termios>>,
}

impl Terminal {
    /// The terminal behind `fd`, as it is now: this state is the one that is repaired to.
    ///
    /// # Errors
    /// The system's; `fd` may be no terminal.
    pub fn open(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let tty = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
        let sane = tcgetattr(&tty)?;
        Ok(Self { tty, own: rustix::process::getpgrp(), sane, before: RefCell::new(None) })
    }

    /// Gives the terminal to a process group.
    ///
    /// # Errors
    /// The system's. Needs [`block_stops`](crate::signals::block_stops) when this process is in the background.
    pub fn give(&self, group: Pid) -> rustix::io::Result<()> {
        tcsetpgrp(&self.tty, group)
    }

    /// Takes the terminal back and repairs what programs have done to it. Key assignments are the operator's and stay.
    ///
    /// # Errors
    /// The system's.
    pub fn take(&self) -> rustix::io::Result<()> {
        tcsetpgrp(&self.tty, self.own)?;
        let mut now = tcgetattr(&self.tty)?;
        let input = InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP | InputModes::PARMRK;
        let output = OutputModes::OPOST | OutputModes::ONLCR | OutputModes::OCRNL | OutputModes::ONOCR | OutputModes::ONLRET;
        let local = LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN | LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL
            | LocalModes::NOFLSH | LocalModes::TOSTOP;
        let control = ControlModes::CSIZE | ControlModes::PARENB;
        now.input_modes = (now.input_modes - input) | (self.sane.input_modes & input);
        now.output_modes = (now.output_modes - output) | (self.sane.output_modes & output);
        now.local_modes = (now.local_modes - local) | (self.sane.local_modes & local);
        now.control_modes = (now.control_modes - control) | (self.sane.control_modes & control);
        tcsetattr(&self.tty, OptionalActions::Now, &now)
    }

    /// The process group that owns the terminal.
    ///
    /// # Errors
    /// The system's.
    pub fn owner(&self) -> rustix::io::Result<Pid> {
        tcgetpgrp(&self.tty)
    }

    /// Hands over single keys, unchanged and without echo; the keys that send signals still do.
    ///
    /// # Errors
    /// The system's.
    pub fn edit(&self) -> rustix::io::Result<()> {
        let mut raw = tcgetattr(&self.tty)?;
        self.before.replace(Some(raw.clone()));
        raw.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP;
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.tty, OptionalActions::Now, &raw)
    }

    /// Ends [`edit`](Self::edit).
    ///
    /// # Errors
    /// The system's.
    pub fn edit_no_more(&self) -> rustix::io::Result<()> {
        match self.before.take() {
            Some(before) => tcsetattr(&self.tty, OptionalActions::Now, &before),
            None => Ok(()),
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}
