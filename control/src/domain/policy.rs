//! A version of a policy module: facts that never change, and where it is in its life.
//!
//! [`stage`] is the table of its stages; [`act`] says who may move it, as types; [`claim`] is what somebody says about its tests.
//! Which version is in force for which action and role is the store's to keep: at most one, by its keys.

pub mod act;
pub mod claim;
pub mod module_id;
pub mod stage;

use self::act::{Mark, PolicyAct};
use self::claim::TestClaim;
use self::stage::{Refused, Stage};
use super::text::{PersonName, Text};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Bounds, Trial};
use portcullis_model::time::UnixMs;

/// A module's name or version, or the interface that it was built for, as it says it.
pub type Label = Text<1, 64>;

/// What was pushed. Never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the component.
    pub digest: PolicyDigest,
    /// Its name.
    pub name: Label,
    /// Its version, as its author numbers it.
    pub version: Label,
    /// The action that it judges.
    pub action: Action,
    /// The roles that it judges it on; one or more, in order, no two the same.
    pub roles: Vec<Role>,
    /// The interface that it was built for.
    pub abi: Label,
    /// Bytes of the component.
    pub size: u64,
    /// Fingerprint of the policy admin's key that signed it.
    pub author: String,
    /// The comment of that key; may be empty.
    pub author_name: String,
    /// The signature, armoured.
    pub signature: String,
    /// The token that it was pushed with.
    pub pushed_by: PersonName,
    /// When.
    pub pushed: UnixMs,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    facts: Facts,
    stage: Stage,
    test: Option<TestClaim>,
    trial: Option<(Trial, Bounds)>,
    entries: u64,
}

/// A transition that the table allowed, made by somebody who may: what the store records. Made by
/// [`PolicyVersion::apply`] only.
#[derive(Debug)]
#[must_use = "a transition that is not recorded did not happen"]
pub struct Transition {
    from: Stage,
    to: Stage,
    act: PolicyAct,
    entry: u64,
}

impl PolicyVersion {
    /// A new version, draft.
    #[must_use]
    pub fn push(facts: Facts) -> Self {
        Self { facts, stage: Stage::Draft, test: None, trial: None, entries: 1 }
    }

    /// A version as the store has it; none when its parts contradict each other.
    pub(crate) fn restore(facts: Facts, stage: Stage, test: Option<TestClaim>, trial: Option<(Trial, Bounds)>, entries: u64) -> Option<Self> {
        let sound = (stage == Stage::Draft) == test.is_none() && stage.is_trial() == trial.is_some();
        sound.then_some(Self { facts, stage, test, trial, entries })
    }

    /// What was pushed.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where it is in its life.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What was claimed about its tests; none for a draft only.
    #[must_use]
    pub fn test(&self) -> Option<&TestClaim> {
        self.test.as_ref()
    }

    /// How it is tried; in shadow and canary only.
    #[must_use]
    pub fn trial(&self) -> Option<(Trial, Bounds)> {
        self.trial
    }

    /// Entries of its history.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Moves the version, or leaves it as it was.
    ///
    /// # Errors
    /// When the table has no such row.
    pub fn apply(&mut self, act: PolicyAct) -> Result<Transition, Refused> {
        let to = stage::next(self.stage, act.event())?;
        // whatever it becomes, it is tried as this act says, or not at all
        self.trial = None;
        match act.mark() {
            Mark::Nothing => {}
            Mark::Test(claim) => self.test = Some(claim.clone()),
            Mark::Trial(trial, bounds) => self.trial = Some((*trial, *bounds)),
        }
        let transition = Transition { from: self.stage, to, act, entry: self.entries };
        self.stage = to;
        self.entries += 1;
        Ok(transition)
    }
}

impl Transition {
    /// The stage before.
    #[must_use]
    pub fn from(&self) -> Stage {
        self.from
    }

    /// The stage after.
    #[must_use]
    pub fn to(&self) -> Stage {
        self.to
    }

    /// Who, when, why.
    pub fn act(&self) -> &PolicyAct {
        &self.act
    }

    /// Its number in the version's history; the push is 0.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
