//! Lines at a terminal that only shows text.

use super::driver::Terminal;

fn shell() -> Terminal {
    let terminal = Terminal::shell("dumb");
    terminal.prompt();
    terminal
}

#[test]
fn lines_are_judged_and_run() {
    let terminal = Terminal::shell("dumb");
    let banner = terminal.prompt();
    for part in ["INFRA_DIAG", "node1", "alice", "OPS-7", "recorded", "left"] {
        assert!(banner.contains(part), "{part}: {banner}");
    }
    assert!(terminal.run("echo a$((1+1))b").contains("a2b\r\n"));
    assert!(terminal.run("x=5; cd /tmp").ends_with("/tmp "), "the prompt shows the directory");
    assert!(terminal.run("echo $x $PWD").contains("5 /tmp"));
    assert!(terminal.run("false").contains("[1] "));
    assert!(terminal.run("echo status $?").contains("status 1"));
    let denied = terminal.run("echo before; rm x");
    assert!(denied.contains("portcullis: denied by INFRA_DIAG@4f4f (rule no-rm): rm is not allowed; try: ls\r\n"), "{denied}");
    assert!(denied.contains("[126] ") && !denied.contains("\r\nbefore"), "{denied}");
    assert!(terminal.run("echo status $?").contains("status 126"));
    let why = terminal.run("why");
    for part in ["echo before; rm x", "rm x (program)", "no-rm", "rm is not allowed", "INFRA_DIAG 1.0.0, digest 4f4f"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let allowed = terminal.run("allowed docker");
    assert!(allowed.contains("docker ps [-a]") && !allowed.contains("journalctl"), "{allowed}");
    terminal.send("if true\n");
    terminal.expect("> ");
    terminal.send("then echo whole; fi\n");
    terminal.expect("\r\nwhole\r\n");
    terminal.prompt();
    assert_eq!(terminal.log.lines().last().unwrap(), "if true\nthen echo whole; fi");
    terminal.send("exit 3\n");
    terminal.exits_with(3);
}

#[test]
fn bash_is_bash() {
    let terminal = shell();
    let table = [
        ("declare -A m=([a]=1); declare n=2", ""),
        ("echo ${m[a]} $n", "1 2\r\n"),
        ("f() { local x=3; echo in $x $1; return 4; }", ""),
        ("f y; echo $?", "in 3 y\r\n4\r\n"),
        ("set -- p q; echo $2 $#", "q 2\r\n"),
        ("echo $2", "q\r\n"),
        ("exec 5>out; echo five >&5; exec 5>&-; cat out", "five\r\n"),
        ("coproc cat; echo to >&${COPROC[1]}; read -u ${COPROC[0]} back; echo got $back; kill $COPROC_PID", "got to\r\n"),
        ("for i in 1 2 3; do [ $i = 2 ] && continue; echo i$i; done", "i1\r\ni3\r\n"),
        ("break; echo after", "after\r\n"),
        ("return 3", "can only `return'"),
        ("echo ${unset?is unset}", "is unset"),
        ("echo $((1/0))", "division by 0"),
        ("echo fine", "fine\r\n"),
        ("yes | head -1", "y\r\n"),
        ("printf '%s|' *", "out|"),
        ("shopt -s nullglob; echo a*z; shopt -u nullglob", "\r\n"),
        ("echo $- | grep -c m", "1\r\n"),
        // descriptors of the test's own parents may be there too
        ("ls /proc/self/fd | grep -c '^1[0-9][0-9]$'", "0\r\n"),
        ("env | sort | tr '\\n' ' '", "LANG=C.UTF-8"),
        ("env | grep -c 'LD_\\|PROMPT_COMMAND\\|PS1\\|portcullis_'", "0\r\n"),
        ("PROMPT_COMMAND=x", "readonly variable"),
        ("unset -f __portcullis_set", "cannot unset"),
        ("echo still here", "still here\r\n"),
        ("trap 'echo trapped' USR1; kill -USR1 $$", "trapped\r\n"),
        ("set -u; echo $nope", "unbound"),
        ("set +u; echo \"[$nope]\"", "[]"),
        ("set -x; echo traced; set +x", "+ echo traced"),
        ("echo quiet", "quiet\r\n"),
        ("IFS=x; echo a; unset IFS", "a\r\n"),
        ("printf '\\377\\n' | od -An -tx1", "ff 0a"),
        ("umask 077; umask", "0077\r\n"),
        ("(exit 5); echo $?", "5\r\n"),
        ("echo a | tee >(cat >copy) | cat", "a\r\n"),
        ("wait; cat copy", "a\r\n"),
        ("((counted=6*7))", ""),
        ("echo $counted", "42\r\n"),
        ("[[ a == b ]]", ""),
        ("echo $?", "1\r\n"),
        ("cat <<< 'here string'", "here string\r\n"),
    ];
    for (line, want) in table {
        let got = terminal.run(line);
        let got = got.split_once("\r\n").map_or("", |(_, output)| output);
        assert!(got.contains(want), "{line}: {got:?}");
        assert!(!got.contains("__portcullis") || line.contains("__portcullis"), "{line}: {got:?}");
    }
    terminal.send("\x04");
    terminal.exits_with(0);
}

#[test]
fn type_ahead_is_not_lost_and_reaches_the_right_reader() {
    let terminal = shell();
    terminal.send("sleep 0.5; read x; echo got $x\nfor-read\necho next\necho part");
    terminal.expect("got for-read\r\n");
    terminal.expect("next\r\n");
    terminal.send("ial\n");
    terminal.expect("partial\r\n");
}

#[test]
fn a_here_document_is_one_line() {
    let terminal = shell();
    terminal.send("cat <<E | tr a-z A-Z\n");
    terminal.expect("> ");
    terminal.send("some $((1+1)) text\nE\n");
    terminal.expect("SOME 2 TEXT\r\n");
}

#[test]
fn errexit_ends_the_session_with_its_status() {
    let terminal = shell();
    terminal.run("set -e");
    assert!(terminal.run("true; echo on").contains("on"));
    terminal.send("(exit 7)\n");
    terminal.exits_with(7);
}

#[test]
fn an_engine_that_is_killed_ends_the_session_with_a_message() {
    let terminal = shell();
    terminal.send("kill -9 $$\n");
    terminal.expect("killed by signal 9; the session ends");
    let (status, _) = terminal.ends();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[test]
fn an_engine_that_becomes_another_program_ends_with_it() {
    let terminal = shell();
    terminal.send("exec sh -c 'echo other; exit 9'\n");
    terminal.expect("other\r\n");
    terminal.exits_with(9);
}

#[test]
fn a_line_that_waits_can_be_withdrawn() {
    let terminal = shell();
    terminal.send("ask-for-ever\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.send("\x03");
    terminal.expect("the line was withdrawn");
    assert!(terminal.prompt().contains("[130]"));
    assert!(terminal.run("echo on").contains("on\r\n"));
    assert!(terminal.log.all().iter().any(|message| matches!(message, portcullis_model::wire::shell::ToKeeper::Withdraw { .. })));
}

#[test]
fn what_the_keeper_says_is_shown() {
    let terminal = shell();
    let shown = terminal.run("echo exec-denied");
    assert!(shown.contains("portcullis: /usr/bin/id\\x1b (3 times): denied by INFRA_DIAG@4f4f (rule no-rm): id is not allowed; try: ls\r\n"), "{shown}");
    assert!(terminal.run("why").contains("/usr/bin/id\\x1b, while the line ran"));
    terminal.run("echo say-later");
    terminal.expect("portcullis: the session ends in 5 minutes");
    terminal.send("echo keeper-goes\n");
    terminal.exits_with(1);
}

#[test]
fn strange_lines_are_refused_by_name() {
    let terminal = shell();
    for (line, want) in [("fi", "(rule syntax)"), ("shopt -s extglob", "(rule engine)"), ("alias ls='rm -rf /'", "(rule engine)"), ("((((((((((", "(rule nesting)")] {
        assert!(terminal.run(line).contains(want), "{line}");
    }
    terminal.send_bytes(b"echo caf\xe9 | od -An -tx1\n");
    terminal.expect("63 61 66 e9 0a");
    terminal.prompt();
    terminal.send_bytes(b"echo a\x16\x0cb\n");
    terminal.expect("(rule control-characters)");
}
