//! What a policy module answers.

use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// A module's answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Verdict {
    /// It may run, so confined.
    Allow(Confinement),
    /// It may not.
    Deny(Denial),
    /// Somebody has to say so first.
    Ask(Ask),
}

/// What the kernel then enforces for that process and its children, beyond what the session's jail does already.
/// The default adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// The user to run as; none for the session's own.
    pub run_as: Option<String>,
    /// Paths that it may read; none for all that the jail shows.
    pub read: Option<Vec<String>>,
    /// Paths that it may write; none for all that the jail lets be written.
    pub write: Option<Vec<String>>,
    /// Paths that it may execute; none for all that the jail lets be executed.
    pub execute: Option<Vec<String>>,
    /// The network that it may use.
    pub network: Network,
    /// What its children may be.
    pub children: Children,
    /// Capabilities by name, for a run-as as root.
    pub capabilities: Vec<String>,
    /// Names of environment variables that it may keep; none for all.
    pub environment: Option<Vec<String>>,
    /// Milliseconds that it may run; none for the session's time.
    pub time_limit_ms: Option<u64>,
}

/// What a node can hold a process to, beyond its jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything but another user: there is only one in the session's user namespace.
    Confinement,
    /// Everything.
    Users,
}

/// The capabilities that a verdict can give to a program that runs as root. Not among them is what would undo the jail or the
/// guard: mounts, tracing, modules, device nodes, other roots.
pub const GRANTABLE: &[&str] = &[
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_IPC_LOCK", "CAP_KILL", "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_BOOT", "CAP_SYS_NICE",
    "CAP_SYS_PACCT", "CAP_SYS_RAWIO", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_SYSLOG",
];

impl Confinement {
    /// Whether it adds nothing to the session's jail.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first thing wanted that a node does not enforce, in words; none when everything wanted is enforced.
    /// Complete by construction: a field that is added here has to be named.
    #[must_use]
    pub fn unenforced(&self, by: Enforcement) -> Option<&'static str> {
        let Self { run_as, read, write, execute, network, children, capabilities, environment, time_limit_ms } = self;
        let (confines, users) = (by != Enforcement::Nothing, by == Enforcement::Users);
        [
            (run_as.is_some() && !users, "another user"),
            ((read.is_some() || write.is_some() || execute.is_some()) && !confines, "path sets of its own"),
            (*network != Network::Session && !confines, "a network of its own"),
            (*children != Children::Judged && !confines, "children that are not judged one by one"),
            (!capabilities.is_empty() && !users, "capabilities"),
            (!capabilities.is_empty() && run_as.as_deref() != Some("root"), "capabilities for somebody else than root"),
            (capabilities.iter().any(|name| !GRANTABLE.contains(&name.as_str())), "a capability that would undo the jail"),
            (environment.is_some() && !confines, "an environment of its own"),
            (time_limit_ms.is_some() && !confines, "a time limit"),
        ]
        .into_iter()
        .find_map(|(wanted, what)| wanted.then_some(what))
    }
}

/// The network that a process may use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum Network {
    /// What the session has.
    #[default]
    Session,
    /// None.
    None,
    /// TCP connections to these ports only.
    Ports(Vec<u16>),
}

/// What a process's children may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum Children {
    /// Each is judged, as everything in the session.
    #[default]
    Judged,
    /// None is asked about; all are recorded.
    Trusted,
    /// There may be none.
    Forbidden,
}

/// A refusal, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Denial {
    /// The rule's name, one word: `docker-mounts`.
    pub rule: String,
    /// Why: `mounts of / are not allowed`.
    pub reason: String,
    /// The nearest form that is allowed: `docker ps`; empty when there is none.
    pub hint: String,
}

/// A question to people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// What they are asked.
    pub prompt: String,
    /// Who may answer; empty for the request's approvers.
    pub approvers: Vec<String>,
    /// When the question lapses.
    pub expiry: UnixMs,
}
