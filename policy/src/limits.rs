//! What a module may use. The bounds are part of the policy ABI: what is allowed here is what authors may count on.
//!
//! There are two sizes. A component of the standard size is what a compiler makes; a large one carries an interpreter with it, as
//! those made from JavaScript and Python do. Which one a component is follows from its length alone, so that nobody has to say it.
//! A large one costs the node more: seconds to compile, memory for each open question. The time for an answer is the same.

use std::time::Duration;

/// What one module may use while it answers one question.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of linear memory; a module that grows over it traps.
    pub memory: usize,
    /// Bytes of native stack; recursion over it traps.
    pub stack: usize,
    /// Entries of a table.
    pub table: usize,
    /// How long an answer may take, and how long an instance may take to start. Measured in ticks: it may be exceeded by two of them.
    pub time: Duration,
    /// How many questions may be open at the same time; more are faults.
    pub questions: u32,
    /// Bytes of a component.
    pub component: usize,
    /// What a component may be made of: core instances, memories and tables of one instance.
    pub parts: Parts,
}

/// How many core instances, memories and tables one instance of a component may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Core instances: the module itself, and what componentising puts around it.
    pub instances: u32,
    /// Linear memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
}

impl Limits {
    /// What a large component may use: one of more bytes than the standard size allows.
    #[must_use]
    pub fn large() -> Self {
        Self {
            memory: 256 << 20,
            stack: 1 << 20,
            table: 100_000,
            questions: 16,
            component: 32 << 20,
            parts: Parts { instances: 64, memories: 1, tables: 8 },
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            stack: 128 << 10,
            table: 10_000,
            time: Duration::from_millis(50),
            questions: 64,
            component: 8 << 20,
            parts: Parts { instances: 6, memories: 1, tables: 4 },
        }
    }
}

/// Lines that a module may log while it answers one question; what is over is dropped.
pub(crate) const LOG_LINES: usize = 16;
/// Bytes of one line; what is over is cut.
pub(crate) const LOG_BYTES: usize = 512;
/// Keys of a session's memo.
pub(crate) const MEMO_KEYS: usize = 64;
/// Bytes of a key.
pub(crate) const MEMO_KEY: usize = 64;
/// Bytes of a value.
pub(crate) const MEMO_VALUE: usize = 256;
