//! Node and controller. The node dials; grants and revocations come down, receipts and reports go up. Each side numbers
//! nothing: every message can be repeated without harm, and on each connection the whole state is told anew.

use crate::action::Role;
use crate::alert::Alert;
use crate::asking::{AskEnd, Asked, NotPut, SignedAnswer};
use crate::grant::{SignedGrant, SignedRevocation};
use crate::id::{GrantId, PolicyDigest, QuestionId, SessionId};
use crate::layer::Layer;
use crate::policy::{PolicyState, SignedPolicyAssignment, TrialReport};
use crate::receipt::{Receipt, RevokeReceipt};
use crate::session::{ExitStatus, SessionFacts};
use crate::wish::{Note, Told, Wish};
use serde::{Deserialize, Serialize};

/// Most bytes of one message.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// From the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "body")]
pub enum ToNode {
    /// All that is in force for this node, after its Hello: a grant that is not in it has ended.
    State {
        /// grants not ended
        grants: Vec<SignedGrant>,
        /// revocations that the node has not answered yet
        revocations: Vec<SignedRevocation>,
    },
    /// A new grant; answered by [`FromNode::Deployed`].
    Grant(SignedGrant),
    /// A revocation; answered by [`FromNode::Revoked`].
    Revoke(SignedRevocation),
    /// End one session; answered by [`FromNode::SessionEnded`].
    EndSession(SessionId),
    /// Which modules are to judge, after the Hello and at each change; answered by [`FromNode::Policies`].
    Policies(SignedPolicyAssignment),
    /// An approver's answer to a question of a session; answered by [`FromNode::AskOver`].
    Answer(SignedAnswer),
    /// A question is not put to anybody; answered by [`FromNode::AskOver`].
    NotPut {
        /// the session that waits
        session: SessionId,
        /// the question
        question: QuestionId,
        /// why
        why: NotPut,
    },
    /// What became of a session's wish.
    Told {
        /// the session
        session: SessionId,
        /// the wish, by the session's own number
        number: u64,
        /// what
        told: Told,
    },
    /// A part of a module that the node wants. The parts come in their order, the first with `offset` 0.
    Module(ModuleChunk),
    /// Something for a session; answered by [`FromNode::Noted`], and said again until then.
    Note {
        /// the session
        session: SessionId,
        /// what
        note: Note,
    },
    /// An alert is in the books: it need not be told again.
    AlertTaken {
        /// the session
        session: SessionId,
        /// its number for the alert
        number: u64,
    },
}

/// Most bytes of a module in one message.
pub const MODULE_CHUNK_MAX: usize = 1024 * 1024;

/// A part of a module.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleChunk {
    /// the module
    pub digest: PolicyDigest,
    /// an admin's signature over all of it, armoured; the same in each part
    pub signature: String,
    /// bytes of the whole; the same in each part
    pub size: u64,
    /// where this part begins
    pub offset: u64,
    /// the part, at most [`MODULE_CHUNK_MAX`] bytes
    #[serde(with = "crate::bytes::binary")]
    pub bytes: Vec<u8>,
}

// a module's bytes do not belong into a log
impl std::fmt::Debug for ModuleChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModuleChunk({}, {} bytes at {} of {})", self.digest, self.bytes.len(), self.offset, self.size)
    }
}

/// From the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "body")]
pub enum FromNode {
    /// The first message.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
        /// the node's name
        target: String,
        /// its role
        role: Role,
        /// addresses on which its SSH server listens
        listen: Vec<String>,
        /// its host keys, in OpenSSH's one-line form
        host_keys: Vec<String>,
        /// its layers of enforcement
        layers: Vec<Layer>,
        /// sessions that run now
        sessions: Vec<SessionFacts>,
    },
    /// What became of a grant.
    Deployed {
        /// the grant
        grant: GrantId,
        /// why the node does not enforce it; none when it does
        error: Option<String>,
    },
    /// A revocation is done.
    Revoked(RevokeReceipt),
    /// A session started.
    SessionStarted(Box<SessionFacts>),
    /// A session ended.
    SessionEnded {
        /// the receipt
        receipt: Receipt,
        /// how its program ended
        exit: Option<ExitStatus>,
    },
    /// People are asked. Said again after each Hello, as long as it is open.
    Asked(Box<Asked>),
    /// A question is not open any more.
    AskOver {
        /// the session that asked
        session: SessionId,
        /// the question
        question: QuestionId,
        /// how it ended
        end: AskEnd,
    },
    /// An operator wants something of the request that a session runs under; answered by [`ToNode::Told`].
    Wish {
        /// the session
        session: SessionId,
        /// the session's own number for it
        number: u64,
        /// what
        wish: Wish,
    },
    /// The node lacks this module; answered by [`ToNode::Module`], part by part. Asked again when it did not come whole.
    WantModule(PolicyDigest),
    /// What judges on the node, after the Hello and at each change.
    Policies(PolicyState),
    /// What a trial showed so far: at most once a second for each, and at its end.
    Trial(Box<TrialReport>),
    /// A session has a note.
    Noted {
        /// the session
        session: SessionId,
        /// the note's number
        number: u64,
    },
    /// An alert of a session; answered by [`ToNode::AlertTaken`], and said again after each Hello until then.
    Alert(Box<Alert>),
}
