//! `portcullis request extend|share|amendments|amendment|decide|retract|messages|say`: what changes in a request that is in force, and what
//! is said about it.

use super::api::{Api, As};
use super::request::word;
use super::screen::{Screen, shown, time};
use super::{CliError, Desk, Outcome};
use portcullis_control::api::types::{AmendmentKind, AmendmentView, Approval, Extend, MessageView, Page, Say, Share, Why};
use portcullis_control::domain::amendment::AmendmentState;
use portcullis_model::asking::Choice;
use portcullis_model::id::{AmendmentId, RequestId};
use std::time::Duration;

pub(super) async fn extend(desk: &Desk, id: &RequestId, duration: Duration, reason: String) -> Result<Outcome, CliError> {
    let body = Extend { duration_s: duration.as_secs(), reason };
    proposed(desk, &Api::new(desk, As::Operator)?.post(&format!("/v1/requests/{id}/extend"), &body).await?)
}

pub(super) async fn share(desk: &Desk, id: &RequestId, operator: String, public_key: Option<String>, reason: String) -> Result<Outcome, CliError> {
    let body = Share { operator, public_key, reason };
    proposed(desk, &Api::new(desk, As::Operator)?.post(&format!("/v1/requests/{id}/share"), &body).await?)
}

fn proposed(desk: &Desk, amendment: &AmendmentView) -> Result<Outcome, CliError> {
    desk.screen.show(amendment, |screen| screen.line(amendment.id.as_str()))?;
    Ok(Outcome::Done)
}

pub(super) async fn list(desk: &Desk, state: Option<String>, limit: u32) -> Result<Outcome, CliError> {
    let names = AmendmentState::ALL.map(AmendmentState::name);
    let filter = match state {
        Some(state) if names.contains(&state.as_str()) => format!("&state={state}"),
        Some(state) => return Err(CliError::Usage(format!("--state {state:?} is not a state; there are {}", names.join(", ")))),
        None => String::new(),
    };
    let page: Page<AmendmentView> = Api::new(desk, As::Auditor)?.get(&format!("/v1/amendments?limit={limit}{filter}")).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|one| {
            [one.id.to_string(), word(&one.state), one.request.to_string(), one.operator.clone(), time(one.at), one.what.clone(), one.reason.clone()]
        });
        screen.table(["ID", "STATE", "REQUEST", "OPERATOR", "PROPOSED", "WHAT", "WHY"], rows.collect())
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn show(desk: &Desk, id: &AmendmentId) -> Result<Outcome, CliError> {
    let amendment: AmendmentView = Api::new(desk, As::Auditor)?.get(&format!("/v1/amendments/{id}")).await?;
    desk.screen.show(&amendment, |screen| describe(screen, &amendment))?;
    Ok(Outcome::Done)
}

pub(super) async fn decide(desk: &Desk, id: &AmendmentId, choice: Choice, reason: String, duration: Option<Duration>) -> Result<Outcome, CliError> {
    let api = Api::new(desk, As::Approver)?;
    let amendment: AmendmentView = match choice {
        Choice::Approve => api.post(&format!("/v1/amendments/{id}/approve"), &Approval { reason, duration_s: duration.map(|length| length.as_secs()) }).await?,
        Choice::Reject if duration.is_some() => return Err(CliError::Usage("--for is for approve".to_owned())),
        Choice::Reject => api.post(&format!("/v1/amendments/{id}/reject"), &Why { reason }).await?,
    };
    desk.screen.show(&amendment, |screen| screen.line(&shown(&line(&amendment))))?;
    Ok(Outcome::Done)
}

pub(super) async fn retract(desk: &Desk, id: &AmendmentId, reason: String) -> Result<Outcome, CliError> {
    let amendment: AmendmentView = Api::new(desk, As::Operator)?.post(&format!("/v1/amendments/{id}/withdraw"), &Why { reason }).await?;
    desk.screen.show(&amendment, |screen| screen.line(&shown(&line(&amendment))))?;
    Ok(Outcome::Done)
}

pub(super) async fn messages(desk: &Desk, id: &RequestId) -> Result<Outcome, CliError> {
    thread(desk, &Api::new(desk, As::Auditor)?.get(&format!("/v1/requests/{id}/messages")).await?)
}

pub(super) async fn say(desk: &Desk, id: &RequestId, text: String, who: As) -> Result<Outcome, CliError> {
    thread(desk, &Api::new(desk, who)?.post(&format!("/v1/requests/{id}/messages"), &Say { text }).await?)
}

fn thread(desk: &Desk, messages: &Vec<MessageView>) -> Result<Outcome, CliError> {
    desk.screen.show(messages, |screen| messages.iter().try_for_each(|message| screen.line(&shown(&said(message)))))?;
    Ok(Outcome::Done)
}

/// An amendment in one line.
pub(super) fn line(amendment: &AmendmentView) -> String {
    let AmendmentView { id, what, state, by, .. } = amendment;
    let decided = amendment.decided_by.as_ref().map_or(String::new(), |who| format!(" by {who}"));
    let comment = if amendment.comment.is_empty() { String::new() } else { format!(": {}", amendment.comment) };
    let shared = amendment.shared_as.as_ref().map_or(String::new(), |request| format!(", as request {request}"));
    format!("amendment {id} of {by}: {what}, {}{decided}{comment}{shared}", word(state))
}

/// A message in one line.
pub(super) fn said(message: &MessageView) -> String {
    let from = message.session.as_ref().map_or(String::new(), |session| format!(" in {session}"));
    format!("{}  {} ({}){from}: {}", time(message.at), message.by, message.role, message.text)
}

fn describe(screen: Screen, amendment: &AmendmentView) -> std::io::Result<()> {
    let key = match &amendment.kind {
        AmendmentKind::Extend { .. } => String::new(),
        AmendmentKind::Share { public_key, .. } => public_key.clone(),
    };
    screen.fields(&[
        ("amendment", amendment.id.to_string()),
        ("state", word(&amendment.state)),
        ("what", amendment.what.clone()),
        ("key", key),
        ("reason", amendment.reason.clone()),
        ("proposed", time(amendment.at)),
        ("by", amendment.by.clone()),
        ("in session", amendment.session.as_ref().map_or(String::new(), ToString::to_string)),
        ("request", amendment.request.to_string()),
        ("operator", amendment.operator.clone()),
        ("action", amendment.action.to_string()),
        ("access until", amendment.not_after.map_or(String::new(), time)),
        ("decided", amendment.decided.map_or(String::new(), time)),
        ("decided by", amendment.decided_by.clone().unwrap_or_default()),
        ("comment", amendment.comment.clone()),
        ("shared as", amendment.shared_as.as_ref().map_or(String::new(), ToString::to_string)),
    ])
}
