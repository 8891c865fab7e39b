//! `portcullis policy trial`: what the two modules answer differently, by rule, operator and command.

use super::super::api::{Api, As};
use super::super::request::word;
use super::super::screen::{Screen, shown, time};
use super::super::{CliError, Desk, Outcome};
use super::change::line;
use super::digest::find;
use super::pushed::setting;
use clap::Args;
use portcullis_control::api::types::TrialView;
use portcullis_model::policy::Outcome as Answer;
use std::time::Duration;

/// How often it is looked at while it is watched.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Trial {
    /// Its digest, or the first 8 digits of it
    digest: String,
    /// Show it again whenever it has changed, until the trial has ended
    #[arg(long)]
    watch: bool,
}

fn answer(answer: &Answer) -> String {
    if answer.rule.is_empty() { word(&answer.verdict) } else { format!("{} {}", word(&answer.verdict), answer.rule) }
}

fn describe(screen: Screen, view: &TrialView) -> std::io::Result<()> {
    screen.line(&line(&view.policy))?;
    if let Some(trial) = &view.policy.trial {
        screen.line(&setting(trial.kind, &trial.bounds))?;
    }
    let different = view.questions.saturating_sub(view.agreed);
    screen.line(&format!("questions {}, answered alike {}, differently {different}, faults {}, not compared {}", view.questions, view.agreed, view.faults, view.dropped))?;
    for target in &view.targets {
        let ended = target.ended.as_ref().map_or(String::new(), |why| format!("; ended by the node: {why}"));
        let counts = format!("questions {}, answered alike {}, faults {}", target.questions, target.agreed, target.faults);
        screen.line(&shown(&format!("{} ({}) since {}: {counts}{ended}", target.target, target.role, time(target.since))))?;
    }
    let rows = view.differences.iter().map(|row| {
        [row.rule.clone(), row.operator.clone(), row.command.clone(), answer(&row.active), answer(&row.candidate), row.count.to_string()]
    });
    screen.table(["RULE", "OPERATOR", "COMMAND", "IN FORCE", "ON TRIAL", "COUNT"], rows.collect())?;
    if view.more == 0 { Ok(()) } else { screen.line(&format!("and {} more that no row had room for", view.more)) }
}

pub(super) async fn run(desk: &Desk, trial: Trial) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::Auditor)?;
    let path = format!("/v1/policies/{}/trial", find(&api, &trial.digest).await?);
    let mut view: TrialView = api.get(&path).await?;
    desk.screen.show(&view, |screen| describe(screen, &view))?;
    while trial.watch && view.policy.stage.is_trial() {
        tokio::time::sleep(LOOK).await;
        let now: TrialView = api.get(&path).await?;
        // a report that says the same as the last one is no news
        let quiet = |view: &TrialView| (view.policy.stage, view.questions, view.faults, view.differences.clone());
        if quiet(&now) != quiet(&view) {
            desk.screen.show(&now, |screen| {
                screen.line("")?;
                describe(screen, &now)
            })?;
        }
        view = now;
    }
    // a node ended it: that is not how a trial is to go
    Ok(if view.targets.iter().any(|target| target.ended.is_some()) { Outcome::Failed } else { Outcome::Done })
}
