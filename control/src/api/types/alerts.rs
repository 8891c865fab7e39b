//! Alerts of sessions.

use portcullis_model::alert::Alert;
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;
use serde::{Deserialize, Serialize};

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// All of it: the session, what is wrong, the process, what it wanted, who called it.
    pub alert: Alert,
    /// What is wrong, in words.
    pub text: String,
    /// The request that the session ran under.
    pub request: RequestId,
    /// Who worked.
    pub operator: String,
    /// When the controller heard of it.
    pub heard: UnixMs,
}
