//! From rows to types and back. A row that does not read is an error that names it, never a default.

use super::StoreError;
use portcullis_model::time::UnixMs;
use std::fmt;
use std::str::FromStr;

/// A place in a list that is ordered by time, then id, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) at: UnixMs,
    pub(crate) id: String,
}

/// A text that is no place in a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a value that an earlier page gave as next")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (at, id) = text.split_once('.').ok_or(InvalidCursor)?;
        let plain = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let at = at.parse().map_err(|_| InvalidCursor)?;
        if plain { Ok(Self { at: UnixMs(at), id: id.to_owned() }) } else { Err(InvalidCursor) }
    }
}

/// A number that SQL can hold; larger ones are far behind any limit that is checked before.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn time(ms: i64) -> UnixMs {
    UnixMs(u64::try_from(ms).unwrap_or(0))
}

/// One row, for messages.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) table: &'static str,
    pub(super) id: &'a str,
}

impl Of<'_> {
    pub(super) fn bad(self, column: &'static str) -> StoreError {
        StoreError::Row { table: self.table, id: self.id.to_owned(), column }
    }

    /// A column's value, if it reads.
    pub(super) fn get<T>(self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.bad(column))
    }

    /// A column's number.
    pub(super) fn number<T: TryFrom<i64>>(self, column: &'static str, value: i64) -> Result<T, StoreError> {
        T::try_from(value).map_err(|_| self.bad(column))
    }

    /// A column's JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|_| self.bad(column))
    }
}
