//! Lines from the editor.

use super::driver::Terminal;

fn shell() -> Terminal {
    let terminal = Terminal::shell("xterm");
    terminal.prompt();
    terminal
}

#[test]
fn a_line_is_edited_judged_and_run() {
    let terminal = shell();
    terminal.send("ecko x\x01\x1b[C\x1b[C\x1b[3~h\r");
    terminal.expect("2004l\rx\r\n");
    terminal.prompt();
    terminal.send("rm y\r");
    terminal.expect("portcullis: denied by INFRA_DIAG@4f4f (rule no-rm): rm is not allowed; try: ls\r\n");
    terminal.expect("[126]");
    // history, then the start of the line
    terminal.send("\x1b[A\x01echo no \r");
    terminal.expect("no rm y\r\n");
    terminal.prompt();
    terminal.send("half a line\x03");
    terminal.expect("$ ");
    terminal.send("exit 4\r");
    terminal.exits_with(4);
}

#[test]
fn an_incomplete_command_goes_on() {
    let terminal = shell();
    terminal.send("for i in 1 2\r");
    terminal.expect("> ");
    terminal.send("do echo i$i; done\r");
    terminal.expect("i1\r\ni2\r\n");
    terminal.prompt();
    assert_eq!(terminal.log.lines(), ["for i in 1 2\ndo echo i$i; done"]);
    terminal.send("\x04");
    terminal.exits_with(0);
}

#[test]
fn of_a_paste_each_command_is_judged_and_a_denial_stops_the_rest() {
    let terminal = shell();
    terminal.send("\x1b[200~echo one\recho two\rcat <<E\rdoc\rE\rrm three\recho four\x1b[201~");
    terminal.send("\r");
    terminal.expect("2004l\rone\r\n");
    terminal.expect("two\r\n");
    terminal.expect("doc\r\n");
    terminal.expect("denied by");
    terminal.expect("line 6 of 7 (rm three) stopped the rest: 1 line was not run");
    terminal.prompt();
    assert_eq!(terminal.log.lines(), ["echo one", "echo two", "cat <<E\ndoc\nE", "rm three"]);
}

#[test]
fn lines_that_come_at_once_are_run_in_order() {
    for newline in ["\r", "\n"] {
        let terminal = shell();
        let lines: Vec<String> = (0..40).map(|n| format!("echo n{n}")).collect();
        terminal.send(&format!("{}{newline}", lines.join(newline)));
        terminal.expect("\rn39\r\n");
        assert_eq!(terminal.log.lines(), lines, "{newline:?}");
    }
}

#[test]
fn type_ahead_waits_for_its_turn() {
    let terminal = shell();
    terminal.send("sleep 1; read x; echo got $x\r");
    terminal.expect("sleep 1");
    std::thread::sleep(std::time::Duration::from_millis(400));
    terminal.send("for-read\recho next\recho par");
    terminal.expect("got for-read\r\n");
    terminal.expect("2004l\rnext\r\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.send("tial\r");
    terminal.expect("2004l\rpartial\r\n");
    assert_eq!(terminal.log.lines(), ["sleep 1; read x; echo got $x", "echo next", "echo partial"]);
}

#[test]
fn a_giant_paste_does_no_harm() {
    let terminal = shell();
    terminal.send(&format!("\x1b[200~echo {}\x1b[201~\r", "x".repeat(1024 * 1024)));
    terminal.expect("(rule line-length)");
    terminal.prompt();
    terminal.send("echo on$((1))\r");
    terminal.expect("on1\r\n");
}

#[test]
fn messages_come_above_the_prompt() {
    let terminal = shell();
    terminal.send("echo say-later\r");
    terminal.expect("portcullis: the session ends in 5 minutes");
    terminal.send("echo on$((1))\r");
    terminal.expect("on1\r\n");
}

#[test]
fn the_session_ends_when_the_keeper_does() {
    let terminal = shell();
    terminal.send("echo keeper-goes\r");
    let rest = terminal.exits_with(1);
    assert!(rest.contains("the keeper of this session is gone"), "{rest}");
}

#[test]
fn lines_that_are_there_before_the_prompt_are_run() {
    let terminal = Terminal::shell("xterm");
    // as ssh -tt host < file: everything is there at once, and then the end
    terminal.send("echo o$((1))ne\necho t$((2))wo\nexit 3\n");
    terminal.expect("o1ne\r\n");
    terminal.expect("t2wo\r\n");
    assert_eq!(terminal.log.lines()[..2], ["echo o$((1))ne", "echo t$((2))wo"]);
    terminal.exits_with(3);
}

#[test]
fn vi_keys_can_be_had() {
    let terminal = shell();
    terminal.send("set -o vi\r");
    terminal.prompt();
    terminal.send("echo xyz");
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.send("\x1b");
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.send("x\r");
    terminal.expect("2004l\rxy\r\n");
}

#[test]
fn what_is_allowed_is_completed() {
    let terminal = shell();
    terminal.send("echo jour\x01\x0bjourn\t");
    terminal.expect("journalctl");
}

#[test]
fn an_interrupt_stops_the_rest_of_a_paste() {
    let terminal = shell();
    terminal.send("\x1b[200~sleep 30\recho never\x1b[201~\r");
    terminal.expect("2004l");
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.send("\x03");
    terminal.expect("interrupted in line 1 of 2: 1 line was not run");
    terminal.prompt();
    assert_eq!(terminal.log.lines(), ["sleep 30"]);
}

#[test]
fn what_a_line_expands_to_is_shown_and_has_to_be_entered() {
    let terminal = shell();
    terminal.run("echo first second");
    terminal.send("rm !$\r");
    // the line is there, expanded, and nothing was asked or run
    terminal.expect("rm second");
    assert_eq!(terminal.log.lines(), ["echo first second"]);
    terminal.send("\x15echo !!:1 !-1:$\r");
    terminal.expect("echo first second");
    terminal.send("\r");
    terminal.expect("2004l\rfirst second\r\n");
    terminal.prompt();
    terminal.send("^first^third\r\r");
    terminal.expect("2004l\rthird second\r\n");
    terminal.prompt();
    // what it expands to is judged as anything else
    terminal.run("rm something");
    terminal.send("!rm\r");
    terminal.expect("rm something");
    terminal.send("\r");
    terminal.expect("denied by");
    terminal.prompt();
    assert_eq!(terminal.log.lines(), ["echo first second", "echo first second", "echo third second", "rm something", "rm something"]);
    assert!(terminal.run("!nothing").contains("portcullis: !nothing: event not found\r\n"));
    assert!(terminal.run("!echo:p").contains("echo third second\r\n"));
    assert_eq!(terminal.log.lines().len(), 5);
    for line in ["echo '!!'", "echo a\\!b", "set +H"] {
        terminal.run(line);
    }
    assert!(terminal.run("echo wow!!").contains("\rwow!!\r\n"));
    terminal.run("set -H");
    // neither a here-document nor a quote from the line before has any
    terminal.send("cat <<E\r!!\rE\r");
    terminal.expect("2004l\r!!\r\n");
    terminal.prompt();
    terminal.send("echo 'a\r!!'\r");
    terminal.expect("2004l\ra\r\n!!\r\n");
}

#[test]
fn the_numbers_of_the_history_are_the_editors() {
    let terminal = shell();
    for line in ["echo one", "rm two", "echo one", "echo one", " echo hidden"] {
        terminal.run(line);
    }
    let listed = terminal.run("history");
    assert!(listed.contains("    1  echo one\r\n    2  rm two\r\n    3  echo one\r\n    4  history\r\n"), "{listed}");
    terminal.send("!2\r");
    terminal.expect("rm two");
    terminal.send("\x15fc -l 1 2\r");
    terminal.expect("1\t echo one\r\n2\t rm two\r\n");
    terminal.prompt();
    for line in ["fc -s", "fc", "fc -e true 1"] {
        assert!(terminal.run(line).contains("(rule engine): fc would run lines that were not judged"), "{line}");
    }
    terminal.run("history -c");
    terminal.send("\x10");
    terminal.send("\x15!echo\r");
    terminal.expect("!echo: event not found");
}

#[test]
fn a_line_is_edited_by_a_program_and_comes_back() {
    let terminal = shell();
    terminal.send("echo half\x18\x05");
    terminal.expect("\x1b[?1049h");
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.send("A and whole\x1b");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.send(":wq\r");
    terminal.expect("$ ");
    terminal.expect("echo half and whole");
    // the editor was a line like any other, and what it left is not run
    let lines = terminal.log.lines();
    assert!(lines.len() == 1 && lines[0].starts_with("vim /"), "{lines:?}");
    terminal.send("\r");
    terminal.expect("half and whole\r\n");
    terminal.prompt();
    assert!(terminal.run("ls -a ~").contains(".portcullis_history") && !terminal.run("ls -a ~").contains("portcullis_line"));
}

#[test]
fn a_nul_in_an_entry_is_no_message_to_the_engine() {
    let terminal = shell();
    // the entry goes to the engine for its list of history, in a message that a NUL ends
    for number in 1..6 {
        terminal.send_bytes(format!("x\x16\0l {number} rm smuggled-{number}; printf %s smug''gled\r").as_bytes());
        let shown = terminal.prompt();
        assert!(!shown.contains("smuggled\r") && !shown.contains("smuggled$") && !shown.contains("cannot remove"), "{shown:?}");
    }
    let shown = terminal.run("printf '%s\\n' fine");
    assert!(shown.contains("fine\r\n") && !shown.contains("smuggled"), "{shown:?}");
}

#[test]
fn home_stays_what_lines_are_judged_by() {
    let terminal = shell();
    for way in ["wait -n -p HOME", "getopts a HOME -a", "((HOME=7))", "let HOME=7", "unset HOME", "read HOME <<< x", "true {HOME}>/dev/null"] {
        terminal.run(way);
        let shown = terminal.run("printf 'at-%s-\\n' \"${HOME}\"");
        assert!(!shown.contains("at--") && !shown.contains("at-7-") && !shown.contains("at-a-") && !shown.contains("at-x-") && !shown.contains("at-10-"), "{way}: {shown:?}");
    }
}
