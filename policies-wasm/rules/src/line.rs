//! A line: each simple command by itself, and the first refusal refuses the whole.
//!
//! The name of a command has to be written out, and so have the targets of redirections. Arguments may be computed: they are
//! judged at the exec. Variables may be set when the profile lists them, because others steer what programs load and start.

use crate::count::Counts;
use crate::pattern::{Place, glob_matches, in_folders};
use crate::rules::Rules;
use portcullis_sdk::{Command, CommandKind, Denial, Line, Redirect, RedirectKind, Session, Word, WordKind, path, quote};

/// Files that keep nothing.
const SINKS: &[&[u8]] = &[b"/dev/null", b"/dev/tty", b"/dev/stdout", b"/dev/stderr"];
/// Built-ins whose arguments assign variables.
const ASSIGNING: &[&[u8]] = &[b"declare", b"export", b"local", b"readonly", b"typeset"];

/// Judges a line.
pub(crate) fn judge(rules: &Rules, session: &Session, line: &Line, counts: &mut dyn Counts) -> Result<(), Denial> {
    line.commands.iter().try_for_each(|command| judge_command(rules, session, command, &line.cwd, counts))
}

fn judge_command(rules: &Rules, session: &Session, command: &Command, cwd: &[u8], counts: &mut dyn Counts) -> Result<(), Denial> {
    command.redirects.iter().try_for_each(|redirect| judge_redirect(rules, redirect, Place { session, cwd }))?;
    command.assignments.iter().try_for_each(|name| judge_variable(rules, name))?;
    let Some((name, arguments)) = command.words.split_first() else { return Ok(()) };
    if name.kind != WordKind::Literal {
        return Err(rules.denial("dynamic-name", format!("the command's name {} is only known when it runs; write it out", quote(&name.text)), Some("")));
    }
    match command.kind {
        CommandKind::Function => Ok(()),
        CommandKind::Builtin => judge_builtin(rules, &name.text, arguments),
        CommandKind::External if arguments.iter().any(|word| word.kind != WordKind::Literal) => rules.name(&name.text),
        CommandKind::External => {
            let args: Vec<&[u8]> = arguments.iter().map(|word| word.text.as_slice()).collect();
            rules.command(session, &name.text, &args, cwd, counts)
        }
    }
}

fn judge_builtin(rules: &Rules, name: &[u8], arguments: &[Word]) -> Result<(), Denial> {
    if !rules.profile.builtins.iter().any(|known| known.as_bytes() == name) {
        return Err(rules.denial("builtin", format!("{} is not on the list of allowed built-ins", quote(name)), None));
    }
    if !ASSIGNING.contains(&name) {
        return Ok(());
    }
    let assigned = arguments.iter().filter(|word| !word.text.starts_with(b"-"));
    assigned.map(|word| word.text.split(|b| *b == b'=').next().unwrap_or_default()).try_for_each(|name| judge_variable(rules, name))
}

fn judge_variable(rules: &Rules, name: &[u8]) -> Result<(), Denial> {
    let name = name.split(|b| matches!(b, b'[' | b'+')).next().unwrap_or_default();
    let written_out = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if written_out && rules.profile.variables.iter().any(|known| glob_matches(known.as_bytes(), name)) {
        return Ok(());
    }
    Err(rules.denial("assignment", format!("the variable {} is not among those that may be set", quote(name)), Some("")))
}

fn judge_redirect(rules: &Rules, redirect: &Redirect, place: Place<'_>) -> Result<(), Denial> {
    let Word { text, kind } = &redirect.target;
    let writes = match redirect.kind {
        RedirectKind::Here => return Ok(()),
        // `>&file` is a file unless it is a number or `-`
        RedirectKind::Duplicate if text.iter().all(|b| b.is_ascii_digit() || *b == b'-') => return Ok(()),
        RedirectKind::Read => false,
        RedirectKind::Duplicate | RedirectKind::Write | RedirectKind::Append | RedirectKind::ReadWrite => true,
    };
    if *kind != WordKind::Literal {
        return Err(rules.denial("redirect", format!("the file {} is only known when it runs; write it out", quote(text)), Some("")));
    }
    let file = path::normal(text, place.cwd);
    if path::within(&file, b"/dev/tcp") || path::within(&file, b"/dev/udp") {
        return Err(rules.denial("redirect-network", "bash would open a network connection by itself".to_owned(), Some("")));
    }
    if !writes || SINKS.contains(&file.as_slice()) || in_folders(&rules.profile.redirects, text, place) {
        return Ok(());
    }
    Err(rules.denial("redirect", format!("{} is outside of the folders that lines may write to", quote(text)), Some("")))
}
