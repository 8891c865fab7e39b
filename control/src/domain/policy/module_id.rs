//! A module's digest as people and the API write it: 64 hexadecimal digits.

use super::claim::InvalidDigest;
use portcullis_model::id::PolicyDigest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A module's digest, written in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleId(pub PolicyDigest);

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ModuleId {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidDigest);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidDigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(PolicyDigest(bytes)))
    }
}

impl TryFrom<String> for ModuleId {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<ModuleId> for String {
    fn from(id: ModuleId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_read_back_and_nothing_else_does() {
        let id = ModuleId(PolicyDigest::of(b"x"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<ModuleId>(&format!("\"{id}\"")).unwrap(), id);
        for bad in [String::new(), "0".repeat(63), "0".repeat(65), "g".repeat(64), "A".repeat(64), format!("+{}", "0".repeat(63)), "é".repeat(32)] {
            assert!(bad.parse::<ModuleId>().is_err(), "{bad}");
        }
    }
}
