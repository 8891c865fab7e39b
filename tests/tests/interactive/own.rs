//! What the session's shell has and bash has not.

use super::pair::Shown;
use anyhow::{Result, ensure};
use portcullis_tests::{Access, Stage, Terminal, wait};

fn session() -> Result<(Stage, Access, Terminal)> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    Ok((stage, access, terminal))
}

/// Waits until the screen shows `text`.
fn shows(terminal: &Terminal, text: &str) -> Result<Shown> {
    let mut last = String::new();
    let shown = wait::until(&format!("{text:?} on the screen"), wait::LONG, || {
        let shown = Shown::of(terminal, (30, 100));
        last = shown.text();
        last.contains(text).then_some(shown)
    });
    shown.map_err(|error| error.context(last))
}

#[test]
fn a_line_that_would_be_denied_is_hinted_at_and_leaves_no_trace() -> Result<()> {
    let (stage, access, mut terminal) = session()?;
    terminal.send("python3 -c 1")?;
    let shown = shows(&terminal, "would be denied: python3 runs code")?;
    let row = usize::from(shown.cursor.0);
    ensure!(shown.rows[row].ends_with("$ python3 -c 1") && shown.rows[row + 1].starts_with("  would be denied"), "{shown:?}");
    // it goes when the line is another
    terminal.send("\x15echo fine")?;
    wait::until("the hint to go", wait::LONG, || (!Shown::of(&terminal, (30, 100)).text().contains("would be denied")).then_some(()))?;
    terminal.send("\r")?;
    shows(&terminal, "\nfine")?;
    terminal.line("exit")?;
    terminal.wait()?;
    let id = wait::until("the session to be listed as ended", wait::LONG, || {
        let all = stage.sessions().ok()?;
        all.iter().find(|one| one["state"] == "ended").and_then(|one| one["facts"]["id"].as_str().map(str::to_owned))
    })?;
    let record = stage.json(&["session", "show", &id])?.to_string();
    ensure!(record.contains("echo fine") && !record.contains("python3"), "the trial is in the record: {record}");
    ensure!(access.run("echo on")?.stdout == "on\n");
    Ok(())
}

#[test]
fn the_history_is_in_the_home_and_holds_no_secret() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    terminal.line("read -s -p 'PIN: ' pin; echo; echo length-${#pin}")?;
    terminal.expect("PIN: ")?;
    terminal.expect("PIN: ")?;
    terminal.line("s3cr3t")?;
    terminal.expect("length-6")?;
    terminal.expect("$ ")?;
    terminal.line(" echo hidden-by-a-blank")?;
    terminal.expect("\nhidden-by-a-blank")?;
    terminal.expect("$ ")?;
    terminal.line("stat -c %a ~/.portcullis_history; cat ~/.portcullis_history; echo e''nd")?;
    let history = terminal.expect("\nend")?;
    ensure!(history.contains("\n600\n") && history.contains("read -s -p"), "{history}");
    let kept = history.split_once("\n600\n").map_or("", |(_, kept)| kept);
    ensure!(!kept.contains("s3cr3t") && !kept.contains("hidden-by-a-blank"), "{history}");
    Ok(())
}

#[test]
fn the_prompt_says_how_long_and_completion_what_may_be_run() -> Result<()> {
    let (_stage, _access, mut terminal) = session()?;
    let banner = terminal.plain();
    ensure!(banner.contains("INFRA_DIAG 59m ~ $ "), "{banner:?}");
    terminal.send("journ\t")?;
    shows(&terminal, "$ journalctl")?;
    terminal.send("\x15whic\t")?;
    shows(&terminal, "$ which")?;
    terminal.send("\x15pyth\t\t")?;
    terminal.send("\x15echo aft''er\r")?;
    let shown = shows(&terminal, "\nafter")?;
    ensure!(!shown.text().contains("python3"), "what is not allowed is offered: {shown:?}");
    Ok(())
}

#[test]
fn bytes_that_are_no_utf8_are_edited_and_run() -> Result<()> {
    let (_stage, access, mut terminal) = session()?;
    terminal.send_bytes(b"printf %s a\xff\xfeb | od -An -tx1")?;
    shows(&terminal, "a\\377\\376b")?;
    terminal.send("\r")?;
    shows(&terminal, " 61 ff fe 62")?;
    ensure!(access.run("echo on")?.stdout == "on\n");
    Ok(())
}

#[test]
fn what_cannot_be_judged_says_what_to_write_instead() -> Result<()> {
    let (_stage, access, _terminal) = session()?;
    let alias = access.run("alias ll='ls -l'")?;
    ensure!(alias.status == Some(126) && alias.stderr.contains("alias") && alias.stderr.contains("function"), "{alias:?}");
    Ok(())
}
