//! An operator's day with the stock ssh client: what is typed, what is shown, and what is refused on the way.

use anyhow::{Result, ensure};
use portcullis_tests::{Access, Stage, Terminal};

/// A stage with an open session; the stage comes first, so that it is dropped last where both are kept.
fn session() -> Result<(Stage, Access, Terminal)> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    Ok((stage, access, terminal))
}

/// What the terminal was answered about its cursor is nobody's input.
fn no_reports(terminal: &Terminal) -> Result<()> {
    let shown = terminal.plain();
    ensure!(!shown.contains("1;1R") && !shown.contains("^["), "a cursor position report is on the screen: {shown:?}");
    Ok(())
}

#[test]
fn vim_edits_stops_and_comes_back_and_starts_no_shell() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    terminal.line("vim note.txt")?;
    terminal.expect("[New]")?;
    terminal.send("ikept by vim\x1b")?;
    terminal.line(":w")?;
    terminal.expect("written")?;
    terminal.line(":!sh")?;
    terminal.expect("Cannot execute shell")?;
    terminal.send("\r\x1a")?;
    terminal.expect("Stopped")?;
    terminal.expect("denied by INFRA_DIAG")?;
    terminal.expect("$ ")?;
    terminal.line("echo between-$((40+2))")?;
    terminal.expect("between-42")?;
    terminal.expect("$ ")?;
    terminal.line("fg")?;
    terminal.expect("kept by vim")?;
    terminal.line(":q")?;
    terminal.expect("$ ")?;
    terminal.line("wc -c note.txt")?;
    terminal.expect("12 note.txt")?;
    no_reports(&terminal)
}

#[test]
fn less_shows_and_starts_no_shell() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    terminal.line("seq 1 500 > numbers; less numbers")?;
    terminal.expect("29\n")?;
    terminal.send("!")?;
    terminal.expect("ommand not available")?;
    terminal.send("\rG")?;
    terminal.expect("500")?;
    terminal.send("q")?;
    terminal.expect("$ ")?;
    terminal.line("echo after-$((40+2))")?;
    terminal.expect("after-42")?;
    no_reports(&terminal)
}

#[test]
fn a_secret_that_is_read_is_not_shown() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    terminal.line("read -s -p 'PIN: ' pin; echo; echo length-${#pin}")?;
    terminal.expect("PIN: ")?;
    // the prompt's own echo came first: wait for the one that the program wrote
    terminal.expect("PIN: ")?;
    terminal.line("s3cr3t")?;
    terminal.expect("length-6")?;
    ensure!(!terminal.plain().contains("s3cr3t"), "{:?}", terminal.plain());
    no_reports(&terminal)
}

#[test]
fn a_paste_stops_at_the_line_that_is_denied() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    terminal.send("\x1b[200~echo first-$((40+1))\npython3 -c 1\necho third-$((40+3))\x1b[201~\r")?;
    terminal.expect("first-41")?;
    terminal.expect("denied by INFRA_DIAG")?;
    terminal.expect("[126] $ ")?;
    terminal.line("echo next-$((40+2))")?;
    terminal.expect("next-42")?;
    ensure!(!terminal.plain().contains("third-43"), "a line after the denied one ran: {:?}", terminal.plain());
    no_reports(&terminal)
}

#[test]
fn why_and_allowed_say_more() -> Result<()> {
    let (_stage, access, mut terminal) = session()?;
    terminal.line("docker run -v /:/mnt debian")?;
    terminal.expect("denied by INFRA_DIAG")?;
    terminal.expect("try: docker ps")?;
    terminal.expect("$ ")?;
    terminal.line("why")?;
    for part in ["docker run -v /:/mnt debian", "rule", "docker-subcommand", "reason", "policy"] {
        terminal.expect(part)?;
    }
    terminal.expect("$ ")?;
    terminal.line("allowed docker")?;
    terminal.expect("docker ps|")?;
    let listed = access.run("allowed docker")?;
    ensure!(listed.status == Some(0) && listed.stdout.starts_with("docker ps|"), "{listed:?}");
    let nothing = access.run("allowed no-such-thing")?;
    ensure!(nothing.status == Some(1) && nothing.stdout.is_empty(), "{nothing:?}");
    Ok(())
}

#[test]
fn a_script_is_judged_line_by_line() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let output = access.run_with_input(&[], b"echo one\npython3 -c 1\necho two-$?\nset -e\nfalse\necho never\n")?;
    ensure!((output.status, output.stdout.as_str()) == (Some(1), "one\ntwo-126\n"), "{output:?}");
    ensure!(output.stderr.contains("denied by INFRA_DIAG"), "{output:?}");
    Ok(())
}

#[test]
fn a_command_may_have_a_terminal() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut command: Vec<String> = vec!["ssh".into(), "-t".into()];
    command.extend(access.arguments());
    command.extend([access.destination(), "tty; stty size; exit 3".into()]);
    let mut terminal = Terminal::start(&command)?;
    terminal.expect("/dev/pts/")?;
    terminal.expect("30 100")?;
    ensure!(terminal.wait()?.code() == Some(3));
    no_reports(&terminal)
}

#[test]
fn a_revoke_puts_the_terminal_back_in_order_and_says_why() -> Result<()> {
    let (stage, access, mut terminal) = session()?;
    terminal.line("vim note.txt")?;
    terminal.expect("[New]")?;
    stage.revoke(&access)?;
    terminal.expect("session ended: access was revoked")?;
    terminal.wait()?;
    let bytes = terminal.bytes();
    let last = |text: &[u8]| bytes.windows(text.len()).rposition(|w| w == text);
    let (entered, left) = (last(b"\x1b[?1049h"), last(b"\x1b[?1049l"));
    ensure!(entered.is_some() && left > entered && last(b"session ended") > left, "the alternate screen was not left before the last line: {:?}", terminal.plain());
    Ok(())
}
