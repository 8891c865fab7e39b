//! `portcullis policy shadow`

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::find;
use clap::Args;
use portcullis_control::api::types::{PolicyChange, StartShadow};
use portcullis_model::policy::Bounds;

/// What ends a trial by itself.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrialBounds {
    /// Most questions that it may leave without an answer: traps, late or malformed answers
    #[arg(long, default_value_t = 0)]
    max_faults: u32,
    /// Most denials of what the module in force does not deny, in percent of the questions
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_denials: u8,
    /// Questions that have to be counted before that bound does
    #[arg(long, default_value_t = 100)]
    after: u32,
}

impl TrialBounds {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { faults: self.max_faults, extra_denials_percent: self.max_denials, after: self.after }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Shadow {
    /// Its digest, or the first 8 digits of it
    digest: String,
    #[command(flatten)]
    bounds: TrialBounds,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(desk: &Desk, shadow: Shadow) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::PolicyAdmin)?;
    let id = find(&api, &shadow.digest).await?;
    let body = StartShadow { bounds: shadow.bounds.bounds(), reason: shadow.reason };
    let change: PolicyChange = api.post(&format!("/v1/policies/{id}/shadow"), &body).await?;
    change::show(desk, &change)
}
