//! `portcullis policy explain MODULE -- COMMAND...`: what a module answers and what it was shown; 3 when it denies.

use super::super::screen::{Screen, time};
use super::super::{CliError, Outcome};
use super::image::{self, Found};
use super::module;
use clap::Args;
use portcullis_model::bytes::printable;
use portcullis_model::subject::{CommandKind, Line, Subject, WordKind};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_policy::author::{Explanation, Setting, explain};
use portcullis_policy::{Module, shown as words};
use portcullis_shell::parse;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The module's file, or a profile
    module: PathBuf,
    /// Explain a whole line, read by the mediating shell, and each program of it
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["command", "path"])]
    line: Option<OsString>,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "line")]
    command: Vec<OsString>,
    /// Canonical path of the program [default: as on this machine]
    #[arg(long)]
    path: Option<PathBuf>,
    /// The directory that it would run in [default: the account's home]
    #[arg(long)]
    cwd: Option<PathBuf>,
    /// The target's role [default: the module's first]
    #[arg(long)]
    role: Option<String>,
    /// The temporary account
    #[arg(long)]
    account: Option<String>,
    /// The operator
    #[arg(long)]
    operator: Option<String>,
    /// The target
    #[arg(long)]
    target: Option<String>,
    /// When it is asked, as 2026-03-02T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
}

/// Reads a line as the mediating shell does, in a session that defined no functions.
pub(super) fn parse_line(text: &[u8], cwd: &[u8]) -> Result<Line, String> {
    parse::parse(text, cwd, &parse::Functions::new()).map(|parsed| parsed.line).map_err(|refused| refused.to_string())
}

/// A subject in words, for people; not yet fit for a terminal.
pub(super) fn subject_in_words(subject: &Subject) -> String {
    match subject {
        Subject::Line(line) => format!("line {}", printable(&line.text)),
        Subject::Exec(exec) => {
            let argv: Vec<String> = exec.argv.iter().map(|arg| printable(arg)).collect();
            format!("exec {} [{}]", printable(&exec.path), argv.join(" "))
        }
        Subject::File(operation) => format!("file {}", operation.in_words(printable)),
        Subject::Forward(forward) => format!("forward {}:{}", forward.host, forward.port),
    }
}

pub(super) fn run(screen: Screen, asked: &Explain) -> Result<Outcome, CliError> {
    let module = module::load(&asked.module, &module::evaluator()?)?;
    let setting = setting(asked, &module)?;
    let cwd = asked.cwd.clone().map_or_else(|| setting.home(), |cwd| cwd.into_os_string().into_vec());
    let questions = match &asked.line {
        None => {
            let argv = asked.command.iter().map(|word| word.clone().into_vec()).collect();
            vec![image::exec(argv, asked.path.as_deref(), cwd, &setting)]
        }
        Some(text) => line(&text.clone().into_vec(), &cwd, &setting)?,
    };
    let answers: Vec<(Explanation, Found)> = questions.into_iter().map(|(subject, found)| (explain(&module, &setting, subject), found)).collect();
    let all: Vec<Value> = answers.iter().map(|(explanation, found)| as_json(explanation, *found)).collect();
    let info = module.info();
    let facts = &setting.facts;
    let json = json!({
        "module": { "name": info.name, "version": info.version, "digest": info.digest, "pure": info.pure },
        "session": { "operator": facts.operator, "account": facts.account, "action": facts.action, "target": facts.target, "role": facts.role, "now": setting.now },
        "questions": all,
    });
    screen.show(&json, |screen| {
        for (explanation, found) in &answers {
            tell(screen, explanation, *found)?;
            screen.line("")?;
        }
        screen.fields(&[
            ("session", format!("{} as {} on {} ({}), {}", facts.operator, facts.account, facts.target, facts.role, facts.action)),
            ("asked at", time(setting.now)),
            ("module", format!("{} {}, {}", info.name, info.version, if info.pure { "pure: the time, counts and what was asked before do not matter" } else { "not pure: the time, counts and what was asked before may matter" })),
            ("digest", info.digest.to_string()),
        ])
    })?;
    let denied = answers.iter().any(|(explanation, _)| matches!(explanation.answer, Ok(Verdict::Deny(_)) | Err(_)));
    Ok(if denied { Outcome::Denied } else { Outcome::Done })
}

fn setting(asked: &Explain, module: &Module) -> Result<Setting, CliError> {
    let now = match asked.at {
        None => UnixMs::from_system(SystemTime::now()),
        Some(at) => UnixMs(u64::try_from(at.as_millisecond()).map_err(|_| CliError::Usage("--at is before 1970".to_owned()))?),
    };
    let role = asked.role.clone().or_else(|| module.roles().first().cloned()).unwrap_or_default();
    let mut setting = Setting::new(module.action(), &role, now).map_err(CliError::Usage)?;
    let facts = &mut setting.facts;
    for (fact, value) in [(&mut facts.account, &asked.account), (&mut facts.operator, &asked.operator), (&mut facts.target, &asked.target)] {
        if let Some(value) = value {
            fact.clone_from(value);
        }
    }
    Ok(setting)
}

/// The question about a line, and those about the programs in it whose words are all known.
fn line(text: &[u8], cwd: &[u8], setting: &Setting) -> Result<Vec<(Subject, Found)>, CliError> {
    let line = parse_line(text, cwd).map_err(|problem| CliError::Denied(format!("the shell refuses this line before any policy is asked: {problem}")))?;
    let known = line.commands.iter().filter(|command| command.kind == CommandKind::External && !command.words.is_empty());
    let known = known.filter(|command| command.words.iter().all(|word| word.kind == WordKind::Literal));
    let execs: Vec<_> = known.map(|command| image::exec(command.words.iter().map(|word| word.text.clone()).collect(), None, cwd.to_vec(), setting)).collect();
    Ok(std::iter::once((Subject::Line(line), Found::Given)).chain(execs).collect())
}

fn as_json(explanation: &Explanation, found: Found) -> Value {
    let answer = match &explanation.answer {
        Ok(Verdict::Allow(confinement)) => json!({ "verdict": "allow", "confinement": words::confinement(confinement) }),
        Ok(Verdict::Deny(denial)) => json!({ "verdict": "deny", "rule": denial.rule, "reason": denial.reason, "hint": denial.hint }),
        Ok(Verdict::Ask(ask)) => json!({ "verdict": "ask", "prompt": ask.prompt, "approvers": ask.approvers, "expiry": ask.expiry }),
        Err(fault) => json!({ "verdict": "fault", "reason": fault.line() }),
    };
    let nearest: Vec<Value> = explanation.nearest.iter().map(|near| json!({ "form": near.form, "note": near.note, "distance": near.distance })).collect();
    json!({ "answer": answer, "subject": explanation.subject, "image": found.words(), "nearest": nearest })
}

fn tell(screen: Screen, explanation: &Explanation, found: Found) -> std::io::Result<()> {
    let (verdict, rule, reason, hint) = match &explanation.answer {
        Ok(Verdict::Deny(denial)) => ("deny".to_owned(), denial.rule.clone(), denial.reason.clone(), denial.hint.clone()),
        Ok(verdict @ (Verdict::Allow(_) | Verdict::Ask(_))) => (words::verdict(verdict), String::new(), String::new(), String::new()),
        Err(fault) => ("deny: there is no answer".to_owned(), "module-fault".to_owned(), fault.line(), String::new()),
    };
    let compared = match &explanation.subject {
        Subject::Exec(exec) => vec![
            ("program", format!("{} ({})", printable(&exec.path), found.words())),
            ("scripts", exec.scripts.iter().map(|path| printable(path)).collect::<Vec<_>>().join(", ")),
            ("arguments", exec.argv.iter().map(|arg| format!("\"{}\"", printable(arg))).collect::<Vec<_>>().join(" ")),
            ("directory", printable(&exec.cwd)),
        ],
        Subject::Line(line) => vec![
            ("line", printable(&line.text)),
            ("commands", line.commands.iter().map(|command| format!("{} ({})", command.words.iter().map(|word| printable(&word.text)).collect::<Vec<_>>().join(" "), kind(command.kind))).collect::<Vec<_>>().join("; ")),
            ("directory", printable(&line.cwd)),
        ],
        other => vec![("subject", subject_in_words(other))],
    };
    let nearest = explanation.nearest.iter().map(|near| near.form.clone()).collect::<Vec<_>>().join("; ");
    let fields: Vec<(&str, String)> = [("verdict", verdict), ("rule", rule), ("reason", reason), ("hint", hint), ("nearest", nearest)].into_iter().chain(compared).collect();
    screen.fields(&fields)
}

fn kind(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::External => "program",
        CommandKind::Builtin => "built-in",
        CommandKind::Function => "function",
    }
}
