//! Amendments of requests, and what is said about requests.

use crate::domain::actor::UserRole;
use crate::domain::amendment::AmendmentState;
use portcullis_model::action::Action;
use portcullis_model::id::{AmendmentId, RequestId, SessionId};
use portcullis_model::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/requests/{id}/extend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// How much more time, in seconds.
    pub duration_s: u64,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `POST /v1/requests/{id}/share`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The other operator's name.
    pub operator: String,
    /// That operator's public key, one OpenSSH line; none for the one that was approved last.
    #[serde(default)]
    pub public_key: Option<String>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `POST /v1/requests/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// What: 1 to 1000 characters on one line.
    pub text: String,
}

/// A change of a request in force that its operator proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentView {
    /// Its id.
    pub id: AmendmentId,
    /// The request.
    pub request: RequestId,
    /// The operator that the request is for.
    pub operator: String,
    /// What was granted.
    pub action: Action,
    /// The session that it was proposed from; none for one that came over the API.
    pub session: Option<SessionId>,
    /// When it was proposed.
    pub at: UnixMs,
    /// By whom.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// What is to be changed.
    pub kind: AmendmentKind,
    /// The same in words.
    pub what: String,
    /// When the access ends now.
    pub not_after: Option<UnixMs>,
    /// Where it is in its life.
    pub state: AmendmentState,
    /// When it was decided, taken back, or lapsed.
    pub decided: Option<UnixMs>,
    /// By whom; `system` when the request ended first.
    pub decided_by: Option<String>,
    /// What was said with it; may be empty.
    pub comment: String,
    /// The other operator's request, for a share that was approved.
    pub shared_as: Option<RequestId>,
}

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmendmentKind {
    /// A later end.
    Extend {
        /// by how many seconds
        for_s: u64,
    },
    /// Another operator.
    Share {
        /// who
        operator: String,
        /// SHA-256 fingerprint of that operator's key, in OpenSSH's form
        key_fingerprint: String,
        /// the key, in OpenSSH's one-line form
        public_key: String,
        /// the request in which that key was approved for that operator; none when it was given with the proposal
        known_from: Option<RequestId>,
    },
}

/// Something that was said about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// In which role.
    pub role: UserRole,
    /// The session that it came from; none for one that came over the API.
    pub session: Option<SessionId>,
    /// What.
    pub text: String,
}
