//! What a node's audit log says, one entry after another. Versioned by [`AUDIT_VERSION`].
//!
//! The log holds what has to be known about a node as a whole: who was let in, under what, when it ended, and the digest of each
//! recording. What happened in a session is in its recording. An entry never holds bytes of a session.

use crate::account::AccountName;
use crate::action::{Action, Role};
use crate::boot::BootId;
use crate::digest::Digest;
use crate::grant::{Ending, Grant};
use crate::id::{GrantId, RequestId, SessionId};
use crate::policy::Assigned;
use crate::receipt::{EndCause, Receipt, RevokeReceipt};
use crate::session::{ExitStatus, Purpose, SessionFacts};
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Version of the entries' form; a reader refuses a newer one.
pub const AUDIT_VERSION: u32 = 1;
/// Most bytes of one entry as JSON: a bundle of entries says the length of each in two bytes.
pub const ENTRY_MAX: usize = 65_535;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditEntry {
    /// [`AUDIT_VERSION`] when it was written.
    pub version: u32,
    /// Its place in the log; the first is 0.
    pub number: u64,
    /// The wall clock when it was written.
    pub at: UnixMs,
    /// The start of the node that it was written in.
    pub boot: BootId,
    /// Nanoseconds since that start, by a clock that never runs backwards; time asleep included.
    pub since_boot_ns: u64,
    /// What happened.
    pub event: AuditEvent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum AuditEvent {
    /// The node's warden has started. Sessions that were open before are over: a keeper does not outlive its warden.
    Opened {
        /// the node's name
        target: String,
        /// what it is in its rack
        role: Role,
        /// the program's version
        program: String,
        /// bytes of an entry that was not whole and was cut off: nothing had been done because of it
        torn: u64,
    },
    /// A grant of the controller's is kept from here on; written before the controller is told so.
    GrantAdmitted {
        /// the grant
        grant: GrantId,
        /// the request that was approved
        request: RequestId,
        /// the ticket, empty when none
        ticket: String,
        /// who it is for
        operator: String,
        /// the temporary account
        account: AccountName,
        /// what was approved
        action: Action,
        /// the only key that logs in
        key_fingerprint: String,
        /// not valid before
        not_before: UnixMs,
        /// not valid from this moment on
        not_after: UnixMs,
    },
    /// A grant was ended by the controller. Its sessions are being killed: that does not wait for the log.
    GrantRevoked {
        /// the grant
        grant: GrantId,
        /// its request
        request: RequestId,
        /// who decided
        by: String,
        /// why
        reason: String,
        /// what kind of end it is
        ending: Ending,
        /// when it was decided, by the controller's clock
        decided: UnixMs,
    },
    /// All of a grant's sessions are gone; written before the controller is given the receipt.
    RevocationDone {
        /// the grant
        grant: GrantId,
        /// the sessions that were killed
        sessions: Vec<SessionId>,
        /// processes that were killed
        killed: u32,
        /// processes that were left
        survivors: u32,
        /// microseconds from the warden's hearing of it
        micros: u64,
    },
    /// A session is let in; written before anything of it is started.
    SessionAdmitted {
        /// whose, for what, from where
        facts: Box<SessionFacts>,
        /// what it was opened for
        purpose: Opening,
    },
    /// A session that runs has a recording up to here.
    RecordingGrew {
        /// the session
        session: SessionId,
        /// frames so far
        frames: u64,
        /// the chain's value after the last of them
        head: Digest,
    },
    /// A session that was let in is over, or did not start.
    SessionEnded {
        /// the session
        session: SessionId,
        /// why
        cause: EndCause,
        /// processes that were killed
        killed: u32,
        /// processes that were left
        survivors: u32,
        /// microseconds that it took
        micros: u64,
        /// how its program ended, if it did so by itself
        exit: Option<ExitStatus>,
    },
    /// A session's recording is closed; what is in the manifest stands for all of it.
    RecordingSealed {
        /// the session
        session: SessionId,
        /// SHA-256 of the manifest's file
        manifest: Digest,
        /// frames of the recording
        frames: u64,
        /// the chain's last value
        head: Digest,
        /// what it lacks; none when it is whole
        damage: Option<String>,
    },
    /// A session has no recording that could be sealed: it never ran, or what is there cannot be read.
    RecordingMissing {
        /// the session
        session: SessionId,
        /// in words
        why: String,
    },
    /// Which modules judge was changed by the controller; written before the judge is told.
    PolicyAssigned {
        /// the assignment's number
        sequence: u64,
        /// when it was decided, by the controller's clock
        decided: UnixMs,
        /// what judges what
        modules: Vec<Judges>,
    },
    /// Something that somebody has to look at.
    Alert {
        /// the session, when it is about one
        session: Option<SessionId>,
        /// its name, in lower case with hyphens
        rule: String,
        /// in words
        detail: String,
    },
}

/// What a session was opened for, without the bytes of its command: these are in its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// an interactive shell
    Shell,
    /// one command
    Command,
    /// a file transfer
    Sftp,
    /// a forwarded connection
    Forward,
}

/// What judges one action on one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Judges {
    /// the action
    pub action: Action,
    /// the role
    pub role: Role,
    /// the module in force; none for the node's own
    pub active: Option<Digest>,
    /// a module on trial
    pub candidate: Option<Digest>,
}

impl From<&Purpose> for Opening {
    fn from(purpose: &Purpose) -> Self {
        match purpose {
            Purpose::Shell => Self::Shell,
            Purpose::Command(_) => Self::Command,
            Purpose::Sftp => Self::Sftp,
            Purpose::Forward(_) => Self::Forward,
        }
    }
}

impl From<&Assigned> for Judges {
    fn from(assigned: &Assigned) -> Self {
        let candidate = assigned.candidate.as_ref().map(|candidate| candidate.digest.into());
        Self { action: assigned.action, role: assigned.role, active: assigned.active.map(Digest::from), candidate }
    }
}

impl AuditEvent {
    /// That a grant is kept.
    #[must_use]
    pub fn admitted(grant: &Grant, key_fingerprint: String) -> Self {
        Self::GrantAdmitted {
            grant: grant.id.clone(),
            request: grant.request.clone(),
            ticket: grant.ticket.clone(),
            operator: grant.operator.clone(),
            account: grant.account.clone(),
            action: grant.action,
            key_fingerprint,
            not_before: grant.not_before,
            not_after: grant.not_after,
        }
    }

    /// That a session is over.
    #[must_use]
    pub fn ended(receipt: &Receipt, exit: Option<ExitStatus>) -> Self {
        Self::SessionEnded {
            session: receipt.session.clone(),
            cause: receipt.cause.clone(),
            killed: receipt.killed,
            survivors: u32::try_from(receipt.survivors.len()).unwrap_or(u32::MAX),
            micros: receipt.micros,
            exit,
        }
    }

    /// That a grant's sessions are gone.
    #[must_use]
    pub fn revoked(receipt: &RevokeReceipt) -> Self {
        Self::RevocationDone {
            grant: receipt.grant.clone(),
            sessions: receipt.sessions.iter().map(|receipt| receipt.session.clone()).collect(),
            killed: receipt.killed(),
            survivors: u32::try_from(receipt.survivors()).unwrap_or(u32::MAX),
            micros: receipt.micros,
        }
    }

    /// Its name, as in the JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::GrantAdmitted { .. } => "grant-admitted",
            Self::GrantRevoked { .. } => "grant-revoked",
            Self::RevocationDone { .. } => "revocation-done",
            Self::SessionAdmitted { .. } => "session-admitted",
            Self::RecordingGrew { .. } => "recording-grew",
            Self::SessionEnded { .. } => "session-ended",
            Self::RecordingSealed { .. } => "recording-sealed",
            Self::RecordingMissing { .. } => "recording-missing",
            Self::PolicyAssigned { .. } => "policy-assigned",
            Self::Alert { .. } => "alert",
        }
    }

    /// The session that it is about, if it is about one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::SessionAdmitted { facts, .. } => Some(&facts.id),
            Self::RecordingGrew { session, .. }
            | Self::SessionEnded { session, .. }
            | Self::RecordingSealed { session, .. }
            | Self::RecordingMissing { session, .. } => Some(session),
            Self::Alert { session, .. } => session.as_ref(),
            Self::Opened { .. } | Self::GrantAdmitted { .. } | Self::GrantRevoked { .. } | Self::RevocationDone { .. } | Self::PolicyAssigned { .. } => None,
        }
    }
}
