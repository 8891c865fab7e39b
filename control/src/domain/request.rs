//! An access request: facts that never change, and where it is in its life.

use super::act::Act;
use super::key::PublicKey;
use super::life::{self, Event, State};
use super::text::{PersonName, Reason, TargetName, Ticket};
use portcullis_model::action::Action;
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;

/// What was asked for. Never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The request.
    pub id: RequestId,
    /// The operator that it is for.
    pub operator: PersonName,
    /// The name of the token that it was made with.
    pub requested_by: PersonName,
    /// The operator's key.
    pub key: PublicKey,
    /// What is to be done.
    pub action: Action,
    /// Where; one or more, no two the same.
    pub targets: Vec<TargetName>,
    /// The ticket, may be empty.
    pub ticket: Ticket,
    /// Why.
    pub reason: Reason,
    /// For how long, in seconds.
    pub duration_s: u64,
    /// When it shall start; on approval when none.
    pub start: Option<UnixMs>,
    /// Seconds without input after which a session ends; 0 for never.
    pub idle_timeout_s: u32,
    /// When it was made.
    pub created: UnixMs,
    /// When it lapses if nobody answers.
    pub lapses: UnixMs,
    /// The request of another operator that this one was admitted to; it ends with that one at the latest.
    pub shared_from: Option<RequestId>,
}

/// The time in which access is granted, from approval on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Not before.
    pub not_before: UnixMs,
    /// Not from then on.
    pub not_after: UnixMs,
}

/// More time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// How much, in seconds.
    pub by_s: u64,
    /// The longest that access may last in all, in seconds.
    pub max_s: u64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    facts: Facts,
    state: State,
    term: Option<Term>,
    entries: u64,
}

/// A transition that the table allowed, made by somebody who may: what the store records. Made by
/// [`AccessRequest::apply`] only.
#[derive(Debug)]
#[must_use = "a transition that is not recorded did not happen"]
pub struct Transition {
    from: State,
    to: State,
    act: Act,
    entry: u64,
}

/// Why a request does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The table has no such row.
    #[error(transparent)]
    Life(#[from] life::Refused),
    /// An approval for longer than was asked for, or for less than the least.
    #[error("approved for {approved} s, but {asked} s were asked for and {min} s is the shortest")]
    Duration {
        /// what the approver said
        approved: u64,
        /// what was asked for
        asked: u64,
        /// the shortest
        min: u64,
    },
    /// An extension to more than the longest time, or by nothing.
    #[error("{by} s more make {total} s in all, and {max} s is the longest")]
    TooLong {
        /// what was asked for
        by: u64,
        /// from the beginning to the new end
        total: u64,
        /// the longest
        max: u64,
    },
    /// The clock is early, or the waiting request has lapsed though nobody wrote it down yet.
    #[error("it is too {0} for the event {1}")]
    Time(&'static str, Event),
}

impl AccessRequest {
    /// A new request, waiting.
    #[must_use]
    pub fn submit(facts: Facts) -> Self {
        Self { facts, state: State::Waiting, term: None, entries: 1 }
    }

    /// A request as the store has it.
    pub(crate) fn restore(facts: Facts, state: State, term: Option<Term>, entries: u64) -> Self {
        Self { facts, state, term, entries }
    }

    /// What was asked for.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When access is granted; none before approval.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// Entries of its history.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Moves the request, or leaves it as it was. `duration_min_s` is the shortest duration that may be approved.
    ///
    /// # Errors
    /// [`Refused`] says what stands against it.
    pub fn apply(&mut self, act: Act, duration_min_s: u64) -> Result<Transition, Refused> {
        let to = life::next(self.state, act.event())?;
        let term = match act.event() {
            Event::Approve => Some(self.approve(&act, duration_min_s)?),
            Event::Lapse => {
                self.due(act.at(), Some(self.facts.lapses), Event::Lapse)?;
                self.term
            }
            Event::Start => {
                self.due(act.at(), self.term.map(|t| t.not_before), Event::Start)?;
                if self.term.is_none_or(|t| act.at() >= t.not_after) {
                    return Err(Refused::Time("late", Event::Start));
                }
                self.term
            }
            Event::Expire => {
                self.due(act.at(), self.term.map(|t| t.not_after), Event::Expire)?;
                self.term
            }
            Event::Extend => Some(self.extend(&act)?),
            Event::Propose | Event::Retract | Event::Decline | Event::Share if self.term.is_none_or(|term| act.at() >= term.not_after) => {
                return Err(Refused::Time("late", act.event()));
            }
            Event::Reject | Event::Withdraw | Event::Close | Event::Revoke | Event::Propose | Event::Retract | Event::Decline | Event::Share => self.term,
        };
        let transition = Transition { from: self.state, to, act, entry: self.entries };
        self.state = to;
        self.term = term;
        self.entries += 1;
        Ok(transition)
    }

    fn approve(&self, act: &Act, min: u64) -> Result<Term, Refused> {
        if act.at() >= self.facts.lapses {
            return Err(Refused::Time("late", Event::Approve));
        }
        let asked = self.facts.duration_s;
        let approved = act.duration_s().unwrap_or(asked);
        if approved > asked || approved < min.min(asked) {
            return Err(Refused::Duration { approved, asked, min });
        }
        let not_before = self.facts.start.map_or(act.at(), |start| start.max(act.at()));
        Ok(Term { not_before, not_after: not_before.plus(approved.saturating_mul(1000)) })
    }

    /// The term with a later end.
    ///
    /// # Errors
    /// When it is over by `now`, is not longer, or is too long in all.
    pub fn extended(&self, extension: Extension, now: UnixMs) -> Result<Term, Refused> {
        let Extension { by_s: by, max_s: max } = extension;
        let Some(term) = self.term.filter(|term| now < term.not_after) else { return Err(Refused::Time("late", Event::Extend)) };
        let not_after = term.not_after.plus(by.saturating_mul(1000));
        let total = not_after.since(term.not_before).div_ceil(1000);
        if by == 0 || total > max {
            return Err(Refused::TooLong { by, total, max });
        }
        Ok(Term { not_after, ..term })
    }

    fn extend(&self, act: &Act) -> Result<Term, Refused> {
        // an act of this event always carries one
        let extension = act.extension().unwrap_or(Extension { by_s: 0, max_s: 0 });
        self.extended(extension, act.at())
    }

    fn due(&self, now: UnixMs, at: Option<UnixMs>, event: Event) -> Result<(), Refused> {
        if at.is_some_and(|at| now >= at) { Ok(()) } else { Err(Refused::Time("early", event)) }
    }
}

impl Transition {
    /// The state before.
    #[must_use]
    pub fn from(&self) -> State {
        self.from
    }

    /// The state after.
    #[must_use]
    pub fn to(&self) -> State {
        self.to
    }

    /// Who, when, why.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Its number in the request's history; `submit` is 0.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
