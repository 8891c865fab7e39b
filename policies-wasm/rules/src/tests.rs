//! A profile as it comes out of the build, and what it answers.

use crate::count::Counts;
use crate::rules::Rules;
use portcullis_profile::{
    Answer, Arguments, Children, Command, Confinement, Days, Grammar, Network, OptionForm, OptionName, Pattern, Piece, Profile, Rest, Shape, Subcommand, Text, Value, Window,
};
use portcullis_sdk::testing::{exec, line, session, words};
use portcullis_sdk::{FileOp, FileOpKind, Forward, Subject, Verdict};
use std::collections::BTreeMap;

const BUILTINS: &[&str] = &["cd", "echo", "export", "eval"];

fn glob(text: &str) -> Pattern {
    Pattern::Glob(text.into())
}

fn path(text: &str) -> Text {
    Text(vec![Piece::Plain(text.into())])
}

fn home() -> Text {
    Text(vec![Piece::Home])
}

fn grammar(options: Vec<OptionForm>, shapes: &[(&[Pattern], Option<Pattern>)]) -> Grammar {
    Grammar { options, first: false, rest: Rest::Shapes(shapes.iter().map(|(words, more)| Shape { words: words.to_vec(), more: more.clone() }).collect()) }
}

fn short(name: char, value: Value) -> OptionForm {
    OptionForm { name: OptionName::Short(name), value }
}

fn long(name: &str, value: Value) -> OptionForm {
    OptionForm { name: OptionName::Long(name.into()), value }
}

fn row(name: &str, arguments: Arguments, answer: Answer) -> Command {
    let at_most = None;
    Command { names: vec![name.into()], rule: name.into(), form: name.into(), note: String::new(), hint: format!("{name} X"), script: false, arguments, when: vec![], at_most, answer }
}

fn allowed() -> Answer {
    Answer::Allow(Confinement::default())
}

fn profile() -> Profile {
    let status = Pattern::Either(vec![glob("status"), glob("show")]);
    let window = Window { name: "office".into(), days: Days(0b001_1111), from: 8 * 60, to: 18 * 60, ahead: 0 };
    let docker = |name: &str, grammar| Subcommand { names: vec![name.into()], grammar };
    let root = Confinement { run_as: Some("root".into()), write: Some(vec![home(), path("/tmp")]), network: Network::None, children: Children::Forbidden, time_limit_ms: Some(5000), ..Confinement::default() };
    Profile {
        name: "T".into(),
        version: "1".into(),
        action: "INFRA_DIAG".into(),
        roles: vec!["cps".into()],
        programs: vec!["/usr/bin".into(), "/bin".into()],
        help: "allowed".into(),
        commands: vec![
            row("ls", Arguments::Grammar(grammar(vec![short('l', Value::None), short('a', Value::None), long("color", Value::Attached(glob("a*")))], &[(&[], Some(Pattern::Any))])), allowed()),
            row("systemctl", Arguments::Grammar(grammar(vec![long("no-pager", Value::None), short('n', Value::Needed(Pattern::Number(1, 100)))], &[(&[status], Some(glob("*.service"))), (&[glob("list-units")], None)])), allowed()),
            Command { at_most: Some(2), ..row("systemctl", Arguments::Grammar(grammar(vec![], &[(&[glob("restart"), glob("sshd")], None)])), allowed()) },
            row("docker", Arguments::Grammar(Grammar { options: vec![short('D', Value::None)], first: true, rest: Rest::Subcommands(vec![docker("ps", grammar(vec![short('a', Value::None)], &[(&[], None)])), docker("logs", grammar(vec![], &[(&[Pattern::Any], None)]))]) }), allowed()),
            row("cat", Arguments::Grammar(grammar(vec![], &[(&[], Some(Pattern::Path(vec![path("/var/log"), home()])))])), allowed()),
            row("tcpdump", Arguments::Any, Answer::Allow(root)),
            Command { when: vec![window], ..row("uptime", Arguments::Any, allowed()) },
            row("reboot", Arguments::Any, Answer::Deny("it ends the work of others".into())),
            row("rm", Arguments::Any, Answer::Ask { prompt: Text(vec![Piece::Operator, Piece::Plain(": ".into()), Piece::Command]), approvers: vec!["bo".into()], expires_ms: 600_000 }),
            Command { script: true, names: vec!["/opt/x/report".into()], ..row("report", Arguments::Any, allowed()) },
        ],
        builtins: vec!["cd".into(), "echo".into(), "export".into()],
        variables: vec!["LANG".into(), "LC_*".into()],
        redirects: vec![path("/tmp"), home()],
        files_read: vec![path("/var/log")],
        files_write: vec![home()],
        forward: vec![(glob("db?"), Pattern::Number(5432, 5433))],
    }
}

fn rules() -> Rules {
    Rules::new(profile())
}

fn rule(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow(_) => String::new(),
        Verdict::Deny(denial) => {
            assert!(!denial.reason.is_empty() && denial.reason.len() <= 512 && denial.hint.len() <= 256 && denial.rule.len() <= 64, "{denial:?}");
            assert!(!denial.reason.chars().chain(denial.hint.chars()).any(char::is_control), "{denial:?}");
            denial.rule
        }
        Verdict::Ask(_) => "ask".into(),
    }
}

fn judge(subject: &Subject) -> Verdict {
    rules().judge(&session("INFRA_DIAG", "cps"), subject, &mut BTreeMap::new())
}

fn of_exec(command: &str) -> String {
    let words = words(command);
    let argv: Vec<&str> = words.iter().map(String::as_str).collect();
    let path = if argv[0].contains('/') { argv[0].to_owned() } else { format!("/usr/bin/{}", argv[0]) };
    rule(judge(&exec(&path, &argv)))
}

fn of_line(text: &str) -> String {
    rule(judge(&line(text, BUILTINS)))
}

#[test]
fn a_line_and_an_exec_of_the_same_command_have_the_same_outcome() {
    for (command, want) in [
        ("ls", ""), ("ls -la /x", ""), ("ls --color=auto", ""), ("ls --color", ""), ("ls --color=never", "ls-value"), ("ls -x", "ls-option"), ("ls -lx", "ls-option"), ("ls -- -x", ""), ("ls --colo=a", "ls-option"),
        ("systemctl status", ""), ("systemctl --no-pager status a.service b.service", ""), ("systemctl show -n 5 a.service", ""), ("systemctl -n5 status", ""), ("systemctl -n 0 status", "systemctl-value"),
        ("systemctl -n 05 status", "systemctl-value"), ("systemctl -n +5 status", "systemctl-value"), ("systemctl status sshd", "systemctl-operand"), ("systemctl list-units x", "systemctl-operand"),
        ("systemctl", "systemctl-operand"), ("systemctl stop sshd", "systemctl-operand"), ("systemctl restart sshd", ""), ("systemctl restart sshd x", "systemctl-operand"), ("systemctl -- restart sshd", ""),
        ("docker ps -a", ""), ("docker -D ps", ""), ("docker ps -D", "docker-option"), ("docker run x", "docker-subcommand"), ("docker", "docker-subcommand"), ("docker logs a", ""), ("docker logs a b", "docker-operand"),
        ("docker -H tcp://x ps", "docker-option"),
        ("cat /var/log/messages", ""), ("cat /var/log/../../etc/shadow", "cat-operand"), ("cat notes", ""), ("cat ../anna/x", "cat-operand"), ("cat /home/ann/x", ""), ("cat /home/anna/x", "cat-operand"), ("cat /var/log2/x", "cat-operand"), ("cat", ""),
        ("cat -n x", "cat-option"), ("cat ''", "cat-operand"),
        ("reboot", "reboot"), ("reboot --now", "reboot"), ("python3 x", "not-listed"), ("/tmp/ls", "not-installed"), ("/bin/ls", ""), ("/usr/bin/x/ls", "not-installed"),
    ] {
        assert_eq!(of_exec(command), want, "exec: {command}");
        assert_eq!(of_line(command), want, "line: {command}");
    }
}

#[test]
fn an_exec_is_known_by_its_file_and_called_by_its_own_name() {
    assert_eq!(rule(judge(&exec("/usr/bin/ls", &["cat", "/etc/shadow"]))), "ls-name");
    assert_eq!(rule(judge(&exec("/usr/bin/bash", &["ls"]))), "not-listed");
    assert_eq!(rule(judge(&exec("/usr/bin/ls", &[]))), "no-name");
    let script = |image: &str, file: &str| {
        let mut subject = exec(image, &["sh", file]);
        if let Subject::Exec(exec) = &mut subject {
            exec.scripts = vec![file.into()];
        }
        rule(judge(&subject))
    };
    assert_eq!(script("/usr/bin/sh", "/usr/bin/ls"), "ls-script");
    assert_eq!(script("/usr/bin/sh", "/opt/x/report"), "");
    assert_eq!(script("/tmp/sh", "/opt/x/report"), "not-installed");
    assert_eq!(script("/usr/bin/sh", "/opt/y/report"), "not-installed");
}

#[test]
fn a_confinement_has_the_sessions_own_paths_and_no_name_can_leave_them() {
    let Verdict::Allow(confinement) = judge(&exec("/usr/bin/tcpdump", &["tcpdump", "-i", "lo"])) else { panic!() };
    assert_eq!((confinement.run_as.as_deref(), confinement.write.unwrap(), confinement.time_limit_ms), (Some("root"), vec!["/home/ann".to_owned(), "/tmp".to_owned()], Some(5000)));
    for account in ["..", "", "a/../../etc", "."] {
        let mut session = session("INFRA_DIAG", "cps");
        session.account = account.into();
        assert_eq!(rule(rules().judge(&session, &exec("/usr/bin/tcpdump", &["tcpdump"]), &mut BTreeMap::new())), "tcpdump-placeholder", "{account}");
        assert_eq!(rule(rules().judge(&session, &exec("/usr/bin/cat", &["cat", "/home/x"]), &mut BTreeMap::new())), "cat-operand", "{account}");
    }
}

#[test]
fn what_is_counted_is_counted_when_it_is_executed_and_not_before() {
    let (rules, session, mut counts) = (rules(), session("INFRA_DIAG", "cps"), BTreeMap::new());
    let restart = exec("/usr/bin/systemctl", &["systemctl", "restart", "sshd"]);
    let typed = line("systemctl restart sshd", BUILTINS);
    for _ in 0..3 {
        assert_eq!(rule(rules.judge(&session, &typed, &mut counts)), "");
    }
    assert_eq!(rule(rules.judge(&session, &restart, &mut counts)), "");
    assert_eq!(rule(rules.judge(&session, &restart, &mut counts)), "");
    assert_eq!(Counts::get(&counts, "systemctl"), 2);
    for subject in [&restart, &typed] {
        assert_eq!(rule(rules.judge(&session, subject, &mut counts)), "systemctl-count");
    }
    assert_eq!(rule(rules.judge(&session, &exec("/usr/bin/systemctl", &["systemctl", "status"]), &mut counts)), "");
}

#[test]
fn a_window_is_a_window_and_people_are_asked_at_the_exec() {
    let at = |now: u64, subject: &Subject| {
        let mut session = session("INFRA_DIAG", "cps");
        session.now = now;
        rules().judge(&session, subject, &mut BTreeMap::new())
    };
    let (monday_at_ten, sunday_at_ten) = (1_772_445_600_000, 1_772_359_200_000);
    let uptime = exec("/usr/bin/uptime", &["uptime"]);
    assert_eq!((rule(at(monday_at_ten, &uptime)), rule(at(sunday_at_ten, &uptime))), (String::new(), "uptime-window".to_owned()));
    let remove = exec("/usr/bin/rm", &["rm", "-r", "/tmp/\u{1b}x"]);
    let Verdict::Ask(question) = at(monday_at_ten, &remove) else { panic!() };
    assert_eq!((question.prompt.as_str(), question.expiry, question.approvers), ("ann@provider.example: rm -r /tmp/\\u{1b}x", monday_at_ten + 600_000, vec!["bo".to_owned()]));
    assert_eq!(of_line("rm -r x"), "");
}

#[test]
fn a_line_is_judged_command_by_command() {
    for (text, want) in [
        ("cd /tmp && ls | cat", ""), ("ls | python3", "not-listed"), ("eval x", "builtin"), ("$x y", "dynamic-name"), ("ls $x", ""), ("reboot $x", "reboot"), ("LANG=C ls", ""), ("LC_ALL=C ls", ""),
        ("PATH=/tmp ls", "assignment"), ("LD_PRELOAD=x ls", "assignment"), ("export PATH=/tmp", "assignment"), ("export LANG", ""), ("export -p", ""), ("echo x > /tmp/y", ""), ("echo x > /etc/y", "redirect"),
        ("echo x >> notes", ""), ("echo x > /tmp/../etc/y", "redirect"), ("echo x > $y", "redirect"), ("ls > /dev/null", ""), ("cat < /dev/tcp/h/1", "redirect-network"), ("cat < /etc/passwd", ""),
    ] {
        assert_eq!(of_line(text), want, "{text}");
    }
}

#[test]
fn files_and_connections_are_held_to_their_folders_and_ports() {
    let file = |kind, path: &str, to: Option<&str>| rule(judge(&Subject::File(FileOp { kind, path: path.into(), to: to.map(Into::into) })));
    assert_eq!(file(FileOpKind::Read, "/var/log/x", None), "");
    assert_eq!(file(FileOpKind::Write, "/var/log/x", None), "file-write");
    assert_eq!(file(FileOpKind::Write, "/home/ann/x", None), "");
    assert_eq!(file(FileOpKind::List, "/home/ann", None), "");
    assert_eq!(file(FileOpKind::Rename, "/home/ann/x", Some("/etc/x")), "file-write");
    assert_eq!(file(FileOpKind::Read, "/etc/shadow", None), "file-read");
    let forward = |host: &str, port| rule(judge(&Subject::Forward(Forward { host: host.into(), port })));
    assert_eq!((forward("db1", 5432), forward("db1", 22), forward("db12", 5432)), (String::new(), "forward".to_owned(), "forward".to_owned()));
}

#[test]
fn a_slip_of_the_finger_gets_the_form_that_was_meant() {
    for (command, hint) in [("sytemctl status", "systemctl X"), ("dcoker ps", "docker X"), ("perl -e 1", "allowed"), ("rebot", "allowed")] {
        let words = words(command);
        let argv: Vec<&str> = words.iter().map(String::as_str).collect();
        let Verdict::Deny(denial) = judge(&exec(&format!("/usr/bin/{}", argv[0]), &argv)) else { panic!() };
        assert_eq!(denial.hint, hint, "{command}");
    }
}

#[test]
fn it_says_what_it_allows_and_whether_it_is_pure() {
    let about = rules().describe();
    assert!(!about.pure && about.allowed.iter().all(|row| row.form != "reboot") && about.allowed.iter().any(|row| row.form == "tcpdump"));
    let mut still = profile();
    still.commands.retain(|row| row.when.is_empty() && row.at_most.is_none() && !matches!(row.answer, Answer::Ask { .. }));
    assert!(Rules::new(still).describe().pure);
}

#[test]
fn a_profile_survives_the_way_into_the_module() {
    let bytes = postcard::to_allocvec(&profile()).unwrap();
    assert_eq!(postcard::from_bytes::<Profile>(&bytes).unwrap(), profile());
}
