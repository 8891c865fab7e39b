//! What is constant about a session: the facts that every question of it carries.

use crate::action::{Action, Role};
use crate::grant::Grant;
use crate::id::{GrantId, RequestId, SessionId};
use crate::scp;
use crate::subject::Forward;
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// The constant facts of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFacts {
    /// This session.
    pub id: SessionId,
    /// The grant that it runs under.
    pub grant: GrantId,
    /// The request that was approved.
    pub request: RequestId,
    /// The ticket, empty when none.
    pub ticket: String,
    /// The operator's name.
    pub operator: String,
    /// The temporary account's name.
    pub account: String,
    /// The uid of the session's processes as the kernel of the node sees it.
    pub uid: u32,
    /// What was approved.
    pub action: Action,
    /// The target's name.
    pub target: String,
    /// The target's role.
    pub role: Role,
    /// The address and port that the connection came from.
    pub source: String,
    /// SHA-256 fingerprint of the key whose signature was verified, in OpenSSH's form.
    pub key_fingerprint: String,
    /// When the session started.
    pub start: UnixMs,
    /// When the grant ends.
    pub end: UnixMs,
    /// Whether the session has a terminal.
    pub tty: bool,
}

/// What a session was opened for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// An interactive shell.
    Shell,
    /// `ssh host 'command'`: the bytes as they were sent.
    Command(#[serde(with = "crate::bytes")] Vec<u8>),
    /// The subsystem `sftp`.
    Sftp,
    /// A connection to forward, for a channel of type `direct-tcpip`.
    Forward(Forward),
}

/// Which of Portcullis' own programs a session begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// The mediating shell.
    Shell,
    /// The file server: SFTP, and the protocol of `scp -O`.
    Files,
    /// The one that connects and passes bytes on.
    Forward,
}

impl Purpose {
    /// The program that serves it; a command of `scp` on a terminal is a line like any other.
    #[must_use]
    pub fn front(&self, pty: Option<&PtyRequest>) -> Front {
        match self {
            Self::Sftp => Front::Files,
            Self::Command(command) if pty.is_none() && scp::Request::parse(command).is_some() => Front::Files,
            Self::Forward(_) => Front::Forward,
            Self::Shell | Self::Command(_) => Front::Shell,
        }
    }
}

/// The pseudo-terminal that the client asked for (RFC 4254, section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyRequest {
    /// The value of TERM.
    pub term: String,
    /// Its size.
    pub size: WindowSize,
    /// Encoded terminal modes as (opcode, value), unknown opcodes included.
    pub modes: Vec<(u8, u32)>,
}

/// A terminal's size in characters and in pixels; 0 for a pixel size that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// columns
    pub cols: u16,
    /// rows
    pub rows: u16,
    /// width in pixels
    pub width_px: u16,
    /// height in pixels
    pub height_px: u16,
}

/// A signal that a client may send to a session (RFC 4254, section 6.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the signals'")]
pub enum SessionSignal {
    Abrt, Alrm, Fpe, Hup, Ill, Int, Kill, Pipe, Quit, Segv, Term, Usr1, Usr2,
}

/// How the program that a session was opened for ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this status.
    Code(u8),
    /// This signal killed it.
    Signal {
        /// the signal's number on this node
        number: i32,
        /// whether it dumped core
        core: bool,
    },
}

impl SessionFacts {
    /// The facts of a session under `grant`.
    #[must_use]
    pub fn new(id: SessionId, grant: &Grant, uid: u32, source: String, key_fingerprint: String, start: UnixMs, tty: bool) -> Self {
        Self {
            id,
            grant: grant.id.clone(),
            request: grant.request.clone(),
            ticket: grant.ticket.clone(),
            operator: grant.operator.clone(),
            account: grant.account.to_string(),
            uid,
            action: grant.action,
            target: grant.target.clone(),
            role: grant.role,
            source,
            key_fingerprint,
            start,
            end: grant.not_after,
            tty,
        }
    }
}
