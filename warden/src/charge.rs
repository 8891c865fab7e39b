//! Messages between the warden and the keepers that it starts: one postcard message a packet, on a socket pair of their
//! own. A keeper is told once what its session is; after that it can only be told to end, to end later, what became of its questions to
//! people, and what is said about its request.

use crate::keeper::Near;
use portcullis_model::alert::Alert;
use portcullis_model::asking::{AskEnd, Asked, NotPut, SignedAnswer};
use portcullis_model::digest::Digest;
use portcullis_model::grant::SignedGrant;
use portcullis_model::id::QuestionId;
use portcullis_model::layer::Layer;
use portcullis_model::receipt::{EndCause, Receipt};
use portcullis_model::session::{ExitStatus, PtyRequest, Purpose, SessionFacts};
use portcullis_model::wish::{Note, Told, Wish};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How long a keeper may take from its start to [`Report::Started`].
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(12);
/// How long the kill of a jail may take before what is left is reported.
pub(crate) const KILL_DEADLINE: Duration = Duration::from_secs(4);
/// How long the warden waits for the report of a keeper whose session does not run yet.
pub(crate) const UNSTARTED_DEADLINE: Duration = Duration::from_secs(1);
/// How long the warden waits for the report of a keeper that it told to end, before it kills the keeper and its jail.
pub(crate) const REPORT_DEADLINE: Duration = Duration::from_secs(6);

/// What a keeper is to do: its first packet from the warden, with the keeper's end of the session's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Charge {
    /// The session.
    pub(crate) facts: SessionFacts,
    /// Shell or command.
    pub(crate) purpose: Purpose,
    /// The terminal, if it has one.
    pub(crate) pty: Option<PtyRequest>,
    /// The client's LANG and LC_* variables, not yet filtered.
    pub(crate) environment: Vec<(String, String)>,
    /// Seconds without input after which the session ends; 0 for never.
    pub(crate) idle_timeout_s: u32,
    /// The controller's key, by which answers to the session's questions are checked.
    pub(crate) controller: [u8; 32],
    /// The layers of this node, for the recording.
    pub(crate) layers: Vec<Layer>,
    /// Where the folders are that the grant's sessions share; none for its own.
    pub(crate) folders: Option<PathBuf>,
    /// Where things are.
    pub(crate) place: Place,
}

/// Where a keeper finds what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The folder of recordings.
    pub(crate) evidence: PathBuf,
    /// The group that may read them, none for the warden's own.
    pub(crate) evidence_gid: Option<u32>,
    /// The judge's socket.
    pub(crate) judge: PathBuf,
    /// The program on the node that the session begins with: the shell, or what stands in its place.
    pub(crate) shell: PathBuf,
    /// The folder of this node's own profiles, if it has some.
    pub(crate) profiles: Option<PathBuf>,
    /// What each operator is told when a session begins.
    pub(crate) notices: Vec<String>,
    /// What of this node, or near it, connections may be forwarded to.
    pub(crate) near: Near,
}

/// From the warden, after the charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// End the session now.
    End(EndCause),
    /// An approver's answer to one of its questions. The keeper checks the signature itself.
    Answer(SignedAnswer),
    /// What became of one of its wishes.
    Told {
        /// the keeper's number
        number: u64,
        /// what
        told: Told,
    },
    /// One of its questions is not put to anybody.
    NotPut {
        /// the question
        question: QuestionId,
        /// why
        why: NotPut,
    },
    /// Something that it is to be told; answered by [`Report::Noted`].
    Note(Note),
    /// Its grant, with a later end. The keeper checks the signature itself.
    Extended(SignedGrant),
}

/// From a keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The jail exists; the packet carries a pidfd of its init, and the path is its cgroup's, so that the warden can kill it
    /// without the keeper.
    Jailed {
        /// the cgroup's folder, if it has one
        cgroup: Option<PathBuf>,
    },
    /// The session runs: its shell's program was loaded.
    Started,
    /// The session did not start and nothing of it is left. In words for the operator.
    Refused(String),
    /// The operator wants something of the request.
    Wish {
        /// the keeper's number
        number: u64,
        /// what
        wish: Wish,
    },
    /// People are to be asked.
    Asked(Box<Asked>),
    /// A question is not open any more.
    AskOver {
        /// the question
        question: QuestionId,
        /// how it ended
        end: AskEnd,
    },
    /// An alert.
    Alert(Box<Alert>),
    /// It has a note.
    Noted {
        /// the note's number
        number: u64,
    },
    /// The recording has come this far, and all of that is on the disk.
    Grew {
        /// frames
        frames: u64,
        /// the chain's value after the last of them
        head: Digest,
    },
    /// No process of the session is left; its recording is not closed yet.
    Empty,
    /// The session ended and its recording is closed. The last message.
    Ended {
        /// the receipt
        receipt: Receipt,
        /// how its program ended, if it did so by itself
        exit: Option<ExitStatus>,
        /// why the recording could not be closed, if so
        recording: Option<String>,
    },
}
