//! What a module may call: `log` and `memo`, and nothing else. Both are bounded, because the clock does not end host calls.

use crate::abi::{log, memo, types};
use crate::limits::{LOG_BYTES, LOG_LINES, MEMO_KEY, MEMO_KEYS, MEMO_VALUE};
use portcullis_model::bytes::printable;
use std::collections::BTreeMap;
use wasmtime::StoreLimits;

/// What belongs to one instance: its limits, and what it said and remembered while it answered.
pub(crate) struct State {
    pub(crate) limits: StoreLimits,
    pub(crate) memo: Memo,
    lines: usize,
}

/// The memory of one session.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Memo(BTreeMap<String, Vec<u8>>);

impl State {
    pub(crate) fn new(limits: StoreLimits) -> Self {
        Self { limits, memo: Memo::default(), lines: 0 }
    }

    /// Makes it ready for another question to the same instance.
    pub(crate) fn renew(&mut self, memo: Memo) {
        self.memo = memo;
        self.lines = 0;
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.lines += 1;
        if self.lines > LOG_LINES {
            return Ok(());
        }
        let end = message.floor_char_boundary(LOG_BYTES);
        let text = printable(message.as_bytes().get(..end).unwrap_or_default());
        match level {
            log::Level::Debug => tracing::debug!(target: "module", "{text}"),
            log::Level::Info => tracing::info!(target: "module", "{text}"),
            log::Level::Warn => tracing::warn!(target: "module", "{text}"),
            log::Level::Error => tracing::error!(target: "module", "{text}"),
        }
        Ok(())
    }
}

impl memo::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.memo.0.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        self.memo.set(key, value)
    }

    fn increment(&mut self, key: String) -> wasmtime::Result<u64> {
        let count = match self.memo.0.get(&key) {
            None => 0,
            Some(value) => u64::from_le_bytes(<[u8; 8]>::try_from(value.as_slice()).map_err(|_| wasmtime::format_err!("a memo's value is no counter"))?),
        };
        let count = count.saturating_add(1);
        self.memo.set(key, count.to_le_bytes().to_vec())?;
        Ok(count)
    }
}

impl Memo {
    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        wasmtime::ensure!((1..=MEMO_KEY).contains(&key.len()) && value.len() <= MEMO_VALUE, "a memo's key or value is out of bounds");
        if value.is_empty() {
            self.0.remove(&key);
            return Ok(());
        }
        wasmtime::ensure!(self.0.len() < MEMO_KEYS || self.0.contains_key(&key), "a memo has too many keys");
        self.0.insert(key, value);
        Ok(())
    }
}
