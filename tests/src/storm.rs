//! Sessions that run one command after the other, while something else happens.

use crate::{Access, wait};
use anyhow::{Context as _, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What each session runs: for each number that it reads, a program of which that is the argument, so that every exec is another
/// question; and the number, if the program ran.
const LOOP: &str = "while read -r n; do /usr/bin/true \"$n\" && echo \"$n\"; done";

/// One session's commands, each with the time from its number to the answer.
#[derive(Debug)]
pub struct Ran {
    /// The session's number, which all of its arguments begin with.
    pub session: usize,
    /// How long each command took.
    pub taken: Vec<Duration>,
    /// What the session was told on its standard error.
    pub told: String,
}

/// The argument of a session's command.
#[must_use]
pub fn argument(session: usize, command: usize) -> String {
    format!("{session}-{command}")
}

/// Has so many sessions, of these accesses in turn, run commands without a pause from before `meanwhile` begins until after it ends. Every session has run one
/// command before it begins, and runs at least one more after it.
///
/// # Errors
/// When `meanwhile` fails, or a command of any session.
pub fn during(accesses: &[Access], sessions: usize, meanwhile: impl FnOnce() -> Result<()>) -> Result<Vec<Ran>> {
    let mut all = Vec::with_capacity(sessions);
    // one after the other: there are only so many that may be at the door together
    for (number, access) in accesses.iter().cycle().take(sessions).enumerate() {
        let mut session = Session::start(access, number)?;
        session.command()?;
        all.push(session);
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running: Vec<_> = all
            .into_iter()
            .map(|mut session| {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        session.command()?;
                    }
                    session.command()?;
                    session.end()
                })
            })
            .collect();
        let done = meanwhile();
        over.store(true, Ordering::Release);
        let ran = running.into_iter().map(|one| one.join().map_err(|_| anyhow::anyhow!("a session's thread panicked"))?).collect::<Result<Vec<_>>>();
        done?;
        ran
    })
}

struct Session {
    number: usize,
    ssh: Child,
    input: std::process::ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    /// A file: nobody reads a pipe while the commands run.
    told: File,
    taken: Vec<Duration>,
}

impl Session {
    fn start(access: &Access, number: usize) -> Result<Self> {
        let mut command: Command = access.ssh(&["-T"], &[LOOP]);
        let told = tempfile::tempfile()?;
        let mut ssh = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(told.try_clone()?).spawn().context("cannot start ssh")?;
        let (input, output) = (ssh.stdin.take().context("no stdin")?, ssh.stdout.take().context("no stdout")?);
        Ok(Self { number, ssh, input, output: BufReader::new(output), told, taken: Vec::new() })
    }

    /// Runs one command.
    fn command(&mut self) -> Result<()> {
        let argument = argument(self.number, self.taken.len());
        let begun = Instant::now();
        let mut answer = String::new();
        let asked = self.input.write_all(format!("{argument}\n").as_bytes());
        self.output.read_line(&mut answer)?;
        self.taken.push(begun.elapsed());
        if asked.is_err() || answer.trim_end() != argument {
            let _ = self.ssh.kill();
            bail!("command {argument} did not run: {answer:?} {}", read(&mut self.told)?);
        }
        Ok(())
    }

    /// Ends the session in the orderly way.
    fn end(self) -> Result<Ran> {
        let Self { number, mut ssh, input, taken, mut told, .. } = self;
        drop(input);
        let status = wait::until("a session to end", wait::LONG, || ssh.try_wait().transpose())??;
        let told = read(&mut told)?;
        ensure!(status.success(), "session {number}: {status}: {told}");
        Ok(Ran { session: number, taken, told })
    }
}

fn read(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}
