//! The life of a policy module's version, as a table.
//!
//! | from | event | to |
//! | --- | --- | --- |
//! | draft | pass | tested |
//! | tested, shadow, canary, retired | shadow | shadow |
//! | tested, shadow, canary, retired | canary | canary |
//! | tested, shadow, canary, active, retired | activate | active |
//! | shadow, canary, active, retired | restore | active |
//! | shadow, canary | fail | retired |
//! | active | replace, roll-back | retired |
//! | tested, shadow, canary, active | retire | retired |
//!
//! Everything behind draft has a claim of tests on record: there is no way around `pass`. Shadow, canary and activate lead from
//! their own stage to itself: with other bounds, with another share, for more roles. A version is active as long as it is in force
//! for one role at least.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a version is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Pushed, and nothing else.
    Draft,
    /// Somebody claims that its tests pass, or says why there are none.
    Tested,
    /// It answers beside the module in force, without effect.
    Shadow,
    /// It decides for a share of the sessions.
    Canary,
    /// It is in force.
    Active,
    /// It was taken out: replaced, rolled back, failed or withdrawn.
    Retired,
}

/// What can happen to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Its tests pass.
    Pass,
    /// It is tried without effect.
    Shadow,
    /// It is tried on a share of the sessions.
    Canary,
    /// It is put in force.
    Activate,
    /// It is put in force again, because its successor was rolled back.
    Restore,
    /// Its trial went over a bound.
    Fail,
    /// Another one is in force in its place.
    Replace,
    /// What was in force before it is in force again.
    RollBack,
    /// Somebody takes it out.
    Retire,
}

/// The table has no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy that is {from} cannot take the event {event}{}", .from.advice())]
pub struct Refused {
    /// the stage that it is in
    pub from: Stage,
    /// the event that does not fit
    pub event: Event,
}

/// The table: every row there is.
pub const TABLE: [(Stage, Event, Stage); 26] = [
    (Stage::Draft, Event::Pass, Stage::Tested),
    (Stage::Tested, Event::Shadow, Stage::Shadow),
    (Stage::Shadow, Event::Shadow, Stage::Shadow),
    (Stage::Canary, Event::Shadow, Stage::Shadow),
    (Stage::Retired, Event::Shadow, Stage::Shadow),
    (Stage::Tested, Event::Canary, Stage::Canary),
    (Stage::Shadow, Event::Canary, Stage::Canary),
    (Stage::Canary, Event::Canary, Stage::Canary),
    (Stage::Retired, Event::Canary, Stage::Canary),
    (Stage::Tested, Event::Activate, Stage::Active),
    (Stage::Shadow, Event::Activate, Stage::Active),
    (Stage::Canary, Event::Activate, Stage::Active),
    (Stage::Active, Event::Activate, Stage::Active),
    (Stage::Retired, Event::Activate, Stage::Active),
    (Stage::Shadow, Event::Restore, Stage::Active),
    (Stage::Canary, Event::Restore, Stage::Active),
    (Stage::Active, Event::Restore, Stage::Active),
    (Stage::Retired, Event::Restore, Stage::Active),
    (Stage::Shadow, Event::Fail, Stage::Retired),
    (Stage::Canary, Event::Fail, Stage::Retired),
    (Stage::Active, Event::Replace, Stage::Retired),
    (Stage::Active, Event::RollBack, Stage::Retired),
    (Stage::Tested, Event::Retire, Stage::Retired),
    (Stage::Shadow, Event::Retire, Stage::Retired),
    (Stage::Canary, Event::Retire, Stage::Retired),
    (Stage::Active, Event::Retire, Stage::Retired),
];

/// The stage after `event` in `stage`.
///
/// # Errors
/// When the table has no such row.
pub fn next(stage: Stage, event: Event) -> Result<Stage, Refused> {
    TABLE.iter().find(|(from, by, _)| *from == stage && *by == event).map(|(_, _, to)| *to).ok_or(Refused { from: stage, event })
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Draft, Self::Tested, Self::Shadow, Self::Canary, Self::Active, Self::Retired];

    /// Whether the version is tried beside the module in force.
    #[must_use]
    pub fn is_trial(self) -> bool {
        matches!(self, Self::Shadow | Self::Canary)
    }

    /// What is missing, for who wants something that does not fit.
    fn advice(self) -> &'static str {
        if self == Self::Draft { "; first say that its tests pass, or why there are none" } else { "" }
    }

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Tested => "tested",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Pass, Self::Shadow, Self::Canary, Self::Activate, Self::Restore, Self::Fail, Self::Replace, Self::RollBack, Self::Retire];

    /// The name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Activate => "activate",
            Self::Restore => "restore",
            Self::Fail => "fail",
            Self::Replace => "replace",
            Self::RollBack => "roll-back",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_function_every_stage_is_reached_and_only_through_pass() {
        for (i, (from, event, _)) in TABLE.iter().enumerate() {
            assert!(!TABLE.iter().skip(i + 1).any(|(f, e, _)| f == from && e == event), "{from} {event} twice");
        }
        for stage in Stage::ALL {
            assert!(stage == Stage::Draft || TABLE.iter().any(|(_, _, to)| *to == stage), "{stage} is never reached");
            assert_eq!(Stage::from_name(stage.name()), Some(stage));
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.name());
        }
        assert!(TABLE.iter().all(|(from, event, to)| *to != Stage::Draft && (*from != Stage::Draft || *event == Event::Pass)));
        // nothing leaves a trial but by a verdict on it, and nothing is in force that was not put there
        assert!(TABLE.iter().all(|(_, event, to)| (*to == Stage::Active) == matches!(event, Event::Activate | Event::Restore)));
    }
}
