//! Questions from what an author writes: a session that nobody had, and subjects from words.

use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Line, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::Counters;

/// Reads a line of the shell that would run in a directory; the error says why it is refused before any policy is asked.
pub type LineParser = fn(text: &[u8], cwd: &[u8]) -> Result<Line, String>;

/// The session that questions are asked in.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its constant facts.
    pub facts: SessionFacts,
    /// The time of the question.
    pub now: UnixMs,
    /// What it did before.
    pub counters: Counters,
}

impl Setting {
    /// A session of the account `ann` for an action on a target of a role; it began at `now` and lasts two hours.
    ///
    /// # Errors
    /// The name that is no action or role.
    pub fn new(action: &str, role: &str, now: UnixMs) -> Result<Self, String> {
        let action: Action = action.parse().map_err(|error| format!("{error}"))?;
        let role: Role = role.parse().map_err(|error| format!("{error}"))?;
        let id = |what| format!("the example's {what} is not one");
        let facts = SessionFacts {
            id: "s-0000000000000000".parse::<SessionId>().map_err(|_| id("session"))?,
            grant: "g-0000000000000000".parse::<GrantId>().map_err(|_| id("grant"))?,
            request: "r-00000000".parse::<RequestId>().map_err(|_| id("request"))?,
            ticket: "OPS-1".to_owned(),
            operator: "ann@provider.example".to_owned(),
            account: "ann".to_owned(),
            uid: 70_000,
            action,
            target: format!("rack1-{role}1"),
            role,
            source: "127.0.0.1:40000".to_owned(),
            key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".to_owned(),
            start: now,
            end: UnixMs(now.0.saturating_add(2 * 3_600_000)),
            tty: true,
        };
        Ok(Self { facts, now, counters: Counters::default() })
    }

    /// The home of the session's account.
    #[must_use]
    pub fn home(&self) -> Vec<u8> {
        [b"/home/", self.facts.account.as_bytes()].concat()
    }
}

/// An exec of the image `path` with these arguments, the name among them. Without a path it is the name's own, or the one below
/// `/usr/bin`.
#[must_use]
pub fn exec_subject(argv: Vec<Vec<u8>>, path: Option<Vec<u8>>, cwd: Vec<u8>, setting: &Setting) -> Subject {
    let name = argv.first().cloned().unwrap_or_default();
    let path = path.unwrap_or_else(|| if name.contains(&b'/') { name.clone() } else { [b"/usr/bin/".as_slice(), &name].concat() });
    let line = Some(argv.join(&b' '));
    let parents = vec![b"bash".to_vec(), b"portcullis-shel".to_vec()];
    Subject::Exec(Exec { path, argv, scripts: vec![], cwd, uid: setting.facts.uid, tty: setting.facts.tty, parents, line })
}

/// The words of one simple command: blanks separate, quotes and backslashes keep together. Nothing is expanded.
///
/// # Errors
/// What is not closed, or would be more than one command.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                        None => return Err(format!("a quote is not closed in `{}`", text.escape_debug())),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("the last backslash has nothing behind it")?),
            '|' | '&' | ';' | '<' | '>' | '`' | '$' | '\n' => {
                return Err(format!("`{}` is more than one simple command: write line = for what the shell reads, or quote the {c:?}", text.escape_debug()));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("there is no command".to_owned()) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_read_as_a_shell_does_and_nothing_is_expanded() {
        for (text, want) in [
            ("ls -l /x", vec!["ls", "-l", "/x"]),
            ("  a  'b c' \"d 'e'\" f\\ g '' ", vec!["a", "b c", "d 'e'", "f g", ""]),
            ("find . -exec x '{}' '$y' '|'", vec!["find", ".", "-exec", "x", "{}", "$y", "|"]),
        ] {
            assert_eq!(words(text).unwrap(), want, "{text}");
        }
        for text in ["", "  ", "a 'b", "a | b", "a > b", "a $b", "a; b", "a \\"] {
            assert!(words(text).is_err(), "{text}");
        }
    }
}
