//! Jobs, signals and what programs do to the terminal.

use super::driver::Terminal;
use std::time::Duration;

fn shell() -> Terminal {
    let terminal = Terminal::shell("dumb");
    terminal.prompt();
    terminal
}

/// Sends a key that ends what runs until the prompt shows, and returns what was shown: like any bash, the engine does not
/// hear of a key that comes just when one program of a loop has ended and the next has not started, and people press again.
fn press_until_prompt(terminal: &Terminal, key: &str) -> String {
    (0..10)
        .find_map(|_| {
            press(terminal, key);
            terminal.look_for(b"$ ", Duration::from_secs(4)).ok()
        })
        .expect("the prompt")
}

/// Sends a key once what runs has had the time to start.
fn press(terminal: &Terminal, key: &str) {
    std::thread::sleep(Duration::from_millis(400));
    terminal.send(key);
}

#[test]
fn an_interrupt_ends_the_job_and_not_the_session() {
    let terminal = shell();
    for line in ["sleep 30", "while :; do :; done", "while :; do sleep 0.01; done", "sleep 30 | cat", "read x", "for i in 1 2 3; do sleep 30; done; echo never"] {
        terminal.send(&format!("{line}\n"));
        let shown = press_until_prompt(&terminal, "\x03");
        assert!(shown.contains("[130]"), "{line}: {shown}");
    }
    assert!(terminal.run("echo on $?").contains("on 130"));
    assert!(terminal.run("true").ends_with("~ "));
    assert_eq!(terminal.log.statuses()[..7], [130, 130, 130, 130, 130, 130, 0]);
}

#[test]
fn a_trapped_interrupt_is_the_operators() {
    let terminal = shell();
    terminal.run("trap 'echo caught' INT");
    assert!(terminal.run("kill -INT $$").contains("caught"));
    terminal.send("sleep 30; echo af$((1))ter\n");
    press(&terminal, "\x03");
    terminal.expect("af1ter\r\n");
    terminal.prompt();
    assert!(terminal.run("trap - INT; echo on").contains("on\r\n"));
}

#[test]
fn jobs_stop_and_go_on() {
    let terminal = shell();
    terminal.send("sleep 60\n");
    press(&terminal, "\x1a");
    let shown = terminal.prompt();
    assert!(shown.contains("Stopped") && shown.contains("[148]"), "{shown}");
    assert!(terminal.run("jobs").contains("Stopped"));
    assert!(terminal.run("bg").contains("sleep 60 &"));
    assert!(terminal.run("jobs").contains("Running"));
    terminal.send("fg\n");
    terminal.expect("sleep 60");
    press(&terminal, "\x03");
    assert!(terminal.prompt().contains("[130]"));
    assert!(terminal.run("jobs; echo none").contains("none"));
    assert!(terminal.run("sleep 0.2 & wait %1; echo waited").contains("waited"));
    terminal.send("cat | cat\n");
    press(&terminal, "\x1a");
    terminal.prompt();
    terminal.send("fg\nthrough\n\x04");
    terminal.expect("cat | cat\r\n");
    terminal.expect("through\r\n");
    terminal.prompt();
    terminal.send("while :; do sleep 0.1; done\n");
    press(&terminal, "\x1a");
    terminal.prompt();
    assert!(terminal.run("echo on").contains("on\r\n"));
    terminal.send("sleep 40\n");
    press(&terminal, "\x1a");
    terminal.prompt();
    terminal.send("\x04");
    terminal.expect("There are stopped jobs.");
    terminal.prompt();
    terminal.send("\x04");
    terminal.ends();
}

#[test]
fn many_interrupts_and_stops_tear_no_line() {
    let terminal = shell();
    for round in 0..12 {
        terminal.send("sleep 30\n");
        terminal.expect("sleep 30\r\n");
        std::thread::sleep(Duration::from_millis(round * 3));
        // some of these reach the job, some the prompt
        terminal.send("\x03\x03");
        std::thread::sleep(Duration::from_millis(150));
        terminal.send("\x03");
        std::thread::sleep(Duration::from_millis(150));
    }
    terminal.send("echo who$((40+2))le\n");
    terminal.expect("who42le\r\n");
    for line in terminal.log.lines() {
        assert!(matches!(line.as_str(), "sleep 30" | "echo who$((40+2))le"), "{line}");
    }
}

#[test]
fn full_screen_programs_own_the_terminal() {
    let terminal = Terminal::shell("xterm");
    terminal.prompt();
    terminal.send("vim -u NONE -i NONE -n\n");
    terminal.expect("\x1b[?1049h");
    press(&terminal, "ihello\x1b");
    press(&terminal, "\x1a");
    terminal.expect("Stopped");
    terminal.prompt();
    assert!(terminal.run("stty -a").contains(" echo "));
    terminal.send("fg\n");
    terminal.expect("\x1b[?1049h");
    press(&terminal, ":w out.txt\r");
    terminal.expect("written");
    press(&terminal, ":q\r");
    terminal.prompt();
    assert!(terminal.run("cat out.txt").contains("hello\r\n"));
    terminal.send("seq 1000 | less -X\n");
    terminal.expect("10\r\n");
    press(&terminal, "q");
    terminal.prompt();
    assert!(terminal.run("echo on").contains("on\r\n"));
}

#[test]
fn the_size_of_the_window_is_known() {
    let terminal = shell();
    assert!(terminal.run("stty size").contains("24 100"));
    terminal.resize(30, 77);
    assert!(terminal.run("stty size; echo $COLUMNS").contains("30 77"));
}

#[test]
fn damage_to_the_terminal_is_repaired() {
    let terminal = shell();
    for damage in ["stty -echo", "stty raw", "stty -icanon", "stty -isig", "stty -onlcr", "stty raw -echo; sleep 0.1", "read -s -t 0.1 x", "bash -c 'stty raw -echo; kill -9 $$'"] {
        terminal.send(&format!("{damage}\n"));
        terminal.prompt();
        let shown = terminal.run("echo fine");
        assert!(shown.contains("echo fine\r\nfine\r\n"), "{damage}: {shown:?}");
        terminal.send("sleep 30\n");
        press(&terminal, "\x03");
        assert!(terminal.prompt().contains("[130]"), "{damage}");
    }
    terminal.run("stty intr ^X");
    assert!(terminal.run("stty -a").contains("intr = ^X"), "keys are the operator's");
}

#[test]
fn silent_reading_is_silent() {
    let terminal = shell();
    terminal.send("read -s x; echo [$x]\n");
    press(&terminal, "secret\n");
    let shown = terminal.prompt();
    assert!(shown.contains("[secret]") && !shown.contains("\nsecret"), "{shown}");
}

#[test]
fn jobs_are_told_when_they_begin_and_when_they_end() {
    let terminal = Terminal::shell("xterm");
    terminal.prompt();
    let shown = terminal.run("sleep 60 & sleep 61 & echo started");
    let told: Vec<&str> = shown.split("\r\n").filter(|line| line.starts_with('[') && line.as_bytes().get(2) == Some(&b']')).collect();
    assert!(shown.contains("started\r\n[1] ") && told.len() == 2 && told[1].strip_prefix("[2] ").is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit())), "{shown}");
    assert!(terminal.run("set -eu; IFS=x; sleep 62 | cat &").contains("\r[3] "));
    let shown = terminal.run("set +eu; unset IFS; kill %1; sleep 0.3");
    assert!(shown.contains("[1]   Terminated") && !shown.contains("[4]"), "{shown}");
    // a line that is empty, and nothing else, tells of what has ended since
    terminal.run("sleep 0.5 &");
    terminal.run("(exit 3)");
    std::thread::sleep(Duration::from_millis(900));
    let shown = terminal.run("");
    assert!(shown.contains("Done") && shown.contains("[3] "), "{shown}");
    assert!(terminal.run("echo status $?").contains("status 3"));
    // one that was stopped and goes on is not new
    terminal.send("sleep 63\n");
    press(&terminal, "\x1a");
    assert!(terminal.prompt().contains("Stopped"));
    assert!(terminal.run("bg").contains("sleep 63 &\r\n"));
    assert_eq!(terminal.run("sleep 64 &").matches("\r[").count(), 1);
    assert_eq!(terminal.log.lines().len(), 9, "an empty line is nobody's to judge: {:?}", terminal.log.lines());
}
