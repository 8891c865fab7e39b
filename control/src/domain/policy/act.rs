//! What is done to a version, with who, when and why. An act of a person can only be made for a policy admin; what a node's
//! report does, the controller does by itself.

use super::super::act::{Author, Forbidden};
use super::super::actor::{Actor, UserRole};
use super::super::text::Comment;
use super::claim::TestClaim;
use super::stage::Event;
use portcullis_model::policy::{Bounds, Trial};
use portcullis_model::time::UnixMs;

/// A share of the sessions that a canary decides for: 1 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// The share.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }
}

/// What a policy admin does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Says that the tests pass, or why there are none.
    Pass(TestClaim),
    /// Tries it without effect.
    Shadow(Bounds),
    /// Tries it on a share of the sessions.
    Canary(Percent, Bounds),
    /// Puts it in force.
    Activate,
    /// Puts it in force again, by rolling its successor back.
    Restore,
    /// Puts another in force in its place.
    Replace,
    /// Puts in force again what was before it.
    RollBack,
    /// Takes it out.
    Retire,
}

/// What an act leaves on the version, beside its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    Nothing,
    Test(TestClaim),
    Trial(Trial, Bounds),
}

/// An event with who, when and why.
#[derive(Debug)]
#[must_use]
pub struct PolicyAct {
    event: Event,
    mark: Mark,
    author: Author,
    at: UnixMs,
    why: Comment,
}

impl PolicyAct {
    /// A policy admin's step.
    ///
    /// # Errors
    /// When this person is none.
    pub fn step(step: Step, actor: &Actor, at: UnixMs, why: Comment) -> Result<Self, Forbidden> {
        if actor.role != UserRole::PolicyAdmin {
            return Err(Forbidden::Policies(actor.role));
        }
        let (event, mark) = match step {
            Step::Pass(claim) => (Event::Pass, Mark::Test(claim)),
            Step::Shadow(bounds) => (Event::Shadow, Mark::Trial(Trial::Shadow, bounds)),
            Step::Canary(Percent(percent), bounds) => (Event::Canary, Mark::Trial(Trial::Canary { percent }, bounds)),
            Step::Activate => (Event::Activate, Mark::Nothing),
            Step::Restore => (Event::Restore, Mark::Nothing),
            Step::Replace => (Event::Replace, Mark::Nothing),
            Step::RollBack => (Event::RollBack, Mark::Nothing),
            Step::Retire => (Event::Retire, Mark::Nothing),
        };
        Ok(Self { event, mark, author: Author::Person(actor.clone()), at, why })
    }

    /// A node ended the trial, because it went over a bound.
    pub fn fail(at: UnixMs, why: Comment) -> Self {
        Self { event: Event::Fail, mark: Mark::Nothing, author: Author::System, at, why }
    }

    /// What happens.
    #[must_use]
    pub fn event(&self) -> Event {
        self.event
    }

    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Who causes it.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UnixMs {
        self.at
    }

    /// Why; may be empty.
    #[must_use]
    pub fn why(&self) -> &Comment {
        &self.why
    }
}
