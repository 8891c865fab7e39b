//! Requests over HTTP.

use super::App;
use super::extract::{Body, Id, Parameters, field, page_size};
use super::problem::Failure;
use super::types::{Approval, CreateRequest, Ended, Page, RequestDetail, RequestView, Why};
use crate::desk::{NewRequest, Wanted};
use crate::domain::act::Step;
use crate::domain::actor::Actor;
use crate::domain::life::State as Life;
use crate::store::Cursor;
use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use portcullis_model::id::RequestId;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<Json<T>, Failure>;

pub(super) async fn create(
    State(app): State<App>, Extension(actor): Extension<Actor>, Body(body): Body<CreateRequest>,
) -> Result<(StatusCode, Json<RequestDetail>), Failure> {
    let new = NewRequest {
        operator: field("operator", body.operator)?,
        key: body.public_key.parse().map_err(|problem| Failure::invalid(format!("public_key: {problem}")))?,
        action: body.action,
        targets: body.targets.into_iter().map(|target| field("targets", target)).collect::<Result<_, _>>()?,
        ticket: field("ticket", body.ticket)?,
        reason: field("reason", body.reason)?,
        duration_s: body.duration_s,
        start: body.start,
        idle_timeout_s: body.idle_timeout_s,
    };
    let desk = Arc::clone(&app.desk);
    let made = app.finish(async move { desk.create(&actor, new).await }).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    state: Option<Life>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>, Extension(actor): Extension<Actor>, Parameters(by): Parameters<ListBy>,
) -> Answer<Page<RequestView>> {
    let after = by.after.map(|after| after.parse::<Cursor>()).transpose().map_err(|problem| Failure::invalid(format!("after: {problem}")))?;
    Ok(Json(app.desk.list(&actor, Wanted { state: by.state, after, limit: page_size(by.limit)? }).await?))
}

pub(super) async fn show(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>) -> Answer<RequestDetail> {
    Ok(Json(app.desk.detail(&actor, &id).await?))
}

pub(super) async fn approve(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Approval>,
) -> Answer<RequestDetail> {
    let why = field("reason", body.reason)?;
    let desk = Arc::clone(&app.desk);
    Ok(Json(app.finish(async move { desk.approve(&actor, &id, why, body.duration_s).await }).await?))
}

async fn answer(app: App, actor: Actor, id: RequestId, step: Step, why: crate::domain::text::Comment) -> Answer<RequestDetail> {
    let desk = Arc::clone(&app.desk);
    Ok(Json(app.finish(async move { desk.answer(&actor, &id, step, why).await }).await?))
}

pub(super) async fn reject(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Why>,
) -> Answer<RequestDetail> {
    let why: crate::domain::text::Reason = field("reason", body.reason)?;
    answer(app, actor, id, Step::Reject, why.into()).await
}

pub(super) async fn withdraw(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Why>,
) -> Answer<RequestDetail> {
    let why = field("reason", body.reason)?;
    answer(app, actor, id, Step::Withdraw, why).await
}

async fn end(app: App, actor: Actor, id: RequestId, step: Step, body: Why) -> Answer<Ended> {
    let why = field("reason", body.reason)?;
    let (desk, by, of) = (Arc::clone(&app.desk), actor.clone(), id.clone());
    app.finish(async move { desk.end(&by, &of, step, why).await }).await?;
    let patience = Duration::from_millis(app.desk.limits.receipt_wait_ms);
    let waited = app.shutdown.run_until_cancelled(app.desk.receipts(&actor, &id, patience)).await;
    match waited {
        Some(ended) => Ok(Json(ended?)),
        None => Ok(Json(app.desk.receipts(&actor, &id, Duration::ZERO).await?)),
    }
}

pub(super) async fn close(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Why>,
) -> Answer<Ended> {
    end(app, actor, id, Step::Close, body).await
}

pub(super) async fn revoke(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<RequestId>, Body(body): Body<Why>,
) -> Answer<Ended> {
    end(app, actor, id, Step::Revoke, body).await
}
