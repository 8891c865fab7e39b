//! Errors in one line, at the edge.

use std::error::Error;
use std::fmt::Write as _;

/// An error and what it comes from, in one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
