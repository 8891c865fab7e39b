//! Why there is no answer.

use crate::answer::InvalidAnswer;
use portcullis_model::bytes::printable;
use std::time::Duration;

/// Why a module has no answer to a question. Short: it is shown to the operator and stands in the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// It was late before, and another question to such a module is open.
    #[error("it was late before and is asked one question at a time")]
    Busy,
    /// It recursed too deep.
    #[error("it ran out of stack")]
    Stack,
    /// It wanted more memory than it may have.
    #[error("it ran out of memory")]
    Memory,
    /// It did what WebAssembly forbids, or gave up.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It answered what is no answer.
    #[error("it gave a bad answer")]
    Answer(#[from] InvalidAnswer),
    /// The question is over a bound of the policy ABI.
    #[error("the question has {0}")]
    Question(&'static str),
}

impl Fault {
    /// What went wrong in one line, with its cause.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Answer(cause) => format!("{self}: {cause}"),
            Self::Late(_) | Self::Busy | Self::Stack | Self::Memory | Self::Trap(_) | Self::Question(_) => self.to_string(),
        }
    }

    /// What wasmtime's error means.
    pub(crate) fn of(error: &wasmtime::Error, time: Duration) -> Self {
        const LENGTH: usize = 160;
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt) => Self::Late(time),
            Some(wasmtime::Trap::StackOverflow) => Self::Stack,
            Some(trap) => Self::Trap(trap.to_string()),
            None => {
                let root = error.root_cause().to_string();
                if root.contains("growing memory") || root.contains("growing table") {
                    return Self::Memory;
                }
                Self::Trap(printable(root.as_bytes()).chars().take(LENGTH).collect())
            }
        }
    }
}
