//! Keeper and shell, or the program that stands in its place: the file server, the forwarder. None of them is trusted: what one says can
//! make a record say less or more, never let anything run.
//!
//! The shell finds the socket as its descriptor 0. Descriptors 1 and 2 are the session's terminal, opened for reading and
//! writing, or the client's output and error pipes; without a terminal, the pipe with the client's input comes with
//! [`FromKeeper::Welcome`] by SCM_RIGHTS.

use super::judge::ModuleInfo;
use crate::id::QuestionId;
use crate::session::{Purpose, SessionFacts};
use crate::subject::{FileOp, Line};
use crate::time::UnixMs;
use crate::transfer::Moved;
use crate::verdict::Denial;
use crate::wish::{Told, Wish};
use serde::{Deserialize, Serialize};

/// Most bytes of one message from the shell: a parsed line repeats the words of its text a few times over.
pub const MESSAGE_MAX: usize = 512 * 1024;

/// From the shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// A line, before anything of it runs; answered by [`FromKeeper::Line`] with the same `id`.
    Line {
        /// the shell's number
        id: u32,
        /// the line
        line: Line,
    },
    /// A line that is being typed: what would be said to it? Answered by [`FromKeeper::Trial`] with the same `id`; one that
    /// comes before the last is answered takes its place. Nothing is recorded or counted, and nothing follows from the answer.
    Trial {
        /// the shell's number
        id: u32,
        /// the line so far
        line: Line,
    },
    /// The operator gave up waiting for the answer to a line.
    Withdraw {
        /// the shell's number
        id: u32,
    },
    /// The operator wants something of the request; answered by [`FromKeeper::Told`] with the same `id`, and once more if the first
    /// answer is that an approver is to decide. [`Withdraw`](Self::Withdraw) takes it back.
    Wish {
        /// the shell's number
        id: u32,
        /// what
        wish: Wish,
    },
    /// The engine finished the accepted line `id`.
    Done {
        /// the shell's number
        id: u32,
        /// its exit status, as `$?` has it
        status: i32,
    },
    /// A file operation, before anything of it is done; answered by [`FromKeeper::Judged`] with the same `id`.
    File {
        /// the file server's number; for what is opened, also the number of the opened file
        id: u32,
        /// the operation
        operation: FileOp,
    },
    /// How much of an opened file was moved so far: told at its close, and now and then before.
    Moved {
        /// the number under which it was opened
        id: u32,
        /// how much
        moved: Moved,
        /// whether that was all
        closed: bool,
    },
    /// The connection that the session was opened for, before a name is looked up; answered by [`FromKeeper::Judged`].
    Forward {
        /// the forwarder's number
        id: u32,
    },
    /// An address that the name stands for, before it is connected to; answered by [`FromKeeper::Judged`].
    Connect {
        /// the forwarder's number
        id: u32,
        /// the address
        address: core::net::SocketAddr,
    },
    /// The connection stands; bytes follow.
    Connected {
        /// to where
        address: core::net::SocketAddr,
    },
}

/// From the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The first message.
    Welcome {
        /// the session
        facts: Box<SessionFacts>,
        /// what it was opened for; a command is judged and run as one line
        purpose: Purpose,
        /// the module that judges it; none: everything will be denied
        module: Option<ModuleInfo>,
        /// canonical path of the engine in the jail
        engine: String,
    },
    /// The answer to a line.
    Line {
        /// the shell's number
        id: u32,
        /// the answer
        answer: LineAnswer,
    },
    /// The answer to a line that is being typed.
    Trial {
        /// the shell's number
        id: u32,
        /// why it would be denied now; none when it would not be, or when that is not known
        denied: Option<Notice>,
    },
    /// An exec was refused while a line ran, whoever in the tree asked for it: to be said when the terminal is free.
    ExecDenied {
        /// the program, as bytes of the path
        path: Vec<u8>,
        /// why
        notice: Notice,
    },
    /// What became of a wish.
    Told {
        /// the shell's number
        id: u32,
        /// what
        told: Told,
    },
    /// People are asked about something, which waits for their answer: to be said at once.
    Asked(Waits),
    /// The judge went away or came back, possibly with another module.
    Judge {
        /// the module; none while there is no judge
        module: Option<ModuleInfo>,
    },
    /// Something that the operator should know: the session is about to end.
    Message(String),
    /// The answer to anything but a line.
    Judged {
        /// the asker's number
        id: u32,
        /// the answer
        answer: LineAnswer,
    },
    /// The access ends later than was said before.
    Extended {
        /// when
        end: UnixMs,
    },
}

/// The answer to a line, or to what else is asked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineAnswer {
    /// Run it, or do it.
    Allowed,
    /// Do not.
    Denied(Notice),
}

/// Something that waits for an approver's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// The shell's number, when it is a line; none for an exec.
    pub line: Option<u32>,
    /// The question's number, as approvers see it.
    pub question: QuestionId,
    /// What they are asked.
    pub prompt: String,
    /// Who may answer; empty for the request's approvers.
    pub approvers: Vec<String>,
    /// When the question lapses.
    pub until: UnixMs,
}

/// A denial as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who denied: `INFRA_DIAG@4f2a`, or `portcullis` for its own rules.
    pub by: String,
    /// Why.
    pub denial: Denial,
}
