//! Gateway and keeper: the bytes of one session. The socket is made by the warden; when either side closes it, the session
//! is over. Back-pressure is the socket's own: a keeper whose gateway does not read stops reading the terminal.

use crate::session::{ExitStatus, SessionSignal, WindowSize};
use serde::{Deserialize, Serialize};

/// From the gateway.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// What the client typed or sent, at most [`CHUNK_MAX`](super::packet::CHUNK_MAX) bytes.
    Input(#[serde(with = "crate::bytes")] Vec<u8>),
    /// The client sends no more.
    Eof,
    /// The client's window changed.
    Resize(WindowSize),
    /// The client sent a signal.
    Signal(SessionSignal),
}

/// From the keeper. Output was recorded before it is sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromKeeper {
    /// Terminal or standard output, at most [`CHUNK_MAX`](super::packet::CHUNK_MAX) bytes.
    Output(#[serde(with = "crate::bytes")] Vec<u8>),
    /// Standard error of a session without a terminal.
    ErrorOutput(#[serde(with = "crate::bytes")] Vec<u8>),
    /// The program ended; all output was sent before.
    Exit(ExitStatus),
    /// Portcullis ends the session; this line is to be shown to the operator.
    Ending(String),
    /// The connection that is to be forwarded stands; before this, nothing but error output comes.
    Connected,
}

// terminal bytes do not belong into a log: neither type says what it carries
impl std::fmt::Debug for ToKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input(bytes) => write!(f, "Input({} bytes)", bytes.len()),
            Self::Eof => write!(f, "Eof"),
            Self::Resize(size) => write!(f, "Resize({}x{})", size.cols, size.rows),
            Self::Signal(signal) => write!(f, "Signal({signal:?})"),
        }
    }
}

impl std::fmt::Debug for FromKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(bytes) => write!(f, "Output({} bytes)", bytes.len()),
            Self::ErrorOutput(bytes) => write!(f, "ErrorOutput({} bytes)", bytes.len()),
            Self::Exit(status) => write!(f, "Exit({status:?})"),
            Self::Ending(_) => write!(f, "Ending"),
            Self::Connected => write!(f, "Connected"),
        }
    }
}
