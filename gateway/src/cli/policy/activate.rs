//! `portcullis policy activate`: says what is replaced, so that nobody overwrites what somebody else has just put in force.

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::{find, short};
use clap::Args;
use portcullis_control::api::types::{Activate as Body, PolicyChange, PolicyDetail, SeatView};
use portcullis_control::domain::policy::module_id::ModuleId;

#[derive(Debug, Args)]
pub(in crate::cli) struct Activate {
    /// Its digest, or the first 8 digits of it
    digest: String,
    /// Do it only if this one is in force now, for each of its roles; `baseline` for the nodes' own module
    #[arg(long, value_name = "DIGEST")]
    replaces: Option<String>,
    /// Go on until every target enforces it or says why it does not, and say how long each took
    #[arg(long)]
    watch: bool,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

fn name(active: Option<&ModuleId>) -> String {
    active.map_or_else(|| "the nodes' own module".to_owned(), short)
}

pub(super) async fn run(desk: &Desk, activate: Activate) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::PolicyAdmin)?;
    let id = find(&api, &activate.digest).await?;
    let detail: PolicyDetail = api.get(&format!("/v1/policies/{id}")).await?;
    let believed = match activate.replaces.as_deref() {
        None => None,
        Some("baseline") => Some(None),
        Some(digits) => Some(Some(find(&api, digits).await?)),
    };
    let replaces = detail.seats.iter().map(|seat| (seat.role, believed.unwrap_or(seat.active))).collect();
    let change: PolicyChange = api.post(&format!("/v1/policies/{id}/activate"), &Body { replaces, reason: activate.reason }).await?;
    if !desk.screen.is_json() {
        for SeatView { action, role, active, .. } in detail.seats.iter().filter(|seat| seat.active != Some(id)) {
            desk.screen.line(&format!("{action} on {role}: {} in the place of {}", short(&id), name(active.as_ref())))?;
        }
    }
    if activate.watch { change::watch(desk, &api, change).await } else { change::show(desk, &change) }
}
