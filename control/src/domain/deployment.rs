//! What became of one grant on its node. Separate from the request's life: a revoked request can have a grant that is
//! not removed yet, and the customer has to see exactly that.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of a grant on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployment {
    /// The node has not said anything about it yet.
    Pending,
    /// The node enforces it.
    Deployed,
    /// The node said why it does not enforce it.
    Failed,
    /// The node removed it, and no process was left.
    Removed,
    /// The node removed it, and said that processes were left.
    RemoveFailed,
}

/// What a node reports about a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It is in force there.
    Accepted,
    /// It is not in force there.
    Refused,
    /// It is gone, with this many processes left.
    Removed {
        /// processes left
        survivors: usize,
    },
}

impl Deployment {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Deployed, Self::Failed, Self::Removed, Self::RemoveFailed];

    /// The state after a report; the same state when the report comes late and says nothing new.
    #[must_use]
    pub fn after(self, report: Report) -> Self {
        match (self, report) {
            // once it is gone, a late word about its coming changes nothing
            (Self::Removed, _) => Self::Removed,
            (_, Report::Removed { survivors: 0 }) => Self::Removed,
            (_, Report::Removed { .. }) => Self::RemoveFailed,
            (Self::RemoveFailed, Report::Accepted | Report::Refused) => Self::RemoveFailed,
            (Self::Pending | Self::Deployed | Self::Failed, Report::Accepted) => Self::Deployed,
            (Self::Pending | Self::Deployed | Self::Failed, Report::Refused) => Self::Failed,
        }
    }

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::Removed => "removed",
            Self::RemoveFailed => "remove-failed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_is_final_and_survivors_are_not_forgotten() {
        for state in Deployment::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            assert_eq!(Deployment::from_name(state.name()), Some(state));
            assert_eq!(state.after(Report::Removed { survivors: 0 }), Deployment::Removed);
            for report in [Report::Accepted, Report::Refused, Report::Removed { survivors: 3 }] {
                assert_eq!(Deployment::Removed.after(report), Deployment::Removed);
                assert_eq!(Deployment::RemoveFailed.after(report), Deployment::RemoveFailed);
            }
        }
        assert_eq!(Deployment::Failed.after(Report::Accepted), Deployment::Deployed);
        assert_eq!(Deployment::Deployed.after(Report::Refused), Deployment::Failed);
    }
}
