//! Bad input: one clear line, a non-zero exit, nothing half-started, nothing lost.

use anyhow::{Result, ensure};
use portcullis_tests::stage::processes_with;
use portcullis_tests::{Stage, StageOptions};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Starts a stopped stage's `serve` again after something was spoilt, and gives what it said.
fn serve(stage: &Stage) -> Result<Output> {
    let mut child = Command::new(stage.program("portcullis")).args(["serve", "--config"]).arg(stage.config()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = portcullis_tests::wait::until("serve to give up", Duration::from_secs(30), || child.try_wait().ok().flatten());
    if ended.is_err() {
        portcullis_tests::stage::signal(child.id(), rustix::process::Signal::TERM)?;
    }
    let output = child.wait_with_output()?;
    ended?;
    Ok(output)
}

fn stopped() -> Result<Stage> {
    let mut stage = Stage::with(&StageOptions::from_environment()?)?;
    stage.stop()?;
    Ok(stage)
}

/// Fails, says `words` in one line on standard error, and leaves no process.
fn refuses(stage: &Stage, words: &[&str]) -> Result<()> {
    let output = serve(stage)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it started: {said}");
    ensure!(said.lines().any(|line| words.iter().all(|word| line.contains(word))), "no line with {words:?} in: {said}");
    ensure!(!said.contains("panicked"), "{said}");
    let left = processes_with(&stage.folder().join("bin").display().to_string());
    ensure!(left.is_empty(), "half-started: {left:?}");
    Ok(())
}

#[test]
fn a_broken_configuration_names_the_line() -> Result<()> {
    let stage = stopped()?;
    let good = std::fs::read_to_string(stage.config())?;
    std::fs::write(stage.config(), format!("{good}\n[shh]\nlisten = 1\n"))?;
    let line = good.lines().count() + 2;
    refuses(&stage, &["portcullis.toml", "shh"])?;
    let check = stage.cli(&["config", "check"]).output()?;
    let said = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    ensure!(check.status.code() == Some(1), "{said}");
    ensure!(said.contains(&format!("portcullis.toml:{line}")) || said.contains(&format!("line {line}")), "line {line} is not named: {said}");
    std::fs::write(stage.config(), &good)?;
    ensure!(stage.cli(&["config", "check"]).output()?.status.success());
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let stage = stopped()?;
    let taken = TcpListener::bind(("127.0.0.1", stage.ssh_port()))?;
    refuses(&stage, &[&stage.ssh_port().to_string(), "in use"])?;
    drop(taken);
    Ok(())
}

#[test]
fn a_corrupt_module_is_named() -> Result<()> {
    let stage = stopped()?;
    std::fs::write(stage.folder().join("modules/INFRA_DIAG.cps.wasm"), b"\0asm but not really")?;
    refuses(&stage, &["INFRA_DIAG.cps.wasm"])
}

#[test]
fn a_missing_program_is_named() -> Result<()> {
    let stage = stopped()?;
    std::fs::remove_file(stage.program("portcullis-shell"))?;
    refuses(&stage, &["portcullis-shell"])
}

#[test]
fn a_corrupt_database_is_named_and_left_alone() -> Result<()> {
    let stage = stopped()?;
    let database = stage.data().join("controller/portcullis.sqlite");
    let garbage = vec![0x5a_u8; 8192];
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", database.display()));
    }
    std::fs::write(&database, &garbage)?;
    refuses(&stage, &["portcullis.sqlite"])?;
    ensure!(std::fs::read(&database)? == garbage, "the database was written to");
    Ok(())
}

#[test]
fn an_unreadable_key_file_is_named() -> Result<()> {
    let stage = Stage::start()?;
    let missing = stage.cli(&["request", "create", "INFRA_DIAG", "--operator", "x", "--key", "/nonexistent/key.pub", "--for", "1h", "--reason", "x"]).output()?;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    ensure!(!missing.status.success() && said.contains("/nonexistent/key.pub"), "{said}");
    let private = stage.folder().join("garbage.pub");
    std::fs::write(&private, "this is not a key\n")?;
    let garbage = stage.cli(&["request", "create", "INFRA_DIAG", "--operator", "x", "--for", "1h", "--reason", "x", "--key"]).arg(&private).output()?;
    let said = String::from_utf8_lossy(&garbage.stderr).into_owned();
    ensure!(!garbage.status.success() && said.contains("garbage.pub") && said.lines().count() <= 2, "{said}");
    Ok(())
}

#[test]
fn what_was_granted_survives_a_restart() -> Result<()> {
    let mut stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let gone = stage.grant("INFRA_DIAG")?;
    stage.revoke(&gone)?;
    stage.restart()?;
    let output = access.run("echo still")?;
    ensure!(output.stdout == "still\n", "{output:?}");
    ensure!(gone.run("echo still")?.status == Some(255));
    Ok(())
}
