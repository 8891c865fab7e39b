//! Every endpoint there is, as data: the router and the test that tries each without the right are both made from it.

use super::problem::Failure;
use super::{App, BODY_MAX, guard, health, requests, sessions};
use crate::config::Limits;
use crate::domain::actor::UserRole;
use crate::evidence;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use axum::Router;
use std::time::Duration;

/// One endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Endpoint {
    CreateRequest, ListRequests, ShowRequest, ApproveRequest, RejectRequest, WithdrawRequest, CloseRequest, RevokeRequest,
    ListSessions, ShowSession, TerminateSession, ReadRecording, ListTargets, Link, Health, Ready,
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Holders of a token in one of these roles.
    Roles(&'static [UserRole]),
    /// Nodes.
    Node,
}

const ENDERS: &[UserRole] = &[UserRole::Approver, UserRole::ProviderSecurity];
/// For an ordinary call.
const PATIENCE: Duration = Duration::from_secs(15);

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::CreateRequest, Self::ListRequests, Self::ShowRequest, Self::ApproveRequest, Self::RejectRequest, Self::WithdrawRequest,
        Self::CloseRequest, Self::RevokeRequest, Self::ListSessions, Self::ShowSession, Self::TerminateSession, Self::ReadRecording,
        Self::ListTargets, Self::Link, Self::Health, Self::Ready,
    ];

    /// Its method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::CreateRequest | Self::ApproveRequest | Self::RejectRequest | Self::WithdrawRequest | Self::CloseRequest
            | Self::RevokeRequest | Self::TerminateSession => Method::POST,
            Self::ListRequests | Self::ShowRequest | Self::ListSessions | Self::ShowSession | Self::ReadRecording | Self::ListTargets
            | Self::Link | Self::Health | Self::Ready => Method::GET,
        }
    }

    /// Its path; `{id}` is an id.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::CreateRequest | Self::ListRequests => "/v1/requests",
            Self::ShowRequest => "/v1/requests/{id}",
            Self::ApproveRequest => "/v1/requests/{id}/approve",
            Self::RejectRequest => "/v1/requests/{id}/reject",
            Self::WithdrawRequest => "/v1/requests/{id}/withdraw",
            Self::CloseRequest => "/v1/requests/{id}/close",
            Self::RevokeRequest => "/v1/requests/{id}/revoke",
            Self::ListSessions => "/v1/sessions",
            Self::ShowSession => "/v1/sessions/{id}",
            Self::TerminateSession => "/v1/sessions/{id}/terminate",
            Self::ReadRecording => "/v1/sessions/{id}/recording",
            Self::ListTargets => "/v1/targets",
            Self::Link => "/v1/link",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
        }
    }

    /// Who may call it.
    #[must_use]
    pub fn access(self) -> Access {
        match self {
            Self::CreateRequest | Self::WithdrawRequest | Self::CloseRequest => Access::Roles(&[UserRole::Operator]),
            Self::ApproveRequest | Self::RejectRequest => Access::Roles(&[UserRole::Approver]),
            Self::RevokeRequest | Self::TerminateSession => Access::Roles(ENDERS),
            Self::ListRequests | Self::ShowRequest | Self::ListSessions | Self::ShowSession | Self::ListTargets => Access::Roles(&UserRole::ALL),
            Self::ReadRecording => Access::Roles(&evidence::READ_BY),
            Self::Link => Access::Node,
            Self::Health | Self::Ready => Access::Open,
        }
    }

    /// Whether a call waits for what nodes say.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::CloseRequest | Self::RevokeRequest | Self::TerminateSession)
    }

    /// How long a call may take until there is an answer.
    pub(super) fn patience(self, limits: &Limits) -> Duration {
        if self.waits() { PATIENCE + Duration::from_millis(limits.receipt_wait_ms) } else { PATIENCE }
    }

    fn handler(self) -> MethodRouter<App> {
        match self {
            Self::CreateRequest => post(requests::create),
            Self::ListRequests => get(requests::list),
            Self::ShowRequest => get(requests::show),
            Self::ApproveRequest => post(requests::approve),
            Self::RejectRequest => post(requests::reject),
            Self::WithdrawRequest => post(requests::withdraw),
            Self::CloseRequest => post(requests::close),
            Self::RevokeRequest => post(requests::revoke),
            Self::ListSessions => get(sessions::list),
            Self::ShowSession => get(sessions::show),
            Self::TerminateSession => post(sessions::terminate),
            Self::ReadRecording => get(sessions::recording),
            Self::ListTargets => get(sessions::targets),
            Self::Link => get(sessions::link),
            Self::Health => get(health::alive),
            Self::Ready => get(health::ready),
        }
    }
}

/// The router of all endpoints.
pub(crate) fn router(app: App) -> Router {
    Endpoint::ALL
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            let guarded = endpoint.handler().layer(from_fn_with_state((app.clone(), endpoint), guard::guard));
            router.route(endpoint.path(), guarded)
        })
        .fallback(async || Failure::not_found("there is no such path"))
        .method_not_allowed_fallback(async || Failure::method("not by this method"))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(guard::headers))
        .with_state(app)
}
