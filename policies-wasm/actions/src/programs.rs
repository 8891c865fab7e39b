//! The programs, a table a topic. Every row is allowed by its arguments, not by its name.

pub(crate) mod basics;
pub(crate) mod cage;
pub(crate) mod containers;
pub(crate) mod curl;
pub(crate) mod editors;
pub(crate) mod exadata;
pub(crate) mod find;
pub(crate) mod hardware;
pub(crate) mod logs;
pub(crate) mod network;
pub(crate) mod refused;
pub(crate) mod reports;
pub(crate) mod rootexec;
pub(crate) mod sed;
pub(crate) mod ssh;
pub(crate) mod system;
pub(crate) mod tar;
pub(crate) mod text;
pub(crate) mod units;
pub(crate) mod users;
pub(crate) mod virtual_machines;
pub(crate) mod wrappers;

use portcullis_sdk::{Arguments, Call, PathSet, Refusal, Session, Table, path};

/// The folders that a session may write, in words.
pub(crate) fn writable(table: &Table, session: &Session) -> String {
    let folders: Vec<&str> = std::iter::once("the home").chain(table.writable_on(&session.role)).collect();
    match folders.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => folders.concat(),
    }
}

fn is_in(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}

/// Whether the words are one of these forms, in which `*` at the end is any one word more or none, and `?` any one word.
fn is_form(forms: &[&[&str]], words: &[&[u8]]) -> bool {
    let same = |form: &[&str]| form.iter().zip(words).all(|(known, word)| *known == "?" || known.as_bytes() == *word);
    forms.iter().any(|form| match form.split_last() {
        Some((&"*", fixed)) => (fixed.len()..=form.len()).contains(&words.len()) && same(fixed),
        _ => words.len() == form.len() && same(form),
    })
}

fn no_operands(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("operand", "with an operand it would change something")) }
}

fn all_writable(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.iter().all(|operand| call.may_write(operand)) { Ok(()) } else { Err(outside(call)) }
}

fn last_writable(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.last() {
        Some(last) if !call.may_write(last) => Err(outside(call)),
        _ => Ok(()),
    }
}

fn outside(call: &Call<'_>) -> Refusal {
    Refusal::new("path", format!("it may write in {} only", writable(call.table, call.session)))
}

/// A name of a unit, a container, a domain or an interface: nothing that a program could take for an option, a path or a pattern.
fn is_name(word: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b':');
    word.len() <= 128 && word.first().is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'_') && word.iter().all(plain)
}

/// Whether `operand` lies in one of these sets, those of the system and of devices aside; `strictly` for below their folders only.
fn in_sets(sets: Option<&[PathSet]>, call: &Call<'_>, operand: &[u8], depth: Depth) -> bool {
    let operand = path::normal(operand, call.cwd);
    let home = [b"/home/", call.session.account.as_bytes()].concat();
    let folders = sets.unwrap_or_default().iter().filter(|set| **set != PathSet::SYSTEM && **set != PathSet::SINKS).flat_map(|set| set.0);
    folders.map(|folder| if *folder == PathSet::HOME { home.as_slice() } else { folder.as_bytes() }).any(|folder| {
        path::within(&operand, folder) && (depth == Depth::Any || operand.as_slice() != folder)
    })
}

/// Whether a set's folders themselves count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// They do.
    Any,
    /// Only what lies in them does.
    Below,
}
