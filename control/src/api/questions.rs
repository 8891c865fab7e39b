//! Questions of sessions over HTTP.

use super::App;
use super::extract::{Body, Id, Parameters, field, page_size};
use super::problem::Failure;
use super::types::{Page, QuestionState, QuestionView, Why};
use crate::domain::actor::Actor;
use crate::domain::text::{Comment, Reason};
use crate::store::{Cursor, QuestionFilter};
use axum::extract::{Extension, Json, State};
use portcullis_model::asking::Choice;
use portcullis_model::id::{QuestionId, RequestId};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<Json<T>, Failure>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    request: Option<RequestId>,
    state: Option<QuestionState>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>, Extension(actor): Extension<Actor>, Parameters(by): Parameters<ListBy>,
) -> Answer<Page<QuestionView>> {
    let after = by.after.map(|after| after.parse::<Cursor>()).transpose().map_err(|problem| Failure::invalid(format!("after: {problem}")))?;
    let filter = QuestionFilter { request: by.request, state: by.state, requested_by: None, after };
    Ok(Json(app.desk.questions(&actor, filter, page_size(by.limit)?).await?))
}

pub(super) async fn show(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<QuestionId>) -> Answer<QuestionView> {
    Ok(Json(app.desk.question(&actor, &id).await?))
}

pub(super) async fn approve(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<QuestionId>, Body(body): Body<Why>,
) -> Answer<QuestionView> {
    answer(app, actor, id, Choice::Approve, field("reason", body.reason)?).await
}

pub(super) async fn reject(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<QuestionId>, Body(body): Body<Why>,
) -> Answer<QuestionView> {
    let why: Reason = field("reason", body.reason)?;
    answer(app, actor, id, Choice::Reject, why.into()).await
}

async fn answer(app: App, actor: Actor, id: QuestionId, choice: Choice, why: Comment) -> Answer<QuestionView> {
    let (desk, by, of) = (Arc::clone(&app.desk), actor.clone(), id.clone());
    app.finish(async move { desk.answer_question(&by, &of, choice, &why).await }).await?;
    let patience = Duration::from_millis(app.desk.limits.receipt_wait_ms);
    match app.shutdown.run_until_cancelled(app.desk.question_end(&actor, &id, patience)).await {
        Some(view) => Ok(Json(view?)),
        None => Ok(Json(app.desk.question(&actor, &id).await?)),
    }
}
