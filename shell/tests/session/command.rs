//! `ssh host 'command'`.

use super::driver::Terminal;
use super::piped::run;
use portcullis_model::session::Purpose;

fn command(text: &[u8]) -> Purpose {
    Purpose::Command(text.to_vec())
}

#[test]
fn output_and_status_are_the_commands_own() {
    let ended = run(command(b"cat; printf 'a\\r\\n\\377\\000b' ; echo err >&2; exit 5"), b"in\xffput\x00");
    assert_eq!((ended.out.as_slice(), ended.err.as_str(), ended.code), (b"in\xffput\x00a\r\n\xff\x00b".as_slice(), "err\n", Some(5)));
    assert_eq!(ended.log.lines().len(), 1);
    assert_eq!(ended.log.statuses(), [5]);
}

#[test]
fn large_output_and_input_pass() {
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let ended = run(command(b"cat"), &input);
    assert!(ended.out == input && ended.err.is_empty() && ended.code == Some(0), "{} bytes, {}", ended.out.len(), ended.err);
}

#[test]
fn a_denied_command_has_status_126() {
    for text in [b"echo x; rm y".as_slice(), b"echo $(rm y)", b"echo 'unfinished", b"shopt -s extglob", b"echo a\rrm b"] {
        let ended = run(command(text), b"");
        assert_eq!((ended.out.as_slice(), ended.code), (b"".as_slice(), Some(126)), "{}", text.escape_ascii());
        assert!(ended.err.starts_with("portcullis: denied by ") && ended.err.ends_with('\n') && ended.err.lines().count() == 1, "{}", ended.err);
    }
}

#[test]
fn a_signal_that_kills_the_command_is_passed_on() {
    for (name, number) in [("TERM", 15), ("KILL", 9), ("INT", 2), ("SEGV", 11), ("HUP", 1)] {
        let ended = run(command(format!("kill -{name} $$").as_bytes()), b"");
        assert_eq!((ended.signal, ended.code), (Some(number), None), "{name}: {}", ended.err);
        assert_eq!(ended.log.statuses(), [128 + number]);
    }
}

#[test]
fn the_front_ends_own_commands_can_be_asked() {
    let ended = run(command(b"allowed docker"), b"");
    assert_eq!((String::from_utf8_lossy(&ended.out).as_ref(), ended.code), ("docker ps [-a]\tlists containers\ndocker logs NAME\tshows a container's log\n", Some(0)));
    assert_eq!(run(command(b"why"), b"").code, Some(1));
    assert_eq!(run(command(b""), b"").code, Some(0));
}

#[test]
fn denied_execs_are_said_at_the_end() {
    let ended = run(command(b"echo exec-denied"), b"");
    assert_eq!(String::from_utf8_lossy(&ended.out), "exec-denied\n");
    assert_eq!(ended.err, "portcullis: /usr/bin/id\\x1b (3 times): denied by INFRA_DIAG@4f4f (rule no-rm): id is not allowed; try: ls\n");
}

#[test]
fn a_command_may_have_a_terminal() {
    let terminal = Terminal::open(command(b"tty; read x; echo got $x; exit 6"), "xterm");
    terminal.expect("/dev/pts/");
    terminal.send("typed\n");
    terminal.expect("got typed\r\n");
    terminal.exits_with(6);
    let terminal = Terminal::open(command(b"echo here; sleep 60"), "xterm");
    terminal.expect("here");
    // there is no shell to stop it for
    terminal.send("\x1a");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.send("\x03");
    let (status, _) = terminal.ends();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
}
