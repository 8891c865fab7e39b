//! Questions to people: what a session wants to do and its module neither allows nor denies, put to the customer's approvers.
//!
//! The keeper asks, and puts everything that matters into one [`Asked`]: the whole subject, the module, its prompt, who may
//! answer, until when. It goes up by way of warden and gateway; the controller shows it, hears an approver, and signs an
//! [`Answer`] to the digest of exactly what it was shown. The answer comes down the same way, and the keeper holds it against
//! what it asked: whoever carries the two can hold them back, and nothing else. A question that was changed on its way up has
//! another digest, so its answer answers nothing; an answer that is carried twice, or to another session, finds no question.

use crate::grant::{GrantError, Signable, Signed};
use crate::id::{GrantId, PolicyDigest, QuestionId, SessionId};
use crate::subject::Subject;
use crate::time::UnixMs;
use crate::verdict::Ask;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most bytes of a question as it goes between the processes of a node. A subject that makes it larger is refused without being
/// asked about: nobody approves what he cannot be shown whole.
pub const ASKED_MAX: usize = 24 * 1024;
/// Most questions of one session that may be open at a time.
pub const OPEN_MAX: usize = 16;
/// Longest time that a question may be open, in milliseconds: a day.
pub const OPEN_MAX_MS: u64 = 24 * 3600 * 1000;
/// Most characters of what somebody says with an answer.
pub const COMMENT_MAX: usize = 1000;

/// A question, as it is put to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// This question.
    pub id: QuestionId,
    /// The session that waits.
    pub session: SessionId,
    /// The grant that it runs under.
    pub grant: GrantId,
    /// The target that it runs on.
    pub target: String,
    /// When it was asked.
    pub at: UnixMs,
    /// What the session wants to do, all of it.
    pub subject: Subject,
    /// The module that wants people to be asked.
    pub policy: PolicyDigest,
    /// Its question.
    pub ask: Ask,
}

/// SHA-256 over all of a question.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedDigest([u8; 32]);

impl fmt::Debug for AskedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A question does not go between processes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is too long to be shown to anybody: {0} bytes, more than {ASKED_MAX}")]
pub struct TooLong(usize);

impl Asked {
    /// The digest of everything in it.
    #[must_use]
    pub fn digest(&self) -> AskedDigest {
        use sha2::Digest as _;
        // a value of this crate always writes; one that did not would have the digest of nothing, which no question has
        let bytes = postcard::to_allocvec(self).unwrap_or_default();
        AskedDigest(sha2::Sha256::new().chain_update(b"portcullis question v1\0").chain_update(bytes).finalize().into())
    }

    /// Whether it can be put to people.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn check(&self) -> Result<(), TooLong> {
        let size = postcard::to_allocvec(self).map_or(usize::MAX, |bytes| bytes.len());
        if size > ASKED_MAX { Err(TooLong(size)) } else { Ok(()) }
    }
}

/// What an approver says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// It may.
    Approve,
    /// It may not.
    Reject,
}

/// An approver's answer to one question; signed by the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question.
    pub question: QuestionId,
    /// The session that asked.
    pub session: SessionId,
    /// The target that it runs on.
    pub target: String,
    /// The digest of what the approver was shown.
    pub asked: AskedDigest,
    /// The module that wanted people to be asked.
    pub policy: PolicyDigest,
    /// When the question lapses, and the answer with it.
    pub expiry: UnixMs,
    /// The answer.
    pub choice: Choice,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// What was said with it; may be empty.
    pub comment: String,
}

impl Signable for Answer {
    const DOMAIN: &'static [u8] = b"portcullis answer v1\0";
    const NOUN: &'static str = "answer";
    fn target(&self) -> &str {
        &self.target
    }
}

/// An answer with its signature.
pub type SignedAnswer = Signed<Answer>;

/// An answer that the controller signed. Not cloned: it is used up by the question that it answers.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedAnswer(Answer);

impl VerifiedAnswer {
    /// The answer, if `key` signed it, for this node.
    ///
    /// # Errors
    /// [`GrantError`] says what does not hold.
    pub fn of(signed: &SignedAnswer, key: &VerifyingKey, node: &str) -> Result<Self, GrantError> {
        signed.verify(key, node).map(Self)
    }

    /// What it says.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.0
    }
}

/// How a question ended, as the node says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskEnd {
    /// It was approved, and what was asked about went on.
    WentOn,
    /// It was approved, and could not go on all the same: its process had gone, or another rule stood against it.
    Void,
    /// It was rejected.
    Rejected,
    /// The operator withdrew it: Ctrl-C, or the process that waited was ended.
    Withdrawn,
    /// Nobody answered in time.
    Lapsed,
    /// The module was replaced while it was open.
    PolicyChanged,
    /// The session ended while it was open.
    SessionEnded,
    /// It did not reach the controller, or the controller did not take it.
    NotPut,
    /// What was answered is not what was asked.
    Mismatch,
}

impl AskEnd {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::WentOn, Self::Void, Self::Rejected, Self::Withdrawn, Self::Lapsed, Self::PolicyChanged, Self::SessionEnded, Self::NotPut, Self::Mismatch,
    ];

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WentOn => "went-on",
            Self::Void => "void",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
            Self::PolicyChanged => "policy-changed",
            Self::SessionEnded => "session-ended",
            Self::NotPut => "not-put",
            Self::Mismatch => "mismatch",
        }
    }

    /// The end of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.name() == name)
    }
}

/// Why a question is not put to anybody. Said by whoever carries it, unsigned: it can only refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotPut {
    /// The controller cannot be reached.
    ControllerAway,
    /// The controller does not take it, for this reason.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Exec;
    use ed25519_dalek::SigningKey;

    fn asked() -> Asked {
        let exec = Exec {
            path: b"/usr/bin/systemctl".to_vec(),
            argv: vec![b"systemctl".to_vec(), b"\xff".to_vec()],
            scripts: vec![],
            cwd: b"/".to_vec(),
            uid: 70_000,
            tty: true,
            parents: vec![b"bash".to_vec()],
            line: Some(b"systemctl \xff".to_vec()),
        };
        Asked {
            id: QuestionId::from_entropy([1; 10]),
            session: SessionId::from_entropy([2; 10]),
            grant: GrantId::from_entropy([3; 10]),
            target: "node1".into(),
            at: UnixMs(5),
            subject: Subject::Exec(exec),
            policy: PolicyDigest([4; 32]),
            ask: Ask { prompt: "restart it?".into(), approvers: vec!["bo".into()], expiry: UnixMs(50) },
        }
    }

    #[test]
    fn the_digest_survives_the_way_and_sees_every_change() {
        let asked = asked();
        let json: Asked = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
        assert_eq!((&json, json.digest()), (&asked, asked.digest()));
        let changed = [
            Asked { id: QuestionId::from_entropy([9; 10]), ..asked.clone() },
            Asked { session: SessionId::from_entropy([9; 10]), ..asked.clone() },
            Asked { policy: PolicyDigest([9; 32]), ..asked.clone() },
            Asked { ask: Ask { expiry: UnixMs(51), ..asked.ask.clone() }, ..asked.clone() },
            Asked { ask: Ask { approvers: vec![], ..asked.ask.clone() }, ..asked.clone() },
            Asked { ask: Ask { prompt: "list it?".into(), ..asked.ask.clone() }, ..asked.clone() },
        ];
        assert!(changed.iter().all(|other| other.digest() != asked.digest()));
    }

    #[test]
    fn an_answer_is_the_controllers_and_for_one_node() {
        let (key, asked) = (SigningKey::from_bytes(&[7; 32]), asked());
        let answer = Answer {
            question: asked.id.clone(),
            session: asked.session.clone(),
            target: asked.target.clone(),
            asked: asked.digest(),
            policy: asked.policy,
            expiry: asked.ask.expiry,
            choice: Choice::Approve,
            by: "bo".into(),
            at: UnixMs(9),
            comment: String::new(),
        };
        let signed = Signed::sign(&answer, &key).unwrap();
        assert_eq!(VerifiedAnswer::of(&signed, &key.verifying_key(), "node1").unwrap().answer(), &answer);
        assert!(VerifiedAnswer::of(&signed, &key.verifying_key(), "node2").is_err());
        assert!(VerifiedAnswer::of(&signed, &SigningKey::from_bytes(&[8; 32]).verifying_key(), "node1").is_err());
    }

    #[test]
    fn what_cannot_be_shown_whole_is_not_asked() {
        assert_eq!(asked().check(), Ok(()));
        let Subject::Exec(exec) = asked().subject else { panic!("an exec") };
        let long = Exec { argv: vec![vec![b'x'; ASKED_MAX]], ..exec };
        assert!(Asked { subject: Subject::Exec(long), ..asked() }.check().is_err());
    }

    #[test]
    fn every_end_has_its_name() {
        for end in AskEnd::ALL {
            assert_eq!(AskEnd::from_name(end.name()), Some(end));
            assert_eq!(serde_json::to_value(end).unwrap(), end.name());
        }
    }
}
