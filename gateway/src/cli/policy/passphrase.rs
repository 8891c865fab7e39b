//! A passphrase, asked for on the terminal and not shown.

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

/// Most bytes of a passphrase.
const MAX: u64 = 4096;

/// Puts the terminal back as it was.
struct Quiet {
    terminal: File,
    before: rustix::termios::Termios,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // nothing can be done about a terminal that is gone
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks for a passphrase on the terminal, whatever standard input is.
pub(super) fn ask(prompt: &str) -> io::Result<String> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let quiet = Quiet { terminal, before };
    tcsetattr(&quiet.terminal, OptionalActions::Flush, &silent)?;
    (&quiet.terminal).write_all(prompt.as_bytes())?;
    let mut line = String::new();
    BufReader::new((&quiet.terminal).take(MAX)).read_line(&mut line)?;
    (&quiet.terminal).write_all(b"\n")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
