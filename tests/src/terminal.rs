//! A program on a pseudo-terminal, typed to and read from as a person would.

use crate::wait;
use anyhow::{Context as _, Result, bail};
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A program on a terminal; dropped, it is killed.
pub struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    read_to: usize,
}

impl Terminal {
    /// Starts a program on a terminal of 100 columns and 30 rows.
    ///
    /// # Errors
    /// When there is no terminal or the program does not start.
    pub fn start(command: &[String]) -> Result<Self> {
        let (program, args) = command.split_first().context("an empty command")?;
        let (pty, pts) = pty_process::blocking::open().context("cannot open a terminal")?;
        pty.resize(pty_process::Size::new(30, 100)).context("cannot size the terminal")?;
        let child = pty_process::blocking::Command::new(program).args(args).env("TERM", "xterm-256color").spawn(pts).with_context(|| format!("cannot start {program}"))?;
        let pty = Arc::new(pty);
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (reader, sink) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            let mut last = Vec::new();
            // a terminal whose program has ended reads as an error
            while let Ok(count) = (&*reader).read(&mut buffer) {
                let Some(bytes) = buffer.get(..count).filter(|b| !b.is_empty()) else { break };
                // the question may be cut in two by a read
                let question = [last.as_slice(), bytes].concat();
                let reports = question.windows(4).filter(|w| w == b"\x1b[6n").count();
                last = question.get(question.len().saturating_sub(3)..).unwrap_or_default().to_vec();
                if let Ok(mut seen) = sink.lock() {
                    seen.extend_from_slice(bytes);
                }
                // a real terminal answers where its cursor is
                for _ in 0..reports {
                    let _ = (&*reader).write_all(b"\x1b[1;1R");
                }
            }
        });
        Ok(Self { pty, child, seen, read_to: 0 })
    }

    /// Types.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.send_bytes(text.as_bytes())
    }

    /// Types bytes that may be no text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        (&*self.pty).write_all(bytes).context("cannot type")
    }

    /// Types a line.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn line(&mut self, text: &str) -> Result<()> {
        self.send(&format!("{text}\r"))
    }

    /// Changes the terminal's size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        self.pty.resize(pty_process::Size::new(rows, cols)).context("cannot resize")
    }

    /// Waits for `text` in what was not yet waited for, escape sequences left out; gives everything up to and with it.
    ///
    /// # Errors
    /// When it does not come in time; the error shows what came instead.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        self.expect_within(text, wait::LONG)
    }

    /// The same with a deadline of its own.
    ///
    /// # Errors
    /// When it does not come in time; the error shows what came instead.
    pub fn expect_within(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let found = wait::until(&format!("{text:?}"), deadline, || {
            let plain = self.rest();
            plain.find(text).map(|at| plain.get(..at + text.len()).unwrap_or_default().to_owned())
        });
        match found {
            Ok(before) => {
                self.read_to += before.len();
                Ok(before)
            }
            Err(error) => bail!("{error}; the terminal shows: {:?}", self.rest()),
        }
    }

    /// What came and was not yet waited for, escape sequences left out.
    #[must_use]
    pub fn rest(&self) -> String {
        self.plain().get(self.read_to..).unwrap_or_default().to_owned()
    }

    /// All that came, escape sequences left out.
    #[must_use]
    pub fn plain(&self) -> String {
        strip(&self.bytes())
    }

    /// All that came, as it came.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    /// When it goes on beyond the deadline.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let child = &mut self.child;
        wait::until("the program's end", wait::LONG, || child.try_wait().ok().flatten())
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text without escape sequences: CSI, OSC, and two-character ones. A sequence that is not complete yet is kept back.
fn strip(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => match rest.next() {
                Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']') => while rest.next().is_some_and(|c| c != '\x07' && c != '\\') {},
                _ => {}
            },
            '\r' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_comes_back_and_the_end_is_seen() {
        let mut terminal = Terminal::start(&["/bin/sh".into(), "-c".into(), "read x; echo got-$x; exit 3".into()]).unwrap();
        terminal.line("this").unwrap();
        terminal.expect("got-this").unwrap();
        assert_eq!(terminal.wait().unwrap().code(), Some(3));
    }

    #[test]
    fn escapes_are_left_out() {
        assert_eq!(strip(b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07!\r\n"), "red!\n");
    }
}
