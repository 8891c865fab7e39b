//! Keeper and judge: one connection a session, opened with the session's facts.

use crate::id::PolicyDigest;
use crate::session::SessionFacts;
use crate::subject::Subject;
use crate::time::UnixMs;
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// From the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToJudge {
    /// The first message; answered by [`FromJudge::Ready`] or [`FromJudge::NoModule`].
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
        /// the session
        facts: Box<SessionFacts>,
    },
    /// A question; answered by [`FromJudge::Answer`] or [`FromJudge::Fault`] with the same `id`. Several may be open at once.
    Ask {
        /// the keeper's number
        id: u64,
        /// the time now
        now: UnixMs,
        /// what the session did so far
        counters: Counters,
        /// what is asked about
        subject: Subject,
    },
    /// The session ends later than its facts said.
    Extended {
        /// when
        end: UnixMs,
    },
}

/// What a session did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Counters {
    /// lines allowed
    pub lines: u64,
    /// execs allowed
    pub execs: u64,
    /// subjects denied
    pub denials: u64,
}

/// From the judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromJudge {
    /// This module judges the session: the answer to Hello, and again, before the first answer of another module, when the
    /// session gets another one. Nothing that is remembered of earlier answers holds after it.
    Ready {
        /// the module
        module: ModuleInfo,
    },
    /// There is no module for the session's action and role, or none any more; every question will be denied.
    NoModule,
    /// The module's answer.
    Answer {
        /// the keeper's number
        id: u64,
        /// the module that answered
        digest: PolicyDigest,
        /// its verdict
        verdict: Verdict,
    },
    /// There is no answer.
    Fault {
        /// the keeper's number
        id: u64,
        /// what went wrong, for the record and the operator
        fault: String,
    },
}

/// What a module says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// SHA-256 of the component.
    pub digest: PolicyDigest,
    /// Its name, by convention the action's: `INFRA_DIAG`.
    pub name: String,
    /// Its version, as its author numbers it.
    pub version: String,
    /// Whether equal questions get equal answers: the verdict depends on the session's constants and the subject alone,
    /// neither on the time, the counters nor the memo. The keeper may then remember an answer as long as the module stays.
    pub pure: bool,
    /// What it allows, for people.
    pub allowed: Vec<AllowedForm>,
}

/// One row of what a module allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedForm {
    /// The form of the command: `docker ps [-a]`.
    pub form: String,
    /// What it is for, or how it is bounded.
    pub note: String,
}
