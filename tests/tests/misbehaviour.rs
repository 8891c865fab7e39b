//! A policy module that misbehaves in a real session: denied in time, on record, and no other session notices.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Stage, StageOptions, wait};
use serde_json::Value;

/// What the module of INFRA_CPS_ONLY for tests does when it is asked to, and what the operator then reads.
const WAYS: &[(&str, &[&str])] = &[
    ("hang", &["no answer within 50ms"]),
    ("grow", &["ran out of memory"]),
    // of the stack in its memory, or of the processor's
    ("recurse", &["ran out of stack", "trapped"]),
    ("trap", &["trapped"]),
    ("huge", &["trapped", "bad answer"]),
    ("steer", &["bad answer"]),
    ("hoard", &["trapped"]),
];

#[test]
fn what_a_module_does_wrong_is_denied_and_on_record() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_CPS_ONLY")?;
    for (way, words) in WAYS {
        let denied = access.run(&format!("/usr/bin/true {way}"))?;
        ensure!(denied.status != Some(0) && denied.stderr.contains("denied by"), "{way}: {denied:?}");
        ensure!(words.iter().any(|words| denied.stderr.contains(words)), "{way}: {denied:?}");
        ensure!(!denied.stderr.contains('\u{1b}'), "{way} steers the terminal: {denied:?}");
        let fine = access.run("/usr/bin/true")?;
        ensure!(fine.status == Some(0), "after {way}: {fine:?}");
    }
    let chatter = access.run("/usr/bin/true chatter")?;
    ensure!(chatter.status == Some(0), "a module may log as much as it likes: {chatter:?}");
    let lines = stage.output().lines().filter(|line| line.contains("chatter ")).count();
    ensure!(lines <= 64, "{lines} lines of 5000 are in the log");

    for (way, words) in WAYS {
        wait::until(&format!("{way} to be on record"), wait::LONG, || {
            let sessions = stage.sessions().ok()?;
            let ids = sessions.iter().filter_map(|session| session.pointer("/facts/id").and_then(Value::as_str));
            let mut shown = ids.filter_map(|id| stage.json(&["session", "show", id]).ok());
            shown.any(|session| refusals(&session).any(|(text, reason)| text.contains(way) && words.iter().any(|words| reason.contains(words)))).then_some(())
        })?;
    }
    Ok(())
}

/// What a session was refused, and why.
fn refusals(session: &Value) -> impl Iterator<Item = (&str, &str)> {
    let commands = session.pointer("/recording/commands").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    commands.iter().filter(|command| command["allowed"] == Value::Bool(false)).filter_map(|command| Some((command["text"].as_str()?, command["reason"].as_str()?)))
}

#[test]
fn other_sessions_go_on_while_a_module_hangs() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let (good, bad) = (stage.grant("INFRA_DIAG")?, stage.grant("INFRA_CPS_ONLY")?);
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let mut terminal = bad.terminal()?;
        terminal.expect("INFRA_CPS_ONLY")?;
        // an answer between two faults, or the judge would soon not ask the module any more
        terminal.line("while true; do /usr/bin/true; /usr/bin/true hang; done")?;
        terminal.expect("Permission denied")?;
        hanging.push(terminal);
    }
    let mut terminal = good.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    for n in 0..40 {
        terminal.line(&format!("date +answer-{n}-%Y"))?;
        terminal.expect(&format!("answer-{n}-20"))?;
    }
    for mut terminal in hanging {
        terminal.expect("Permission denied").context("a hanging module was not asked meanwhile")?;
    }
    Ok(())
}
