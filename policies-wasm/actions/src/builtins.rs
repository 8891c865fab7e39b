//! What bash does itself. No exec follows, so the line is the only question about it; the list holds what neither runs text
//! that was not judged nor loads code. `trap` is the exception: what it runs later is left to the exec.

use crate::line::{denial, judge_assignment};
use portcullis_sdk::{AllowedForm, Command, Denial, Session, Table, Word, WordKind, quote};

/// Built-ins that are allowed with any arguments.
const PLAIN: &[&str] = &[
    ":", "[", "[[", "((", "bg", "break", "caller", "cd", "continue", "dirs", "disown", "echo", "exit", "false", "fg", "getopts", "help", "history", "jobs", "kill", "let",
    "logout", "popd", "pushd", "pwd", "return", "set", "shift", "shopt", "suspend", "test", "time", "times", "trap", "true", "type", "ulimit", "umask",
    "unalias", "wait",
];
/// Built-ins whose arguments assign variables.
const ASSIGNING: &[&str] = &["declare", "export", "local", "readonly", "typeset"];
/// Built-ins that set or remove the variables which they name, and their options that take a value in the next word. An option that is
/// a name itself is not among those.
const NAMING: &[(&str, &[u8])] = &[("mapfile", b"dnOsuCc"), ("printf", b""), ("read", b"dinNptu"), ("readarray", b"dnOsuCc"), ("unset", b"")];
/// Built-ins that are refused, and why.
const REFUSED: &[(&str, &str, &str)] = &[
    ("eval", "it runs text that was not judged", ""),
    ("source", "it runs a file that was not judged", "cat FILE"),
    (".", "it runs a file that was not judged", "cat FILE"),
    ("enable", "it loads code into the shell", ""),
    ("bind", "it runs text that was not judged", ""),
    ("complete", "it runs text that was not judged", ""),
    ("compgen", "it runs text that was not judged", ""),
    ("compopt", "it changes completion", ""),
    ("fc", "it runs text that was not judged", "history"),
    ("coproc", "a coprocess cannot be shown line by line", "COMMAND &"),
];

/// The rows for people.
pub(crate) fn allowed() -> Vec<AllowedForm> {
    let row = |form: String, note: &str| AllowedForm { form, note: note.to_owned() };
    vec![
        row(PLAIN.join(" "), "built into the shell"),
        row("printf read unset".into(), "built into the shell; not for variables that steer programs, by names that are written out"),
        row(ASSIGNING.join(" "), "built into the shell; not for PATH, LD_*, PAGER and others that steer programs"),
        row("command NAME, builtin NAME".into(), "as NAME by itself"),
        row("exec with redirections only".into(), "built into the shell"),
        row("> FILE, >> FILE".into(), "redirections into the home and the writable folders of the role"),
    ]
}

/// Judges a command that bash runs itself.
pub(crate) fn judge(table: &Table, session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
    let Some((name, arguments)) = command.words.split_first() else { return Ok(()) };
    let name = name.text.as_slice();
    let is_in = |list: &[&str]| list.iter().any(|n| n.as_bytes() == name);
    if is_in(PLAIN) {
        return Ok(());
    }
    if is_in(ASSIGNING) {
        // another name for a variable is set as that variable is
        let refers = arguments.iter().any(|word| word.text.starts_with(b"-") && word.text.contains(&b'n'));
        return arguments.iter().try_for_each(assignment).and_then(|()| if refers { arguments.iter().try_for_each(target) } else { Ok(()) });
    }
    if let Some((_, valued)) = NAMING.iter().find(|(n, _)| n.as_bytes() == name) {
        named(name, arguments, valued)?;
    }
    if let Some((name, why, hint)) = REFUSED.iter().find(|(n, _, _)| n.as_bytes() == name) {
        return Err(denial("builtin", format!("{name}: {why}"), hint));
    }
    match name {
        b"command" => command_builtin(table, session, command, cwd),
        b"builtin" => judge(table, session, &without(command, 1), cwd),
        b"read" | b"printf" | b"unset" => Ok(()),
        b"exec" if arguments.is_empty() => Ok(()),
        b"exec" => Err(denial("builtin", "exec: it would replace the shell; only its redirections are allowed".into(), "")),
        b"alias" => listing(arguments, "alias: an alias hides what runs; write the command out", |text| !text.contains(&b'=')),
        b"hash" => listing(arguments, "hash: it would give a name to another program", |text| matches!(text, b"-r" | b"-l") || !text.starts_with(b"-")),
        b"mapfile" | b"readarray" => {
            listing(arguments, "mapfile: a callback is text that was not judged", |text| !(text.starts_with(b"-") && text.contains(&b'C')))
        }
        name => Err(denial("builtin", format!("{} is not on the list of allowed built-ins", quote(name)), table.help)),
    }
}

fn assignment(word: &Word) -> Result<(), Denial> {
    let name = word.text.split(|b| *b == b'=').next().unwrap_or_default();
    let is_written_out = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'[' | b']'));
    if word.kind != WordKind::Literal && !is_written_out {
        return Err(denial("dynamic-name", format!("the variable's name {} is only known when it runs; write it out", quote(name)), ""));
    }
    judge_assignment(name)
}

/// `declare -n x=NAME`: what is then done to `x`, is done to NAME.
fn target(word: &Word) -> Result<(), Denial> {
    let Some(at) = word.text.iter().position(|b| *b == b'=') else { return Ok(()) };
    let value = Word { text: word.text.get(at + 1..).unwrap_or_default().to_vec(), kind: word.kind };
    assignment(&value)
}

/// The variables that a built-in is told to set, by their names.
fn named(builtin: &[u8], arguments: &[Word], valued: &[u8]) -> Result<(), Denial> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.text.as_slice() {
            b"--" => return if builtin == b"printf" { Ok(()) } else { words.try_for_each(assignment) },
            [b'-', letters @ ..] if word.kind == WordKind::Literal && !letters.is_empty() => {
                let takes = letters.iter().position(|letter| valued.contains(letter) || matches!((builtin, letter), (b"printf", b'v') | (b"read", b'a')));
                let Some(at) = takes else { continue };
                let (option, attached) = (letters.get(at).copied().unwrap_or_default(), letters.get(at + 1..).unwrap_or_default());
                let value = if attached.is_empty() { words.next().cloned() } else { Some(Word { text: attached.to_vec(), kind: WordKind::Literal }) };
                if !valued.contains(&option) {
                    value.iter().try_for_each(assignment)?;
                }
            }
            // the text that is printed, and all behind it
            _ if builtin == b"printf" => return Ok(()),
            _ => assignment(word)?,
        }
    }
    Ok(())
}

/// `command -v NAME` tells, `command NAME` runs: then NAME is judged in its place.
fn command_builtin(table: &Table, session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
    let tells = |word: &&Word| matches!(word.text.as_slice(), b"-v" | b"-V");
    let Some(first) = command.words.get(1) else { return Ok(()) };
    if first.kind == WordKind::Literal && tells(&first) {
        return Ok(());
    }
    let skip = if matches!(first.text.as_slice(), b"--" | b"-p") { 2 } else { 1 };
    let inner = without(command, skip);
    match inner.words.first() {
        None => Ok(()),
        Some(name) if name.kind != WordKind::Literal || name.text.starts_with(b"-") => {
            Err(denial("dynamic-name", format!("the command's name {} is not written out", quote(&name.text)), ""))
        }
        // it may be either; a name that is no built-in is a program
        Some(name) if is_known(&name.text) => judge(table, session, &inner, cwd),
        Some(_) => table.judge_command(session, &inner, cwd),
    }
}

fn is_known(name: &[u8]) -> bool {
    const OTHERS: &[&str] = &["command", "builtin", "exec", "alias", "hash", "mapfile", "printf", "read", "readarray", "unset"];
    let refused = REFUSED.iter().map(|(name, _, _)| name);
    [PLAIN, ASSIGNING, OTHERS].into_iter().flatten().chain(refused).any(|known| known.as_bytes() == name)
}

fn without(command: &Command, words: usize) -> Command {
    Command {
        words: command.words.get(words..).unwrap_or_default().to_vec(),
        assignments: vec![],
        redirects: vec![],
        depth: command.depth,
        kind: command.kind,
    }
}

fn listing(arguments: &[Word], why: &str, fine: fn(&[u8]) -> bool) -> Result<(), Denial> {
    if arguments.iter().all(|word| word.kind == WordKind::Literal && fine(&word.text)) { Ok(()) } else { Err(denial("builtin", why.to_owned(), "")) }
}
