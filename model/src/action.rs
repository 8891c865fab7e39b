//! What a customer approves: an action, on a target of some role.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of the standard actions, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// The control plane server alone, no onward network.
    InfraCpsOnly,
    /// Look, do not touch.
    InfraDiag,
    /// Diagnose, update, restart.
    InfraUpdateRestart,
    /// And the hypervisor.
    InfraHypervisor,
    /// Everything, still guarded and recorded.
    InfraFull,
}

impl Action {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [Self::InfraCpsOnly, Self::InfraDiag, Self::InfraUpdateRestart, Self::InfraHypervisor, Self::InfraFull];

    /// The name that customers and operators use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InfraCpsOnly => "INFRA_CPS_ONLY",
            Self::InfraDiag => "INFRA_DIAG",
            Self::InfraUpdateRestart => "INFRA_UPDATE_RESTART",
            Self::InfraHypervisor => "INFRA_HYPERVISOR",
            Self::InfraFull => "INFRA_FULL",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an action; there are INFRA_CPS_ONLY, INFRA_DIAG, INFRA_UPDATE_RESTART, INFRA_HYPERVISOR and INFRA_FULL")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;
    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

/// What a node is in its rack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Control plane server.
    Cps,
    /// Hypervisor host.
    Host,
    /// Storage cell.
    Cell,
    /// Anything else.
    Generic,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cps, Self::Host, Self::Cell, Self::Generic];

    /// The name in configuration and policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cps => "cps",
            Self::Host => "host",
            Self::Cell => "cell",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; there are cps, host, cell and generic")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}
