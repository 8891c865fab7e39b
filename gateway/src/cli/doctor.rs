//! `portcullis doctor`: each layer of enforcement is tried here and now, and the controller is asked what the nodes said.

use super::api::{Api, As};
use super::request::word;
use super::{CliError, Desk, Outcome};
use portcullis_control::api::types::{Page, TargetView};
use portcullis_model::layer::{Layer, LayerState};
use serde::Serialize;

/// What doctor found.
#[derive(Debug, Serialize)]
struct Findings {
    /// layers of enforcement, as tried now
    layers: Vec<Layer>,
    /// targets, as the controller knows them
    targets: Vec<TargetView>,
    /// why the controller was not asked, or did not answer
    controller: Option<String>,
}

pub(super) async fn run(desk: &Desk) -> Result<Outcome, CliError> {
    let layers = portcullis_jail::probe::layers();
    let (targets, controller) = match targets(desk).await {
        Ok(page) => (page.items, None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    let findings = Findings { layers, targets, controller };
    desk.screen.show(&findings, |screen| {
        let row = |layer: &Layer| [layer.name.clone(), word(&layer.state), layer.detail.clone()];
        screen.table(["LAYER", "STATE", "WHAT WAS FOUND"], findings.layers.iter().map(row).collect())?;
        let rows = findings.targets.iter().map(|target| {
            let link = if target.connected { "linked" } else { "not linked" };
            let worst = target.layers.iter().filter(|layer| layer.state != LayerState::Live).map(|layer| format!("{} {}", layer.name, word(&layer.state)));
            [target.name.clone(), target.role.to_string(), link.to_owned(), target.listen.join(","), target.sessions.to_string(), worst.collect::<Vec<_>>().join(", ")]
        });
        if !findings.targets.is_empty() {
            screen.table(["TARGET", "ROLE", "LINK", "SSH", "SESSIONS", "WEAKER LAYERS"], rows.collect())?;
        }
        let judged = findings.targets.iter().filter_map(|target| Some((target, target.policies.as_ref()?)));
        let rows = judged.clone().flat_map(|(target, policies)| {
            policies.enforced.iter().map(|one| [target.name.clone(), one.action.to_string(), one.role.to_string(), one.digest.to_string().chars().take(12).collect()])
        });
        if rows.clone().next().is_some() {
            screen.table(["TARGET", "ACTION", "ROLE", "POLICY MODULE"], rows.collect())?;
        }
        for (target, policies) in judged {
            if let Some(error) = &policies.error {
                screen.line(&super::screen::shown(&format!("{}: policies: {error}", target.name)))?;
            }
        }
        findings.controller.iter().try_for_each(|why| screen.line(&format!("controller: {}", super::screen::shown(why))))
    })?;
    let missing = findings.layers.iter().any(|layer| layer.state == LayerState::Missing);
    // what could not be asked is not known to be well
    Ok(if missing || findings.controller.is_some() { Outcome::Failed } else { Outcome::Done })
}

async fn targets(desk: &Desk) -> Result<Page<TargetView>, CliError> {
    Api::new(desk, As::Auditor)?.get("/v1/targets").await
}
