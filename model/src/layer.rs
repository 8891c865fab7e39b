//! The layers of enforcement, and whether each is live on this node.

use serde::{Deserialize, Serialize};

/// One layer of enforcement, as `doctor` and the start-up report name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// A short name: `exec-guard`, `landlock`.
    pub name: String,
    /// Whether it is live.
    pub state: LayerState,
    /// What was found: the version, the path, or why it is not live.
    pub detail: String,
}

/// Whether a layer is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerState {
    /// It works; it was tried, not assumed.
    Live,
    /// It is not there; sessions run without it and it is named at start.
    Weaker,
    /// It is not there and is required: no session starts.
    Missing,
}
