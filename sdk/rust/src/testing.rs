//! Questions for unit tests: a session, and subjects from what one would type.
//!
//! The splitting of a line here knows words, single quotes and `|`, `;`, `&&`, `&`; it is for tests, not for judging.

use crate::{Command, CommandKind, Counters, Exec, Line, Redirect, RedirectKind, Session, Subject, Word, WordKind};

/// A session of the account `ann` under `action` on a target of `role`.
#[must_use]
pub fn session(action: &str, role: &str) -> Session {
    Session {
        id: "s-0000000000000000".into(),
        grant: "g-0000000000000000".into(),
        request: "r-00000000".into(),
        ticket: "OPS-1".into(),
        operator: "ann@provider.example".into(),
        account: "ann".into(),
        uid: 70_000,
        action: action.into(),
        target: "rack1-cps1".into(),
        role: role.into(),
        source: "127.0.0.1:40000".into(),
        key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".into(),
        start: 1_790_000_000_000,
        end: 1_790_007_200_000,
        tty: true,
        now: 1_790_000_060_000,
        counters: Counters { lines: 0, execs: 0, denials: 0 },
    }
}

/// An exec of the image `path` with these arguments, the name among them, in the account's home.
#[must_use]
pub fn exec(path: &str, argv: &[&str]) -> Subject {
    Subject::Exec(Exec {
        path: path.into(),
        argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        scripts: vec![],
        cwd: b"/home/ann".to_vec(),
        uid: 70_000,
        tty: true,
        parents: vec![b"bash".to_vec()],
        line: None,
    })
}

/// The words of one simple command.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A line; names in `builtins` are taken for bash's own. `$` makes a word dynamic, `*` a pattern; `>`, `>>` and `<` stand alone.
#[must_use]
pub fn line(text: &str, builtins: &[&str]) -> Subject {
    let mut commands = Vec::new();
    let mut current = Vec::new();
    for word in words(text) {
        if matches!(word.as_str(), "|" | ";" | "&&" | "||" | "&") {
            commands.push(command(std::mem::take(&mut current), builtins));
        } else {
            current.push(word);
        }
    }
    if !current.is_empty() {
        commands.push(command(current, builtins));
    }
    Subject::Line(Line { text: text.into(), commands, cwd: b"/home/ann".to_vec() })
}

fn command(words: Vec<String>, builtins: &[&str]) -> Command {
    let mut command = Command { words: vec![], assignments: vec![], redirects: vec![], depth: 0, kind: CommandKind::External };
    let mut words = words.into_iter().peekable();
    while let Some(text) = words.next() {
        let redirect = match text.as_str() {
            ">" => Some(RedirectKind::Write),
            ">>" => Some(RedirectKind::Append),
            "<" => Some(RedirectKind::Read),
            _ => None,
        };
        match (redirect, text.split_once('=')) {
            (Some(kind), _) => command.redirects.push(Redirect { fd: None, kind, target: word(words.next().unwrap_or_default()) }),
            (None, Some((name, _))) if command.words.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                command.assignments.push(name.into());
            }
            _ => command.words.push(word(text)),
        }
    }
    if command.words.first().is_some_and(|name| builtins.iter().any(|builtin| builtin.as_bytes() == name.text)) {
        command.kind = CommandKind::Builtin;
    }
    command
}

fn word(text: String) -> Word {
    let kind = if text.contains('$') {
        WordKind::Dynamic
    } else if text.contains('*') {
        WordKind::Pattern
    } else {
        WordKind::Literal
    };
    Word { text: text.into_bytes(), kind }
}
