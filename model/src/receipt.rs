//! What a revoke, or any other end of a session, left behind: nothing, and the proof of it.

use crate::id::{GrantId, SessionId};
use serde::{Deserialize, Serialize};

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// Its program ended.
    Exit,
    /// The client went away.
    Disconnect,
    /// The grant was revoked.
    Revoked,
    /// The operator closed the request: the work is done.
    Closed,
    /// The grant's time was over.
    Expired,
    /// No input for the grant's idle time.
    Idle,
    /// A part that the session cannot be without failed; which, and how.
    Fault(String),
    /// A person ended this one session; the grant goes on.
    Terminated,
    /// The node is being stopped.
    Shutdown,
    /// The policy in force does not allow the action on this node any more.
    PolicyWithdrawn,
}

/// What the kill of one session did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The session.
    pub session: SessionId,
    /// The grant that it ran under.
    pub grant: GrantId,
    /// Why it ended.
    pub cause: EndCause,
    /// Processes that were alive when the kill began, the jail's init not counted.
    pub killed: u32,
    /// Processes that were still there at the deadline; 0 unless the kernel holds one in an uninterruptible wait.
    pub survivors: Vec<Survivor>,
    /// Microseconds from the order to the last process being gone.
    pub micros: u64,
}

/// A process that did not die by the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Its pid on the node.
    pub pid: u32,
    /// Its state letter in /proc/PID/stat.
    pub state: char,
    /// The kernel function that it waits in, from /proc/PID/wchan.
    pub waits_in: String,
}

/// What a revoke did on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeReceipt {
    /// The grant.
    pub grant: GrantId,
    /// One a session that was running.
    pub sessions: Vec<Receipt>,
    /// Microseconds from the warden's hearing of it to the last process of the last session being gone.
    pub micros: u64,
}

impl RevokeReceipt {
    /// All processes killed.
    #[must_use]
    pub fn killed(&self) -> u32 {
        self.sessions.iter().map(|s| s.killed).sum()
    }

    /// All processes that were left; must be 0.
    #[must_use]
    pub fn survivors(&self) -> usize {
        self.sessions.iter().map(|s| s.survivors.len()).sum()
    }
}
