//! What nodes report about policies: what they enforce, what they lack, what trials show, and the end of one that went over a
//! bound. A node is believed about its own role only, and about versions that it was told to try.

use super::super::{Desk, DeskError, now};
use super::seat_of;
use super::view::view;
use crate::api::types::{DifferenceView, TargetTrial, TrialView};
use crate::domain::act::Author;
use crate::domain::policy::act::PolicyAct;
use crate::domain::text::{Comment, TargetName};
use crate::link::Attachment;
use crate::store::{NewEvent, PolicyEventKind};
use portcullis_model::bytes::printable;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{COMMAND_MAX, Difference, NAME_MAX, Outcome, OutcomeKind, PolicyState, ROWS_MAX, TrialReport};
use std::collections::BTreeMap;

/// Most characters of a node's error that are kept.
const ERROR_MAX: usize = 500;
/// Most actions, and most modules, that a node may name in a report.
const NAMED_MAX: usize = 256;

fn bounded(text: &str, most: usize) -> String {
    let shown = printable(text.as_bytes());
    // what is printable already is not to double its backslashes
    let text = if shown == text.replace('\\', "\\\\") { text } else { &shown };
    text.chars().take(most).collect()
}

fn outcome(outcome: Outcome) -> Outcome {
    Outcome { verdict: outcome.verdict, rule: bounded(&outcome.rule, NAME_MAX) }
}

/// A report as it is kept: within its bounds, whatever the node said.
fn kept(report: TrialReport) -> TrialReport {
    let over = report.rows.len().saturating_sub(ROWS_MAX) as u64;
    let row = |row: Difference| Difference {
        operator: bounded(&row.operator, NAME_MAX),
        command: bounded(&row.command, COMMAND_MAX),
        active: outcome(row.active),
        candidate: outcome(row.candidate),
        count: row.count,
    };
    TrialReport {
        ended: report.ended.map(|why| bounded(&why, ERROR_MAX)),
        rows: report.rows.into_iter().take(ROWS_MAX).map(row).collect(),
        more: report.more.saturating_add(over),
        ..report
    }
}

/// The rule that makes the difference: the one of the answer that is no permission.
fn rule(difference: &Difference) -> &str {
    if difference.candidate.verdict == OutcomeKind::Allow { &difference.active.rule } else { &difference.candidate.rule }
}

impl Desk {
    /// What a node enforces. An error that is new is an event.
    pub(crate) async fn policies_reported(&self, target: &TargetName, attachment: &Attachment, mut state: PolicyState) -> Result<(), DeskError> {
        state.enforced.truncate(NAMED_MAX);
        state.held.truncate(NAMED_MAX);
        state.error = state.error.map(|error| bounded(&error, ERROR_MAX));
        let before = self.hub.look(target).policies.and_then(|before| before.state.error);
        let (sequence, error) = (state.sequence, state.error.clone());
        tracing::info!(%target, sequence, error, "policies reported");
        let known = self.store.read_inside().await?.assignment(target).await?.map_or(0, |told| told.sequence);
        if sequence > known {
            self.renew(target, sequence, now()).await?;
        }
        if let Some(error) = error.filter(|error| before.as_ref() != Some(error)) {
            let mut write = self.store.write().await?;
            let event = NewEvent {
                at: now(),
                kind: PolicyEventKind::Fault,
                policy: None,
                moved: None,
                target: Some(target.as_str()),
                author: &Author::System,
                reason: &error,
            };
            write.policy_event(&event).await?;
            write.commit().await?;
        }
        // who waits for this word finds it on record already
        self.hub.report(target, attachment, state, now());
        self.hub.answered();
        Ok(())
    }

    /// A module that a node was told of, with the signature over it; none when it was not.
    pub(crate) async fn wanted(&self, target: &TargetName, digest: &PolicyDigest) -> Result<Option<(Vec<u8>, String)>, DeskError> {
        let mut read = self.store.read_inside().await?;
        let told = read.assignment(target).await?.map(|told| told.content).unwrap_or_default();
        let assigned = told.modules.iter().flat_map(|one| one.active.iter().chain(one.candidate.as_ref().map(|c| &c.digest)));
        let named = assigned.chain(&told.staged).any(|named| named == digest);
        let Some(version) = read.policy(digest).await?.filter(|_| named) else {
            tracing::warn!(%target, policy = %digest, "a node wants a module that it was not told of");
            return Ok(None);
        };
        drop(read);
        let (modules, digest) = (self.modules.clone(), *digest);
        let bytes = tokio::task::spawn_blocking(move || modules.get(&digest)).await.map_err(|_| DeskError::Interrupted)?;
        match bytes {
            Ok(bytes) => Ok(Some((bytes, version.facts().signature.clone()))),
            Err(error) => {
                tracing::error!(%target, policy = %digest, error = &error as &dyn std::error::Error, "a module cannot be sent");
                Ok(None)
            }
        }
    }

    /// What a trial shows on a node. When the node ended it, the version is taken out everywhere.
    pub(crate) async fn trial_reported(&self, target: &TargetName, report: TrialReport) -> Result<(), DeskError> {
        let report = kept(report);
        let at = now();
        let mut write = self.store.write().await?;
        let seat = seat_of(&write.seats().await?, report.action, report.role);
        let own = self.targets.get(target) == Some(&report.role);
        let Some(mut version) = write.policy(&report.candidate).await?.filter(|_| own && seat.candidate == Some(report.candidate)) else {
            // what is under way while a trial ends comes too late
            tracing::debug!(%target, policy = %report.candidate, "a report about a trial that there is not");
            return Ok(());
        };
        if version.trial().is_none_or(|(trial, _)| trial != report.trial) {
            return Ok(());
        }
        write.put_trial(target, &report, at).await?;
        let Some(why) = &report.ended else {
            write.commit().await?;
            self.hub.answered();
            return Ok(());
        };
        let digest = report.candidate;
        if report.faults > 0 {
            let event = NewEvent {
                at,
                kind: PolicyEventKind::Fault,
                policy: Some(&digest),
                moved: None,
                target: Some(target.as_str()),
                author: &Author::System,
                reason: &format!("{} of {} questions had no answer", report.faults, report.questions),
            };
            write.policy_event(&event).await?;
        }
        let done = version.apply(PolicyAct::fail(at, Comment::try_from(why.clone()).unwrap_or_default()))?;
        write.record_policy(&version, &done, Some(target.as_str())).await?;
        write.end_trial(&digest).await?;
        self.settle(write, at).await?;
        self.hub.answered();
        tracing::warn!(%target, policy = %digest, why, "a trial went over its bounds and was ended");
        Ok(())
    }

    /// What a trial showed so far, summed over targets.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn policy_trial(&self, digest: &PolicyDigest) -> Result<TrialView, DeskError> {
        let mut read = self.store.read().await?;
        let version = read.policy(digest).await?.ok_or(DeskError::NotFound("policy"))?;
        let seats = read.seats().await?;
        let reports = read.trials(digest).await?;
        let sum = |part: fn(&TrialReport) -> u64| reports.iter().map(|one| part(&one.report)).fold(0, u64::saturating_add);
        let mut rows: BTreeMap<(&str, &str, &str, &Outcome, &Outcome), u64> = BTreeMap::new();
        for row in reports.iter().flat_map(|one| &one.report.rows) {
            let count = rows.entry((rule(row), &row.operator, &row.command, &row.active, &row.candidate)).or_default();
            *count = count.saturating_add(row.count);
        }
        let differences = rows.into_iter().map(|((rule, operator, command, active, candidate), count)| DifferenceView {
            rule: rule.to_owned(),
            operator: operator.to_owned(),
            command: command.to_owned(),
            active: active.clone(),
            candidate: candidate.clone(),
            count,
        });
        let targets = reports.iter().map(|one| TargetTrial {
            target: one.target.clone(),
            role: one.report.role,
            since: one.report.since,
            at: one.at,
            questions: one.report.questions,
            agreed: one.report.agreed,
            faults: one.report.faults,
            ended: one.report.ended.clone(),
        });
        Ok(TrialView {
            questions: sum(|report| report.questions),
            agreed: sum(|report| report.agreed),
            faults: sum(|report| report.faults),
            dropped: sum(|report| report.dropped),
            more: sum(|report| report.more),
            differences: differences.collect(),
            targets: targets.collect(),
            policy: view(&version, &seats),
        })
    }
}
