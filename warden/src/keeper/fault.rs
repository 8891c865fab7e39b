//! Why a session cannot go on, and why it ends.

use crate::chain::with_sources;
use super::evidence::Unrecorded;
use super::shell::Broken;
use portcullis_jail::guard::{GuardError, Unended};
use portcullis_model::receipt::EndCause;
use portcullis_model::session::ExitStatus;
use std::io;
use std::path::PathBuf;

/// A part that the session cannot be without has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Something could not be recorded.
    #[error(transparent)]
    Recording(#[from] Unrecorded),
    /// A folder that is needed is not there.
    #[error("cannot use the folder {0}")]
    NoFolder(PathBuf, #[source] io::Error),
    /// The guard cannot guard.
    #[error("guard failed")]
    Guard(#[from] GuardError),
    /// A program cannot be ended at its time limit.
    #[error(transparent)]
    Unended(#[from] Unended),
    /// The shell's socket carries what it cannot.
    #[error(transparent)]
    ShellSocket(#[from] Broken),
    /// The shell asks for what it cannot.
    #[error("the shell broke its protocol: {0}")]
    Shell(String),
    /// More bytes than a session may carry.
    #[error("it has carried {0} MiB, which is as much as a session may")]
    Quota(u64),
    /// More is recorded than of a session may be.
    #[error("its recording has {0} MiB, which is as much as a session's may have")]
    Length(u64),
    /// The terminal or a pipe fails.
    #[error("terminal failed")]
    Terminal(#[source] io::Error),
    /// There is nobody to judge.
    #[error("{0}")]
    NoJudge(String),
    /// The jail was not built, or its init has failed or gone.
    #[error("jail: {0}")]
    Jail(String),
    /// The gateway, or the warden, sends what it cannot.
    #[error("{0}")]
    Peer(String),
    /// The system does not let the keeper wait.
    #[error("cannot wait for events")]
    Wait(#[source] io::Error),
}

/// The end of a session, and how its program ended if it did so by itself.
#[derive(Debug)]
pub(crate) struct End {
    /// Why.
    pub(crate) cause: EndCause,
    /// How the program ended.
    pub(crate) exit: Option<ExitStatus>,
}

impl From<EndCause> for End {
    fn from(cause: EndCause) -> Self {
        Self { cause, exit: None }
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        EndCause::Fault(with_sources(&fault)).into()
    }
}

/// What the operator is told when Portcullis ends the session; nothing when it ended by itself.
pub(crate) fn farewell(cause: &EndCause) -> Option<String> {
    let why = match cause {
        EndCause::Exit | EndCause::Disconnect => return None,
        EndCause::Revoked => "access was revoked",
        EndCause::Closed => "the request was closed",
        EndCause::Expired => "the time of the access is over",
        EndCause::Idle => "there was no input for too long",
        EndCause::Terminated => "it was terminated; the access goes on",
        EndCause::Shutdown => "the node is being stopped",
        EndCause::PolicyWithdrawn => "the policy does not allow this action here any more",
        EndCause::Fault(what) => what,
    };
    Some(format!("portcullis: session ended: {why}"))
}
