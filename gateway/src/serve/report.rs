//! What `serve` says about itself: once before anything is started, once when all is up.

use super::plan::Part;
use super::users::Users;
use crate::config::Config;
use crate::layout::Layout;
use anyhow::bail;
use portcullis_model::layer::{Layer, LayerState};
use std::io::Write as _;

/// Tries the layers. A layer that sessions cannot be without is an error here, before anything runs.
pub(super) fn layers() -> anyhow::Result<Vec<Layer>> {
    let layers = portcullis_jail::probe::layers();
    let missing: Vec<_> = layers.iter().filter(|layer| layer.state == LayerState::Missing).map(|layer| format!("{} ({})", layer.name, layer.detail)).collect();
    if !missing.is_empty() {
        bail!("no session could start here, for want of: {}", missing.join(", "));
    }
    Ok(layers)
}

/// Everything is up.
pub(super) fn up(config: &Config, layout: &Layout, users: &Users, layers: &[Layer], statuses: Vec<(Part, String)>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "portcullis is up: target {}, role {}", config.node.target, config.node.role)?;
    for (part, status) in statuses.into_iter().filter(|(_, status)| !status.is_empty()) {
        writeln!(out, "  {:11} {status}", part.name())?;
    }
    writeln!(out, "  {:11} {}", "data", layout.data().display())?;
    let live: Vec<_> = layers.iter().filter(|layer| layer.state == LayerState::Live).map(|layer| layer.name.as_str()).collect();
    writeln!(out, "  {:11} {}", "live", live.join(", "))?;
    for layer in layers.iter().filter(|layer| layer.state == LayerState::Weaker) {
        writeln!(out, "  {:11} {}: {}", "WEAKER", layer.name, layer.detail)?;
    }
    if users.gateway().is_none() {
        writeln!(out, "  {:11} all processes run as user {}: without root there is no wall between them", "WEAKER", users.own.uid)?;
    }
    out.flush()
}
