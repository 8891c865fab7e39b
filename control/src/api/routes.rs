//! Every endpoint there is, as data: the router and the test that tries each without the right are both made from it.

use super::problem::Failure;
use super::{App, BODY_MAX, BODY_WITH_MODULE_MAX, alerts, amendments, guard, health, policies, questions, requests, sessions};
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
    ListSessions, ShowSession, TerminateSession, ReadRecording, ListTargets,
    ListQuestions, ShowQuestion, ApproveQuestion, RejectQuestion, PushPolicy, ListPolicies, PolicyEvents, RollbackPolicy,
    ShowPolicy, TestPassed, ShadowPolicy, CanaryPolicy, ActivatePolicy, RetirePolicy, PolicyTrial, Link, Health, Ready,
    ExtendRequest, ShareRequest, ListAmendments, ShowAmendment, ApproveAmendment, RejectAmendment, WithdrawAmendment, ListMessages, SendMessage, ListAlerts,
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
const POLICY_READERS: &[UserRole] = &[UserRole::PolicyAdmin, UserRole::Auditor];
/// For an ordinary call.
const PATIENCE: Duration = Duration::from_secs(15);
/// For one with a module.
const PATIENCE_WITH_MODULE: Duration = Duration::from_secs(60);

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 41] = [
        Self::CreateRequest, Self::ListRequests, Self::ShowRequest, Self::ApproveRequest, Self::RejectRequest, Self::WithdrawRequest,
        Self::CloseRequest, Self::RevokeRequest, Self::ListSessions, Self::ShowSession, Self::TerminateSession, Self::ReadRecording,
        Self::ListTargets, Self::ListQuestions, Self::ShowQuestion, Self::ApproveQuestion, Self::RejectQuestion, Self::PushPolicy, Self::ListPolicies, Self::PolicyEvents, Self::RollbackPolicy, Self::ShowPolicy,
        Self::TestPassed, Self::ShadowPolicy, Self::CanaryPolicy, Self::ActivatePolicy, Self::RetirePolicy, Self::PolicyTrial,
        Self::Link, Self::Health, Self::Ready,
        Self::ExtendRequest, Self::ShareRequest, Self::ListAmendments, Self::ShowAmendment, Self::ApproveAmendment, Self::RejectAmendment,
        Self::WithdrawAmendment, Self::ListMessages, Self::SendMessage, Self::ListAlerts,
    ];

    /// Its method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::CreateRequest | Self::ApproveRequest | Self::RejectRequest | Self::WithdrawRequest | Self::CloseRequest
            | Self::RevokeRequest | Self::TerminateSession | Self::ApproveQuestion | Self::RejectQuestion | Self::PushPolicy | Self::RollbackPolicy | Self::TestPassed
            | Self::ShadowPolicy | Self::CanaryPolicy | Self::ActivatePolicy | Self::RetirePolicy | Self::ExtendRequest | Self::ShareRequest
            | Self::ApproveAmendment | Self::RejectAmendment | Self::WithdrawAmendment | Self::SendMessage => Method::POST,
            Self::ListRequests | Self::ShowRequest | Self::ListSessions | Self::ShowSession | Self::ReadRecording | Self::ListTargets
            | Self::ListQuestions | Self::ShowQuestion | Self::ListPolicies | Self::PolicyEvents | Self::ShowPolicy | Self::PolicyTrial | Self::Link | Self::Health | Self::Ready
            | Self::ListAmendments | Self::ShowAmendment | Self::ListMessages | Self::ListAlerts => Method::GET,
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
            Self::ListQuestions => "/v1/questions",
            Self::ShowQuestion => "/v1/questions/{id}",
            Self::ApproveQuestion => "/v1/questions/{id}/approve",
            Self::RejectQuestion => "/v1/questions/{id}/reject",
            Self::PushPolicy | Self::ListPolicies => "/v1/policies",
            Self::PolicyEvents => "/v1/policies/events",
            Self::RollbackPolicy => "/v1/policies/rollback",
            Self::ShowPolicy => "/v1/policies/{id}",
            Self::TestPassed => "/v1/policies/{id}/test-passed",
            Self::ShadowPolicy => "/v1/policies/{id}/shadow",
            Self::CanaryPolicy => "/v1/policies/{id}/canary",
            Self::ActivatePolicy => "/v1/policies/{id}/activate",
            Self::RetirePolicy => "/v1/policies/{id}/retire",
            Self::PolicyTrial => "/v1/policies/{id}/trial",
            Self::Link => "/v1/link",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::ExtendRequest => "/v1/requests/{id}/extend",
            Self::ShareRequest => "/v1/requests/{id}/share",
            Self::ListMessages | Self::SendMessage => "/v1/requests/{id}/messages",
            Self::ListAlerts => "/v1/alerts",
            Self::ListAmendments => "/v1/amendments",
            Self::ShowAmendment => "/v1/amendments/{id}",
            Self::ApproveAmendment => "/v1/amendments/{id}/approve",
            Self::RejectAmendment => "/v1/amendments/{id}/reject",
            Self::WithdrawAmendment => "/v1/amendments/{id}/withdraw",
        }
    }

    /// Who may call it.
    #[must_use]
    pub fn access(self) -> Access {
        match self {
            Self::CreateRequest | Self::WithdrawRequest | Self::CloseRequest | Self::ExtendRequest | Self::ShareRequest | Self::WithdrawAmendment => {
                Access::Roles(&[UserRole::Operator])
            }
            Self::SendMessage => Access::Roles(&[UserRole::Operator, UserRole::Approver, UserRole::ProviderSecurity]),
            Self::ApproveRequest | Self::RejectRequest | Self::ApproveQuestion | Self::RejectQuestion | Self::ApproveAmendment | Self::RejectAmendment => {
                Access::Roles(&[UserRole::Approver])
            }
            Self::RevokeRequest | Self::TerminateSession => Access::Roles(ENDERS),
            Self::ListRequests | Self::ShowRequest | Self::ListSessions | Self::ShowSession | Self::ListTargets | Self::ListQuestions
            | Self::ShowQuestion | Self::ListAmendments | Self::ShowAmendment | Self::ListMessages => Access::Roles(&UserRole::ALL),
            Self::ListAlerts => Access::Roles(&evidence::READ_BY),
            Self::ReadRecording => Access::Roles(&evidence::READ_BY),
            Self::PushPolicy | Self::RollbackPolicy | Self::TestPassed | Self::ShadowPolicy | Self::CanaryPolicy | Self::ActivatePolicy
            | Self::RetirePolicy => Access::Roles(&[UserRole::PolicyAdmin]),
            Self::ListPolicies | Self::PolicyEvents | Self::ShowPolicy | Self::PolicyTrial => Access::Roles(POLICY_READERS),
            Self::Link => Access::Node,
            Self::Health | Self::Ready => Access::Open,
        }
    }

    /// Whether a call waits for what nodes say.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::CloseRequest | Self::RevokeRequest | Self::TerminateSession | Self::ApproveQuestion | Self::RejectQuestion) || self.waits_for_policies()
    }

    fn waits_for_policies(self) -> bool {
        matches!(
            self,
            Self::RollbackPolicy | Self::TestPassed | Self::ShadowPolicy | Self::CanaryPolicy | Self::ActivatePolicy | Self::RetirePolicy
        )
    }

    /// Most bytes of its body.
    fn body_max(self) -> usize {
        if self.has_module() { BODY_WITH_MODULE_MAX } else { BODY_MAX }
    }

    /// Whether a module comes with it.
    pub(super) fn has_module(self) -> bool {
        self == Self::PushPolicy
    }

    /// How long a call may take until there is an answer.
    pub(super) fn patience(self, limits: &Limits) -> Duration {
        match self {
            // a module comes with it
            Self::PushPolicy => PATIENCE_WITH_MODULE,
            _ if self.waits_for_policies() => PATIENCE + Duration::from_millis(limits.policy_wait_ms),
            _ if self.waits() => PATIENCE + Duration::from_millis(limits.receipt_wait_ms),
            _ => PATIENCE,
        }
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
            Self::ListQuestions => get(questions::list),
            Self::ShowQuestion => get(questions::show),
            Self::ApproveQuestion => post(questions::approve),
            Self::RejectQuestion => post(questions::reject),
            Self::PushPolicy => post(policies::push),
            Self::ListPolicies => get(policies::list),
            Self::PolicyEvents => get(policies::events),
            Self::RollbackPolicy => post(policies::rollback),
            Self::ShowPolicy => get(policies::show),
            Self::TestPassed => post(policies::test_passed),
            Self::ShadowPolicy => post(policies::shadow),
            Self::CanaryPolicy => post(policies::canary),
            Self::ActivatePolicy => post(policies::activate),
            Self::RetirePolicy => post(policies::retire),
            Self::PolicyTrial => get(policies::trial),
            Self::Link => get(sessions::link),
            Self::Health => get(health::alive),
            Self::Ready => get(health::ready),
            Self::ExtendRequest => post(amendments::extend),
            Self::ShareRequest => post(amendments::share),
            Self::ListAlerts => get(alerts::list),
            Self::ListAmendments => get(amendments::list),
            Self::ShowAmendment => get(amendments::show),
            Self::ApproveAmendment => post(amendments::approve),
            Self::RejectAmendment => post(amendments::reject),
            Self::WithdrawAmendment => post(amendments::withdraw),
            Self::ListMessages => get(amendments::messages),
            Self::SendMessage => post(amendments::say),
        }
    }
}

/// The router of all endpoints.
pub(crate) fn router(app: App) -> Router {
    Endpoint::ALL
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            let bounded = endpoint.handler().layer(DefaultBodyLimit::max(endpoint.body_max()));
            let guarded = bounded.layer(from_fn_with_state((app.clone(), endpoint), guard::guard));
            router.route(endpoint.path(), guarded)
        })
        .fallback(async || Failure::not_found("there is no such path"))
        .method_not_allowed_fallback(async || Failure::method("not by this method"))
        .layer(from_fn(guard::headers))
        .with_state(app)
}
