//! Questions of sessions to people.

use portcullis_model::action::Action;
use portcullis_model::asking::{AskEnd, Asked, Choice};
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Where a question is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionState {
    /// An approver can answer it.
    Open,
    /// It was answered; the node has not said what came of it yet.
    Answered,
    /// Nothing more comes of it.
    Over,
}

impl QuestionState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Answered, Self::Over];

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Over => "over",
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionView {
    /// All of it: the session, what it wants to do, the module's prompt, who may answer, until when.
    pub asked: Asked,
    /// Where it is in its life.
    pub state: QuestionState,
    /// The request that the session runs under.
    pub request: RequestId,
    /// The operator's name.
    pub operator: String,
    /// What was granted.
    pub action: Action,
    /// The answer, once there is one.
    pub answer: Option<AnswerView>,
    /// How it ended, as the node said; none before, and when it lapsed and the node has not said so.
    pub end: Option<AskEnd>,
    /// When the controller heard of that.
    pub ended: Option<UnixMs>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerView {
    /// The answer.
    pub choice: Choice,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// What was said with it; may be empty.
    pub comment: String,
}
