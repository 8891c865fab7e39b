//! Amendments and messages over HTTP.

use super::App;
use super::extract::{Body, Id, Parameters, field, page_size};
use super::problem::Failure;
use super::types::{AmendmentView, Approval, Extend, MessageView, Page, Say, Share, Why};
use crate::desk::Proposal;
use crate::domain::actor::Actor;
use crate::domain::amendment::AmendmentState;
use crate::domain::text::{Comment, Reason};
use crate::store::{AmendmentFilter, Cursor};
use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use portcullis_model::asking::Choice;
use portcullis_model::id::{AmendmentId, RequestId};
use serde::Deserialize;
use std::sync::Arc;

type Answer<T> = Result<Json<T>, Failure>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    request: Option<RequestId>,
    state: Option<AmendmentState>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>, Extension(actor): Extension<Actor>, Parameters(by): Parameters<ListBy>,
) -> Answer<Page<AmendmentView>> {
    let after = by.after.map(|after| after.parse::<Cursor>()).transpose().map_err(|problem| Failure::invalid(format!("after: {problem}")))?;
    let filter = AmendmentFilter { request: by.request, state: by.state, requested_by: None, after };
    Ok(Json(app.desk.amendments(&actor, filter, page_size(by.limit)?).await?))
}

pub(super) async fn show(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<AmendmentId>) -> Answer<AmendmentView> {
    Ok(Json(app.desk.show_amendment(&actor, &id).await?))
}

async fn propose(app: App, actor: Actor, id: RequestId, proposal: Proposal, why: Comment) -> Result<(StatusCode, Json<AmendmentView>), Failure> {
    let desk = Arc::clone(&app.desk);
    let made = app.finish(async move { desk.amend(&actor, &id, proposal, why).await }).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn extend(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Extend>,
) -> Result<(StatusCode, Json<AmendmentView>), Failure> {
    propose(app, actor, id, Proposal::Extend(body.duration_s), field("reason", body.reason)?).await
}

pub(super) async fn share(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Share>,
) -> Result<(StatusCode, Json<AmendmentView>), Failure> {
    let key = body.public_key.map(|key| key.parse()).transpose().map_err(|problem| Failure::invalid(format!("public_key: {problem}")))?;
    propose(app, actor, id, Proposal::Share(field("operator", body.operator)?, key), field("reason", body.reason)?).await
}

pub(super) async fn approve(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<AmendmentId>, Body(body): Body<Approval>,
) -> Answer<AmendmentView> {
    decide(app, actor, id, Choice::Approve, field("reason", body.reason)?, body.duration_s).await
}

pub(super) async fn reject(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<AmendmentId>, Body(body): Body<Why>,
) -> Answer<AmendmentView> {
    let why: Reason = field("reason", body.reason)?;
    decide(app, actor, id, Choice::Reject, why.into(), None).await
}

async fn decide(app: App, actor: Actor, id: AmendmentId, choice: Choice, why: Comment, for_s: Option<u64>) -> Answer<AmendmentView> {
    let desk = Arc::clone(&app.desk);
    Ok(Json(app.finish(async move { desk.decide_amendment(&actor, &id, choice, why, for_s).await }).await?))
}

pub(super) async fn withdraw(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<AmendmentId>, Body(body): Body<Why>,
) -> Answer<AmendmentView> {
    let why = field("reason", body.reason)?;
    let desk = Arc::clone(&app.desk);
    Ok(Json(app.finish(async move { desk.withdraw_amendment(&actor, &id, why).await }).await?))
}

pub(super) async fn messages(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>) -> Answer<Vec<MessageView>> {
    Ok(Json(app.desk.messages(&actor, &id).await?))
}

pub(super) async fn say(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Say>,
) -> Answer<Vec<MessageView>> {
    let text = field("text", body.text)?;
    let desk = Arc::clone(&app.desk);
    Ok(Json(app.finish(async move { desk.say(&actor, &id, text).await }).await?))
}
