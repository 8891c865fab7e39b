//! What somebody claims about a version's tests. The controller runs no WebAssembly: it keeps who claimed what.

use super::super::text::Reason;
use serde::{Deserialize, Serialize};

/// A claim about tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum TestClaim {
    /// `policy test` passed.
    Passed {
        /// SHA-256 of the file of cases
        cases: CasesDigest,
        /// how many cases there were; at least one
        count: u32,
    },
    /// There are none, and why.
    Untested {
        /// why
        reason: Reason,
    },
}

/// SHA-256 of a file of cases, in 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CasesDigest(String);

/// A text that is no SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 digits of 0-9 and a-f")]
pub struct InvalidDigest;

impl CasesDigest {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CasesDigest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let hex = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Self(text)) } else { Err(InvalidDigest) }
    }
}

impl From<CasesDigest> for String {
    fn from(digest: CasesDigest) -> String {
        digest.0
    }
}
