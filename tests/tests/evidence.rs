//! What a node's audit log says, and what its check finds: with the real programs, on a node and on an export by itself.
#![expect(clippy::indexing_slicing, reason = "JSON that is not there is null")]

use anyhow::{Context as _, Result, ensure};
use portcullis_recording::log::LogKey;
use portcullis_tests::stage::processes_with;
use portcullis_tests::{Stage, StageOptions, wait};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn stage() -> Result<Stage> {
    let mut options = StageOptions::from_environment()?;
    options.only = &["INFRA_DIAG.cps.wasm"];
    Stage::with(&options)
}

/// `portcullis audit ARGS... --json`, one entry a line.
fn entries(stage: &Stage, args: &[&str]) -> Result<Vec<Value>> {
    let output = stage.cli(&["audit"]).args(args).arg("--json").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn names(entries: &[Value]) -> Vec<String> {
    entries.iter().filter_map(|entry| entry["event"].as_object()?.keys().next().cloned()).collect()
}

/// Runs one command in a session and waits until its recording is sealed; gives the session.
fn sealed_session(stage: &Stage, command: &str) -> Result<String> {
    let access = stage.grant("INFRA_DIAG")?;
    let ran = access.run(command)?;
    ensure!(ran.status == Some(0), "{ran:?}");
    wait::until("the recording to be sealed", wait::LONG, || {
        let sealed = entries(stage, &["search", "--kind", "recording-sealed"]).ok()?;
        sealed.last()?["event"]["recording-sealed"]["session"].as_str().map(str::to_owned)
    })
    .with_context(|| stage.output())
}

/// `portcullis audit verify ...` on an export, with nothing else at hand: whether it is good, and what it says.
fn verify(program: &Path, export: &Path, more: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(program).args(["audit", "verify", "--export"]).arg(export).args(more).env_clear().current_dir("/").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {said}", output.status);
    Ok((output.status.success(), said))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

#[test]
fn what_is_let_in_and_ended_is_on_record_in_order() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant("INFRA_DIAG")?;
    let ran = access.run("echo on-record")?;
    ensure!(ran.stdout == "on-record\n", "{ran:?}");
    stage.revoke(&access)?;
    let log = wait::until("the recording to be sealed", wait::LONG, || {
        let log = entries(&stage, &["search"]).ok()?;
        names(&log).contains(&"recording-sealed".to_owned()).then_some(log)
    })
    .with_context(|| stage.output())?;
    let names = names(&log);
    let place = |name: &str| names.iter().position(|found| found == name).with_context(|| format!("{name} is not in {names:?}"));
    ensure!(place("opened")? < place("grant-admitted")? && place("grant-admitted")? < place("session-admitted")?, "{names:?}");
    ensure!(place("session-admitted")? < place("session-ended")?, "{names:?}");
    ensure!(place("grant-revoked")? < place("revocation-done")?, "{names:?}");
    let session = log[place("session-admitted")?]["event"]["session-admitted"]["facts"]["id"].as_str().context("no id")?.to_owned();
    ensure!(log[place("recording-sealed")?]["event"]["recording-sealed"]["session"] == session, "{log:?}");
    let about = entries(&stage, &["search", "--session", &session])?;
    ensure!(about.len() == 3, "{about:?}");
    ensure!(entries(&stage, &["tail", "-n", "2"])?.len() == 2);
    ensure!(entries(&stage, &["search", "--text", "no such text"])?.is_empty());
    // the file has gone, and everybody still reads the recording
    wait::until("the file to be removed", wait::LONG, || (!stage.data().join("evidence").join(&session).join("recording").exists()).then_some(()))?;
    let shown = stage.json(&["session", "show", &session])?;
    ensure!(shown["recording"]["state"] == "complete" && shown["recording"]["commands"].as_array().is_some_and(|all| !all.is_empty()), "{shown}");
    let played = stage.cli(&["session", "play", &session, "--speed", "1000"]).output()?;
    ensure!(String::from_utf8_lossy(&played.stdout).contains("on-record"), "{played:?}");
    let checked = stage.json(&["session", "verify", &session])?;
    ensure!(checked["good"] == true && checked["recordings"][0]["standing"] == "sealed", "{checked}");
    ensure!(stage.json(&["audit", "verify"])?["good"] == true);
    Ok(())
}

#[test]
fn an_export_is_checked_by_itself_and_no_file_of_it_can_be_altered() -> Result<()> {
    let mut stage = stage()?;
    let session = sealed_session(&stage, "echo exported")?;
    let folder = tempfile::tempdir()?;
    let export = folder.path().join("export");
    let path = export.to_str().context("not UTF-8")?;
    stage.json(&["audit", "export", path])?;
    let program = folder.path().join("portcullis");
    std::fs::copy(stage.program("portcullis"), &program)?;
    stage.stop()?;
    // the node is gone
    drop(stage);
    let (good, said) = verify(&program, &export, &[])?;
    ensure!(good && said.contains(&session), "{said}");
    let alone = Command::new(&program).args(["session", "verify"]).arg(export.join("evidence").join(&session)).env_clear().output()?;
    ensure!(alone.status.success(), "{alone:?}");
    let mut all = Vec::new();
    files(&export, &mut all)?;
    let kinds: Vec<String> = all.iter().filter_map(|file| Some(file.strip_prefix(&export).ok()?.display().to_string())).collect();
    for kind in ["checkpoint", "log.vkey", "tile/0/", "tile/entries/", "manifest.json", "chunk-000000.zst"] {
        ensure!(kinds.iter().any(|name| name.contains(kind)), "no {kind} in {kinds:?}");
    }
    for file in &all {
        let bytes = std::fs::read(file)?;
        let mut altered: Vec<(&str, Vec<u8>)> = Vec::new();
        for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 4 / 5] {
            let mut changed = bytes.clone();
            *changed.get_mut(at).context("an empty file")? ^= 4;
            altered.push(("a changed byte", changed));
        }
        altered.push(("a dropped end", bytes.get(..bytes.len() - bytes.len() / 4 - 1).context("an empty file")?.to_vec()));
        altered.push(("emptied", Vec::new()));
        for (what, altered) in altered {
            std::fs::write(file, altered)?;
            let (good, said) = verify(&program, &export, &[])?;
            ensure!(!good, "{what} in {} is not found: {said}", file.display());
        }
        std::fs::remove_file(file)?;
        let (good, said) = verify(&program, &export, &[])?;
        ensure!(!good, "the loss of {} is not found: {said}", file.display());
        std::fs::write(file, &bytes)?;
    }
    ensure!(verify(&program, &export, &[])?.0);
    let recording = export.join("evidence").join(&session);
    std::fs::rename(&recording, folder.path().join("away"))?;
    let (good, said) = verify(&program, &export, &[])?;
    ensure!(!good && said.contains("the recording is not there") && said.contains(&session), "{said}");
    std::fs::rename(folder.path().join("away"), &recording)?;
    // a file with anything in it that would steer a terminal does not
    let manifest = recording.join("manifest.json");
    let text = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, text.replace("chunk-000000.zst", "chunk-\\u001b[2J.zst"))?;
    let (good, said) = verify(&program, &export, &[])?;
    ensure!(!good && !said.contains('\u{1b}'), "{said:?}");
    std::fs::write(&manifest, text)?;

    // another node signs
    let witness = LogKey::new("portcullis/node2", [9; 32]).map_err(|error| anyhow::anyhow!("{error}"))?;
    let key = folder.path().join("audit.key");
    std::fs::write(&key, witness.to_secret())?;
    let wanted = witness.witness().to_string();
    let (good, said) = verify(&program, &export, &["--witness", &wanted])?;
    ensure!(!good && said.contains("node2"), "{said}");
    let signed = Command::new(&program).args(["audit", "cosign"]).arg(&export).arg("--key").arg(&key).env_clear().output()?;
    ensure!(signed.status.success(), "{signed:?}");
    let (good, said) = verify(&program, &export, &["--witness", &wanted])?;
    ensure!(good && said.contains("witness: portcullis/node2"), "{said}");
    let stranger = LogKey::new("portcullis/node3", [3; 32]).map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(!verify(&program, &export, &["--key", &stranger.verifier().to_string()])?.0);
    Ok(())
}

#[test]
fn a_node_whose_log_was_altered_does_not_start() -> Result<()> {
    let mut stage = stage()?;
    sealed_session(&stage, "echo before")?;
    stage.stop()?;
    let tail = stage.data().join("audit/tail");
    let bytes = std::fs::read(&tail)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    std::fs::write(&tail, text.replace("operator0", "operator9"))?;
    let error = stage.restart_stopped().err().context("it starts")?;
    ensure!(format!("{error:#}").contains("the log is not what its checkpoint"), "{error:#}");
    std::fs::write(&tail, bytes)?;
    stage.restart_stopped()
}

#[test]
fn a_log_that_cannot_be_written_lets_nobody_in_and_ends_sessions() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a full disk is made with a mount, which takes root");
        return Ok(());
    }
    let mut stage = stage()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("sleep 76551 & sleep 76551")?;
    wait::until("sleeping processes", wait::LONG, || (processes_with("sleep 76551").len() >= 2).then_some(()))?;
    let warden = *processes_with(&stage.program("portcullis-warden").display().to_string()).iter().min().context("no warden")?;
    let audit = stage.data().join("audit");
    let there = |program: &str| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &warden.to_string(), "-m", program]);
        command
    };
    ensure!(there("mount").args(["-t", "tmpfs", "-o", "size=4k,nr_inodes=1,mode=0755", "full"]).arg(&audit).status()?.success(), "cannot mount");
    // its own entry may still be committed; what is signed after it is not
    let _ = access.run("echo one");
    terminal.wait().context("the session goes on without a log")?;
    wait::until("the session's processes to be gone", wait::LONG, || processes_with("sleep 76551").is_empty().then_some(()))?;
    let refused = access.run("echo ran")?;
    ensure!(refused.status != Some(0) && !refused.stdout.contains("ran") && refused.all().contains("audit log"), "{refused:?}");
    ensure!(there("umount").arg(&audit).status()?.success());
    stage.restart()?;
    let again = access.run("echo ran")?;
    ensure!(again.stdout == "ran\n", "it does not recover: {again:?}; {}", stage.output());
    wait::until("evidence to be good again", wait::LONG, || (stage.json(&["audit", "verify"]).ok()?["good"] == true).then_some(())).with_context(|| stage.output())
}
