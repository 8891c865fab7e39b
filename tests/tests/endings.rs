//! The ways in which a session ends: each leaves nothing, says in its last words why, and has its own cause in the receipt.
#![expect(clippy::indexing_slicing, reason = "a test")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::stage::{TARGET, keygen, processes_with, signal};
use portcullis_tests::{Access, Stage, Terminal, wait};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;

const ACTION: &str = "INFRA_DIAG";

/// A session at its prompt, with a program that runs beside it.
fn session(access: &Access, mark: &str) -> Result<Terminal> {
    let mut terminal = access.terminal()?;
    terminal.expect(ACTION)?;
    terminal.line(&format!("setsid sleep {mark} &"))?;
    wait::until("the program", wait::LONG, || (!processes_with(&format!("sleep {mark}")).is_empty()).then_some(()))?;
    Ok(terminal)
}

/// The receipt of the stage's only session.
fn receipt(stage: &Stage) -> Result<Value> {
    let ended = wait::until("the receipt", wait::LONG, || {
        let sessions = stage.sessions().ok()?;
        let session = sessions.iter().find(|session| session["state"] == "ended")?;
        session.get("receipt").filter(|receipt| !receipt.is_null()).cloned()
    });
    ended.with_context(|| stage.output())
}

/// The session has ended in this way, and nothing of it is left.
fn ended(stage: &Stage, mark: &str, cause: &str) -> Result<()> {
    let receipt = receipt(stage)?;
    ensure!(receipt["cause"] == cause && receipt["survivors"] == Value::Array(vec![]), "{receipt}");
    ensure!(processes_with(&format!("sleep {mark}")).is_empty(), "a program outlived its session");
    Ok(())
}

#[test]
fn by_itself() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = session(&access, "61001")?;
    terminal.line("exit 3")?;
    // jobs that run are named once
    terminal.line("exit 3")?;
    ensure!(terminal.wait()?.code() == Some(3));
    ensure!(!terminal.plain().contains("session ended"), "{}", terminal.plain());
    ended(&stage, "61001", "exit")
}

#[test]
fn by_a_revoke() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = session(&access, "61002")?;
    stage.revoke(&access)?;
    terminal.expect("session ended: access was revoked")?;
    terminal.wait()?;
    ended(&stage, "61002", "revoked")?;
    ensure!(access.run("true")?.status == Some(255), "somebody got in");
    Ok(())
}

#[test]
fn by_the_operators_close() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = session(&access, "61003")?;
    stage.json(&["request", "close", &access.request, "--reason", "it is done"])?;
    terminal.expect("session ended: the request was closed")?;
    terminal.wait()?;
    ended(&stage, "61003", "closed")?;
    ensure!(access.run("true")?.status == Some(255), "somebody got in");
    Ok(())
}

#[test]
fn by_its_time() -> Result<()> {
    let stage = Stage::start()?;
    // the shortest that can be asked for
    let access = stage.grant_for(ACTION, "1m")?;
    let mut terminal = session(&access, "61004")?;
    terminal.expect_within("session ended: the time of the access is over", Duration::from_secs(90))?;
    terminal.wait()?;
    ended(&stage, "61004", "expired")
}

#[test]
fn for_want_of_input_and_not_without_a_warning() -> Result<()> {
    let stage = Stage::start()?;
    let key = stage.folder().join("idler");
    keygen(&key, "ed25519", &[])?;
    let public = key.with_extension("pub");
    let public = public.to_str().context("a path")?;
    let create = ["request", "create", ACTION, "--operator", "idler", "--key", public, "--idle", "8s", "--reason", "a test", "--target", TARGET];
    let request = stage.json(&create)?;
    let id = request.pointer("/request/id").and_then(Value::as_str).context("no id")?.to_owned();
    stage.json(&["request", "approve", &id])?;
    let account = wait::until("the grant", wait::LONG, || {
        let request = stage.json(&["request", "show", &id]).ok()?;
        let grant = request.pointer("/grants/0")?;
        (grant["deployment"] == "deployed").then(|| grant["account"].as_str().map(str::to_owned))?
    })?;
    let access = Access { request: id, account, key, port: stage.ssh_port(), home: stage.folder().to_owned() };
    let mut terminal = session(&access, "61005")?;
    terminal.expect("this session ends in 4 seconds unless something is")?;
    // that is something
    terminal.line("echo awake-$((40+2))")?;
    terminal.expect("awake-42")?;
    // said at once, also while a program has the terminal
    terminal.line("sleep 61005")?;
    terminal.expect("this session ends in 4 seconds unless something is")?;
    terminal.expect("session ended: there was no input for too long")?;
    terminal.wait()?;
    ended(&stage, "61005", "idle")
}

#[test]
fn one_by_a_person_while_the_access_goes_on() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = session(&access, "61006")?;
    let sessions = stage.sessions()?;
    let id = sessions.first().and_then(|session| session["facts"]["id"].as_str()).context("no session")?.to_owned();
    let done = finish(stage.cli(&["session", "terminate", &id, "--reason", "too long"]))?;
    ensure!(done.status == Some(0), "{done:?}");
    terminal.expect("session ended: it was terminated; the access goes on")?;
    terminal.wait()?;
    ended(&stage, "61006", "terminated")?;
    ensure!(access.run("echo again")?.stdout == "again\n");
    Ok(())
}

#[test]
fn with_the_node_which_says_so() -> Result<()> {
    let mut stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = session(&access, "61007")?;
    stage.restart()?;
    terminal.expect("session ended: the node is being stopped").with_context(|| stage.output())?;
    terminal.wait()?;
    ensure!(!terminal.plain().contains("access has ended"), "{}", terminal.plain());
    ensure!(processes_with("sleep 61007").is_empty(), "a program outlived its node");
    // the access goes on now that the node is back, and what was ended is on record
    ended(&stage, "61007", "shutdown")?;
    ensure!(access.run("echo again")?.stdout == "again\n");
    Ok(())
}

#[test]
fn with_its_client() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let terminal = session(&access, "61008")?;
    signal(terminal.pid(), Signal::KILL)?;
    wait::until("the program's end", wait::LONG, || processes_with("sleep 61008").is_empty().then_some(()))?;
    ended(&stage, "61008", "disconnect")?;
    ensure!(access.run("echo again")?.stdout == "again\n");
    Ok(())
}
