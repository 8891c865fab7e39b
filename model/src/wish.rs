//! What an operator can want of the request from inside a session, and what the controller says to it.

use serde::{Deserialize, Serialize};

/// Most bytes of what is said with a wish.
pub const REASON_MAX: usize = 1000;
/// Most characters of an answer.
pub const TOLD_MAX: usize = 4096;

/// Something that the operator wants of the request that the session runs under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// To know how it stands.
    Status,
    /// To close it: the work is done. Every session under it ends.
    Close {
        /// what was done; at most [`REASON_MAX`] bytes
        reason: String,
    },
}

impl Wish {
    /// Whether its texts are within their bounds.
    #[must_use]
    pub fn fits(&self) -> bool {
        match self {
            Self::Status => true,
            Self::Close { reason } => reason.len() <= REASON_MAX,
        }
    }
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// It was done; the text is for the operator.
    Done(String),
    /// It was not, for this reason.
    Refused(String),
}

impl Told {
    /// The same, with at most [`TOLD_MAX`] characters.
    #[must_use]
    pub fn cut(self) -> Self {
        let cut = |text: String| text.chars().take(TOLD_MAX).collect();
        match self {
            Self::Done(text) => Self::Done(cut(text)),
            Self::Refused(text) => Self::Refused(cut(text)),
        }
    }
}
