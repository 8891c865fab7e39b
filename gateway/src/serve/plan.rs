//! What is started, as whom, with which arguments: the whole of it on one page.

use super::programs::Programs;
use super::users::{Account, Users};
use crate::config::Config;
use crate::layout::Layout;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A process of the set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Controller,
    Warden,
    Judge,
    Gateway,
}

impl Part {
    pub(super) const START_ORDER: [Self; 4] = [Self::Controller, Self::Warden, Self::Judge, Self::Gateway];
    pub(super) const END_ORDER: [Self; 4] = [Self::Gateway, Self::Warden, Self::Judge, Self::Controller];

    /// A word for messages and for the name of its notification socket.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Warden => "warden",
            Self::Judge => "judge",
            Self::Gateway => "gateway",
        }
    }

    /// For it to be up.
    pub(super) fn start_deadline(self) -> Duration {
        match self {
            // compiles modules
            Self::Judge => Duration::from_secs(60),
            _ => Duration::from_secs(30),
        }
    }

    /// For it to end after SIGTERM, before it is killed.
    pub(super) fn end_deadline(self) -> Duration {
        match self {
            Self::Gateway => Duration::from_secs(15),
            Self::Warden => Duration::from_secs(20),
            Self::Judge => Duration::from_secs(5),
            Self::Controller => Duration::from_secs(15),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {}", self.name())
    }
}

/// All that a start depends on.
pub(super) struct Plan<'a> {
    pub(super) config: &'a Config,
    pub(super) layout: &'a Layout,
    pub(super) users: &'a Users,
    pub(super) programs: &'a Programs,
}

/// One process to start.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// None: as this process, which for the warden means as root if there is root at all.
    pub(super) account: Option<Account>,
}

impl Plan<'_> {
    pub(super) fn order(&self, part: Part) -> Order {
        let Self { config, layout, users, programs } = self;
        match part {
            Part::Controller => Order { program: programs.own.clone(), arguments: role("controller", &self.config_copy()), account: users.controller() },
            Part::Gateway => Order { program: programs.own.clone(), arguments: role("gateway", &self.config_copy()), account: users.gateway() },
            Part::Judge => Order {
                program: programs.judge.clone(),
                arguments: Arguments::default()
                    .path("--modules", &config.modules)
                    .path("--socket", &layout.judge_socket())
                    .text("--keeper-uid", users.own.uid)
                    .path("--policies", &layout.policies_socket())
                    .path("--policy-admins", &config.policy_admins)
                    .done(),
                account: users.judge(),
            },
            Part::Warden => Order {
                program: programs.warden.clone(),
                arguments: Arguments::default()
                    .text("--target", &config.node.target)
                    .text("--role", config.node.role)
                    .path("--state", &layout.warden())
                    .path("--evidence", &layout.evidence())
                    .path("--audit", &layout.audit())
                    .text("--evidence-gid", users.controller().unwrap_or(users.own).gid)
                    .path("--socket", &layout.warden_socket())
                    .text("--gateway-uid", users.gateway().unwrap_or(users.own).uid)
                    .path("--judge", &layout.judge_socket())
                    .path("--judge-policies", &layout.policies_socket())
                    .path("--controller-key", &layout.controller_key())
                    .path("--shell", &programs.shell)
                    .optional("--userdb", config.node.userdb.as_deref())
                    .optional("--profiles", config.node.profiles.as_deref())
                    .path("--sftp", &programs.sftp)
                    .path("--forward", &programs.forward)
                    .texts("--forward-near", &config.forward_near)
                    .done(),
                account: None,
            },
        }
    }

    /// The configuration as the other users read it: the original may lie where they cannot go.
    pub(super) fn config_copy(&self) -> PathBuf {
        config_copy(self.layout)
    }
}

pub(super) fn config_copy(layout: &Layout) -> PathBuf {
    layout.run().join("portcullis.toml")
}

fn role(name: &str, config: &Path) -> Vec<OsString> {
    vec![name.into(), "--config".into(), config.into()]
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn path(mut self, name: &str, path: &Path) -> Self {
        self.0.extend([name.into(), path.into()]);
        self
    }

    fn optional(self, name: &str, path: Option<&Path>) -> Self {
        match path {
            Some(path) => self.path(name, path),
            None => self,
        }
    }

    fn text(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.extend([name.into(), value.to_string().into()]);
        self
    }

    fn texts(self, name: &str, values: &[impl fmt::Display]) -> Self {
        values.iter().fold(self, |arguments, value| arguments.text(name, value))
    }

    fn done(self) -> Vec<OsString> {
        self.0
    }
}
