//! Errors as the API tells them: RFC 9457, with a stable type. What went wrong inside goes to the log, with an id that
//! the answer repeats.

use super::types::Problem;
use crate::desk::{DeskError, entropy};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::error::Error;

/// An answer that is an error.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $status:ident $kind:literal $title:literal;)*) => {
        impl Failure {
            $($(#[$doc])* pub(crate) fn $name(detail: impl ToString) -> Self {
                Self { status: StatusCode::$status, kind: $kind, title: $title, detail: detail.to_string() }
            })*
        }
    };
}

kinds! {
    /// No token, or one that nobody holds.
    unauthenticated UNAUTHORIZED "unauthenticated" "no valid token";
    /// The holder may not.
    forbidden FORBIDDEN "forbidden" "not allowed";
    /// There is none, or none to be seen.
    not_found NOT_FOUND "not-found" "not found";
    /// No such method here.
    method METHOD_NOT_ALLOWED "not-found" "method not allowed";
    /// A body or parameter that is not right.
    invalid UNPROCESSABLE_ENTITY "invalid" "invalid input";
    /// It does not fit the state of things.
    conflict CONFLICT "conflict" "does not fit the current state";
    /// There is too much of it.
    limit TOO_MANY_REQUESTS "limit" "over a limit";
    /// The body is too long.
    too_large PAYLOAD_TOO_LARGE "too-large" "body too large";
    /// Too many calls at once.
    busy SERVICE_UNAVAILABLE "busy" "too many calls at once";
    /// It took too long.
    timeout GATEWAY_TIMEOUT "timeout" "it took too long";
}

impl Failure {
    /// Something inside failed: the log has it, the answer has the log line's id.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        let id = entropy::<6>().map_or_else(|_| "none".to_owned(), |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        tracing::error!(id, error, "a call failed");
        let detail = format!("see the controller's log for {id}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", title: "internal error", detail }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound(_) => Self::not_found(error),
            DeskError::Forbidden(_) | DeskError::NotSigned(_) => Self::forbidden(error),
            DeskError::Invalid { .. } => Self::invalid(error),
            DeskError::Conflict(_) => Self::conflict(error),
            DeskError::Limit(_) => Self::limit(error),
            DeskError::Store(ref busy) if busy.is_busy() => Self::busy("try again in a moment"),
            DeskError::Store(_) | DeskError::File(_) | DeskError::Interrupted | DeskError::Random(_) | DeskError::Sign(_) => Self::internal(&error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: format!("urn:portcullis:problem:{}", self.kind),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, axum::Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
