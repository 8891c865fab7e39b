//! Warden and judge: which modules judge. A socket of its own, which keepers are never told of; the warden dials.
//!
//! Modules go by descriptor: the judge reads the file, so nothing large is in a message and neither waits for the other. On each connection the warden tells everything anew; until it has, a judge that waits for it answers
//! nobody.

use crate::action::{Action, Role};
use crate::id::PolicyDigest;
use crate::policy::{PolicyAssignment, PolicyState, TrialReport};
use serde::{Deserialize, Serialize};

/// From the warden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToJudge {
    /// The first message.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
    },
    /// A module to hold; the packet carries its file. Not answered: what came of it is in the next [`FromJudge::State`].
    Module {
        /// the module
        digest: PolicyDigest,
        /// an admin's signature over it, armoured
        signature: String,
    },
    /// What is to judge; modules that it needs and that were not sent are waited for. An assignment that is not newer than the
    /// one in force changes nothing.
    Assign {
        /// the assignment, verified by the warden; none for the baseline alone
        assignment: Option<Box<PolicyAssignment>>,
        /// trials of it that were ended before
        ended: Vec<EndedTrial>,
    },
}

/// A trial that the node ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedTrial {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The module that was on trial.
    pub candidate: PolicyDigest,
}

/// From the judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromJudge {
    /// The answer to Hello.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
    },
    /// What judges now: after each change, and when it is clear that an assignment will not be enforced.
    State(JudgeState),
    /// A module is of no use: it is not what it is said to be, or does not load. It is not asked for again by the judge.
    Rejected {
        /// the module
        digest: PolicyDigest,
        /// why
        reason: String,
    },
    /// What a trial showed so far.
    Trial(Box<TrialReport>),
}

/// What the judge enforces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeState {
    /// Number of the assignment that was told last and is decided on, whatever came of it; 0 for the baseline.
    pub decided: u64,
    /// What judges.
    pub state: PolicyState,
}
