//! `portcullis policy rollback`

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::find;
use clap::Args;
use portcullis_control::api::types::{PolicyChange, Rollback as Body};
use portcullis_model::action::{Action, Role};

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The action
    action: Action,
    /// The role: cps, host, cell or generic; what is in force there is rolled back on its other roles as well
    role: Role,
    /// Do it only if this one is in force now
    #[arg(long, value_name = "DIGEST")]
    replaces: Option<String>,
    /// Why
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(desk: &Desk, rollback: Rollback) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::PolicyAdmin)?;
    let replaces = match &rollback.replaces {
        Some(digits) => Some(find(&api, digits).await?),
        None => None,
    };
    let body = Body { action: rollback.action, role: rollback.role, replaces, reason: rollback.reason };
    let change: PolicyChange = api.post("/v1/policies/rollback", &body).await?;
    change::show(desk, &change)
}
