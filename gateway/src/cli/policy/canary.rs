//! `portcullis policy canary`

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::find;
use super::shadow::TrialBounds;
use clap::Args;
use portcullis_control::api::types::{PolicyChange, StartCanary};

#[derive(Debug, Args)]
pub(in crate::cli) struct Canary {
    /// Its digest, or the first 8 digits of it
    digest: String,
    /// The share of sessions that it decides for, 1 to 100; the same sessions throughout
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    percent: u8,
    #[command(flatten)]
    bounds: TrialBounds,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(desk: &Desk, canary: Canary) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::PolicyAdmin)?;
    let id = find(&api, &canary.digest).await?;
    let body = StartCanary { percent: canary.percent, bounds: canary.bounds.bounds(), reason: canary.reason };
    let change: PolicyChange = api.post(&format!("/v1/policies/{id}/canary"), &body).await?;
    change::show(desk, &change)
}
