//! Completion as bash does it without configuration: commands where a command stands, then file names. Where bash offers
//! every program of the machine, only what the action permits is offered; the words that a permitted form goes on with come
//! before the files. Names are bytes; what the line's quotes would take amiss is escaped in the manner of the quotes.

use crate::edit::Completion;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 20_000;
/// Words after which a command stands.
const RESERVED: &[&[u8]] = &[b"if", b"then", b"else", b"elif", b"do", b"while", b"until", b"!", b"time", b"{", b"coproc"];

/// What completion knows; renewed when it is asked.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// First words of what is allowed, built-ins, functions, and the front end's own.
    pub(super) commands: BTreeSet<Vec<u8>>,
    /// Whole forms that are allowed.
    pub(super) forms: Vec<String>,
    /// Where relative names start.
    pub(super) cwd: PathBuf,
    /// What `~` stands for.
    pub(super) home: Option<PathBuf>,
}

impl Known {
    /// Takes the first words of the forms as commands.
    pub(super) fn with_forms(mut self, forms: Vec<String>) -> Self {
        let words = forms.iter().flat_map(|form| form.split(',')).filter_map(|form| form.split_whitespace().next());
        let named = words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-+/".contains(c)));
        self.commands.extend(named.filter(|word| !word.chars().all(|c| c.is_ascii_uppercase())).map(|word| word.as_bytes().to_vec()));
        self.forms = forms;
        self
    }
}

/// What stands before the cursor.
#[derive(Debug, Default)]
struct Before {
    /// The words of the command so far, without quotes.
    words: Vec<Vec<u8>>,
    /// The word at the cursor, without quotes.
    word: Vec<u8>,
    /// Where it begins, and where the part after its last `/` does.
    start: usize,
    name: usize,
    /// The quote that is open, and where it was opened.
    quote: Option<(u8, usize)>,
    /// Whether a file is wanted whatever stands before.
    redirect: bool,
    /// Whether something in the word is known only when it runs.
    dynamic: bool,
}

fn before(text: &[u8]) -> Before {
    let mut now = Before::default();
    let mut outer: Vec<Before> = Vec::new();
    let mut in_word = false;
    let mut index = 0;
    while let Some(byte) = text.get(index).copied() {
        let here = index;
        index += 1;
        match (byte, now.quote) {
            (b'\'', Some((b'\'', _))) | (b'"', Some((b'"', _))) => now.quote = None,
            (byte, Some((b'\'', _))) => now.push(byte, index),
            (b'\\', _) => {
                in_word = true;
                let Some(next) = text.get(index).copied() else { break };
                index += 1;
                now.push(next, index);
            }
            (b'$', _) if text.get(index) == Some(&b'(') => {
                index += 1;
                outer.push(std::mem::replace(&mut now, Before { start: index, name: index, ..Before::default() }));
                in_word = false;
            }
            (b'$' | b'`', _) => {
                in_word = true;
                now.dynamic = true;
                now.push(byte, index);
            }
            (byte, Some(_)) => now.push(byte, index),
            (b'\'' | b'"', None) => {
                in_word = true;
                now.quote = Some((byte, here));
            }
            (b' ' | b'\t', None) => {
                now.end_word(in_word, index);
                in_word = false;
            }
            (b')', None) if !outer.is_empty() => {
                now = outer.pop().unwrap_or_default();
                now.dynamic = true;
                now.push(byte, index);
                in_word = true;
            }
            (b'|' | b';' | b'&' | b'(' | b')' | b'\n', None) => {
                now = Before { start: index, name: index, ..Before::default() };
                in_word = false;
            }
            (b'<' | b'>', None) => {
                now.end_word(in_word, index);
                (now.redirect, in_word) = (true, false);
            }
            (b'=', None) => {
                in_word = true;
                // files after `--option=` and `NAME=`, as bash breaks words
                now.push(byte, index);
                now.name = index;
            }
            (byte, None) => {
                in_word = true;
                now.push(byte, index);
            }
        }
    }
    now
}

impl Before {
    fn push(&mut self, byte: u8, after: usize) {
        self.word.push(byte);
        if byte == b'/' {
            self.name = after;
        }
    }

    fn end_word(&mut self, in_word: bool, after: usize) {
        let word = std::mem::take(&mut self.word);
        (self.start, self.name, self.quote, self.dynamic) = (after, after, None, false);
        if !in_word {
            return;
        }
        let assigns = self.words.is_empty() && word.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0 && word.iter().take(at).all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
        if self.redirect {
            self.redirect = false;
        } else if !(assigns || self.words.is_empty() && RESERVED.contains(&word.as_slice())) {
            self.words.push(word);
        }
    }
}

/// What the word that ends at `at` can become.
pub(super) fn complete(known: &Known, text: &[u8], at: usize) -> Completion {
    let before = before(text.get(..at).unwrap_or_default());
    if before.dynamic {
        return Completion { start: at, ..Completion::default() };
    }
    let slash = before.word.contains(&b'/');
    let first = before.words.is_empty() && !before.redirect && !before.word.contains(&b'=');
    if first && !slash {
        let names: BTreeSet<Vec<u8>> = known.commands.iter().filter(|name| name.starts_with(&before.word)).cloned().collect();
        return completion(&before, before.start, names.into_iter().map(|name| (name, false)).collect());
    }
    let mut offered: BTreeSet<Vec<u8>> = BTreeSet::new();
    if !slash && !first && !before.redirect {
        offered.extend(known.forms.iter().flat_map(|form| next_words(form, &before.words, &before.word)));
    }
    if offered.is_empty() {
        return completion(&before, before.name, files(known, &before.word, first));
    }
    let mut names: Vec<(Vec<u8>, bool)> = offered.into_iter().map(|name| (name, false)).collect();
    if !before.word.is_empty() {
        names.extend(files(known, &before.word, first));
    }
    completion(&before, before.start, names)
}

/// A completion from names, and whether they are folders.
fn completion(before: &Before, start: usize, names: Vec<(Vec<u8>, bool)>) -> Completion {
    // a quote that was opened before what is replaced stays; one opened within it is written anew
    let style = before.quote.map(|(quote, _)| quote);
    let opens = before.quote.filter(|(_, at)| *at >= start).map(|(quote, _)| quote);
    let write = |name: &[u8], end: &[u8]| [opens.as_slice(), &quoted(name, style, start == before.start), end].concat();
    let whole = |(name, folder): &(Vec<u8>, bool)| {
        let end: Vec<u8> = if *folder { b"/".to_vec() } else { style.into_iter().chain([b' ']).collect() };
        write(name, &end)
    };
    let insert = match names.as_slice() {
        [] => Vec::new(),
        [one] => whole(one),
        [first, rest @ ..] => {
            let common = rest.iter().fold(first.0.len(), |length, (name, _)| first.0.iter().zip(name).take(length).take_while(|(one, other)| one == other).count());
            // never half a character
            let mut common = first.0.get(..common).unwrap_or_default();
            while std::str::from_utf8(common).is_err_and(|error| error.error_len().is_none()) {
                common = common.get(..common.len() - 1).unwrap_or_default();
            }
            if common.is_empty() { Vec::new() } else { write(common, b"") }
        }
    };
    let shown = |(name, folder): &(Vec<u8>, bool)| [name.as_slice(), if *folder { b"/" } else { b"" }].concat();
    Completion { start, insert, all: names.iter().map(whole).collect(), names: names.iter().map(shown).collect() }
}

/// The literal words that a form has after `done`, if they begin with `word`: `docker` after nothing, `ps` and `logs` after
/// `docker` for `docker ps|logs`.
fn next_words(form: &str, done: &[Vec<u8>], word: &[u8]) -> Vec<Vec<u8>> {
    let alternatives = |part: &str| part.trim_matches(['[', ']']).split('|').map(str::to_owned).collect::<Vec<_>>();
    let mut parts = form.split_whitespace();
    for one in done {
        if !parts.next().is_some_and(|part| alternatives(part).iter().any(|name| name.as_bytes() == one)) {
            return Vec::new();
        }
    }
    // upper case and signs stand for something: UNIT, [-n N], list-*
    let literal = |name: &String| name.starts_with(|c: char| c.is_ascii_lowercase() || c == '-') && !name.contains(['<', '.', '[', '*', '(', ',', '\'', '=']) && name.len() > 1;
    parts.next().map(alternatives).unwrap_or_default().into_iter().filter(literal).map(String::into_bytes).filter(|name| name.starts_with(word)).collect()
}

fn files(known: &Known, word: &[u8], programs: bool) -> Vec<(Vec<u8>, bool)> {
    let word = word.rsplit(|byte| *byte == b'=').next().unwrap_or_default();
    let (folder, start) = word.iter().rposition(|byte| *byte == b'/').map_or((&[][..], word), |slash| word.split_at(slash + 1));
    let path = match (folder.strip_prefix(b"~/"), &known.home) {
        (Some(rest), Some(home)) => home.join(directory(rest)),
        _ => known.cwd.join(directory(folder)),
    };
    let entries = std::fs::read_dir(path).into_iter().flatten().take(ENTRIES_MAX).flatten();
    let mut names: Vec<(Vec<u8>, bool)> = entries
        .filter(|entry| entry.file_name().as_bytes().starts_with(start))
        .filter_map(|entry| {
            let facts = std::fs::metadata(entry.path());
            let folder = facts.as_ref().is_ok_and(std::fs::Metadata::is_dir);
            let runs = || facts.as_ref().is_ok_and(|facts| std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o111 != 0);
            (!programs || folder || runs()).then(|| (entry.file_name().into_vec(), folder))
        })
        .collect();
    names.sort();
    names
}

/// A name as it is written within these quotes, or outside of any.
fn quoted(name: &[u8], style: Option<u8>, begins_word: bool) -> Vec<u8> {
    if style.is_none() && name.iter().any(u8::is_ascii_control) {
        let inside: String = name.iter().fold(String::new(), |text, byte| match byte {
            b'\'' | b'\\' => format!("{text}\\{}", char::from(*byte)),
            0x20..=0x7e => text + &char::from(*byte).to_string(),
            byte => format!("{text}\\{byte:03o}"),
        });
        return format!("$'{inside}'").into_bytes();
    }
    let special = |index: usize, byte: u8| match style {
        Some(b'"') => matches!(byte, b'$' | b'`' | b'"' | b'\\'),
        Some(_) => false,
        None => b" \"'\\$&;|()<>*?[]{}!`=:@".contains(&byte) && !matches!(byte, b'=' | b':' | b'@') || index == 0 && begins_word && matches!(byte, b'~' | b'#'),
    };
    let mut text = Vec::with_capacity(name.len());
    for (index, byte) in name.iter().enumerate() {
        if style == Some(b'\'') && *byte == b'\'' {
            text.extend_from_slice(b"'\\''");
            continue;
        }
        if special(index, *byte) {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

/// Names in columns, as readline lists them: down, then across.
pub(super) fn columns(names: &[Vec<u8>], width: usize) -> Vec<u8> {
    let shown: Vec<(Vec<u8>, usize)> = names.iter().map(|name| cells(name)).collect();
    let column = shown.iter().map(|(_, width)| *width).max().unwrap_or(0) + 2;
    let mut across = (width / column).max(1);
    if across > 1 && across * column == width {
        across -= 1;
    }
    let rows = shown.len().div_ceil(across);
    let mut out = Vec::new();
    for row in 0..rows {
        for (place, (name, width)) in shown.iter().skip(row).step_by(rows.max(1)).enumerate() {
            out.extend_from_slice(name);
            if row + (place + 1) * rows < shown.len() {
                out.resize(out.len() + column - width, b' ');
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn cells(name: &[u8]) -> (Vec<u8>, usize) {
    let (mut shown, mut width, mut at) = (Vec::new(), 0, 0);
    while at < name.len() {
        let end = crate::edit::text::next(name, at);
        let (bytes, cells) = crate::edit::text::shown(name.get(at..end).unwrap_or_default(), width);
        shown.extend(bytes);
        width += cells;
        at = end;
    }
    (shown, width)
}

/// A directory from its bytes.
pub(super) fn directory(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(known: &Known, line: &str) -> Vec<String> {
        complete(known, line.as_bytes(), line.len()).all.into_iter().map(|one| String::from_utf8_lossy(&one).into_owned()).collect()
    }

    #[test]
    fn what_is_allowed_is_offered() {
        let forms = ["docker ps|top [-a]", "docker logs NAME", "journalctl -u UNIT", "sed -n FILE, awk FILE", "> FILE"].map(str::to_owned).to_vec();
        let known = Known { commands: [b"why".to_vec()].into(), cwd: "/nonexistent".into(), ..Known::default() }.with_forms(forms);
        for (line, want) in [
            ("do", &["docker "][..]),
            ("ls | jo", &["journalctl "]),
            ("x=1 jo", &["journalctl "]),
            ("if ! do", &["docker "]),
            ("echo $(do", &["docker "]),
            ("a", &["awk "]),
            ("docker ", &["logs ", "ps ", "top "]),
            ("docker p", &["ps "]),
            ("docker ps ", &["-a "]),
            ("docker logs ", &[]),
            ("echo $HO", &[]),
            ("", &["awk ", "docker ", "journalctl ", "sed ", "why "]),
        ] {
            assert_eq!(values(&known, line), want, "{line}");
        }
        let common = complete(&known, b"docker p", 8);
        assert_eq!((common.start, common.insert.as_slice()), (7, b"ps ".as_slice()));
    }

    #[test]
    fn names_are_written_as_the_quotes_want_them() {
        let folder = std::env::temp_dir().join(format!("portcullis-completion-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("my dir")).unwrap();
        for name in [b"a b'c".as_slice(), b"a\xffz", b"line\nfeed", b"my dir/in it", b"~x", b"two1", b"two2"] {
            std::fs::write(folder.join(directory(name)), "").unwrap();
        }
        let known = Known { cwd: folder.clone(), home: Some(folder.clone()), ..Known::default() };
        for (line, want) in [
            ("cat a\\ ", &b"a\\ b\\'c "[..]),
            ("cat \"a b", b"\"a b'c\" "),
            ("cat 'a b", b"'a b'\\''c' "),
            ("cat li", b"$'line\\012feed' "),
            ("cat my", b"my\\ dir/"),
            ("cat 'my", b"'my dir/"),
            ("cat 'my dir/", b"in it' "),
            ("cat ~/my\\ dir/i", b"in\\ it "),
            ("cat <tw", b"two"),
            ("dd if=tw", b"two"),
            ("cat \\~", b"\\~x "),
            ("ls > $(cat tw", b"two"),
        ] {
            let got = complete(&known, line.as_bytes(), line.len());
            assert_eq!(got.insert, want, "{line}: {}", got.insert.escape_ascii());
        }
        let bytes = complete(&known, b"cat a\xff", 6);
        assert_eq!(bytes.insert, b"a\xffz ");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn lists_stand_in_columns() {
        let names: Vec<Vec<u8>> = ["a", "bb", "c", "漢", "\x1b"].iter().map(|name| name.as_bytes().to_vec()).collect();
        assert_eq!(String::from_utf8(columns(&names, 13)).unwrap(), "a   c   ^[\r\nbb  漢\r\n");
        assert_eq!(String::from_utf8(columns(&names, 3)).unwrap(), "a\r\nbb\r\nc\r\n漢\r\n^[\r\n");
    }
}
