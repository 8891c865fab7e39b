//! What is written down about a session, beside the bytes of its terminal. Versioned by [`EVENT_VERSION`].

use crate::alert::Alert;
use crate::asking::{Asked, Choice};
use crate::decision::Authority;
use crate::id::{PolicyDigest, QuestionId};
use crate::layer::Layer;
use crate::receipt::Receipt;
use crate::session::{ExitStatus, Purpose, SessionFacts, WindowSize};
use crate::subject::{Exec, Subject};
use crate::time::UnixMs;
use crate::transfer::{Moved, TransferEnd};
use crate::verdict::{Confinement, Denial};
use crate::wish::{News, Wish};
use serde::{Deserialize, Serialize};

/// Version of the events' form; a reader refuses a newer one.
pub const EVENT_VERSION: u32 = 1;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The wall clock when it happened.
    pub at: UnixMs,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum EventKind {
    /// The session starts; the first event of each recording.
    Started {
        /// whose, for what, from where
        facts: Box<SessionFacts>,
        /// what it was opened for
        purpose: Purpose,
        /// the terminal's size, when it has one
        window: Option<WindowSize>,
        /// the layers that hold it
        layers: Vec<Layer>,
        /// the module that judges it
        policy: Option<PolicyDigest>,
    },
    /// A subject was allowed; written before it goes on.
    Allowed {
        /// the process that asked, on the node; 0 for a line
        pid: u32,
        /// what
        subject: Subject,
        /// how confined
        confinement: Confinement,
        /// on whose authority
        authority: Authority,
    },
    /// A subject was refused.
    Denied {
        /// the process that asked, on the node; 0 for a line
        pid: u32,
        /// what
        subject: Subject,
        /// why
        denial: Denial,
        /// on whose authority
        authority: Authority,
    },
    /// People are asked about a subject; what came of it is in an [`Allowed`](Self::Allowed) or [`Denied`](Self::Denied) of the
    /// same subject.
    Asked {
        /// the process that waits, on the node; 0 for a line
        pid: u32,
        /// the question
        question: Box<Asked>,
    },
    /// An approver answered; the controller's signature was checked.
    Answered {
        /// the question
        question: QuestionId,
        /// the answer
        choice: Choice,
        /// who gave it
        by: String,
        /// when, by the controller's clock
        answered: UnixMs,
        /// what was said with it
        comment: String,
    },
    /// The operator wanted something of the request from inside.
    Wished(Wish),
    /// The session was told something of its request.
    Noted(News),
    /// The access ends later than it did: the controller signed the grant anew.
    Extended {
        /// when it ends now
        end: UnixMs,
    },
    /// The image that the kernel loaded is the one that was allowed.
    Verified {
        /// the process
        pid: u32,
        /// number of the decision
        decision: u64,
    },
    /// An allowed exec did not happen: the kernel refused it, or its caller died.
    Lapsed {
        /// the process
        pid: u32,
        /// number of the decision
        decision: u64,
    },
    /// The image was not the one that was allowed; the process was killed before its first instruction.
    Killed {
        /// the process
        pid: u32,
        /// number of the decision, if there was one
        decision: Option<u64>,
        /// what the kernel had loaded
        found: Option<Box<Exec>>,
        /// what differs, in words
        difference: String,
    },
    /// Something that the accepted lines do not explain, or that had to be stopped after the fact.
    Alert(Box<Alert>),
    /// The engine finished a line.
    LineDone {
        /// its exit status
        status: i32,
    },
    /// The terminal's size changed.
    Resized(WindowSize),
    /// Input was masked from here: the terminal does not echo, so this is a password.
    Masked {
        /// how many bytes were replaced
        bytes: u32,
    },
    /// The judge went away or came back.
    Judge {
        /// whether it answers now
        live: bool,
    },
    /// Another module judges from here on, or none does any more.
    PolicyChanged {
        /// the module
        policy: Option<PolicyDigest>,
        /// its name and version, as it says them; empty without one
        name: String,
    },
    /// A file that was opened is closed, or the session is over while it was open.
    Transferred {
        /// number of the decision that let it be opened
        decision: u64,
        /// what was read from it, or written to it, as the file server told it last
        moved: Moved,
        /// whether that is all
        end: TransferEnd,
    },
    /// A connection that was allowed stands.
    Connected {
        /// number of the decision
        decision: u64,
        /// the address that the name stood for
        address: core::net::SocketAddr,
    },
    /// The bytes that a session without recorded content carried in all, before its end: those of SFTP, of scp, of a forwarded connection.
    Carried {
        /// from the client
        input: u64,
        /// to the client
        output: u64,
    },
    /// The client sent a signal.
    Signalled {
        /// the signal's number on the node
        number: i32,
    },
    /// The program that the session was opened for ended.
    Exited(ExitStatus),
    /// The session ended; the last event of each recording.
    Ended(Receipt),
    /// An address of a forwarded connection is tried; whether it answers is told by `Connected`.
    Tried {
        /// number of the decision
        decision: u64,
        /// the address that the name stood for
        address: core::net::SocketAddr,
    },
}
