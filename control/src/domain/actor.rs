//! Who acts: a person (or that person's token) in one role. No role both requests and approves.

use super::text::PersonName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserRole {
    /// The provider's staff: requests, uses, withdraws, closes.
    Operator,
    /// The customer's staff: approves, rejects, watches, terminates, revokes.
    Approver,
    /// The customer's staff: operator controls and policies.
    PolicyAdmin,
    /// Reads everything, changes nothing.
    Auditor,
    /// The provider's security staff: sees, terminates, revokes; never approves.
    ProviderSecurity,
}

impl UserRole {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Operator, Self::Approver, Self::PolicyAdmin, Self::Auditor, Self::ProviderSecurity];

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::PolicyAdmin => "policy-admin",
            Self::Auditor => "auditor",
            Self::ProviderSecurity => "provider-security",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether the role sees what others requested.
    #[must_use]
    pub fn sees_all(self) -> bool {
        self != Self::Operator
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A person in a role, as the token said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person's, or the token's, name.
    pub name: PersonName,
    /// The one role in which the person acts.
    pub role: UserRole,
}
