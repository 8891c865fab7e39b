//! Tables that contain others, rows for some roles, other users, scripts.

use portcullis_sdk::testing::{exec, line, session};
use portcullis_sdk::{Children, Confine, Confinement, Exec, On, Options, PathSet, Program, Refusal, Rest, Rule, Subject, Table, Verdict, allow};

const ROOT: Confine = Confine::as_user("root").children(Children::Forbidden).capabilities(&["CAP_SYS_BOOT"]);
const LOGS: Confine = Confine::as_user("root").reads(&[PathSet(&["/var/log"])]);

const LOOK: Table = Table {
    programs: &[
        On::every(&[
            Program::any(&["ls", "dir"], "ls PATH", "lists"),
            Program::options(&["tool"], "tool -l", "looks", &Options::flags("l", &[])).folders(&["/opt/tool*/bin"]).script(),
            Program::runs(&["timeout"], "timeout N COMMAND", &Options::NONE.first(), 1, Rest::Complete).example("timeout 1 ls"),
            Program::ruled(&["sudo"], "sudo COMMAND", "", Rule::Sudo),
            Program::ruled(&["su"], "su USER", "", Rule::Su),
            Program::refused(&["reboot", "halt"], "it restarts nothing", "ls"),
        ]),
        On::roles(&["cps"], &[Program::checked(&["cat"], "sudo cat FILE", "logs", &Options::NONE, |call, arguments| {
            let fine = arguments.operands.iter().all(|file| PathSet(&["/var/log"]).contains(file, call.cwd));
            if fine { Ok(()) } else { Err(Refusal::new("path", "it is no log")) }
        }).by_sudo().confined(&LOGS)]),
    ],
    writable: &[On::every(&["/tmp"]), On::roles(&["cps"], &["/opt/tool-of-mine"])],
    accounts: &[On::roles(&["cps"], &[Confine::as_user("svc")])],
    interpreters: &["sh", "python"],
    help: "allowed",
    ..Table::NONE
};

const CHANGE: Table = Table {
    contains: Some(&LOOK),
    programs: &[On::every(&[
        Program::options(&["tool"], "tool -c", "changes", &Options::flags("c", &[])).confined(&ROOT),
        Program::options(&["reboot"], "reboot", "restarts", &Options::NONE).files(&["init-tool"]).confined(&ROOT),
    ])],
    writable: &[],
    accounts: &[],
    ..LOOK
};

fn answer(table: &Table, role: &str, path: &str, argv: &[&str]) -> Result<Confinement, String> {
    let Subject::Exec(exec) = exec(path, argv) else { return Err(String::new()) };
    said(table.judge_exec(&session("A", role), &exec))
}

fn said(verdict: Verdict) -> Result<Confinement, String> {
    match verdict {
        Verdict::Allow(confinement) => Ok(confinement),
        Verdict::Deny(denial) => Err(denial.rule),
        Verdict::Ask(_) => Err("ask".into()),
    }
}

fn plain() -> Result<Confinement, String> {
    said(allow())
}

#[test]
fn a_table_adds_to_the_one_that_it_contains() {
    assert_eq!(answer(&LOOK, "cps", "/usr/bin/tool", &["tool", "-l"]), plain());
    assert_eq!(answer(&LOOK, "cps", "/usr/bin/tool", &["tool", "-c"]), Err("tool-option".into()));
    assert_eq!(answer(&CHANGE, "cps", "/usr/bin/tool", &["tool", "-l"]), plain(), "as it was");
    assert_eq!(answer(&CHANGE, "cps", "/usr/bin/tool", &["tool", "-c"]).unwrap().run_as.as_deref(), Some("root"));
    assert_eq!(answer(&CHANGE, "cps", "/usr/bin/tool", &["tool", "-x"]), Err("tool-option".into()));
    assert_eq!(CHANGE.writable_on("host").collect::<Vec<_>>(), ["/tmp"]);
    assert_eq!(CHANGE.accounts_on("cps").count(), 1);
    assert_eq!(CHANGE.rows().count(), LOOK.rows().count() + 2);
}

#[test]
fn another_name_of_a_file_is_another_rows() {
    assert_eq!(answer(&CHANGE, "cps", "/usr/sbin/init-tool", &["reboot"]).unwrap().capabilities, ["CAP_SYS_BOOT"]);
    assert_eq!(answer(&CHANGE, "cps", "/usr/sbin/init-tool", &["init-tool"]), Err("reboot-name".into()));
    assert_eq!(answer(&LOOK, "cps", "/usr/sbin/init-tool", &["reboot"]), Err("not-listed".into()));
    assert_eq!(answer(&CHANGE, "cps", "/usr/sbin/halt", &["halt"]), Err("reboot".into()));
    assert_eq!(answer(&CHANGE, "cps", "/usr/bin/ls", &[]), Err("ls-name".into()));
}

#[test]
fn roles_have_rows_of_their_own() {
    assert_eq!(answer(&LOOK, "cps", "/usr/bin/sudo", &["sudo", "cat", "/var/log/x"]).unwrap().read.unwrap(), ["/var/log"]);
    assert_eq!(answer(&LOOK, "cps", "/usr/bin/sudo", &["sudo", "cat", "/var/log/../x"]), Err("cat-path".into()));
    assert_eq!(answer(&LOOK, "host", "/usr/bin/sudo", &["sudo", "cat", "/var/log/x"]), Err("not-listed".into()));
    assert_eq!(answer(&LOOK, "cps", "/usr/bin/cat", &["cat", "/var/log/x"]), Err("not-listed".into()), "by sudo only");
}

#[test]
fn users_are_become_by_sudo_and_su() {
    let user = |argv: &[&str]| answer(&LOOK, "cps", &format!("/usr/bin/{}", argv.first().unwrap()), argv).map(|told| told.run_as.unwrap_or_default());
    assert_eq!(user(&["su", "svc"]), Ok("svc".into()));
    assert_eq!(user(&["sudo", "-u", "svc", "ls"]), Ok("svc".into()));
    assert_eq!(user(&["sudo", "-u", "svc", "timeout", "1", "ls"]), Ok("svc".into()));
    assert_eq!(user(&["su"]), Err("su-user".into()));
    assert_eq!(user(&["sudo", "ls"]), Err("sudo-command".into()));
    assert_eq!(user(&["sudo", "-u", "svc", "sh"]), Err("interpreter".into()));
    assert_eq!(user(&["sudo", "-u", "svc", "sudo", "ls"]), Err("sudo-command".into()));
    assert_eq!(user(&["sudo", "-u", "svc", "/tmp/ls"]), Err("not-installed".into()));
    assert_eq!(answer(&LOOK, "host", "/usr/bin/su", &["su", "svc"]), Err("su-user".into()));
    let told = answer(&CHANGE, "cps", "/usr/bin/sudo", &["sudo", "tool", "-c"]);
    assert_eq!(told, answer(&CHANGE, "cps", "/usr/bin/tool", &["tool", "-c"]), "sudo in front changes nothing");
}

#[test]
fn scripts_are_judged_by_what_stands_behind_their_name() {
    let script = |table: &Table, role: &str, file: &str, argv: &[&str]| {
        let Subject::Exec(exec) = exec("/usr/bin/sh", argv) else { return Err(String::new()) };
        said(table.judge_exec(&session("A", role), &Exec { scripts: vec![file.into()], ..exec }))
    };
    let file = "/opt/tool-2/bin/tool";
    assert_eq!(script(&LOOK, "cps", file, &["/bin/sh", file, "-l"]), plain());
    assert_eq!(script(&LOOK, "cps", file, &["/bin/sh", "-e", "tool", "-l"]), plain());
    assert_eq!(script(&LOOK, "cps", file, &["/bin/sh", file, "tool", "-l", "-x"]), Err("tool-option".into()));
    assert_eq!(script(&LOOK, "cps", file, &["/bin/sh", "a", "b", file]), Err("tool-name".into()), "one word may stand in between");
    assert_eq!(script(&LOOK, "cps", "/opt/tool-of-mine/bin/tool", &["/bin/sh", "tool", "-l"]), Err("not-installed".into()), "the session writes there");
    assert_eq!(script(&LOOK, "host", "/opt/tool-of-mine/bin/tool", &["/bin/sh", "tool", "-l"]), plain());
    assert_eq!(script(&LOOK, "cps", "/usr/bin/ls", &["/bin/sh", "/usr/bin/ls"]), Err("ls-script".into()));
}

#[test]
fn a_line_is_answered_as_its_execs_will_be() {
    let rule = |text: &str| {
        let Subject::Line(line) = line(text, &[]) else { return String::new() };
        let answer = line.commands.iter().try_for_each(|command| CHANGE.judge_command(&session("A", "cps"), command, &line.cwd));
        answer.map_or_else(|denial| denial.rule, |()| String::new())
    };
    for (text, want) in [
        ("tool -l", ""), ("tool -c", ""), ("sudo tool -c", ""), ("timeout 1 tool -c", ""), ("timeout 1 sudo cat /var/log/x", ""), ("timeout 1 sudo cat /etc/x", "cat-path"), ("reboot", ""), ("reboot now", ""),
        ("reboot -f", "reboot-option"), ("python3 x", "interpreter"), ("timeout 1 python3", "interpreter"), ("/opt/tool1/bin/tool -l", ""), ("/opt/other/bin/tool -l", "not-installed"), ("sudo cat $x", ""), ("halt $x", "reboot"),
    ] {
        assert_eq!(rule(text), want, "{text}");
    }
}
