//! The quick start of docs/policies.md, executed as it is written: from nothing to a module that judges a session.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Stage, StageOptions};
use std::path::PathBuf;
use std::process::Command;

const MANUAL: &str = include_str!("../../docs/policies.md");
const FROM: &str = "<!-- what follows is run as it stands by tests/tests/quick_start.rs -->";
const TO: &str = "<!-- as far as here -->";

/// The commands of the manual, block after block.
fn commands() -> Result<String> {
    let (_, from) = MANUAL.split_once(FROM).context("the manual does not say where its quick start begins")?;
    let (text, _) = from.split_once(TO).context("the manual does not say where its quick start ends")?;
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split_once("```").map(|(commands, _)| commands).context("a block of commands does not end"));
    blocks.collect()
}

#[test]
fn the_manuals_quick_start_does_what_it_says() -> Result<()> {
    let Some(templates) = std::env::var_os("PORTCULLIS_TEMPLATES").map(PathBuf::from) else {
        eprintln!("SKIPPED: the quick start, because PORTCULLIS_TEMPLATES does not say where the cargo for modules is; `cargo xtask templates` makes it");
        return Ok(());
    };
    let options = StageOptions::from_environment()?;
    let programs = options.programs.clone();
    let mut stage = Stage::with(&options)?;
    let modules = stage.folder().join("modules");
    let before = std::fs::read(modules.join("INFRA_DIAG.cps.wasm"))?;

    let home = tempfile::tempdir()?;
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
    let commands = commands()?;
    let mut shell = Command::new("sh");
    shell.args(["-eux", "-c", &commands]).current_dir(home.path()).env("PATH", path).env("MODULES", &modules).env("CARGO", templates.join("cargo"));
    // what cargo told this test is not for the project's own cargo
    shell.env_remove("CARGO_TARGET_DIR").env_remove("PORTCULLIS");
    let done = shell.output()?;
    ensure!(done.status.success(), "{commands}\n{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(std::fs::read(modules.join("INFRA_DIAG.cps.wasm"))? != before, "the module is the old one");
    stage.restart()?;

    let access = stage.grant("INFRA_DIAG")?;
    let allowed = access.run("uptime")?;
    ensure!(allowed.status == Some(0) && allowed.stdout.contains("load"), "{allowed:?}");
    let refused = access.run("tail /etc/shadow")?;
    ensure!(refused.status != Some(0) && refused.stdout.is_empty(), "{refused:?}");
    let hint = "tail [-n COUNT] FILE...";
    ensure!(refused.stderr.contains("(rule tail-file)") && refused.stderr.contains(hint) && MANUAL.contains(hint), "{refused:?}");
    let unknown = access.run("uname")?;
    ensure!(unknown.status != Some(0) && unknown.stderr.contains("not-listed"), "the shipped module allowed it, this one does not: {unknown:?}");
    Ok(())
}
