//! Sessions, recordings, targets and the nodes' links over HTTP.

use super::App;
use super::extract::{Body, Id, Parameters, field, page_size};
use super::problem::Failure;
use super::types::{Page, SessionDetail, SessionState, SessionView, TargetView, Why};
use crate::domain::actor::Actor;
use crate::evidence;
use crate::link;
use crate::store::{Cursor, SessionFilter};
use axum::body::{Body as Stream, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Json, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::wire::link::MESSAGE_MAX;
use serde::Deserialize;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a recording that are read at a time.
const CHUNK: usize = 256 * 1024;

type Answer<T> = Result<Json<T>, Failure>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListBy {
    request: Option<RequestId>,
    target: Option<String>,
    state: Option<SessionState>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>, Extension(actor): Extension<Actor>, Parameters(by): Parameters<ListBy>,
) -> Answer<Page<SessionView>> {
    let after = by.after.map(|after| after.parse::<Cursor>()).transpose().map_err(|problem| Failure::invalid(format!("after: {problem}")))?;
    let target = by.target.map(|target| field("target", target)).transpose()?;
    let filter = SessionFilter { request: by.request, target, state: by.state, requested_by: None, after };
    Ok(Json(app.desk.sessions(&actor, filter, page_size(by.limit)?).await?))
}

pub(super) async fn show(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<SessionId>) -> Answer<SessionDetail> {
    Ok(Json(app.desk.session_detail(&actor, &id).await?))
}

pub(super) async fn terminate(
    State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<SessionId>, Body(body): Body<Why>,
) -> Answer<SessionView> {
    let why = field("reason", body.reason)?;
    let (desk, by, of) = (Arc::clone(&app.desk), actor.clone(), id.clone());
    app.finish(async move { desk.terminate(&by, &of, &why).await }).await?;
    let patience = Duration::from_millis(app.desk.limits.receipt_wait_ms);
    match app.shutdown.run_until_cancelled(app.desk.session_end(&actor, &id, patience)).await {
        Some(session) => Ok(Json(session?)),
        None => Ok(Json(app.desk.session(&actor, &id).await?)),
    }
}

/// The recording as it is now: what is written while it is sent is not waited for.
pub(super) async fn recording(State(app): State<App>, Extension(actor): Extension<Actor>, Id(id): Id<SessionId>) -> Result<Response, Failure> {
    let path = app.desk.recording_path(&actor, &id).await?;
    let opened = tokio::task::spawn_blocking(move || evidence::open(&path)).await.map_err(|error| Failure::internal(&error))?;
    let (file, length) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::not_found("the recording of this session is not here")),
        Err(error) => return Err(Failure::internal(&error)),
    };
    tracing::info!(session = %id, by = %actor.name, "recording read");
    let chunks = stream::try_unfold((file, length), |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        // pieces of a closed recording are unpacked on the way
        let read = tokio::task::spawn_blocking(move || {
            let mut file = file;
            let mut chunk = Vec::with_capacity(CHUNK);
            (&mut file).take(left.min(CHUNK as u64)).read_to_end(&mut chunk).map(|_| (file, chunk))
        });
        let (file, chunk) = read.await.map_err(io::Error::other)??;
        if chunk.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let left = left.saturating_sub(chunk.len() as u64);
        Ok(Some((Bytes::from(chunk), (file, left))))
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Stream::from_stream(chunks)).into_response())
}

pub(super) async fn targets(State(app): State<App>) -> Answer<Page<TargetView>> {
    Ok(Json(app.desk.target_list().await?))
}

pub(super) async fn link(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        .on_upgrade(async move |socket| app.tasks.track_future(link::serve(socket, app.desk, app.shutdown)).await)
}
