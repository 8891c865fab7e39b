//! `portcullis policy show DIGEST`: a pushed module, and what became of it.

use super::super::api::{Api, As};
use super::super::request::word;
use super::super::screen::{shown, time};
use super::super::{CliError, Desk, Outcome};
use super::change;
use super::digest::{find, short};
use portcullis_control::api::types::PolicyDetail;
use portcullis_control::domain::policy::claim::TestClaim;
use portcullis_model::policy::{Bounds, Trial};

/// How a module is tried, in words.
pub(super) fn setting(kind: Trial, bounds: &Bounds) -> String {
    let kind = match kind {
        Trial::Shadow => "shadow".to_owned(),
        Trial::Canary { percent } => format!("canary, {percent} % of the sessions"),
    };
    format!("{kind}; ends at more than {} faults, or {} % more denials after {} questions", bounds.faults, bounds.extra_denials_percent, bounds.after)
}

pub(super) async fn run(desk: &Desk, digits: &str) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::Auditor)?;
    let id = find(&api, digits).await?;
    let detail: PolicyDetail = api.get(&format!("/v1/policies/{id}")).await?;
    desk.screen.show(&detail, |screen| {
        let policy = &detail.policy;
        let roles: Vec<_> = policy.roles.iter().map(|role| role.name()).collect();
        let active: Vec<_> = policy.active_for.iter().map(|role| role.name()).collect();
        screen.fields(&[
            ("module", policy.digest.to_string()),
            ("name", format!("{} {}", policy.name, policy.version)),
            ("stage", word(&policy.stage)),
            ("action", policy.action.to_string()),
            ("roles", roles.join(", ")),
            ("in force for", active.join(", ")),
            ("since", policy.activated.as_ref().map_or(String::new(), |activated| format!("{} by {}", time(activated.at), activated.by))),
            ("trial", policy.trial.as_ref().map_or(String::new(), |trial| setting(trial.kind, &trial.bounds))),
            ("tests", match &policy.test {
                None => "none yet".to_owned(),
                Some(TestClaim::Passed { cases, count }) => format!("{count} cases pass (sha256 {})", cases.as_str()),
                Some(TestClaim::Untested { reason }) => format!("none: {reason}"),
            }),
            ("signed by", format!("{} {}", policy.author, policy.author_name)),
            ("pushed", format!("{} by {}", time(policy.pushed), policy.pushed_by)),
            ("interface", policy.abi.clone()),
            ("size", format!("{} bytes", policy.size)),
            ("pure", if detail.pure { "yes".to_owned() } else { "no".to_owned() }),
        ])?;
        for seat in &detail.seats {
            let active = seat.active.as_ref().map_or_else(|| "the nodes' own module".to_owned(), short);
            let trial = seat.candidate.as_ref().map_or(String::new(), |candidate| format!(", on trial {}", short(candidate)));
            screen.line(&shown(&format!("{} on {}: in force {active}{trial}", seat.action, seat.role)))?;
        }
        for event in &detail.history {
            let reason = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
            let target = event.target.as_ref().map_or(String::new(), |target| format!(" on {target}"));
            screen.line(&shown(&format!("  {}  {}{target} by {}{reason}", time(event.at), word(&event.kind), event.by)))?;
        }
        detail.targets.iter().try_for_each(|target| screen.line(&change::target(target)))?;
        let rows = detail.allowed.iter().map(|row| [row.form.clone(), row.note.clone()]);
        screen.table(["ALLOWS", "NOTE"], rows.collect())
    })?;
    Ok(Outcome::Done)
}
