//! The life of a request, as a table. Deployment on the nodes is another matter: see [`super::deployment`].
//!
//! | from | event | to |
//! | --- | --- | --- |
//! | waiting | approve | approved |
//! | waiting | reject, withdraw, lapse | rejected, withdrawn, lapsed |
//! | approved | start | active |
//! | approved, active | revoke | revoked |
//! | approved, active | expire | expired |
//! | active | close | completed |
//! | active | propose, retract, decline, extend, share | active |
//!
//! The last row is about amendments: see [`super::amendment`].
//! An approved request expires without having been active when its whole time passed while the controller was away.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a request is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody has answered it.
    Waiting,
    /// Approved, its time has not come.
    Approved,
    /// Its grants are in force.
    Active,
    /// Closed by the operator.
    Completed,
    /// An approver said no.
    Rejected,
    /// The operator took it back before it was answered.
    Withdrawn,
    /// Nobody answered in time.
    Lapsed,
    /// Ended before its time by a person who may.
    Revoked,
    /// Its time is over.
    Expired,
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// An approver said yes.
    Approve,
    /// An approver said no.
    Reject,
    /// The operator takes it back.
    Withdraw,
    /// Nobody answered in time.
    Lapse,
    /// Its time has come.
    Start,
    /// The operator is done.
    Close,
    /// Its time is over.
    Expire,
    /// Somebody ends it before its time.
    Revoke,
    /// Its operator proposes an amendment.
    Propose,
    /// Its operator takes an amendment back.
    Retract,
    /// An approver said no to an amendment.
    Decline,
    /// An approver gave it more time.
    Extend,
    /// An approver let another operator in.
    Share,
}

/// The table has no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {from} cannot take the event {event}")]
pub struct Refused {
    /// the state that it is in
    pub from: State,
    /// the event that does not fit
    pub event: Event,
}

/// The table: every row there is.
pub const TABLE: [(State, Event, State); 15] = [
    (State::Waiting, Event::Approve, State::Approved),
    (State::Waiting, Event::Reject, State::Rejected),
    (State::Waiting, Event::Withdraw, State::Withdrawn),
    (State::Waiting, Event::Lapse, State::Lapsed),
    (State::Approved, Event::Start, State::Active),
    (State::Approved, Event::Revoke, State::Revoked),
    (State::Approved, Event::Expire, State::Expired),
    (State::Active, Event::Close, State::Completed),
    (State::Active, Event::Expire, State::Expired),
    (State::Active, Event::Revoke, State::Revoked),
    (State::Active, Event::Propose, State::Active),
    (State::Active, Event::Retract, State::Active),
    (State::Active, Event::Decline, State::Active),
    (State::Active, Event::Extend, State::Active),
    (State::Active, Event::Share, State::Active),
];

/// The state after `event` in `state`.
///
/// # Errors
/// When the table has no such row.
pub fn next(state: State, event: Event) -> Result<State, Refused> {
    TABLE.iter().find(|(from, by, _)| *from == state && *by == event).map(|(_, _, to)| *to).ok_or(Refused { from: state, event })
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Waiting, Self::Approved, Self::Active, Self::Completed, Self::Rejected, Self::Withdrawn, Self::Lapsed, Self::Revoked, Self::Expired,
    ];

    /// Whether nothing can happen to the request any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !TABLE.iter().any(|(from, _, _)| *from == self)
    }

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Approve, Self::Reject, Self::Withdraw, Self::Lapse, Self::Start, Self::Close, Self::Expire, Self::Revoke, Self::Propose, Self::Retract,
        Self::Decline, Self::Extend, Self::Share,
    ];

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::Lapse => "lapse",
            Self::Start => "start",
            Self::Close => "close",
            Self::Expire => "expire",
            Self::Revoke => "revoke",
            Self::Propose => "propose",
            Self::Retract => "retract",
            Self::Decline => "decline",
            Self::Extend => "extend",
            Self::Share => "share",
        }
    }

    /// The event of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

impl fmt::Display for State {
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
    use proptest::prelude::*;

    #[test]
    fn the_table_is_a_function_and_every_state_is_reached() {
        for (i, (from, event, _)) in TABLE.iter().enumerate() {
            assert!(!TABLE.iter().skip(i + 1).any(|(f, e, _)| f == from && e == event), "{from} {event} twice");
        }
        for state in State::ALL {
            assert!(state == State::Waiting || TABLE.iter().any(|(_, _, to)| *to == state), "{state} is never reached");
            assert_eq!(State::from_name(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for event in Event::ALL {
            assert_eq!(Event::from_name(event.name()), Some(event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
        }
        let terminal: Vec<_> = State::ALL.into_iter().filter(|s| s.is_terminal()).map(State::name).collect();
        assert_eq!(terminal, ["completed", "rejected", "withdrawn", "lapsed", "revoked", "expired"]);
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_leaves_the_table(events in prop::collection::vec(prop::sample::select(Event::ALL.to_vec()), 0..64)) {
            let mut state = State::Waiting;
            for event in events {
                match next(state, event) {
                    Ok(to) => {
                        prop_assert!(!state.is_terminal(), "{} left {}", event, state);
                        prop_assert!(TABLE.contains(&(state, event, to)));
                        state = to;
                    }
                    Err(refused) => prop_assert_eq!(refused, Refused { from: state, event }),
                }
            }
        }
    }
}
