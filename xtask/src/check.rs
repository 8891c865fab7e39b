//! `cargo xtask demo --check`: the main job, driven with the stock `ssh` client, failing unless everything holds.

use crate::step::say;
use anyhow::{Context as _, Result, bail, ensure};
use portcullis_tests::stage::{alive, processes_with};
use portcullis_tests::{Access, Ended, Owner, Stage, StageOptions, wait};
use serde_json::Value;
use std::path::Path;

/// An ordinary user of every Debian, for the check without root.
const ORDINARY: u32 = 65_534;

/// The check as this user and, when this is root, as an ordinary one too.
pub(crate) fn everyone(programs: &Path, modules: &Path) -> Result<()> {
    once(programs, modules, Owner::Caller)?;
    if rustix::process::geteuid().is_root() {
        once(programs, modules, Owner::Ordinary { id: ORDINARY })?;
    }
    Ok(())
}

/// The check once.
pub(crate) fn once(programs: &Path, modules: &Path, owner: Owner) -> Result<()> {
    say(&match owner {
        Owner::Caller => "check: the whole way, from request to revoke".to_owned(),
        Owner::Ordinary { id } => format!("check: the same without root (uid {id})"),
    });
    let stage = Stage::with(&StageOptions { owner, ..StageOptions::new(programs.to_owned(), modules.to_owned()) })?;
    let outcome = drive(&stage);
    if outcome.is_err() {
        eprintln!("--- output of portcullis serve\n{}---", stage.output());
    }
    outcome
}

fn passed(what: &str) {
    println!("   ok: {what}");
}

fn drive(stage: &Stage) -> Result<()> {
    let access = stage.grant("INFRA_DIAG")?;
    passed(&format!("request {} approved and deployed; ssh -p {} {}", access.request, access.port, access.destination()));

    let listing = access.run("ls /var/log | head")?;
    ensure!(listing.status == Some(0) && !listing.stdout.is_empty(), "ls /var/log | head: {listing:?}");
    passed("ls /var/log | head");
    let version = access.run("uname -sr")?;
    ensure!(version.status == Some(0) && version.stdout.starts_with("Linux"), "uname -sr: {version:?}");
    if Path::new("/usr/bin/systemctl").exists() {
        let version = access.run("systemctl --version")?;
        ensure!(version.status == Some(0) && version.stdout.contains("systemd"), "systemctl --version: {version:?}");
        passed("systemctl --version");
    }

    for command in [
        "docker run -v /:/mnt debian cat /mnt/etc/shadow",
        "find / -exec sh -c id ;",
        "python3 -c 'print(1)'",
        "cp /usr/bin/id /tmp/copied && /tmp/copied",
        "/lib64/ld-linux-x86-64.so.2 /bin/sh -c id",
    ] {
        let refused = access.run(command)?;
        ensure!(refused.status != Some(0) && !refused.stdout.contains("uid="), "{command} was not refused: {refused:?}");
        ensure!(refused.stderr.contains("denied by") && refused.stderr.contains("(rule "), "{command} was refused without a reason: {refused:?}");
        passed(&format!("refused: {command}: {}", refused.stderr.lines().find(|l| l.contains("denied by")).unwrap_or_default()));
    }

    interactive(stage, &access)
}

fn interactive(stage: &Stage, access: &Access) -> Result<()> {
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("ls /var/log | head -3; echo status-$?")?;
    terminal.expect("status-0")?;
    passed("an interactive session on a terminal");

    terminal.line("vim")?;
    terminal.expect("IMproved")?;
    terminal.send(":!sh\r")?;
    terminal.expect("ENTER")?;
    terminal.send("\r:qa!\r")?;
    let notice = terminal.expect("denied by").and_then(|_| terminal.expect("(rule "));
    notice.context("vim's :!sh gave no denial")?;
    passed("refused: vim, then :!sh");

    terminal.line("why")?;
    terminal.expect("sh")?;
    terminal.line("setsid sleep 98761 &")?;
    terminal.line("sleep 98762 | cat &")?;
    terminal.line("echo started-$((40+2))")?;
    terminal.expect("started-42")?;
    let daemons: Vec<u32> = wait::until("the background processes", wait::LONG, || {
        let found = [processes_with("sleep 98761"), processes_with("sleep 98762")];
        (found.iter().all(|f| !f.is_empty())).then(|| found.concat())
    })?;

    let Ended { killed, survivors, micros } = stage.revoke(access)?;
    ensure!(survivors == 0, "{survivors} survived");
    ensure!(killed >= daemons.len() as u64, "killed {killed}, though {} were running", daemons.len());
    let left: Vec<&u32> = daemons.iter().filter(|pid| alive(**pid)).collect();
    ensure!(left.is_empty(), "these outlived the revoke: {left:?}");
    let ended = terminal.wait().context("the client was not disconnected")?;
    ensure!(!ended.success(), "the client ended as if nothing had happened");
    passed(&format!("revoked: {killed} processes killed, 0 survivors, {:.1} ms; the client is disconnected", micros as f64 / 1000.0));

    let again = access.run("id")?;
    ensure!(again.status == Some(255), "the key still logs in: {again:?}");
    passed("the key no longer logs in");
    replay(stage, access)
}

fn replay(stage: &Stage, access: &Access) -> Result<()> {
    let is_ours = |session: &&Value| {
        let fact = |name: &str| session.get("facts").and_then(|facts| facts.get(name));
        fact("request").and_then(Value::as_str) == Some(&access.request) && fact("tty") == Some(&Value::Bool(true))
    };
    let sessions = stage.sessions()?;
    let session = sessions.iter().find(is_ours).context("the interactive session is not listed")?;
    let id = session.pointer("/facts/id").and_then(Value::as_str).context("a session without an id")?;
    let played = stage.cli(&["session", "play", id, "--speed", "1000"]).output()?;
    let shown = String::from_utf8_lossy(&played.stdout);
    if !played.status.success() || !shown.contains("started-42") {
        bail!("session play {id}: {}\n{shown}\n{}", played.status, String::from_utf8_lossy(&played.stderr));
    }
    passed(&format!("portcullis session play {id} replays the session"));
    Ok(())
}
