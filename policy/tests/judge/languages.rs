//! The templates in each language, built: the same rules, the same answers, in the engine that the judge has.
//!
//! `PORTCULLIS_TEMPLATES` names the folder that holds them, one `LANGUAGE.wasm` each: `cargo xtask templates` makes it.

use crate::facts::{exec, session};
use portcullis_model::subject::{Command, CommandKind, Exec, FileOp, FileOpKind, Forward, Line, Redirect, RedirectKind, Subject, Word, WordKind};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::Counters;
use portcullis_policy::{Evaluator, Limits, Module, Sitting};
use std::path::PathBuf;
use std::time::Duration;

/// Enough time for an interpreter on a machine that does much else: what is late is tested elsewhere.
fn patient() -> Limits {
    Limits { time: Duration::from_secs(20), questions: 4, ..Limits::default() }
}

fn template(language: &str) -> Option<Module> {
    let Some(folder) = std::env::var_os("PORTCULLIS_TEMPLATES").map(PathBuf::from) else {
        eprintln!("SKIPPED: the template in {language}, because PORTCULLIS_TEMPLATES does not say where it is built");
        return None;
    };
    let Ok(component) = std::fs::read(folder.join(format!("{language}.wasm"))) else {
        eprintln!("SKIPPED: the template in {language}, because it is not in {}", folder.display());
        return None;
    };
    let module = Evaluator::new(patient()).unwrap().load(&component).unwrap();
    Some(module)
}

/// The rule that refuses, or `allowed`.
fn rule(module: &Module, subject: Subject) -> String {
    match module.judge(&mut Sitting::new(&session("cps")), UnixMs(1), Counters::default(), subject) {
        Ok(Verdict::Allow(confinement)) => {
            assert_eq!(confinement, Default::default(), "it is confined as the session is");
            "allowed".to_owned()
        }
        Ok(Verdict::Deny(denial)) => denial.rule,
        other => format!("{other:?}"),
    }
}

fn with(argument: &[u8]) -> Subject {
    let Subject::Exec(ls) = exec("/usr/bin/ls", &[]) else { unreachable!() };
    Subject::Exec(Exec { argv: vec![b"ls".to_vec(), argument.to_vec()], ..ls })
}

fn script() -> Subject {
    let Subject::Exec(tail) = exec("/usr/bin/tail", &["/var/log/messages"]) else { unreachable!() };
    Subject::Exec(Exec { scripts: vec![b"/home/ann/x".to_vec()], ..tail })
}

fn word(text: &str) -> Word {
    Word { text: text.into(), kind: if text.contains('$') { WordKind::Dynamic } else { WordKind::Literal } }
}

fn command(text: &str, kind: CommandKind) -> Command {
    Command { words: text.split(' ').filter(|text| !text.is_empty()).map(word).collect(), assignments: vec![], redirects: vec![], depth: 0, kind }
}

fn line(commands: Vec<Command>) -> Subject {
    Subject::Line(Line { text: b"x".to_vec(), commands, cwd: b"/home/ann".to_vec() })
}

fn redirected(kind: RedirectKind, target: &str) -> Subject {
    let redirects = vec![Redirect { fd: Some(1), kind, target: word(target) }];
    line(vec![Command { redirects, ..command("uptime", CommandKind::External) }])
}

fn cases() -> Vec<(&'static str, Subject)> {
    use CommandKind::{Builtin, External, Function};
    let assigned = Command { assignments: vec![b"LD_PRELOAD".to_vec()], ..command("uptime", External) };
    vec![
        ("allowed", exec("/usr/bin/uptime", &[])),
        ("uptime", exec("/usr/bin/uptime", &["-p"])),
        ("allowed", exec("/usr/bin/ls", &["-la", "/var/log"])),
        ("allowed", exec("/usr/bin/ls", &["--", "-R"])),
        ("ls", exec("/usr/bin/ls", &["--hyperlink=always"])),
        ("ls", exec("/usr/bin/ls", &["/tmp", "-R"])),
        ("allowed", with(b"")),
        ("allowed", exec("/usr/bin/tail", &["-n", "10000", "/var/log/messages", "/var/log/dmesg"])),
        ("tail", exec("/usr/bin/tail", &["-n", "10001", "/var/log/messages"])),
        ("tail", exec("/usr/bin/tail", &["-n", "", "/var/log/messages"])),
        ("tail", exec("/usr/bin/tail", &["-n", "99999999999999999999", "/var/log/messages"])),
        ("tail", exec("/usr/bin/tail", &["-n"])),
        ("tail", exec("/usr/bin/tail", &[])),
        ("tail", exec("/usr/bin/tail", &["-f", "/var/log/messages"])),
        ("tail", exec("/usr/bin/tail", &["/var/log/../../etc/shadow"])),
        ("tail", exec("/usr/bin/tail", &["/var/log/.."])),
        ("allowed", exec("/usr/bin/tail", &["/var/log/..x"])),
        ("tail", exec("/usr/bin/tail", &["/var/logs"])),
        ("allowed", exec("/usr/bin/systemctl", &["--no-pager", "status", "getty@tty1.service"])),
        ("systemctl", exec("/usr/bin/systemctl", &["restart", "sshd"])),
        ("systemctl", exec("/usr/bin/systemctl", &["status", "-H", "root@elsewhere"])),
        ("systemctl", exec("/usr/bin/systemctl", &["status", "--host=elsewhere"])),
        ("systemctl", exec("/usr/bin/systemctl", &["status", "sshd\n"])),
        ("systemctl", exec("/usr/bin/systemctl", &["status", ""])),
        ("systemctl", exec("/usr/bin/systemctl", &[])),
        ("program", exec("/usr/bin/bash", &["-c", "id"])),
        ("program", exec("/tmp/uptime", &[])),
        ("program", exec("/usr/bin/../../tmp/uptime", &[])),
        ("program", exec("/usr/bin/", &[])),
        ("program", script()),
        ("allowed", line(vec![command("uptime", External), command("cd /tmp", Builtin), command("f", Function)])),
        ("tail", line(vec![command("uptime", External), command("tail /etc/shadow", External)])),
        ("allowed", line(vec![command("tail $FILE", External)])),
        ("program", line(vec![command("vi /etc/passwd", External)])),
        ("dynamic-name", line(vec![command("$X", External)])),
        ("builtin", line(vec![command("eval id", Builtin)])),
        ("assignment", line(vec![assigned])),
        ("redirect", redirected(RedirectKind::Write, "/etc/passwd")),
        ("redirect", redirected(RedirectKind::Read, "/dev/null")),
        ("redirect", redirected(RedirectKind::ReadWrite, "/dev/null")),
        ("redirect", redirected(RedirectKind::Write, "$X")),
        ("allowed", redirected(RedirectKind::Append, "/dev/null")),
        ("allowed", line(vec![command("", External)])),
        ("allowed", line(vec![])),
        ("file", Subject::File(FileOp { kind: FileOpKind::Read, path: b"/x".to_vec(), to: None, attributes: None })),
        ("forward", Subject::Forward(Forward { host: "localhost".into(), port: 22 })),
    ]
}

/// What the templates without the Rust kit refuse besides: it takes `-` for an operand, as ls does, and names that are no text.
fn stricter() -> Vec<(&'static str, Subject)> {
    vec![("ls", exec("/usr/bin/ls", &["-"])), ("ls", with(b"\xff"))]
}

/// Asks a template about all of it. The kit's rules have names of their own: there it counts whether something is allowed.
fn check(language: &str, cases: Vec<(&'static str, Subject)>, same: fn(&str, &str) -> bool) {
    let Some(module) = template(language) else { return };
    let info = module.info();
    assert_eq!((module.action(), module.roles(), info.pure, info.allowed.len()), ("INFRA_DIAG", &["cps".to_owned()][..], true, 4), "{language}");
    assert_eq!(info.allowed.iter().map(|row| row.form.as_str()).find(|form| form.starts_with("tail")), Some("tail [-n COUNT] FILE..."));
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|(want, subject)| {
            let got = rule(&module, subject.clone());
            (!same(&got, want)).then(|| format!("{subject:?}: {got} instead of {want}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{language}:\n{}", wrong.join("\n"));
    let refused = module.judge(&mut Sitting::new(&session("cps")), UnixMs(1), Counters::default(), exec("/usr/bin/tail", &["/etc/shadow"]));
    assert!(matches!(refused, Ok(Verdict::Deny(denial)) if denial.hint == "tail [-n COUNT] FILE..." && denial.reason.starts_with("tail: ")), "{language}");
}

#[test]
fn javascript() {
    check("js", [cases(), stricter()].concat(), |got, want| got == want);
}

#[test]
fn python() {
    check("python", [cases(), stricter()].concat(), |got, want| got == want);
}

#[test]
fn c() {
    check("c", [cases(), stricter()].concat(), |got, want| got == want);
}

#[test]
fn rust() {
    check("rust", cases(), |got, want| (got == "allowed") == (want == "allowed"));
}

#[test]
fn the_bindings_in_c_are_of_this_interface() {
    let bindings = include_str!("../../../sdk/c/bindings/policy.c");
    for interface in ["log", "memo"] {
        let wanted = format!("portcullis:policy/{interface}@{}\"", portcullis_policy::ABI);
        assert!(bindings.contains(&wanted), "{wanted} is not in sdk/c/bindings: `make bindings` there makes them again");
    }
}
