//! Alerts over HTTP.

use super::App;
use super::extract::{Parameters, page_size};
use super::problem::Failure;
use super::types::{AlertView, Page};
use crate::domain::actor::Actor;
use crate::store::AlertFilter;
use axum::extract::{Extension, Json, State};
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    session: Option<SessionId>,
    since: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(app): State<App>, Extension(actor): Extension<Actor>, Parameters(by): Parameters<ListBy>,
) -> Result<Json<Page<AlertView>>, Failure> {
    let filter = AlertFilter { session: by.session, since: by.since.map(UnixMs), requested_by: None };
    Ok(Json(app.desk.alerts(&actor, filter, page_size(by.limit)?).await?))
}
