//! What came of a change on each target, in words.

use super::super::api::Api;
use super::super::request::word;
use super::super::screen::shown;
use super::super::{CliError, Desk, Outcome};
use super::digest::short;
use portcullis_control::api::types::{ChangeState, PolicyChange, PolicyDetail, PolicyView, TargetChange};
use std::time::Duration;

/// How often the targets are looked at while they are watched.
const LOOK: Duration = Duration::from_millis(200);

/// A module in one line.
pub(super) fn line(policy: &PolicyView) -> String {
    let roles: Vec<_> = policy.roles.iter().map(|role| role.name()).collect();
    shown(&format!("{} {} {} for {} on {}: {}", short(&policy.digest), policy.name, policy.version, policy.action, roles.join(", "), word(&policy.stage)))
}

/// A target in one line.
pub(super) fn target(change: &TargetChange) -> String {
    let said = match &change.state {
        ChangeState::Enforced { ms, note: None } => format!("enforced in {ms} ms"),
        ChangeState::Enforced { ms, note: Some(note) } => format!("enforced in {ms} ms; {note}"),
        ChangeState::Refused { error } => format!("not enforced, what was in force before stays: {error}"),
        ChangeState::Waiting => "no word yet".to_owned(),
        ChangeState::NotConnected => "not linked; it is told when it is".to_owned(),
    };
    shown(&format!("{}: {said}", change.target))
}

/// Shows a change. It is done when every target enforces it.
pub(super) fn show(desk: &Desk, change: &PolicyChange) -> Result<Outcome, CliError> {
    desk.screen.show(change, |screen| {
        match &change.policy {
            Some(policy) => screen.line(&line(policy))?,
            None => screen.line("the nodes' own module judges again")?,
        }
        change.targets.iter().try_for_each(|one| screen.line(&target(one)))
    })?;
    Ok(outcome(&change.targets))
}

pub(super) fn outcome(targets: &[TargetChange]) -> Outcome {
    let done = targets.iter().all(|one| matches!(one.state, ChangeState::Enforced { .. }));
    if done { Outcome::Done } else { Outcome::Failed }
}

/// Shows a change, and then each target when its word comes, until all have spoken.
pub(super) async fn watch(desk: &Desk, api: &Api, change: PolicyChange) -> Result<Outcome, CliError> {
    let Some(digest) = change.policy.as_ref().map(|policy| policy.digest) else { return show(desk, &change) };
    let mut seen = change.targets.clone();
    if !desk.screen.is_json() {
        show(desk, &change)?;
    }
    let open = |targets: &[TargetChange]| targets.iter().any(|one| matches!(one.state, ChangeState::Waiting | ChangeState::NotConnected));
    while open(&seen) {
        tokio::time::sleep(LOOK).await;
        let now: PolicyDetail = api.get(&format!("/v1/policies/{digest}")).await?;
        // only what this change is about: another one may have come after it
        for before in &mut seen {
            let Some(after) = now.targets.iter().find(|after| after.target == before.target) else { continue };
            if after.sequence != before.sequence {
                return Err(anyhow::anyhow!("{}: another change came after this one", before.target).into());
            }
            if after.state != before.state {
                *before = after.clone();
                if !desk.screen.is_json() {
                    desk.screen.line(&target(before))?;
                }
            }
        }
    }
    if desk.screen.is_json() {
        return show(desk, &PolicyChange { targets: seen, ..change });
    }
    Ok(outcome(&seen))
}
