//! Texts from outside: bounded, on one line, and free of characters that steer a terminal or reorder a line.

use portcullis_model::bytes::printable;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Too short or too long.
    #[error("it takes {min} to {max} characters, this has {found}")]
    Length {
        /// fewest characters
        min: usize,
        /// most characters
        max: usize,
        /// characters found, blanks at both ends not counted
        found: usize,
    },
    /// A character that is not shown as itself.
    #[error("it has control or formatting characters: {0}")]
    Control(String),
    /// A character outside the set for names.
    #[error("{0:?} has characters other than {1}, or does not begin with a letter or digit")]
    Name(String, &'static str),
}

/// One line of text of `MIN` to `MAX` characters, not counting blanks at its ends, which are cut off.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MIN: usize, const MAX: usize>(String);

/// Why something is done, in words: never empty.
pub type Reason = Text<1, 1000>;
/// Why something is done, in words, if there are any.
pub type Comment = Text<0, 1000>;
/// A ticket of the customer's or provider's system; empty when there is none.
pub type Ticket = Text<0, 64>;

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for Text<MIN, MAX> {
    type Error = InvalidText;
    fn try_from(text: String) -> Result<Self, InvalidText> {
        let text = text.trim();
        let found = text.chars().count();
        if !(MIN..=MAX).contains(&found) {
            return Err(InvalidText::Length { min: MIN, max: MAX, found });
        }
        // the model's rule for what is shown as itself; it doubles backslashes, which are harmless here
        let shown = printable(text.as_bytes());
        if shown != text.replace('\\', "\\\\") {
            return Err(InvalidText::Control(shown));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<const MAX: usize> Default for Text<0, MAX> {
    fn default() -> Self {
        Self(String::new())
    }
}

impl From<Reason> for Comment {
    fn from(reason: Reason) -> Self {
        Self(reason.0)
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> String {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:literal, $test:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;
            fn try_from(text: String) -> Result<Self, InvalidText> {
                if !(1..=$max).contains(&text.len()) {
                    return Err(InvalidText::Length { min: 1, max: $max, found: text.chars().count() });
                }
                let test: fn(u8) -> bool = $test;
                if text.bytes().all(test) && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) {
                    Ok(Self(text))
                } else {
                    Err(InvalidText::Name(text, $allowed))
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
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
    };
}

name!(
    /// A person's or token's name: 1 to 64 of `A-Z`, `a-z`, `0-9` and `._@+-`.
    PersonName, 64, "A-Z, a-z, 0-9 and ._@+-", |b| b.is_ascii_alphanumeric() || b"._@+-".contains(&b)
);
name!(
    /// A target's name: 1 to 63 of `a-z`, `0-9`, `-` and `.`.
    TargetName, 63, "a-z, 0-9, - and .", |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)
);

impl PersonName {
    /// Whether both name the same person: letters of either case are the same.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_steer_a_terminal_or_hide_are_refused() {
        for bad in ["a\nb", "\x1b[2J", "a\u{202e}b", "\u{200b}", "a\u{9b}b", "a\0b"] {
            assert!(matches!(Reason::try_from(bad.to_owned()), Err(InvalidText::Control(_))), "{bad:?}");
        }
        for empty in ["", "   ", "\n"] {
            assert!(matches!(Reason::try_from(empty.to_owned()), Err(InvalidText::Length { .. })), "{empty:?}");
        }
        assert!(Reason::try_from("x".repeat(1001)).is_err());
        assert_eq!(Reason::try_from(" fan fails on C:\\1 \u{e9} ".to_owned()).unwrap().as_str(), "fan fails on C:\\1 \u{e9}");
        assert_eq!(Comment::try_from(String::new()).unwrap().as_str(), "");
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", "-x", ".x", "a b", "a/b", "a\n", "\u{e9}"] {
            assert!(PersonName::try_from(bad.to_owned()).is_err(), "{bad:?}");
            assert!(TargetName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(PersonName::try_from("x".repeat(65)).is_err());
        let alice = PersonName::try_from("Alice@provider.example".to_owned()).unwrap();
        assert!(alice.is_same_person(&PersonName::try_from("alice@provider.example".to_owned()).unwrap()));
        assert!(TargetName::try_from("Node1".to_owned()).is_err());
    }
}
