//! Whether the controller is there, and whether it can do its work.

use super::App;
use super::types::Health;
use axum::extract::{Json, State};
use axum::http::StatusCode;

pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let (code, status) = if app.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
    } else {
        match app.desk.store.check().await {
            Ok(()) => (StatusCode::OK, "ok"),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read"),
        }
    };
    (code, Json(Health { status: status.to_owned() }))
}
