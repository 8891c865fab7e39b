//! Gateway and warden. The gateway says what it wants by the names of grants; the warden knows the grants themselves,
//! checked by the controller's signature, so the gateway can invent nothing.

use crate::action::Role;
use crate::alert::Alert;
use crate::asking::{AskEnd, Asked, NotPut, SignedAnswer};
use crate::grant::{SignedGrant, SignedRevocation};
use crate::id::{GrantId, PolicyDigest, QuestionId, SessionId};
use crate::layer::Layer;
use crate::policy::{PolicyState, SignedPolicyAssignment, TrialReport};
use crate::receipt::{EndCause, Receipt, RevokeReceipt};
use crate::session::{ExitStatus, PtyRequest, Purpose, SessionFacts};
use crate::wire::link::ModuleChunk;
use crate::wish::{Note, Told, Wish};
use serde::{Deserialize, Serialize};

/// From the gateway. `ticket` is the gateway's own number, repeated in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWarden {
    /// The first message.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
    },
    /// Keep this grant, or let one that is kept end later; answered by [`FromWarden::Installed`] or [`FromWarden::Refused`].
    Install {
        /// the gateway's number
        ticket: u64,
        /// the grant, as the controller signed it
        grant: SignedGrant,
    },
    /// Open a session; answered by [`FromWarden::Opened`], with the session's socket, or [`FromWarden::Refused`].
    Open {
        /// the gateway's number
        ticket: u64,
        /// what is to be opened
        open: Box<OpenSession>,
    },
    /// End every session of a grant for good; answered by [`FromWarden::Revoked`] when no process is left.
    Revoke {
        /// the gateway's number
        ticket: u64,
        /// the revocation, as the controller signed it
        revocation: SignedRevocation,
    },
    /// End one session; answered by [`FromWarden::Ended`], as every end is.
    End {
        /// which
        session: SessionId,
        /// why
        cause: EndCause,
    },
    /// An approver's answer, as the controller signed it, for the session that it names; answered by [`FromWarden::AskOver`].
    Answer(SignedAnswer),
    /// A question is not put to anybody; answered by [`FromWarden::AskOver`].
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
    /// Have these modules judge; answered by [`FromWarden::Policies`], once they do or it is clear that they will not.
    Policies(SignedPolicyAssignment),
    /// A part of a module that the warden wants, at most [`CHUNK_MAX`](super::packet::CHUNK_MAX) bytes.
    Module(ModuleChunk),
    /// Something for a session; answered by [`FromWarden::Noted`].
    Note {
        /// the session
        session: SessionId,
        /// what
        note: Note,
    },
}

/// What the gateway wants opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The grant whose key signed the connection.
    pub grant: GrantId,
    /// The address and port that the connection came from.
    pub source: String,
    /// SHA-256 fingerprint of the key whose signature was verified, in OpenSSH's form. The warden compares it with the grant's.
    pub key_fingerprint: String,
    /// The client's identification string.
    pub client: String,
    /// Shell or command.
    pub purpose: Purpose,
    /// The terminal, when the client asked for one.
    pub pty: Option<PtyRequest>,
    /// The client's LANG and LC_* variables; others are dropped by the gateway and again by the keeper.
    pub environment: Vec<(String, String)>,
}

/// From the warden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWarden {
    /// The answer to Hello.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
        /// the node's name; grants for another are refused
        target: String,
        /// the node's role
        role: Role,
        /// the layers of enforcement, tried at start
        layers: Vec<Layer>,
        /// how many grants it keeps; they follow at once, in [`FromWarden::Kept`]
        grants: u32,
    },
    /// Some of the grants that it keeps, at least one, as the controller signed them; as many of these messages as it takes.
    Kept(Vec<SignedGrant>),
    /// The grant is kept.
    Installed {
        /// the gateway's number
        ticket: u64,
    },
    /// The session runs; the packet carries one descriptor, the session's socket (see [`super::keeper`]).
    Opened {
        /// the gateway's number
        ticket: u64,
        /// the session's facts
        facts: Box<SessionFacts>,
    },
    /// It was not done.
    Refused {
        /// the gateway's number
        ticket: u64,
        /// why, in words for the operator; the warden's own log has more
        reason: String,
    },
    /// A revocation is done.
    Revoked {
        /// the gateway's number
        ticket: u64,
        /// what it did
        receipt: RevokeReceipt,
    },
    /// A session ended, by whatever cause.
    Ended {
        /// the receipt
        receipt: Receipt,
        /// how its program ended, when it did so by itself
        exit: Option<ExitStatus>,
    },
    /// A session has people asked.
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
    /// An operator wants something of the request that a session runs under.
    Wish {
        /// the session
        session: SessionId,
        /// the session's own number for it
        number: u64,
        /// what
        wish: Wish,
    },
    /// A module is named by an assignment and is not here; answered by [`ToWarden::Module`], part by part. One at a time.
    WantModule(PolicyDigest),
    /// What judges on the node: after the Hello and at each change.
    Policies(PolicyState),
    /// What a trial showed so far.
    Trial(Box<TrialReport>),
    /// A session has a note.
    Noted {
        /// the session
        session: SessionId,
        /// the note's number
        number: u64,
    },
    /// An alert of a session.
    Alert(Box<Alert>),
}
