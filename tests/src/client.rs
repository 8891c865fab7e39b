//! The operator's side: OpenSSH's client and nothing else.

use crate::terminal::Terminal;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A way in: what the approved request printed.
#[derive(Debug, Clone)]
pub struct Access {
    /// The request's id.
    pub request: String,
    /// The temporary account.
    pub account: String,
    /// The operator's private key.
    pub key: PathBuf,
    /// The SSH server's port.
    pub port: u16,
    /// Where the client keeps what it learns of host keys.
    pub home: PathBuf,
}

/// What a command left.
#[derive(Debug)]
pub struct Output {
    /// Its exit status; 255 is ssh's own.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Both outputs, for messages.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Access {
    /// The options and the destination of each ssh of this operator.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let known = self.home.join("known_hosts");
        let mut arguments = vec!["-F".into(), "none".into(), "-p".into(), self.port.to_string(), "-i".into(), self.key.display().to_string()];
        for option in ["IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=accept-new", "LogLevel=ERROR", "ConnectTimeout=20"] {
            arguments.extend(["-o".into(), option.into()]);
        }
        arguments.extend(["-o".into(), format!("UserKnownHostsFile={}", known.display())]);
        arguments
    }

    /// The destination.
    #[must_use]
    pub fn destination(&self) -> String {
        format!("{}@127.0.0.1", self.account)
    }

    /// `ssh OPTIONS account@node ARGS...`.
    #[must_use]
    pub fn ssh(&self, options: &[&str], args: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(self.arguments()).args(options).arg(self.destination()).args(args).stdin(Stdio::null());
        ssh
    }

    /// Runs one command and waits for its end.
    ///
    /// # Errors
    /// When ssh cannot be started.
    pub fn run(&self, command: &str) -> Result<Output> {
        finish(self.ssh(&[], &[command]))
    }

    /// The same with something to read.
    ///
    /// # Errors
    /// When ssh cannot be started or fed.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Result<Output> {
        let mut child = self.ssh(&[], args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start ssh")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
        let output = child.wait_with_output()?;
        // a command that does not read all of its input is no failure
        let _ = feeder.join();
        Ok(text(output))
    }

    /// An interactive session on a terminal of 100 columns and 30 rows.
    ///
    /// # Errors
    /// When ssh cannot be started.
    pub fn terminal(&self) -> Result<Terminal> {
        let mut command: Vec<String> = vec!["ssh".into(), "-tt".into()];
        command.extend(self.arguments());
        command.push(self.destination());
        Terminal::start(&command)
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started.
pub fn finish(mut command: Command) -> Result<Output> {
    Ok(text(command.output().with_context(|| format!("cannot start {command:?}"))?))
}

fn text(output: std::process::Output) -> Output {
    Output {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
