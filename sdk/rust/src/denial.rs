//! Verdicts in few words.

use crate::{Children, Confinement, Denial, Network, Verdict};

/// It may run, confined as the session is.
#[must_use]
pub fn allow() -> Verdict {
    Verdict::Allow(Confinement {
        run_as: None,
        read: None,
        write: None,
        execute: None,
        network: Network::Session,
        children: Children::Judged,
        capabilities: Vec::new(),
        environment: None,
        time_limit_ms: None,
    })
}

/// It may not: the rule's name, why, and the nearest form that is allowed (empty when there is none).
#[must_use]
pub fn deny(rule: &str, reason: &str, hint: &str) -> Verdict {
    Verdict::Deny(Denial { rule: rule.to_owned(), reason: reason.to_owned(), hint: hint.to_owned() })
}

/// Why a program's arguments are refused; the program's row adds its own name and hint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Refusal {
    /// What is wrong in one word: `option`, `subcommand`. The rule's name is the program's name, a dash, and this.
    pub what: &'static str,
    /// Why, for the operator. What came from outside has to have gone through [`quote`].
    pub reason: String,
    /// A hint that is nearer than the row's.
    pub hint: Option<&'static str>,
}

impl Refusal {
    /// A refusal with the row's own hint.
    pub fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into(), hint: None }
    }

    /// The same with a nearer hint.
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// Bytes for a reason: at most 80 characters, with everything that is not plain text escaped.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    const LENGTH: usize = 80;
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // format characters reorder or hide what follows
            let steers = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            match c {
                c if c.is_control() || steers => text.extend(c.escape_unicode()),
                c => text.push(c),
            }
            if text.len() > LENGTH {
                text.push_str("...");
                return text;
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_short_and_does_not_steer_a_terminal() {
        assert_eq!(quote(b"ls -l"), "ls -l");
        assert_eq!(quote(b"\x1b[2J\xff"), "\\u{1b}[2J\\xff");
        assert_eq!(quote("\u{202e}".as_bytes()), "\\u{202e}");
        assert!(quote(&[b'x'; 10_000]).len() < 100);
        assert!(quote(&[0xff; 10_000]).chars().all(|c| !c.is_control()));
    }
}
