//! Typed identifiers: a request can never be passed where a session is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind} id: {problem}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    problem: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(prefix: char, entropy: &[u8]) -> String {
    let mut text = String::with_capacity(2 + entropy.len() * 8 / 5 + 1);
    text.push(prefix);
    text.push('-');
    let (mut acc, mut bits) = (0u32, 0u32);
    for byte in entropy {
        acc = (acc << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let digit = (acc >> bits) & 31;
            text.push(ALPHABET.get(digit as usize).copied().map_or('0', char::from));
        }
    }
    text
}

fn check(kind: &'static str, prefix: char, digits: usize, text: &str) -> Result<(), InvalidId> {
    let bad = |problem| InvalidId { kind, text: text.chars().take(64).collect(), problem };
    let rest = text
        .strip_prefix(prefix)
        .and_then(|t| t.strip_prefix('-'))
        .ok_or_else(|| bad("wrong prefix"))?;
    if rest.len() != digits {
        return Err(bad("wrong length"));
    }
    if !rest.bytes().all(|b| ALPHABET.contains(&b)) {
        return Err(bad("a character outside 0-9a-z without i, l, o, u"));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Bytes of entropy that one id is made of.
            pub const ENTROPY: usize = $bytes;

            /// Makes an id from bytes that the caller drew at random.
            #[must_use]
            pub fn from_entropy(entropy: [u8; $bytes]) -> Self {
                Self(encode($prefix, &entropy))
            }

            /// The id as text; safe as a file name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check($kind, $prefix, $bytes * 8 / 5, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// One access request: `r-` and 8 characters (40 bits; the store refuses a repeated one).
    RequestId, "request", 'r', 5
);
id!(
    /// One grant, that is one request on one target: `g-` and 16 characters (80 bits).
    GrantId, "grant", 'g', 10
);
id!(
    /// One session, that is one SSH channel under a grant: `s-` and 16 characters (80 bits).
    SessionId, "session", 's', 10
);
id!(
    /// One question to people: `q-` and 16 characters (80 bits).
    QuestionId, "question", 'q', 10
);
id!(
    /// One amendment of a request in force: `a-` and 16 characters (80 bits).
    AmendmentId, "amendment", 'a', 10
);

/// SHA-256 of a policy component; names exactly one module for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyDigest(pub [u8; 32]);

impl PolicyDigest {
    /// The digest of a component's bytes.
    #[must_use]
    pub fn of(component: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(component).into())
    }

    /// The first four hexadecimal digits: what an operator sees after the action's name.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(4).collect()
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        let id = SessionId::from_entropy([0xff; 10]);
        assert_eq!(id.as_str(), "s-zzzzzzzzzzzzzzzz");
        assert_eq!(id.as_str().parse::<SessionId>().unwrap(), id);
        assert_eq!(RequestId::from_entropy([0, 1, 2, 3, 4]).as_str(), "r-000g40r4");
    }

    #[test]
    fn ids_of_another_kind_or_shape_are_refused() {
        for bad in ["", "s-", "r-zzzzzzzzzzzzzzzz", "s-zzzzzzzzzzzzzzz", "s-zzzzzzzzzzzzzzzzz", "s-../../../../etc/", "s-ZZZZZZZZZZZZZZZZ"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<SessionId>("\"s-..\"").is_err());
    }
}
