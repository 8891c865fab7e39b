//! Terminals: sizes, modes, and what a terminal's flags say about what is being typed.
//!
//! The flags are read at the *master*, which shows the slave's: echo off while lines are edited by the kernel means that a
//! password is being asked for. A program that does its own editing (readline, vim) turns both off, and then the flags say nothing.

use portcullis_model::session::WindowSize;
use rustix::process::{Pid, Signal};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, Winsize, tcgetattr, tcgetpgrp, tcsetattr,
    tcsetwinsize,
};
use std::io;
use std::os::fd::AsFd;

/// What a terminal does with input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// What is typed is shown.
    pub echo: bool,
    /// The kernel edits lines.
    pub canonical: bool,
}

impl Flags {
    /// Whether what is typed now is a password: shown to nobody, and read as a line.
    #[must_use]
    pub fn hides_input(self) -> bool {
        !self.echo && self.canonical
    }
}

/// The flags of a terminal, from its master or its slave.
///
/// # Errors
/// It is no terminal.
pub fn flags(terminal: impl AsFd) -> io::Result<Flags> {
    let modes = tcgetattr(terminal)?.local_modes;
    Ok(Flags { echo: modes.contains(LocalModes::ECHO), canonical: modes.contains(LocalModes::ICANON) })
}

/// Tells a terminal its size; its foreground process group hears of it.
///
/// # Errors
/// It is no terminal.
pub fn resize(terminal: impl AsFd, size: WindowSize) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: size.width_px, ws_ypixel: size.height_px };
    Ok(tcsetwinsize(terminal, size)?)
}

/// The foreground process group of the terminal, as a pid of the caller's PID namespace; none when it has none that the
/// caller can see.
///
/// # Errors
/// It is no terminal.
pub fn foreground(master: impl AsFd) -> io::Result<Option<Pid>> {
    match tcgetpgrp(master) {
        Ok(group) => Ok(Some(group)),
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Sends a signal to the foreground process group of the terminal. A terminal without one is no error.
///
/// # Errors
/// It is no terminal, or the caller may not.
pub fn signal_foreground(master: impl AsFd, number: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(number).ok_or(rustix::io::Errno::INVAL)?;
    match foreground(master)? {
        Some(group) if group.as_raw_pid() > 1 => match rustix::process::kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        },
        _ => Ok(()),
    }
}

/// Applies the terminal modes of an SSH client (RFC 4254, section 8). Unknown opcodes are ignored, as the RFC wants it.
///
/// # Errors
/// It is no terminal.
pub fn apply_modes(terminal: impl AsFd, modes: &[(u8, u32)]) -> io::Result<()> {
    let mut termios = tcgetattr(&terminal)?;
    for (opcode, value) in modes {
        apply(&mut termios, *opcode, *value);
    }
    Ok(tcsetattr(terminal, OptionalActions::Now, &termios)?)
}

fn apply(termios: &mut Termios, opcode: u8, value: u32) {
    if let Some((_, index)) = CHARACTERS.iter().find(|(code, _)| *code == opcode) {
        // 255 is the RFC's "not set", the kernel's is 0
        termios.special_codes[*index] = u8::try_from(value).ok().filter(|c| *c != 255).unwrap_or(0);
    } else if let Some((_, flag)) = INPUT.iter().find(|(code, _)| *code == opcode) {
        termios.input_modes.set(*flag, value != 0);
    } else if let Some((_, flag)) = LOCAL.iter().find(|(code, _)| *code == opcode) {
        termios.local_modes.set(*flag, value != 0);
    } else if let Some((_, flag)) = OUTPUT.iter().find(|(code, _)| *code == opcode) {
        termios.output_modes.set(*flag, value != 0);
    } else {
        match opcode {
            90 if value != 0 => set_size(termios, ControlModes::CS7),
            91 if value != 0 => set_size(termios, ControlModes::CS8),
            92 => termios.control_modes.set(ControlModes::PARENB, value != 0),
            93 => termios.control_modes.set(ControlModes::PARODD, value != 0),
            // speeds of a line that is none: refused by no kernel, used by no program
            128 => drop(termios.set_input_speed(value)),
            129 => drop(termios.set_output_speed(value)),
            _ => {}
        }
    }
}

fn set_size(termios: &mut Termios, size: ControlModes) {
    termios.control_modes.remove(ControlModes::CSIZE);
    termios.control_modes.insert(size);
}

const CHARACTERS: [(u8, SpecialCodeIndex); 16] = [
    (1, SpecialCodeIndex::VINTR),
    (2, SpecialCodeIndex::VQUIT),
    (3, SpecialCodeIndex::VERASE),
    (4, SpecialCodeIndex::VKILL),
    (5, SpecialCodeIndex::VEOF),
    (6, SpecialCodeIndex::VEOL),
    (7, SpecialCodeIndex::VEOL2),
    (8, SpecialCodeIndex::VSTART),
    (9, SpecialCodeIndex::VSTOP),
    (10, SpecialCodeIndex::VSUSP),
    (12, SpecialCodeIndex::VREPRINT),
    (13, SpecialCodeIndex::VWERASE),
    (14, SpecialCodeIndex::VLNEXT),
    (16, SpecialCodeIndex::VSWTC),
    (18, SpecialCodeIndex::VDISCARD),
    (255, SpecialCodeIndex::VDISCARD),
];

const INPUT: [(u8, InputModes); 13] = [
    (30, InputModes::IGNPAR),
    (31, InputModes::PARMRK),
    (32, InputModes::INPCK),
    (33, InputModes::ISTRIP),
    (34, InputModes::INLCR),
    (35, InputModes::IGNCR),
    (36, InputModes::ICRNL),
    (37, InputModes::IUCLC),
    (38, InputModes::IXON),
    (39, InputModes::IXANY),
    (40, InputModes::IXOFF),
    (41, InputModes::IMAXBEL),
    (42, InputModes::IUTF8),
];

const LOCAL: [(u8, LocalModes); 13] = [
    (50, LocalModes::ISIG),
    (51, LocalModes::ICANON),
    (52, LocalModes::XCASE),
    (53, LocalModes::ECHO),
    (54, LocalModes::ECHOE),
    (55, LocalModes::ECHOK),
    (56, LocalModes::ECHONL),
    (57, LocalModes::NOFLSH),
    (58, LocalModes::TOSTOP),
    (59, LocalModes::IEXTEN),
    (60, LocalModes::ECHOCTL),
    (61, LocalModes::ECHOKE),
    (62, LocalModes::PENDIN),
];

const OUTPUT: [(u8, OutputModes); 6] = [
    (70, OutputModes::OPOST),
    (71, OutputModes::OLCUC),
    (72, OutputModes::ONLCR),
    (73, OutputModes::OCRNL),
    (74, OutputModes::ONOCR),
    (75, OutputModes::ONLRET),
];

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

    #[test]
    fn the_master_shows_the_modes_of_the_slave() {
        let Ok(master) = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC) else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return;
        };
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        assert_eq!(flags(&master).unwrap(), Flags { echo: true, canonical: true });
        apply_modes(&slave, &[(53, 0), (1, 255), (3, 8), (38, 0), (200, 1), (128, 9600)]).unwrap();
        assert!(flags(&master).unwrap().hides_input());
        let termios = tcgetattr(&slave).unwrap();
        assert_eq!((termios.special_codes[SpecialCodeIndex::VINTR], termios.special_codes[SpecialCodeIndex::VERASE]), (0, 8));
        assert!(!termios.input_modes.contains(InputModes::IXON));
        let size = WindowSize { cols: 132, rows: 50, width_px: 0, height_px: 0 };
        resize(&master, size).unwrap();
        let seen = rustix::termios::tcgetwinsize(&slave).unwrap();
        assert_eq!((seen.ws_col, seen.ws_row), (132, 50));
    }
}
