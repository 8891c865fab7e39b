//! Where everything is, below the data folder.

use crate::config::Config;
use std::path::{Path, PathBuf};

/// The folders and files of one machine.
#[derive(Debug, Clone)]
pub struct Layout {
    data: PathBuf,
}

impl Layout {
    /// Of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { data: config.data.clone() }
    }

    /// All of it.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Sockets; emptied at each start.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.data.join("run")
    }

    /// The warden's socket.
    #[must_use]
    pub fn warden_socket(&self) -> PathBuf {
        self.run().join("warden.sock")
    }

    /// The folder of the judge's socket: the judge makes the socket, so the folder is its own.
    #[must_use]
    pub fn judge_run(&self) -> PathBuf {
        self.run().join("judge")
    }

    /// The judge's socket.
    #[must_use]
    pub fn judge_socket(&self) -> PathBuf {
        self.judge_run().join("judge.sock")
    }

    /// The judge's socket for the warden, which says there which modules judge.
    #[must_use]
    pub fn policies_socket(&self) -> PathBuf {
        self.judge_run().join("policies.sock")
    }

    /// The controller's own folder.
    #[must_use]
    pub fn controller(&self) -> PathBuf {
        self.data.join("controller")
    }

    /// The token of one of the API's first users: `operator`, `approver`, `policy-admin` or `auditor`.
    #[must_use]
    pub fn api_token(&self, user: &str) -> PathBuf {
        self.controller().join("tokens").join(user)
    }

    /// What nodes trust: written by the controller, read by everybody.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.data.join("trust")
    }

    /// The controller's public key.
    #[must_use]
    pub fn controller_key(&self) -> PathBuf {
        self.trust().join("controller.pub")
    }

    /// The node's token for the link.
    #[must_use]
    pub fn node_token(&self) -> PathBuf {
        self.trust().join("node.token")
    }

    /// The gateway's own folder.
    #[must_use]
    pub fn gateway(&self) -> PathBuf {
        self.data.join("gateway")
    }

    /// The SSH server's keys.
    #[must_use]
    pub fn host_keys(&self) -> PathBuf {
        self.gateway().join("hostkeys")
    }

    /// The warden's own folder.
    #[must_use]
    pub fn warden(&self) -> PathBuf {
        self.data.join("warden")
    }

    /// The node's audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.data.join("audit")
    }

    /// Recordings, one folder a session.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.data.join("evidence")
    }
}
