//! An amendment: what an operator wants changed in a request that is in force. An approver decides about it, as about the request.
//!
//! | state | event | by | state after |
//! | --- | --- | --- | --- |
//! | - | propose | operator | open |
//! | open | extend or share; decline | approver | approved; declined |
//! | open | retract | operator | retracted |
//! | open | the request's end | - | lapsed |

use super::key::PublicKey;
use super::text::PersonName;
use portcullis_model::id::RequestId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most amendments of one request that may be open at a time.
pub const OPEN_MAX: u64 = 4;
/// Most amendments of one request in all.
pub const ALL_MAX: u64 = 100;
/// Most operators that one request may be shared with.
pub const SHARES_MAX: usize = 8;

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// A later end.
    Extend {
        /// by how many seconds
        for_s: u64,
    },
    /// Another operator beside the first, with an account and a key of their own, until the same end.
    Share {
        /// who
        operator: PersonName,
        /// that operator's key
        key: PublicKey,
        /// the request with which an approver took that key for this operator's before; none when it was given with the proposal
        known_from: Option<RequestId>,
    },
}

impl Amendment {
    /// The name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Extend { .. } => "extend",
            Self::Share { .. } => "share",
        }
    }
}

impl fmt::Display for Amendment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extend { for_s } => write!(f, "extend by {}", Seconds(*for_s)),
            Self::Share { operator, key, known_from: None } => write!(f, "share with {operator}, key {} (given with the proposal)", key.fingerprint()),
            Self::Share { operator, key, known_from: Some(request) } => write!(f, "share with {operator}, key {} (as approved in {request})", key.fingerprint()),
        }
    }
}

/// A span of time for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.0 / 3600, "h"), (self.0 / 60 % 60, "m"), (self.0 % 60, "s")];
        let mut first = true;
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{}{number}{unit}", if first { "" } else { " " })?;
            first = false;
        }
        if first { f.write_str("0s") } else { Ok(()) }
    }
}

/// Where an amendment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmendmentState {
    /// Nobody has decided.
    Open,
    /// It is done.
    Approved,
    /// An approver said no.
    Declined,
    /// The operator took it back.
    Retracted,
    /// The request ended first.
    Lapsed,
}

impl AmendmentState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Open, Self::Approved, Self::Declined, Self::Retracted, Self::Lapsed];

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Retracted => "retracted",
            Self::Lapsed => "lapsed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_names_and_spans_are_for_people() {
        for state in AmendmentState::ALL {
            assert_eq!(AmendmentState::from_name(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert_eq!([Seconds(0), Seconds(5400), Seconds(61), Seconds(7200)].map(|span| span.to_string()), ["0s", "1h 30m", "1m 1s", "2h"]);
    }
}
