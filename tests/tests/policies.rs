//! Policy modules pushed, put in force and taken back by the command line, while people work over ssh.
#![expect(clippy::print_stderr, reason = "what took how long is said aloud")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::stage::keygen;
use portcullis_tests::{Owner, Stage, StageOptions, Terminal, wait};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A stage whose modules may be pushed by the key `admin` in that folder.
fn stage(owner: Owner) -> Result<(Stage, tempfile::TempDir)> {
    let folder = tempfile::Builder::new().prefix("portcullis-admin-").tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    for name in ["admin", "stranger"] {
        keygen(&folder.path().join(name), "ed25519", &[])?;
    }
    let admins = folder.path().join("admins");
    std::fs::copy(folder.path().join("admin.pub"), &admins)?;
    std::fs::set_permissions(&admins, Permissions::from_mode(0o644))?;
    let mut options = StageOptions { owner, ..StageOptions::from_environment()? };
    options.extra_config += &format!("\n[policy]\nadmins = '{}'\n", admins.display());
    Ok((Stage::with(&options)?, folder))
}

/// The shipped module under another digest: with a section that nobody reads.
fn variant(stage: &Stage, folder: &Path, name: &str) -> Result<PathBuf> {
    let shipped = std::fs::read(stage.folder().join("modules/INFRA_DIAG.cps.wasm"))?;
    let length = u8::try_from(name.len())?;
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, [&shipped, &[0, length + 1, length][..], name.as_bytes()].concat())?;
    Ok(path)
}

#[test]
fn a_module_is_put_in_force_and_taken_back_while_sessions_run() -> Result<()> {
    put_in_force_and_take_back(Owner::Caller)
}

#[test]
fn and_the_same_where_all_processes_are_one_ordinary_users() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: the other test is of an ordinary user already");
        return Ok(());
    }
    put_in_force_and_take_back(Owner::Ordinary { id: 65_123 })
}

fn put_in_force_and_take_back(owner: Owner) -> Result<()> {
    let (stage, folder) = stage(owner)?;
    let (key, module) = (folder.path().join("admin"), variant(&stage, folder.path(), "second")?);
    let (key, module) = (key.to_str().context("a path")?, module.to_str().context("a path")?);
    let access = stage.grant("INFRA_DIAG")?;
    let mut busy = access.terminal()?;
    busy.expect("INFRA_DIAG")?;
    busy.line("while :; do uname -s; sleep 0.05; done")?;
    busy.expect("Linux")?;
    let mut curious = access.terminal()?;
    curious.expect("INFRA_DIAG")?;
    // a refusal names the module
    let judged_by = |terminal: &mut Terminal| -> Result<String> {
        terminal.line("python3 -V")?;
        terminal.expect("INFRA_DIAG@")?;
        wait::until("the digest", wait::LONG, || terminal.rest().get(..4).map(str::to_owned))
    };
    let before = judged_by(&mut curious)?;

    let pushed = stage.json(&["policy", "push", module, "--key", key, "--untested", "a test"])?;
    let digest = wait::until("the pushed module's digest", wait::LONG, || find_digest(&pushed))?;
    let activated = finish(stage.cli(&["policy", "activate", &digest, "--watch"]))?;
    ensure!(activated.status == Some(0), "{activated:?}\n{}", stage.output());
    eprintln!("{}", activated.stdout);
    let after = judged_by(&mut curious)?;
    ensure!(digest.starts_with(&after) && after != before, "{before} -> {after}, pushed {digest}");

    // whether the node has answered already is seen below
    finish(stage.cli(&["policy", "rollback", "INFRA_DIAG", "cps", "--reason", "a test"]))?;
    wait::until("the module before to judge again", wait::LONG, || judged_by(&mut curious).ok().filter(|by| *by == before))?;
    // whoever worked meanwhile has noticed nothing
    busy.expect("Linux")?;
    ensure!(!busy.plain().contains("denied"), "{}", busy.plain());
    Ok(())
}

fn find_digest(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => Some(text.clone()),
        serde_json::Value::Array(list) => list.iter().find_map(find_digest),
        serde_json::Value::Object(fields) => fields.values().find_map(find_digest),
        _ => None,
    }
}
