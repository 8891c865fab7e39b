//! Versions of policy modules over HTTP.

use super::App;
use super::extract::{Body, Id, Parameters, field, page_size};
use super::problem::Failure;
use super::types::{
    Activate, Page, PolicyChange, PolicyDetail, PolicyEventView, PolicyView, PushPolicy, Rollback, StartCanary, StartShadow, TestPassed, TrialView,
    Why,
};
use crate::desk::{Change, NewPolicy, Pushed};
use crate::domain::actor::Actor;
use crate::domain::policy::act::{Percent, Step};
use crate::domain::policy::module_id::ModuleId;
use crate::domain::policy::stage::Stage;
use crate::domain::text::{Comment, Reason};
use crate::store::{Cursor, Description, PolicyFilter};
use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<Json<T>, Failure>;

/// A new version is told as made; one that was there already as it is.
pub(super) async fn push(
    State(app): State<App>, Extension(actor): Extension<Actor>, Body(body): Body<PushPolicy>,
) -> Result<(StatusCode, Json<PolicyView>), Failure> {
    let new = NewPolicy {
        component: body.component,
        signature: body.signature,
        name: field("name", body.name)?,
        version: field("version", body.version)?,
        action: body.action,
        roles: body.roles,
        abi: field("abi", body.abi)?,
        description: Description { pure: body.pure, allowed: body.allowed },
    };
    let desk = Arc::clone(&app.desk);
    let pushed = app.finish(async move { desk.push(&actor, new).await }).await?;
    let (status, digest) = match pushed {
        Pushed::New(digest) => (StatusCode::CREATED, digest),
        Pushed::Known(digest) => (StatusCode::OK, digest),
    };
    Ok((status, Json(app.desk.policy(&digest).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    stage: Option<Stage>,
    action: Option<Action>,
    role: Option<Role>,
    digest: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(State(app): State<App>, Parameters(by): Parameters<ListBy>) -> Answer<Page<PolicyView>> {
    let after = by.after.map(|after| after.parse::<Cursor>()).transpose().map_err(|problem| Failure::invalid(format!("after: {problem}")))?;
    let prefix = by.digest.unwrap_or_default();
    if prefix.len() > 64 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Failure::invalid("digest: at most 64 digits of 0-9 and a-f"));
    }
    let filter = PolicyFilter { stage: by.stage, action: by.action, role: by.role, prefix, after };
    Ok(Json(app.desk.policy_list(&filter, page_size(by.limit)?).await?))
}

pub(super) async fn show(State(app): State<App>, Id(id): Id<ModuleId>) -> Answer<PolicyDetail> {
    Ok(Json(app.desk.policy_detail(&id.0).await?))
}

pub(super) async fn trial(State(app): State<App>, Id(id): Id<ModuleId>) -> Answer<TrialView> {
    Ok(Json(app.desk.policy_trial(&id.0).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsBy {
    limit: Option<u32>,
    after: Option<u64>,
}

/// Oldest first: who reads on from the last number misses nothing.
pub(super) async fn events(State(app): State<App>, Parameters(by): Parameters<EventsBy>) -> Answer<Page<PolicyEventView>> {
    Ok(Json(app.desk.policy_events(by.after.unwrap_or(0), page_size(by.limit)?).await?))
}

pub(super) async fn test_passed(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<ModuleId>, Body(body): Body<TestPassed>,
) -> Answer<PolicyChange> {
    if matches!(body.claim, crate::domain::policy::claim::TestClaim::Passed { count: 0, .. }) {
        return Err(Failure::invalid("claim: no case passed"));
    }
    let desk = Arc::clone(&app.desk);
    let changes = app.finish(async move { desk.test_passed(&actor, &id.0, body.claim).await }).await?;
    answer(&app, Some(&id.0), &changes).await
}

/// Waits for the targets, within bounds, and tells what came of it.
async fn answer(app: &App, digest: Option<&PolicyDigest>, changes: &[Change]) -> Answer<PolicyChange> {
    let patience = Duration::from_millis(app.desk.limits.policy_wait_ms);
    let targets = match app.shutdown.run_until_cancelled(app.desk.enforced(changes, patience)).await {
        Some(targets) => targets,
        None => app.desk.enforced(changes, Duration::ZERO).await,
    };
    Ok(Json(app.desk.policy_change(digest, targets).await?))
}

async fn try_out(app: App, actor: Actor, id: ModuleId, how: Step, why: Comment) -> Answer<PolicyChange> {
    let desk = Arc::clone(&app.desk);
    let changes = app.finish(async move { desk.try_out(&actor, &id.0, how, why).await }).await?;
    answer(&app, Some(&id.0), &changes).await
}

pub(super) async fn shadow(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<ModuleId>, Body(body): Body<StartShadow>,
) -> Answer<PolicyChange> {
    let why = field("reason", body.reason)?;
    try_out(app, actor, id, Step::Shadow(body.bounds), why).await
}

pub(super) async fn canary(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<ModuleId>, Body(body): Body<StartCanary>,
) -> Answer<PolicyChange> {
    let why = field("reason", body.reason)?;
    let percent = Percent::new(body.percent).ok_or_else(|| Failure::invalid("percent: 1 to 100"))?;
    try_out(app, actor, id, Step::Canary(percent, body.bounds), why).await
}

pub(super) async fn activate(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<ModuleId>, Body(body): Body<Activate>,
) -> Answer<PolicyChange> {
    let why = field("reason", body.reason)?;
    let replaces = body.replaces.into_iter().map(|(role, digest)| (role, digest.map(|digest| digest.0))).collect();
    let desk = Arc::clone(&app.desk);
    let changes = app.finish(async move { desk.activate(&actor, &id.0, &replaces, why).await }).await?;
    answer(&app, Some(&id.0), &changes).await
}

pub(super) async fn rollback(State(app): State<App>, Extension(actor): Extension<Actor>, Body(body): Body<Rollback>) -> Answer<PolicyChange> {
    let why: Reason = field("reason", body.reason)?;
    let desk = Arc::clone(&app.desk);
    let done = async move {
        let replaces = body.replaces.map(|digest| digest.0);
        desk.roll_back(&actor, body.action, body.role, replaces.as_ref(), &why).await
    };
    let (former, changes) = app.finish(done).await?;
    answer(&app, former.as_ref(), &changes).await
}

pub(super) async fn retire(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<ModuleId>, Body(body): Body<Why>,
) -> Answer<PolicyChange> {
    let why: Reason = field("reason", body.reason)?;
    let desk = Arc::clone(&app.desk);
    let changes = app.finish(async move { desk.retire(&actor, &id.0, &why).await }).await?;
    answer(&app, Some(&id.0), &changes).await
}
