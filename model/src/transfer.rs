//! What was moved in a file transfer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// SHA-256 of the bytes that were moved, in their order; 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest([u8; 32]);

/// What was moved of one file in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Where in the file the first byte of it stands.
    pub offset: u64,
    /// How many bytes, those that were moved twice counted twice.
    pub bytes: u64,
    /// Their digest; none when they were not moved one after the other, from the first to the last.
    pub sha256: Option<ContentDigest>,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferEnd {
    /// The client closed the file.
    Closed,
    /// The session ended while the file was open. More may have been moved than was told.
    Cut,
}

impl ContentDigest {
    /// Of a finished hash.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for ContentDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a digest is 64 hexadecimal digits");
        let mut bytes = [0; 32];
        let mut digits = text.bytes().map(|digit| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()));
        for byte in &mut bytes {
            let mut digit = || digits.next().flatten().ok_or_else(wrong);
            *byte = digit()? << 4 | digit()?;
        }
        if digits.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_digits_of_text_and_32_bytes_otherwise() {
        let digest = ContentDigest::new(std::array::from_fn(|n| u8::try_from(n * 8).unwrap_or(255)));
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!((text.len(), serde_json::from_str::<ContentDigest>(&text).unwrap()), (66, digest));
        let bytes = postcard::to_allocvec(&digest).unwrap();
        assert_eq!((bytes.len(), postcard::from_bytes::<ContentDigest>(&bytes).unwrap()), (32, digest));
        for bad in ["\"\"".to_owned(), text.replace('0', "g"), format!("\"{}\"", "0".repeat(63)), format!("\"{}\"", "0".repeat(65))] {
            assert!(serde_json::from_str::<ContentDigest>(&bad).is_err(), "{bad}");
        }
    }
}
