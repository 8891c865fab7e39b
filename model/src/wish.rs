//! What an operator can want of the request from inside a session, and what the controller says to it.
//!
//! A [`Wish`] goes up by way of keeper, warden and gateway; what the controller says to it comes down as [`Told`], at once. Where an
//! approver has to decide first it says [`Told::Put`], and the decision comes later as a [`Note`], as does what people say in the
//! request's thread. None of these is signed: they are words for the operator. What a decision changes comes signed, as a grant.

use crate::id::AmendmentId;
use serde::{Deserialize, Serialize};

/// Most bytes of what is said with a wish.
pub const REASON_MAX: usize = 1000;
/// Most bytes of a name in a wish.
pub const NAME_MAX: usize = 64;
/// Most bytes of a public key in a wish.
pub const KEY_MAX: usize = 8192;
/// Most characters of an answer, or of a note.
pub const TOLD_MAX: usize = 4096;

/// Something that the operator wants of the request that the session runs under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Wish {
    /// To know how it stands.
    Status,
    /// To close it: the work is done. Every session under it ends.
    Close {
        /// what was done; at most [`REASON_MAX`] bytes
        reason: String,
    },
    /// More time; an approver decides.
    Extend {
        /// how much, in seconds
        for_s: u64,
        /// why; may be empty
        reason: String,
    },
    /// Another operator, with an account and a key of their own, beside this one; an approver decides.
    Share {
        /// that operator's name
        operator: String,
        /// that operator's key, in OpenSSH's one-line form; empty for the one that was approved last
        key: String,
        /// why; may be empty
        reason: String,
    },
    /// To say something to the approvers.
    Message {
        /// what
        text: String,
    },
    /// To take back what an approver has not decided yet.
    Withdraw {
        /// which amendment
        amendment: AmendmentId,
    },
    /// To read what was said last.
    Messages,
}

impl Wish {
    /// Whether its texts are within their bounds.
    #[must_use]
    pub fn fits(&self) -> bool {
        match self {
            Self::Status | Self::Withdraw { .. } | Self::Messages => true,
            Self::Close { reason } | Self::Extend { reason, .. } => reason.len() <= REASON_MAX,
            Self::Share { operator, key, reason } => operator.len() <= NAME_MAX && key.len() <= KEY_MAX && reason.len() <= REASON_MAX,
            Self::Message { text } => text.len() <= REASON_MAX,
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
    /// An approver is to decide; a [`Note`] will say what.
    Put {
        /// the amendment that was proposed
        amendment: AmendmentId,
        /// what it is, for the operator
        text: String,
    },
}

impl Told {
    /// The same, with at most [`TOLD_MAX`] characters.
    #[must_use]
    pub fn cut(self) -> Self {
        match self {
            Self::Done(text) => Self::Done(cut(&text)),
            Self::Refused(text) => Self::Refused(cut(&text)),
            Self::Put { amendment, text } => Self::Put { amendment, text: cut(&text) },
        }
    }
}

/// Something that a session is to be told of its request, whether or not somebody waits for it. Carried until the session says that it
/// has it, so it may come twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Note {
    /// The controller's number: no two of a session have the same.
    pub number: u64,
    /// What.
    pub news: News,
}

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum News {
    /// What became of an amendment that this session proposed.
    Decided {
        /// the amendment
        amendment: AmendmentId,
        /// whether it is done
        approved: bool,
        /// for the operator: by whom, and why
        text: String,
    },
    /// Somebody said something in the request's thread.
    Message {
        /// who
        by: String,
        /// what
        text: String,
    },
}

impl News {
    /// The same, with texts of at most [`TOLD_MAX`] characters.
    #[must_use]
    pub fn cut(self) -> Self {
        match self {
            Self::Decided { amendment, approved, text } => Self::Decided { amendment, approved, text: cut(&text) },
            Self::Message { by, text } => Self::Message { by: by.chars().take(NAME_MAX).collect(), text: cut(&text) },
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TOLD_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_carried_and_what_is_said_is_cut() {
        assert!(Wish::Message { text: "x".repeat(REASON_MAX) }.fits() && !Wish::Message { text: "x".repeat(REASON_MAX + 1) }.fits());
        assert!(!Wish::Share { operator: "x".repeat(NAME_MAX + 1), key: String::new(), reason: String::new() }.fits());
        assert!(!Wish::Share { operator: String::new(), key: "x".repeat(KEY_MAX + 1), reason: String::new() }.fits());
        assert_eq!(Told::Done("\u{e9}".repeat(TOLD_MAX + 5)).cut(), Told::Done("\u{e9}".repeat(TOLD_MAX)));
        let News::Message { by, text } = (News::Message { by: "b".repeat(1000), text: "t".repeat(10_000) }).cut() else { unreachable!() };
        assert_eq!((by.len(), text.len()), (NAME_MAX, TOLD_MAX));
    }
}
