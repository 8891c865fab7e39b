//! What a module may use. The bounds are part of the policy ABI: what is allowed here is what authors may count on.

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
    /// How long an answer may take, the start of the instance included. Measured in ticks: it may be exceeded by two of them.
    pub time: Duration,
    /// How many questions may be open at the same time; more are faults.
    pub questions: u32,
    /// Bytes of a component.
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 16 << 20, stack: 128 << 10, table: 10_000, time: Duration::from_millis(50), questions: 64, component: 8 << 20 }
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
