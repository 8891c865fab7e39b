//! `portcullis policy retire`

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::find;
use clap::Args;
use portcullis_control::api::types::{PolicyChange, Why};

#[derive(Debug, Args)]
pub(in crate::cli) struct Retire {
    /// Its digest, or the first 8 digits of it
    digest: String,
    /// Why
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(desk: &Desk, retire: Retire) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::PolicyAdmin)?;
    let id = find(&api, &retire.digest).await?;
    let change: PolicyChange = api.post(&format!("/v1/policies/{id}/retire"), &Why { reason: retire.reason }).await?;
    change::show(desk, &change)
}
