//! The JSON of the API: what goes in and what comes out, the same types for server, command line and tests.
//!
//! Times are milliseconds since 1970 in UTC; durations carry their unit in the name. What comes in is read strictly:
//! an unknown field is refused. What goes out may gain fields within one version of the API.

mod alerts;
mod amendments;
mod policies;
mod questions;

pub use alerts::*;
pub use amendments::*;
pub use policies::*;
pub use questions::*;

use crate::domain::actor::UserRole;
use crate::domain::deployment::Deployment;
use crate::domain::life::State;
use portcullis_model::account::AccountName;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, RequestId};
use portcullis_model::layer::Layer;
use portcullis_model::receipt::{EndCause, Receipt, RevokeReceipt};
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    /// The operator's name: 1 to 64 of `A-Z a-z 0-9 . _ @ + -`.
    pub operator: String,
    /// One OpenSSH public key line; its comment is dropped.
    pub public_key: String,
    /// What is to be done.
    pub action: Action,
    /// Names of targets, one or more.
    pub targets: Vec<String>,
    /// The ticket, at most 64 characters; empty when there is none.
    #[serde(default)]
    pub ticket: String,
    /// Why: 1 to 1000 characters on one line.
    pub reason: String,
    /// Seconds; the default duration when none.
    #[serde(default)]
    pub duration_s: Option<u64>,
    /// When it shall start; on approval when none.
    #[serde(default)]
    pub start: Option<UnixMs>,
    /// Seconds without input after which a session ends, at most the default; the default when none.
    #[serde(default)]
    pub idle_timeout_s: Option<u32>,
}

/// Body of `approve`, of a request and of an amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
    /// A shorter duration than was asked for, in seconds; for requests, and amendments that give more time.
    #[serde(default)]
    pub duration_s: Option<u64>,
}

/// Body of `reject`, `withdraw`, `close`, `revoke` and `terminate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why: 1 to 1000 characters on one line; may be empty for `withdraw` only.
    #[serde(default)]
    pub reason: String,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass as `after` to get the next page; none on the last one.
    pub next: Option<String>,
}

/// A request, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// Its id.
    pub id: RequestId,
    /// Where it is in its life.
    pub state: State,
    /// The operator's name.
    pub operator: String,
    /// The name of the token that it was made with.
    pub requested_by: String,
    /// SHA-256 fingerprint of the operator's key, in OpenSSH's form.
    pub key_fingerprint: String,
    /// What was asked for.
    pub action: Action,
    /// Names of targets.
    pub targets: Vec<String>,
    /// The ticket; empty when there is none.
    pub ticket: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// The duration, in seconds: as approved, before that as asked for.
    pub duration_s: u64,
    /// The start that was asked for.
    pub start: Option<UnixMs>,
    /// Idle timeout in seconds; 0 for never.
    pub idle_timeout_s: u32,
    /// When it was made.
    pub created: UnixMs,
    /// When it lapses if nobody answers.
    pub lapses: UnixMs,
    /// When access begins; none before approval.
    pub not_before: Option<UnixMs>,
    /// When access is over; none before approval.
    pub not_after: Option<UnixMs>,
    /// The temporary account to log in as, the same on each target; none before it is active.
    pub account: Option<AccountName>,
    /// The request of another operator that this one was shared from; it ends with that one at the latest.
    #[serde(default)]
    pub shared_from: Option<RequestId>,
}

/// A request with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestDetail {
    /// The request.
    pub request: RequestView,
    /// The operator's key, in OpenSSH's one-line form.
    pub public_key: String,
    /// All that happened to it, in order.
    pub history: Vec<HistoryEntry>,
    /// Its grants, one a target; none before it is active.
    pub grants: Vec<GrantView>,
    /// Its sessions, newest first, at most 100.
    pub sessions: Vec<SessionView>,
    /// Requests of other operators that were shared from it.
    #[serde(default)]
    pub shared: Vec<RequestView>,
    /// What was proposed to be changed in it, newest first, at most 100.
    #[serde(default)]
    pub amendments: Vec<AmendmentView>,
    /// What was said about it, in order.
    #[serde(default)]
    pub messages: Vec<MessageView>,
}

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: UnixMs,
    /// What: `submit`, or the name of an event of the request's life.
    pub event: String,
    /// The state before; none for `submit`.
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// Who; `system` for the clock.
    pub by: String,
    /// In which role; none for the clock.
    pub role: Option<UserRole>,
    /// Why; may be empty.
    pub reason: String,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Its id.
    pub id: GrantId,
    /// The target.
    pub target: String,
    /// The temporary account's name.
    pub account: AccountName,
    /// Its uid.
    pub uid: u32,
    /// Not valid before.
    pub not_before: UnixMs,
    /// Not valid from then on.
    pub not_after: UnixMs,
    /// What became of it on the target.
    pub deployment: Deployment,
    /// Why the target does not enforce it; empty when there is nothing to say.
    pub error: String,
    /// The end of it, once the request has ended.
    pub revocation: Option<RevocationView>,
}

/// The end of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationView {
    /// When it was ordered.
    pub issued: UnixMs,
    /// When the target's receipt came.
    pub answered: Option<UnixMs>,
    /// The target's receipt.
    pub receipt: Option<RevokeReceipt>,
}

/// Answer to `revoke` and `close`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The request, ended.
    pub request: RequestView,
    /// Whether every target has answered.
    pub complete: bool,
    /// One a target; none when the request had not been active.
    pub targets: Vec<TargetEnd>,
}

/// What an end did on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetEnd {
    /// The target.
    pub target: String,
    /// The grant.
    pub grant: GrantId,
    /// The counts; none while the target has not answered.
    pub result: Option<EndResult>,
}

/// The counts of a receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndResult {
    /// Sessions that were running.
    pub sessions: usize,
    /// Processes killed.
    pub killed: u64,
    /// Processes left; must be 0.
    pub survivors: usize,
    /// Microseconds from the warden's hearing of it to the last process being gone.
    pub micros: u64,
    /// The same in milliseconds, for people.
    pub ms: f64,
    /// The receipt itself.
    pub receipt: RevokeReceipt,
}

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// It runs.
    Running,
    /// It ended, and the receipt is here.
    Ended,
    /// Its node came back without it and without a receipt.
    Lost,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Whose, for what, from where.
    pub facts: SessionFacts,
    /// Whether it runs.
    pub state: SessionState,
    /// When the controller heard of its end.
    pub ended: Option<UnixMs>,
    /// What its end left behind.
    pub receipt: Option<Receipt>,
    /// How its program ended, when it did so by itself.
    pub exit: Option<ExitStatus>,
    /// The order to end it, if there was one.
    pub termination: Option<Termination>,
}

/// An order to end one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// When.
    pub at: UnixMs,
    /// Who; `system` when the session ran under a grant that was not in force.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A session with what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDetail {
    /// The session.
    pub session: SessionView,
    /// What its recording says; none when there is none here, or when the role may not read recordings.
    pub recording: Option<RecordingView>,
    /// Its alerts, newest first, at most 200.
    #[serde(default)]
    pub alerts: Vec<AlertView>,
}

/// What a recording says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingView {
    /// Its size in bytes.
    pub bytes: u64,
    /// `complete` (ends as a recording does), `open` (still being written, or cut off), or `damaged: WHY`.
    pub state: String,
    /// How the session ended, as its last event says; it may know more than the receipt that came with the end.
    #[serde(default)]
    pub ended: Option<EndCause>,
    /// Which modules judged it, in order; at most 1,000.
    pub policies: Vec<PolicyUse>,
    /// What was asked and how it was answered, in order; at most 10,000.
    pub commands: Vec<CommandView>,
    /// Whether there were more commands.
    pub truncated: bool,
}

/// One line or exec of a session, with its decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandView {
    /// When.
    pub at: UnixMs,
    /// `line`, `exec`, `file` or `forward`.
    pub kind: String,
    /// The process, 0 for a line.
    pub pid: u32,
    /// What, printable.
    pub text: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The rule that refused it; empty when allowed.
    pub rule: String,
    /// Why it was refused; empty when allowed.
    pub reason: String,
    /// What came of a file that was opened, or of a forwarded connection, as far as it is known; empty for anything else.
    #[serde(default)]
    pub outcome: String,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// What it is in its rack.
    pub role: Role,
    /// Whether its link is up.
    pub connected: bool,
    /// Since when it is up, or when it went down; none when it was never up since the controller started.
    pub since: Option<UnixMs>,
    /// Addresses on which its SSH server listens, as last told.
    pub listen: Vec<String>,
    /// Its host keys in OpenSSH's one-line form, as last told.
    pub host_keys: Vec<String>,
    /// Its layers of enforcement, as last told.
    pub layers: Vec<Layer>,
    /// Sessions that run there.
    pub sessions: u64,
    /// What judges there, as last told; none when its link is down.
    pub policies: Option<TargetPolicies>,
}

/// Answer of `/healthz` and `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
}

/// Body of every error: RFC 9457, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable: `urn:portcullis:problem:` and one of `unauthenticated`, `forbidden`, `not-found`, `invalid`, `conflict`,
    /// `limit`, `too-large`, `busy`, `timeout`, `internal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
}
