//! Bytes that are mostly text: a string in JSON when they are UTF-8, otherwise `{"base64": ..}`; never made lossy.
//! For use with `#[serde(with = "crate::bytes")]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Human {
    Text(String),
    Binary { base64: String },
}

/// Writes bytes.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return serializer.serialize_bytes(bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => Human::Binary { base64: STANDARD.encode(bytes) }.serialize(serializer),
    }
}

/// Reads bytes.
///
/// # Errors
/// The deserializer's own, and text that is not base64.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    if !deserializer.is_human_readable() {
        return Vec::<u8>::deserialize(deserializer);
    }
    match Human::deserialize(deserializer)? {
        Human::Text(text) => Ok(text.into_bytes()),
        Human::Binary { base64 } => STANDARD.decode(base64).map_err(serde::de::Error::custom),
    }
}

/// The same, always as base64 in JSON: for bytes that are no text, whose length in JSON is to be known beforehand.
pub mod binary {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes bytes.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.serialize_str(&STANDARD.encode(bytes)) } else { serializer.serialize_bytes(bytes) }
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// The deserializer's own, and text that is not base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if !deserializer.is_human_readable() {
            return Vec::<u8>::deserialize(deserializer);
        }
        STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The same for a list.
pub mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct One<'a>(#[serde(with = "super")] &'a [u8]);
    #[derive(Deserialize)]
    struct Owned(#[serde(with = "super")] Vec<u8>);

    /// Writes a list of bytes.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| One(bytes)))
    }

    /// Reads a list of bytes.
    ///
    /// # Errors
    /// The deserializer's own, and text that is not base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<Owned>::deserialize(deserializer)?.into_iter().map(|one| one.0).collect())
    }
}

/// The same for bytes that may be absent.
pub mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct One<'a>(#[serde(with = "super")] &'a [u8]);
    #[derive(Deserialize)]
    struct Owned(#[serde(with = "super")] Vec<u8>);

    /// Writes bytes, if there are any.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(One).serialize(serializer)
    }

    /// Reads bytes, if there are any.
    ///
    /// # Errors
    /// The deserializer's own, and text that is not base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Owned>::deserialize(deserializer)?.map(|one| one.0))
    }
}

/// Text for people: what is not printable, or would steer a terminal, is shown as `\xNN` or `\u{N}`; a backslash doubles.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // format characters reorder or hide what follows: bidirectional marks, zero-width, line and paragraph separators
            let steers = c.is_control() || is_unseen(c);
            let _ = match c {
                '\\' => write!(text, "\\\\"),
                '\n' => write!(text, "\\n"),
                '\t' => write!(text, "\\t"),
                '\r' => write!(text, "\\r"),
                c if steers && (c as u32) < 0x80 => write!(text, "\\x{:02x}", c as u32),
                c if steers => write!(text, "\\u{{{:x}}}", c as u32),
                c => write!(text, "{c}"),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a character hides, moves or imitates others: nothing that a person can read in a text.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Both {
        #[serde(with = "super")]
        one: Vec<u8>,
        #[serde(with = "super::list")]
        many: Vec<Vec<u8>>,
        #[serde(with = "super::option")]
        perhaps: Option<Vec<u8>>,
        #[serde(with = "super::binary")]
        binary: Vec<u8>,
    }

    #[test]
    fn bytes_survive_json_and_postcard() {
        for bytes in [b"ls -l".to_vec(), b"\xff\x00\xfe".to_vec(), Vec::new()] {
            let perhaps = Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
            let both = Both { one: bytes.clone(), binary: bytes.clone(), many: vec![bytes.clone(), b"x".to_vec(), bytes], perhaps };
            let json = serde_json::to_string(&both).unwrap();
            assert_eq!(serde_json::from_str::<Both>(&json).unwrap(), both, "{json}");
            let wire = postcard::to_allocvec(&both).unwrap();
            assert_eq!(postcard::from_bytes::<Both>(&wire).unwrap(), both);
        }
    }

    #[test]
    fn nothing_printable_steers_a_terminal() {
        assert_eq!(printable(b"a\x1b[2J\x07\xff\\"), "a\\x1b[2J\\x07\\xff\\\\");
        assert_eq!(printable("\u{202e}x\u{9b}".as_bytes()), "\\u{202e}x\\u{9b}");
    }
}
