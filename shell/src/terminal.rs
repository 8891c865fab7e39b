//! The session's terminal: who owns it, and in what state it is when the operator is to type.

use crate::wait;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::Pid;
use rustix::termios::{ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the terminal itself: a round trip to the operator.
const ANSWER: Duration = Duration::from_millis(1500);

/// The terminal.
#[derive(Debug)]
pub struct Terminal {
    tty: OwnedFd,
    own: Pid,
    sane: Termios,
}

impl Terminal {
    /// The terminal behind `fd`, as it is now: this state is the one that is repaired to.
    ///
    /// # Errors
    /// The system's; `fd` may be no terminal.
    pub fn open(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let tty = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
        let sane = tcgetattr(&tty)?;
        Ok(Self { tty, own: rustix::process::getpgrp(), sane })
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

    /// Asks the terminal where its cursor is, and waits for its answer or for a line. An editor on a terminal that does not
    /// answer would wait for it at each prompt.
    ///
    /// The terminal goes on to keep whole lines: while it is asked, the letter that ends its answer ends a line, so that
    /// nothing has to be read that is meant for somebody else.
    ///
    /// # Errors
    /// The system's.
    pub fn answers(&self) -> rustix::io::Result<(Answers, Vec<u8>)> {
        let before = tcgetattr(&self.tty)?;
        let mut asking = before.clone();
        asking.local_modes -= LocalModes::ECHO;
        asking.special_codes[SpecialCodeIndex::VEOL] = b'R';
        tcsetattr(&self.tty, OptionalActions::Now, &asking)?;
        let asked = self.ask_position();
        tcsetattr(&self.tty, OptionalActions::Now, &before)?;
        asked
    }

    fn ask_position(&self) -> rustix::io::Result<(Answers, Vec<u8>)> {
        rustix::io::write(&self.tty, b"\x1b[6n")?;
        let deadline = Instant::now() + ANSWER;
        let mut typed = Vec::new();
        loop {
            if !wait::readable([self.tty.as_fd()], Some(deadline))?[0] {
                return Ok((Answers::No, typed));
            }
            let mut room = [0; 4096];
            let read = rustix::io::read(&self.tty, &mut room)?;
            typed.extend_from_slice(room.get(..read).unwrap_or_default());
            if without_reports(&mut typed) {
                return Ok((Answers::Yes, typed));
            }
            if read == 0 || typed.ends_with(b"\n") {
                return Ok((Answers::NotYet, typed));
            }
        }
    }
}

/// Whether a terminal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Somebody typed before it could.
    NotYet,
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}

/// Removes cursor position reports (`ESC [ row ; column R`) from what was read; says whether there were any. There can be
/// several: a slow terminal answers an earlier question together with this one.
pub(crate) fn without_reports(typed: &mut Vec<u8>) -> bool {
    let mut found = false;
    while without_report(typed) {
        found = true;
    }
    found
}

fn without_report(typed: &mut Vec<u8>) -> bool {
    for start in 0..typed.len() {
        let Some(rest) = typed.get(start..).and_then(|rest| rest.strip_prefix(b"\x1b[")) else { continue };
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        if rest.get(length) == Some(&b'R') && length > 2 {
            typed.drain(start..start + 2 + length + 1);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::without_reports;

    #[test]
    fn a_report_is_taken_out_of_what_was_typed() {
        for (text, rest, found) in [("ls\x1b[12;1Rpw", "lspw", true), ("\x1b[1;1R", "", true), ("\x1b[1;1Rls\x1b[24;80R", "ls", true), ("\x1b[A", "\x1b[A", false), ("\x1b[12;", "\x1b[12;", false), ("\x1b[R", "\x1b[R", false)] {
            let mut typed = text.as_bytes().to_vec();
            assert_eq!((without_reports(&mut typed), typed.as_slice()), (found, rest.as_bytes()), "{text:?}");
        }
    }
}
