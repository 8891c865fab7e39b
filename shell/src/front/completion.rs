//! Completion: commands that the action permits, then file names.

use reedline::{Completer, CompletionResult, Span, Suggestion};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most names that are offered.
const OFFERED_MAX: usize = 200;
/// Most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// What completion knows; renewed at each prompt.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// First words of what is allowed, functions, and the front end's own.
    pub(super) commands: BTreeSet<String>,
    /// Whole forms that are allowed.
    pub(super) forms: Vec<String>,
    /// Where relative names start.
    pub(super) cwd: PathBuf,
    /// What `~` stands for.
    pub(super) home: Option<PathBuf>,
}

/// A completer over what is [`Known`].
#[derive(Debug)]
pub(super) struct Names(pub(super) Arc<Mutex<Known>>);

impl Completer for Names {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<Suggestion> = suggestions(&known, line.get(..pos).unwrap_or_default(), pos);
        CompletionResult::fresh(names)
    }
}

fn suggestions(known: &Known, before: &str, pos: usize) -> Vec<Suggestion> {
    let command = before.rsplit(['|', ';', '&', '(', '{', '\n']).next().unwrap_or_default();
    let word = before.rsplit([' ', '\t', '|', ';', '&', '(', '<', '>', '=', '\n']).next().unwrap_or_default();
    let suggest = |value: String, append_whitespace: bool| Suggestion { value, span: Span::new(pos - word.len(), pos), append_whitespace, ..Suggestion::default() };
    let words: Vec<&str> = command.split_whitespace().collect();
    let first = words.is_empty() || (words.len() == 1 && !command.ends_with([' ', '\t']));
    if first && !word.contains('/') {
        return known.commands.iter().filter(|name| name.starts_with(word)).take(OFFERED_MAX).map(|name| suggest(name.clone(), true)).collect();
    }
    let done = if command.ends_with([' ', '\t']) { words.len() } else { words.len().saturating_sub(1) };
    let mut offered: BTreeSet<String> = known.forms.iter().filter_map(|form| next_word(form, words.get(..done)?, word)).collect();
    offered.remove(word);
    let mut all: Vec<Suggestion> = offered.into_iter().map(|value| suggest(value, true)).collect();
    all.extend(files(known, word).into_iter().map(|(value, directory)| suggest(value, !directory)));
    all.truncate(OFFERED_MAX);
    all
}

/// The literal word that a form has after the words `done`, if it begins with `word`: `docker` after nothing, `ps` after `docker`.
fn next_word(form: &str, done: &[&str], word: &str) -> Option<String> {
    let mut parts = form.split_whitespace();
    for one in done {
        if parts.next()? != *one {
            return None;
        }
    }
    let next = parts.next()?.trim_matches(['[', ']']);
    // upper case and signs stand for something: UNIT, [-n N], ...
    let literal = next.starts_with(|c: char| c.is_ascii_lowercase() || c == '-') && !next.contains(['|', '<', '.', '[']);
    (literal && next.starts_with(word)).then(|| next.to_owned())
}

fn files(known: &Known, word: &str) -> Vec<(String, bool)> {
    let (folder, start) = word.rfind('/').map_or(("", word), |slash| word.split_at(slash + 1));
    if word.contains(['$', '`', '\'', '"', '\\']) {
        return Vec::new();
    }
    let path = match (folder.strip_prefix("~/"), &known.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => known.cwd.join(folder),
    };
    let mut names: Vec<(String, bool)> = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().take(ENTRIES_MAX).flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(start) && (start.starts_with('.') || !name.starts_with('.')) {
            let directory = entry.path().is_dir();
            names.push((format!("{folder}{}{}", escaped(&name), if directory { "/" } else { "" }), directory));
        }
    }
    names.sort();
    names
}

/// A name as a literal word.
fn escaped(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | ',' | ':' | '@' | '%' | '/');
    if name.chars().any(char::is_control) {
        return format!("'{}'", name.replace('\'', "'\\''"));
    }
    name.chars().flat_map(|c| (!plain(c)).then_some('\\').into_iter().chain([c])).collect()
}

/// A directory from its bytes.
pub(super) fn directory(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_offered() {
        let forms = ["docker ps [-a]", "docker logs NAME", "journalctl -u UNIT"].map(str::to_owned).to_vec();
        let known = Known { commands: ["docker", "journalctl", "why"].map(str::to_owned).into(), forms, cwd: "/nonexistent".into(), home: None };
        let values = |line: &str| suggestions(&known, line, line.len()).into_iter().map(|one| one.value).collect::<Vec<_>>();
        assert_eq!(values("do"), ["docker"]);
        assert_eq!(values("ls | jo"), ["journalctl"]);
        assert_eq!(values("docker "), ["logs", "ps"]);
        assert_eq!(values("docker p"), ["ps"]);
        assert_eq!(values("docker ps "), ["-a"]);
        assert_eq!(values("docker logs "), Vec::<String>::new());
        assert_eq!(escaped("a b'c"), "a\\ b\\'c");
    }
}
