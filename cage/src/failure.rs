//! What went wrong, in the words of the usual tools: `sudocat: /u01/x: No such file or directory`.

use portcullis_model::bytes::printable;
use rustix::io::Errno;
use std::fmt;
use std::io::Write as _;

/// Why a command was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Usage {
    /// It is called by a name that none has.
    #[error("{}: there is no such command", printable(.0))]
    Command(Vec<u8>),
    /// An option that it does not have.
    #[error("{}: it has no such option", printable(.0))]
    Option(Vec<u8>),
    /// An option without its value.
    #[error("{}: its value is missing", printable(.0))]
    Value(Vec<u8>),
    /// A count that is none.
    #[error("{}: not a number", printable(.0))]
    Number(Vec<u8>),
    /// Too few operands, or too many.
    #[error("{0}")]
    Operands(&'static str),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system did not do it.
    #[error("{}", words(*.0))]
    System(#[from] Errno),
    /// It is a folder.
    #[error("Is a directory")]
    Folder,
    /// It is neither file nor folder.
    #[error("neither a file nor a directory: pipes, sockets and devices are left alone")]
    Odd,
    /// It has more names than one.
    #[error("it has other names (hard links), which could lie elsewhere; it is left alone")]
    Linked,
    /// It would run as its owner.
    #[error("it has the set-user-ID or set-group-ID bit, which cannot be kept; it is left alone")]
    SetId,
    /// What it says.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Self::Other(error.to_string()), Self::System)
    }
}

/// An error of the system's as the usual tools say it.
#[must_use]
pub fn words(errno: Errno) -> String {
    if errno == Errno::LOOP {
        return "a symbolic link, or reached over one; this command follows none".to_owned();
    }
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Where a command tells what it could not do, and its exit status.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    status: u8,
}

impl Report {
    /// Of the command of this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, status: 0 }
    }

    /// Tells of something.
    pub fn fail(&mut self, what: &dyn fmt::Display) {
        self.status = self.status.max(1);
        self.say(&what.to_string());
    }

    /// Tells of something about a file.
    pub fn fail_at(&mut self, path: &[u8], what: &Failure) {
        self.fail(&format_args!("{}: {what}", printable(path)));
    }

    /// Says something that is no failure.
    pub fn say(&mut self, text: &str) {
        // who does not listen is not told
        let _ = writeln!(std::io::stderr(), "{}: {text}", self.name);
    }

    /// Ends with this status, nothing more being said.
    pub fn end(&mut self, status: u8) {
        self.status = status;
    }

    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }
}
