//! How it went, as exit statuses.

use super::screen::shown;
use crate::chain;
use std::io::Write as _;
use std::process::ExitCode;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, all of it.
    Done,
    /// Not done, or not all of it.
    Failed,
    /// Not understood.
    Usage,
    /// Understood, and not allowed.
    Denied,
    /// It is not known who asks.
    NotAuthenticated,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The controller does not allow it.
    #[error("{0}")]
    Denied(String),
    /// The controller does not know who asks.
    #[error("{0}")]
    NotAuthenticated(String),
    /// Everything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<crate::config::ConfigError> for CliError {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Outcome {
    /// Tells the user, on one line of standard error.
    #[must_use]
    pub fn report(error: &CliError) -> Self {
        let (outcome, text) = match error {
            CliError::Usage(text) => (Self::Usage, text.clone()),
            CliError::Denied(text) => (Self::Denied, text.clone()),
            CliError::NotAuthenticated(text) => (Self::NotAuthenticated, text.clone()),
            CliError::Failed(error) if is_broken_pipe(error) => return Self::Failed,
            CliError::Failed(error) => (Self::Failed, chain(error.as_ref())),
        };
        // nobody is left to be told
        let text = text.lines().map(shown).collect::<Vec<_>>().join("\n");
        let _ = writeln!(std::io::stderr(), "portcullis: {text}");
        outcome
    }
}

/// The reader of the output had enough: `portcullis request list | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
            Outcome::Denied => 3,
            Outcome::NotAuthenticated => 4,
        })
    }
}
