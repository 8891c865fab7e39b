//! The controller as a process: everything of it is in its own crate, here is its life.

use crate::config::Config;
use crate::layout::Layout;
use anyhow::Context as _;
use portcullis_control::{Controller, ControllerConfig, Limits, TargetConfig};
use tokio_util::sync::CancellationToken;

/// Runs the controller.
///
/// # Errors
/// When it cannot start, or stops by itself.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let signals = super::stop_on_signal(&stop)?;
    let controller = Controller::start(told(config)).await.context("the controller cannot start")?;
    let address = controller.address();
    super::ready(&format!("API on http://{address}"));
    let (ended, ()) = tokio::join!(async { let ended = controller.run(stop.clone()).await; stop.cancel(); ended }, signals);
    ended.context("the controller stopped")
}

fn told(config: &Config) -> ControllerConfig {
    let layout = Layout::of(config);
    ControllerConfig {
        data: layout.controller(),
        trust: layout.trust(),
        policy_admins: config.policy_admins.clone(),
        evidence: layout.evidence(),
        listen: config.api.listen,
        targets: config.targets.iter().map(|target| TargetConfig { name: target.name.clone(), role: target.role }).collect(),
        limits: Limits::default(),
    }
}
