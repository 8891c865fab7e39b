//! The JSON of policies.

use crate::domain::actor::UserRole;
use crate::domain::policy::claim::TestClaim;
use crate::domain::policy::module_id::ModuleId;
use crate::domain::policy::stage::Stage;
use crate::store::PolicyEventKind;
use portcullis_model::action::{Action, Role};
use portcullis_model::policy::{Bounds, Outcome, Trial};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::AllowedForm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Body of `POST /v1/policies`. What it says about the module is kept as it is: the nodes ask the module itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushPolicy {
    /// The component, in base64.
    #[serde(with = "portcullis_model::bytes::binary")]
    pub component: Vec<u8>,
    /// A policy admin's signature over it, as `ssh-keygen -Y sign -n policy@portcullis` writes it.
    pub signature: String,
    /// The module's name: 1 to 64 characters.
    pub name: String,
    /// Its version, as its author numbers it: 1 to 64 characters.
    pub version: String,
    /// The action that it judges.
    pub action: Action,
    /// The roles that it judges it on, one or more.
    pub roles: Vec<Role>,
    /// The interface that it was built for: 1 to 64 characters, for instance `portcullis:policy@0.1.0`.
    pub abi: String,
    /// Whether equal questions get equal answers.
    pub pure: bool,
    /// What it allows, for people; at most 512 rows.
    #[serde(default)]
    pub allowed: Vec<AllowedForm>,
}

/// Body of `test-passed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestPassed {
    /// What is claimed.
    pub claim: TestClaim,
}

/// Body of `shadow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct StartShadow {
    /// What ends it by itself; the strictest when none.
    #[serde(default)]
    pub bounds: Bounds,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `canary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartCanary {
    /// The share of sessions that it decides for: 1 to 100.
    pub percent: u8,
    /// What ends it by itself; the strictest when none.
    #[serde(default)]
    pub bounds: Bounds,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `activate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// For each role of the version what is in force now, as the caller knows it: a digest, or null for the nodes' own
    /// module. When it is not so any more, nothing is done.
    pub replaces: BTreeMap<Role, Option<ModuleId>>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `POST /v1/policies/rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The action.
    pub action: Action,
    /// The role. What is in force there is rolled back on every other role as well on which it is in force.
    pub role: Role,
    /// What is in force now, as the caller knows it. When it is not so any more, nothing is done; not looked at when absent.
    #[serde(default)]
    pub replaces: Option<ModuleId>,
    /// Why: 1 to 1000 characters.
    pub reason: String,
}

/// A version of a policy module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// SHA-256 of the component.
    pub digest: ModuleId,
    /// Its name.
    pub name: String,
    /// Its version, as its author numbers it.
    pub version: String,
    /// The action that it judges.
    pub action: Action,
    /// The roles that it judges it on.
    pub roles: Vec<Role>,
    /// The interface that it was built for.
    pub abi: String,
    /// Bytes of the component.
    pub size: u64,
    /// Where it is in its life.
    pub stage: Stage,
    /// The roles for which it is in force.
    pub active_for: Vec<Role>,
    /// Since when, and by whom, it is in force; of its roles the latest.
    pub activated: Option<Activated>,
    /// How it is tried; in shadow and canary only.
    pub trial: Option<TrialSetting>,
    /// What was claimed about its tests; none for a draft.
    pub test: Option<TestClaim>,
    /// Fingerprint of the policy admin's key that signed it.
    pub author: String,
    /// The comment of that key.
    pub author_name: String,
    /// The token that it was pushed with.
    pub pushed_by: String,
    /// When.
    pub pushed: UnixMs,
}

/// Who put a version in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
}

/// How a version is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialSetting {
    /// Shadow, or canary with its share.
    pub kind: Trial,
    /// What ends it by itself.
    pub bounds: Bounds,
}

/// A version with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDetail {
    /// The version.
    pub policy: PolicyView,
    /// Whether equal questions get equal answers, as it says.
    pub pure: bool,
    /// What it allows, as it says.
    pub allowed: Vec<AllowedForm>,
    /// The signature over it.
    pub signature: String,
    /// What judges its action on each of its roles.
    pub seats: Vec<SeatView>,
    /// All that happened to it, in order.
    pub history: Vec<PolicyEventView>,
    /// What each target of its roles says.
    pub targets: Vec<TargetChange>,
}

/// What judges an action on a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The version in force; none for the nodes' own module.
    pub active: Option<ModuleId>,
    /// The version on trial beside it.
    pub candidate: Option<ModuleId>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEventView {
    /// Its number; grows.
    pub number: u64,
    /// When.
    pub at: UnixMs,
    /// What.
    pub kind: PolicyEventKind,
    /// To which version; none when it is about a target alone.
    pub policy: Option<ModuleId>,
    /// The stage before.
    pub from: Option<Stage>,
    /// The stage after.
    pub to: Option<Stage>,
    /// On which target, when it was about one.
    pub target: Option<String>,
    /// Who; `system` for what a node's report did.
    pub by: String,
    /// In which role.
    pub role: Option<UserRole>,
    /// Why, or what went wrong; may be empty.
    pub reason: String,
}

/// Answer to whatever changes what judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// The version that it was about; none when a roll-back went to the nodes' own module.
    pub policy: Option<PolicyView>,
    /// What came of it on each target that it concerns.
    pub targets: Vec<TargetChange>,
}

/// What came of a change on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// The target.
    pub target: String,
    /// What it is in its rack.
    pub role: Role,
    /// Number of the assignment that it is to enforce.
    pub sequence: u64,
    /// What came of it.
    #[serde(flatten)]
    pub state: ChangeState,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ChangeState {
    /// The target enforces it.
    Enforced {
        /// milliseconds from the change to the target's word for it
        ms: u64,
        /// what is not right all the same, for instance a module that is not held ready
        note: Option<String>,
    },
    /// The target does not enforce it; what it enforced before stays.
    Refused {
        /// why
        error: String,
    },
    /// The target has not said anything yet.
    Waiting,
    /// The target's link is down; it is told when it is back.
    NotConnected,
}

/// What a trial showed so far, summed over targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialView {
    /// The version.
    pub policy: PolicyView,
    /// Questions that both modules were asked.
    pub questions: u64,
    /// Of them, answered alike.
    pub agreed: u64,
    /// Of them, left without an answer by the module on trial.
    pub faults: u64,
    /// Questions that were not put to both, because too many waited.
    pub dropped: u64,
    /// What was answered differently, by rule, operator and command.
    pub differences: Vec<DifferenceView>,
    /// Questions answered differently that are in no row.
    pub more: u64,
    /// What each target said.
    pub targets: Vec<TargetTrial>,
}

/// Questions that the two modules answered differently, in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceView {
    /// The rule of the one that did not allow it.
    pub rule: String,
    /// Whose questions.
    pub operator: String,
    /// What was asked about: the first words.
    pub command: String,
    /// The answer of the module in force.
    pub active: Outcome,
    /// The answer of the module on trial.
    pub candidate: Outcome,
    /// How many.
    pub count: u64,
}

/// What a target said about a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTrial {
    /// The target.
    pub target: String,
    /// The role.
    pub role: Role,
    /// When its counting began.
    pub since: UnixMs,
    /// When it said so.
    pub at: UnixMs,
    /// Questions that both modules were asked.
    pub questions: u64,
    /// Of them, answered alike.
    pub agreed: u64,
    /// Of them, left without an answer by the module on trial.
    pub faults: u64,
    /// Why the target ended the trial by itself.
    pub ended: Option<String>,
}

/// A module that judged a session, until the next one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUse {
    /// Since when.
    pub since: UnixMs,
    /// Which; none when there was none.
    pub digest: Option<ModuleId>,
}

/// What judges on a target, as it last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPolicies {
    /// Number of the assignment in force there; 0 for its own modules alone.
    pub sequence: u64,
    /// Number of the assignment that it is to enforce; 0 for none.
    pub assigned: u64,
    /// What judges, its own modules included.
    pub enforced: Vec<EnforcedView>,
    /// What is not right.
    pub error: Option<String>,
}

/// What judges an action on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcedView {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The module.
    pub digest: ModuleId,
}
