//! A line: each simple command by itself, and the first refusal refuses the whole.
//!
//! A command's *name* has to be literal: `$x`, `$(..)` and `*` in its place are refused, because the operator would otherwise
//! get half a line executed before the exec is refused. Its *arguments* may be computed: they are judged at the exec. Targets of
//! `>` have to be literal or a computed path below a literal folder that is writable; `~/` and `$HOME/` in front are the account's home.

use crate::programs::writable;
use crate::{builtins, files};
use portcullis_sdk::{Command, CommandKind, Denial, Line, Redirect, RedirectKind, Session, Table, Verdict, Word, WordKind, allow, path, quote};

/// Judges a line.
pub(crate) fn judge(table: &Table, session: &Session, line: &Line) -> Verdict {
    match line.commands.iter().try_for_each(|command| judge_command(table, session, command, &line.cwd)) {
        Ok(()) => allow(),
        Err(denial) => Verdict::Deny(denial),
    }
}

fn judge_command(table: &Table, session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
    command.redirects.iter().try_for_each(|redirect| judge_redirect(table, session, redirect, cwd))?;
    command.assignments.iter().try_for_each(|name| judge_assignment(name))?;
    let Some(name) = command.words.first() else { return Ok(()) };
    match name.kind {
        WordKind::Literal => {}
        WordKind::Pattern | WordKind::Dynamic => return Err(computed_name(name)),
    }
    match command.kind {
        CommandKind::Function => Ok(()),
        CommandKind::Builtin => builtins::judge(table, session, command, cwd),
        CommandKind::External => table.judge_command(session, command, cwd),
    }
}

fn computed_name(name: &Word) -> Denial {
    denial("dynamic-name", format!("the command's name {} is only known when it runs; write it out", quote(&name.text)), "")
}

/// Names that change what other programs load or start.
pub(crate) fn judge_assignment(name: &[u8]) -> Result<(), Denial> {
    const EXACT: &[&str] = &[
        "PATH", "IFS", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PROMPT_COMMAND", "PS0", "PS4", "SHELL", "PAGER", "MANPAGER", "SYSTEMD_PAGER", "SYSTEMD_EDITOR",
        "EDITOR", "VISUAL", "BROWSER", "VIMINIT", "EXINIT", "MYVIMRC", "LESSOPEN", "LESSCLOSE", "LESS", "LESSKEY", "LESSKEYIN", "LESSKEY_CONTENT", "LESSEDIT", "MORE",
        "CURL_HOME", "HOME", "TAR_OPTIONS", "GZIP", "XZ_OPT", "XZ_DEFAULTS", "POSIXLY_CORRECT", "TMPDIR", "HISTFILE",
    ];
    const PREFIXES: &[&str] = &["LD_", "GLIBC_", "GCONV_", "MALLOC_", "BASH_FUNC_", "DOCKER_", "DBUS_", "GIT_", "PYTHON", "PERL", "RUBY", "SYSTEMD_", "TERMINFO"];
    let name = name.split(|b| matches!(b, b'[' | b'+')).next().unwrap_or_default();
    let touchy = EXACT.iter().any(|exact| exact.as_bytes() == name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
    if !touchy {
        return Ok(());
    }
    Err(denial("assignment", format!("{} changes what other programs load or start", quote(name)), ""))
}

fn judge_redirect(table: &Table, session: &Session, redirect: &Redirect, cwd: &[u8]) -> Result<(), Denial> {
    let target = &redirect.target;
    let is_file = match redirect.kind {
        RedirectKind::Here => return Ok(()),
        // `>&file` is a file unless it is a number or `-`
        RedirectKind::Duplicate => !(target.kind == WordKind::Dynamic || target.text.iter().all(|b| b.is_ascii_digit() || *b == b'-')),
        RedirectKind::Read | RedirectKind::Write | RedirectKind::Append | RedirectKind::ReadWrite => true,
    };
    if !is_file {
        return Ok(());
    }
    let absolute = path::normal(&target.text, cwd);
    if path::within(&absolute, b"/dev/tcp") || path::within(&absolute, b"/dev/udp") {
        return Err(denial("redirect-network", "bash would open a network connection by itself".to_owned(), "curl -q http://HOST/"));
    }
    if redirect.kind == RedirectKind::Read {
        if target.kind == WordKind::Dynamic && may_become_a_connection(&target.text, cwd) {
            return Err(denial("redirect-network", "its name could become a connection that bash opens by itself; write its folder out".to_owned(), "cat < /FOLDER/$NAME"));
        }
        return Ok(());
    }
    let allowed = match target.kind {
        WordKind::Literal => files::is_sink(table, session, &target.text, cwd),
        WordKind::Pattern | WordKind::Dynamic => below_literal_folder(table, session, &target.text, cwd),
    };
    if allowed {
        return Ok(());
    }
    Err(denial("redirect", format!("{} is outside {}", quote(&target.text), writable(table, session)), "COMMAND > /tmp/FILE"))
}

/// Whether what is computed could make the name one below `/dev/tcp`: bash opens that for both directions, whatever the redirection says.
fn may_become_a_connection(source: &[u8], cwd: &[u8]) -> bool {
    let literal: Vec<u8> = source.iter().take_while(|b| !matches!(b, b'$' | b'`')).filter(|b| !matches!(b, b'"' | b'\'' | b'\\')).copied().collect();
    match literal.iter().rposition(|b| *b == b'/') {
        None => true,
        Some(end) => [b"/".as_slice(), b"/dev", b"/dev/tcp", b"/dev/udp"].contains(&path::normal(literal.get(..=end).unwrap_or_default(), cwd).as_slice()),
    }
}

/// The home in front of a word, as bash puts it there: no line may set HOME, so it is the account's.
const HOME: &[&[u8]] = &[b"~/", b"$HOME/", b"${HOME}/", b"\"$HOME/", b"\"${HOME}/", b"\"$HOME\"/", b"\"${HOME}\"/"];

/// `/tmp/$name`, `~/file`: the folder in front of what is computed. A `..` behind it makes the computed part moot, so none may follow.
fn below_literal_folder(table: &Table, session: &Session, source: &[u8], cwd: &[u8]) -> bool {
    let below_home = HOME.iter().find_map(|home| source.strip_prefix(*home));
    let with_home = below_home.map(|below| [b"/home/", session.account.as_bytes(), b"/", below].concat());
    let source = with_home.as_deref().unwrap_or(source);
    let computed = source.iter().position(|b| matches!(b, b'$' | b'`' | b'*' | b'?' | b'[' | b'{' | b'~' | b'"' | b'\'' | b'\\')).unwrap_or(source.len());
    let literal = source.get(..computed).unwrap_or_default();
    let folder = path::folder(literal);
    let climbs = source.windows(2).any(|pair| pair == b"..");
    !climbs && !folder.is_empty() && table.may_write(session, folder, cwd)
}

/// A denial of this file's own rules.
pub(crate) fn denial(rule: &str, reason: String, hint: &str) -> Denial {
    Denial { rule: rule.to_owned(), reason, hint: hint.to_owned() }
}
