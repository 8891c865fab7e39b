//! The policy ABI as wasmtime sees it, and the model's nouns in its terms.

use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{self as model, ARGV_BYTES_MAX, ARGV_MAX, LINE_COMMANDS_MAX, LINE_MAX};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::Counters;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated from policy.wit, where each item is documented")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../sdk/wit",
        world: "policy",
        imports: { default: trappable },
    });
}

pub(crate) use generated::portcullis::policy::{log, memo, types};
pub(crate) use generated::{Policy, PolicyPre};

/// A session's constant facts; the time and the counters are set for each question.
pub(crate) fn session(facts: &SessionFacts) -> types::Session {
    types::Session {
        id: facts.id.to_string(),
        grant: facts.grant.to_string(),
        request: facts.request.to_string(),
        ticket: facts.ticket.clone(),
        operator: facts.operator.clone(),
        account: facts.account.clone(),
        uid: facts.uid,
        action: facts.action.name().to_owned(),
        target: facts.target.clone(),
        role: facts.role.name().to_owned(),
        source: facts.source.clone(),
        key_fingerprint: facts.key_fingerprint.clone(),
        start: facts.start.0,
        end: facts.end.0,
        tty: facts.tty,
        now: 0,
        counters: types::Counters { lines: 0, execs: 0, denials: 0 },
    }
}

/// Sets what changes from question to question.
pub(crate) fn set_moment(session: &mut types::Session, now: UnixMs, counters: Counters) {
    session.now = now.0;
    session.counters = types::Counters { lines: counters.lines, execs: counters.execs, denials: counters.denials };
}

/// A subject in the ABI's terms, or the bound that it is over.
pub(crate) fn subject(subject: model::Subject) -> Result<types::Subject, &'static str> {
    Ok(match subject {
        model::Subject::Line(line) => types::Subject::Line(self::line(line)?),
        model::Subject::Exec(exec) => types::Subject::Exec(self::exec(exec)?),
        model::Subject::File(operation) => types::Subject::File(types::FileOp { kind: file_kind(operation.kind), path: operation.path, to: operation.to }),
        model::Subject::Forward(forward) => types::Subject::Forward(types::Forward { host: forward.host, port: forward.port }),
    })
}

fn line(line: model::Line) -> Result<types::Line, &'static str> {
    if line.text.len() > LINE_MAX {
        return Err("a line that is too long");
    }
    if line.commands.len() > LINE_COMMANDS_MAX {
        return Err("too many commands in its line");
    }
    Ok(types::Line { text: line.text, commands: line.commands.into_iter().map(command).collect(), cwd: line.cwd })
}

fn exec(exec: model::Exec) -> Result<types::Exec, &'static str> {
    if exec.argv.len() > ARGV_MAX {
        return Err("too many arguments");
    }
    if exec.argv.iter().map(Vec::len).sum::<usize>() > ARGV_BYTES_MAX {
        return Err("arguments that are too long");
    }
    let model::Exec { path, argv, scripts, cwd, uid, tty, parents, line } = exec;
    Ok(types::Exec { path, argv, scripts, cwd, uid, tty, parents, line })
}

fn command(command: model::Command) -> types::Command {
    let model::Command { words, assignments, redirects, depth, kind } = command;
    types::Command {
        words: words.into_iter().map(word).collect(),
        assignments,
        redirects: redirects.into_iter().map(redirect).collect(),
        depth,
        kind: match kind {
            model::CommandKind::External => types::CommandKind::External,
            model::CommandKind::Builtin => types::CommandKind::Builtin,
            model::CommandKind::Function => types::CommandKind::Function,
        },
    }
}

fn word(word: model::Word) -> types::Word {
    let kind = match word.kind {
        model::WordKind::Literal => types::WordKind::Literal,
        model::WordKind::Pattern => types::WordKind::Pattern,
        model::WordKind::Dynamic => types::WordKind::Dynamic,
    };
    types::Word { text: word.text, kind }
}

fn redirect(redirect: model::Redirect) -> types::Redirect {
    let kind = match redirect.kind {
        model::RedirectKind::Read => types::RedirectKind::Read,
        model::RedirectKind::Write => types::RedirectKind::Write,
        model::RedirectKind::Append => types::RedirectKind::Append,
        model::RedirectKind::ReadWrite => types::RedirectKind::ReadWrite,
        model::RedirectKind::Duplicate => types::RedirectKind::Duplicate,
        model::RedirectKind::Here => types::RedirectKind::Here,
    };
    types::Redirect { fd: redirect.fd, kind, target: word(redirect.target) }
}

fn file_kind(kind: model::FileOpKind) -> types::FileOpKind {
    match kind {
        model::FileOpKind::Read => types::FileOpKind::Read,
        model::FileOpKind::Write => types::FileOpKind::Write,
        model::FileOpKind::List => types::FileOpKind::List,
        model::FileOpKind::Stat => types::FileOpKind::Stat,
        model::FileOpKind::Rename => types::FileOpKind::Rename,
        model::FileOpKind::Remove => types::FileOpKind::Remove,
        model::FileOpKind::MakeDirectory => types::FileOpKind::MakeDirectory,
        model::FileOpKind::SetAttributes => types::FileOpKind::SetAttributes,
        model::FileOpKind::Link => types::FileOpKind::Link,
    }
}
