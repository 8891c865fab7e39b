//! What the controller is told at start, as meant: paths, targets and limits, checked before anything is opened.

use crate::domain::text::{InvalidText, TargetName};
use portcullis_model::action::Role;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that the controller is told.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// Its own folder, of mode 0700: store, signing key, tokens. Made when it is missing and its parent is there.
    pub data: PathBuf,
    /// The folder that nodes trust: `controller.pub` and `node.token` are written here.
    pub trust: PathBuf,
    /// The file of policy admins: public keys whose signature a pushed module needs. Read at each push.
    pub policy_admins: PathBuf,
    /// The folder of recordings: one folder a session, each with a file `recording`.
    pub evidence: PathBuf,
    /// The address to listen on; a loopback address, since there is no TLS yet. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The nodes that requests can be for.
    pub targets: Vec<TargetConfig>,
    /// Bounds on what can be requested and held.
    pub limits: Limits,
}

/// A node that requests can be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetConfig {
    /// Its name: 1 to 63 of `a-z`, `0-9`, `-` and `.`, beginning with a letter or digit.
    pub name: String,
    /// What it is in its rack.
    pub role: Role,
}

/// Bounds on what can be requested and held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Shortest duration of a request, in seconds.
    pub duration_min_s: u64,
    /// Duration of a request that names none, in seconds.
    pub duration_default_s: u64,
    /// Longest duration of a request, in seconds.
    pub duration_max_s: u64,
    /// Seconds after which an unanswered request lapses.
    pub unanswered_s: u64,
    /// Seconds ahead that a request may ask to start.
    pub start_ahead_max_s: u64,
    /// Seconds without input after which a session ends; a request may ask for fewer. 0 for never, or what a request asks for.
    pub idle_timeout_s: u32,
    /// Most targets of one request.
    pub targets_max: usize,
    /// Most waiting requests of one requester.
    pub waiting_max: u32,
    /// Most requests of one requester in an hour.
    pub hourly_max: u32,
    /// Most grants in force on one target: a node is told all of them in one message.
    pub grants_max: u32,
    /// Milliseconds that a change of policies waits for the nodes' reports before it answers without them.
    pub policy_wait_ms: u64,
    /// Milliseconds that a revoke or close waits for the nodes' receipts before it answers without them.
    pub receipt_wait_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            duration_min_s: 60,
            duration_default_s: 2 * 3600,
            duration_max_s: 24 * 3600,
            unanswered_s: 24 * 3600,
            start_ahead_max_s: 30 * 24 * 3600,
            idle_timeout_s: 30 * 60,
            targets_max: 16,
            waiting_max: 100,
            hourly_max: 1000,
            grants_max: 256,
            policy_wait_ms: 10_000,
            receipt_wait_ms: 30_000,
        }
    }
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Anybody on the network could read the tokens.
    #[error("listen address {0} is not a loopback address; without TLS the controller listens on loopback only")]
    NotLoopback(SocketAddr),
    /// Nothing could ever be requested.
    #[error("no target is configured")]
    NoTarget,
    /// A target's name is not one.
    #[error("target name is not usable")]
    TargetName(#[from] InvalidText),
    /// Two targets of one name.
    #[error("target {0} is configured twice")]
    TargetTwice(TargetName),
    /// The durations are not in order.
    #[error("durations are not in order: 1 <= shortest ({min} s) <= default ({default} s) <= longest ({max} s) <= 24 h")]
    Durations {
        /// shortest
        min: u64,
        /// default
        default: u64,
        /// longest
        max: u64,
    },
}

impl ControllerConfig {
    /// Checks what can be checked without touching anything.
    ///
    /// # Errors
    /// [`ConfigError`] names what is wrong.
    pub fn check(&self) -> Result<BTreeMap<TargetName, Role>, ConfigError> {
        if !self.listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(self.listen));
        }
        let Limits { duration_min_s: min, duration_default_s: default, duration_max_s: max, .. } = self.limits;
        if !(1 <= min && min <= default && default <= max && max <= 24 * 3600) {
            return Err(ConfigError::Durations { min, default, max });
        }
        let mut targets = BTreeMap::new();
        for target in &self.targets {
            let name = TargetName::try_from(target.name.clone())?;
            if targets.insert(name.clone(), target.role).is_some() {
                return Err(ConfigError::TargetTwice(name));
            }
        }
        if targets.is_empty() { Err(ConfigError::NoTarget) } else { Ok(targets) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ControllerConfig {
        ControllerConfig {
            data: "d".into(),
            trust: "t".into(),
            policy_admins: "p".into(),
            evidence: "e".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            targets: vec![TargetConfig { name: "node1".into(), role: Role::Cps }],
            limits: Limits::default(),
        }
    }

    #[test]
    fn what_would_weaken_the_gate_is_refused() {
        assert!(config().check().is_ok());
        let mut bad = config();
        bad.listen = "0.0.0.0:1".parse().unwrap();
        assert!(matches!(bad.check(), Err(ConfigError::NotLoopback(_))));
        let mut bad = config();
        bad.targets.clear();
        assert!(matches!(bad.check(), Err(ConfigError::NoTarget)));
        let mut bad = config();
        bad.targets.push(TargetConfig { name: "node1".into(), role: Role::Host });
        assert!(matches!(bad.check(), Err(ConfigError::TargetTwice(_))));
        let mut bad = config();
        bad.targets[0].name = "../x".into();
        assert!(matches!(bad.check(), Err(ConfigError::TargetName(_))));
        let mut bad = config();
        bad.limits.duration_max_s = 25 * 3600;
        assert!(matches!(bad.check(), Err(ConfigError::Durations { .. })));
    }
}
