//! A policy module: what is allowed is a table of programs, each with the arguments that it takes. What no row names is refused.

use portcullis_sdk::{
    Arguments, Call, Command, CommandKind, Denial, Description, Guest, Line, On, Options, Program, Redirect, RedirectKind, Refusal, Session, Subject, Table,
    Verdict, WordKind, allow, deny,
};

const PROGRAMS: &[Program] = &[
    Program::options(&["ls"], "ls [-adhlrt1] [PATH...]", "lists folders", &LS),
    Program::checked(&["systemctl"], "systemctl [--no-pager] status UNIT", "the state of one unit", &SYSTEMCTL, systemctl),
    Program::checked(&["tail"], "tail [-n COUNT] FILE...", "files below /var/log, at most 10000 lines", &TAIL, tail),
    Program::checked(&["uptime"], "uptime", "load and time since boot", &Options::NONE, no_operands),
];

const LS: Options = Options::flags("adhlrt1", &[]);
const SYSTEMCTL: Options = Options::flags("", &["no-pager"]);
const TAIL: Options = Options::flags("", &[]).valued("n");

const TABLE: Table = Table {
    programs: &[On::every(PROGRAMS)],
    folders: &["/usr/bin", "/usr/sbin"],
    interpreters: &["bash", "perl", "python", "sh"],
    help: "allowed",
    ..Table::NONE
};

/// Built-ins of the shell: the line is the only question about them.
const BUILTINS: &[&str] = &["cd", "echo", "exit", "history", "logout", "pwd"];

struct Policy;

impl Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "policy-name".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            action: "INFRA_DIAG".into(),
            roles: vec!["cps".into()],
            // the verdict depends on the session's constants and the subject alone
            pure: true,
            allowed: TABLE.allowed(),
        }
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        match subject {
            // the authority: the program is known by its canonical path
            Subject::Exec(exec) => TABLE.judge_exec(&session, &exec),
            Subject::Line(line) => judge_line(&session, &line),
            Subject::File(_) => deny("file", "files are not transferred in this action", ""),
            Subject::Forward(_) => deny("forward", "connections are not forwarded in this action", ""),
        }
    }
}

portcullis_sdk::export!(Policy);

/// A line is judged for the operator, before anything runs: the first refusal refuses the whole. Every exec is asked again.
fn judge_line(session: &Session, line: &Line) -> Verdict {
    match line.commands.iter().try_for_each(|command| judge_command(session, command, &line.cwd)) {
        Ok(()) => allow(),
        Err(denial) => Verdict::Deny(denial),
    }
}

fn judge_command(session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
    if !command.assignments.is_empty() {
        return Err(denial("assignment", "variables are not set for commands", "allowed"));
    }
    if !command.redirects.iter().all(goes_nowhere) {
        return Err(denial("redirect", "output goes to the terminal or to /dev/null", "COMMAND > /dev/null"));
    }
    let Some(name) = command.words.first() else { return Ok(()) };
    if command.kind == CommandKind::Function {
        return Ok(());
    }
    if name.kind != WordKind::Literal {
        return Err(denial("dynamic-name", "the name of the command is only known when it runs", "allowed"));
    }
    if command.kind == CommandKind::External {
        return TABLE.judge_command(session, command, cwd);
    }
    let is_listed = BUILTINS.iter().any(|builtin| builtin.as_bytes() == name.text);
    if is_listed { Ok(()) } else { Err(denial("builtin", "this built-in is not allowed", "allowed")) }
}

fn goes_nowhere(redirect: &Redirect) -> bool {
    let writes = matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append);
    writes && redirect.target.kind == WordKind::Literal && redirect.target.text == b"/dev/null"
}

fn denial(rule: &str, reason: &str, hint: &str) -> Denial {
    Denial { rule: rule.into(), reason: reason.into(), hint: hint.into() }
}

fn systemctl(_call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.as_slice() {
        [b"status", unit] if is_unit(unit) => Ok(()),
        [b"status", ..] => Err(Refusal::new("operands", "it takes the name of one unit")),
        _ => Err(Refusal::new("subcommand", "only the state is shown")),
    }
}

fn is_unit(name: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric();
    name.first().is_some_and(is_plain) && name.iter().all(|b| is_plain(b) || matches!(b, b'@' | b'.' | b'_' | b'-'))
}

fn tail(_call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    for count in arguments.values(b'n', "lines") {
        let count = count.and_then(|text| std::str::from_utf8(text).ok()).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        if !count.and_then(|text| text.parse::<u32>().ok()).is_some_and(|lines| lines <= 10_000) {
            return Err(Refusal::new("count", "the count is a number up to 10000"));
        }
    }
    if arguments.operands.is_empty() {
        return Err(Refusal::new("operands", "it takes a file"));
    }
    let all = arguments.operands.iter().all(|file| is_log(file));
    if all { Ok(()) } else { Err(Refusal::new("file", "files are read below /var/log, by their whole path")) }
}

fn is_log(file: &[u8]) -> bool {
    file.starts_with(b"/var/log/") && !file.split(|b| *b == b'/').any(|part| part == b"..")
}

fn no_operands(_call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("operands", "it takes no arguments")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::testing::{exec, line, session, words};

    /// The rule that refuses, or `allowed`.
    fn rule(subject: Subject) -> String {
        match Policy::judge(session("INFRA_DIAG", "cps"), subject) {
            Verdict::Allow(_) => "allowed".into(),
            Verdict::Deny(denial) => denial.rule,
            Verdict::Ask(_) => "ask".into(),
        }
    }

    #[test]
    fn execs_are_judged_by_path_and_arguments() {
        for (want, command) in [
            ("allowed", "uptime"),
            ("uptime-option", "uptime -p"),
            ("allowed", "ls -la /var/log"),
            ("ls-option", "ls --hyperlink=always"),
            ("ls-option", "ls /tmp -R"),
            ("allowed", "ls -- -R"),
            ("allowed", "tail -n 100 /var/log/messages"),
            ("tail-count", "tail -n 10001 /var/log/messages"),
            ("tail-count", "tail -n +1 /var/log/messages"),
            ("tail-option", "tail -f /var/log/messages"),
            ("tail-file", "tail /var/log/../../etc/shadow"),
            ("tail-file", "tail /var/logs"),
            ("tail-operands", "tail"),
            ("allowed", "systemctl --no-pager status sshd.service"),
            ("systemctl-subcommand", "systemctl restart sshd"),
            ("systemctl-option", "systemctl status -H root@elsewhere"),
            ("interpreter", "python3 -c 1"),
            ("not-listed", "vi /etc/passwd"),
        ] {
            let words = words(command);
            let argv: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!(rule(exec(&format!("/usr/bin/{}", argv[0]), &argv)), want, "{command}");
        }
        assert_eq!(rule(exec("/tmp/uptime", &["uptime"])), "not-installed");
    }

    #[test]
    fn lines_are_judged_before_anything_runs() {
        for (want, text) in [
            ("allowed", "uptime ; cd /tmp"),
            ("tail-file", "uptime && tail /etc/shadow"),
            ("allowed", "tail $FILE"),
            ("dynamic-name", "$X"),
            ("builtin", "eval id"),
            ("assignment", "LD_PRELOAD=x uptime"),
            ("redirect", "uptime > /etc/passwd"),
            ("redirect", "uptime < /dev/null"),
            ("allowed", "uptime >> /dev/null"),
        ] {
            assert_eq!(rule(line(text, &["cd", "eval"])), want, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        let Verdict::Deny(denial) = Policy::judge(session("INFRA_DIAG", "cps"), exec("/usr/bin/tail", &["tail", "/etc/shadow"])) else { panic!("it is refused") };
        assert_eq!((denial.hint.as_str(), Policy::describe().allowed.len()), ("tail [-n COUNT] FILE...", 4));
    }
}
