//! What a session may use, as the node's own profiles say: beyond a limit it ends, with the reason, and the others go on.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::{Access, Stage, StageOptions, wait};
use serde_json::Value;
use std::process::{Command, Stdio};

const MIB: u64 = 1024 * 1024;

fn stage(limits: &str) -> Result<Stage> {
    let mut options = StageOptions::from_environment()?;
    options.profiles = vec![("INFRA_DIAG.cps", format!("include = ['INFRA_DIAG.cps']\n[limits]\n{limits}\n"))];
    Stage::with(&options)
}

fn sftp(access: &Access, batch: &str) -> Result<portcullis_tests::Output> {
    let file = access.home.join("batch");
    std::fs::write(&file, batch)?;
    let options = access.arguments().into_iter().map(|argument| if argument == "-p" { "-P".to_owned() } else { argument });
    let mut sftp = Command::new("sftp");
    sftp.arg("-b").arg(&file).args(options).arg(access.destination()).stdin(Stdio::null());
    finish(sftp)
}

/// The newest session, once it has ended: why, and the bytes of its recording.
fn end(stage: &Stage) -> Result<(Value, u64)> {
    let newest = wait::until("the session to be listed as ended", wait::LONG, || {
        let newest = stage.sessions().ok()?.first().cloned()?;
        (newest.get("state")? == "ended").then_some(newest)
    })?;
    let id = newest.pointer("/facts/id").and_then(Value::as_str).context("a session without an id")?;
    let recording = stage.data().join("evidence").join(id).join("recording");
    Ok((newest.pointer("/receipt/cause").cloned().context("no receipt")?, std::fs::metadata(recording)?.len()))
}

#[test]
fn no_more_is_transferred_than_a_session_may() -> Result<()> {
    let stage = stage("transfer-mib = 2")?;
    let access = stage.grant("INFRA_DIAG")?;
    let (small, large) = (access.home.join("small"), access.home.join("large"));
    std::fs::File::create(&small)?.set_len(MIB)?;
    std::fs::File::create(&large)?.set_len(6 * MIB)?;
    let put = sftp(&access, &format!("put {} /tmp/file\nls -l /tmp/file\n", small.display()))?;
    ensure!(put.status == Some(0) && put.stdout.contains(&MIB.to_string()), "{put:?}");
    let put = sftp(&access, &format!("put {} /tmp/file\nls -l /tmp/file\n", large.display()))?;
    ensure!(put.status != Some(0) && put.stderr.contains("carried 2 MiB"), "{put:?}");
    let (cause, _) = end(&stage)?;
    ensure!(cause.to_string().contains("carried 2 MiB"), "{cause}");
    // and down, in several pieces; the limit is of one session
    let got = sftp(&access, &format!("get /tmp/file {0}\nget /tmp/file {0}\nget /tmp/file {0}\n", access.home.join("got").display()))?;
    ensure!(got.status != Some(0) && got.stderr.contains("carried 2 MiB"), "{got:?}");
    ensure!(sftp(&access, "ls /tmp\n")?.status == Some(0));
    Ok(())
}

#[test]
fn no_recording_is_longer_than_it_may_be() -> Result<()> {
    let stage = stage("recording-mib = 1")?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut other = access.ssh(&[], &["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    // what is seen
    let output = access.run("while true; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done")?;
    ensure!(output.status != Some(0) && output.stderr.contains("recording has 1 MiB"), "{:?} {}", output.status, output.stderr);
    let longest = std::fs::read_dir(stage.data().join("evidence"))?.filter_map(|entry| Some(std::fs::metadata(entry.ok()?.path().join("recording")).ok()?.len())).max();
    ensure!(longest.is_some_and(|length| (MIB..3 * MIB).contains(&length)), "{longest:?}");
    // what is asked: each question of a client that asks without end is recorded
    let asked = sftp(&access, &"ls -l /etc/hostname\n".repeat(20_000))?;
    ensure!(asked.status != Some(0) && asked.stderr.contains("recording has 1 MiB"), "{:?} {}", asked.status, asked.stderr.chars().rev().take(500).collect::<String>());
    // the other session has nothing to do with it
    drop(other.stdin.take().map(|mut input| std::io::Write::write_all(&mut input, b"still here\n")));
    let output = other.wait_with_output()?;
    ensure!(output.stdout == b"still here\n", "{output:?}");
    let (cause, _) = end(&stage)?;
    ensure!(cause == "exit" || cause.to_string().contains("recording has 1 MiB"), "{cause}");
    Ok(())
}

#[test]
fn a_profile_that_others_can_write_starts_nothing() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut stage = stage("open-files = 128")?;
    let access = stage.grant("INFRA_DIAG")?;
    ensure!(access.run("ulimit -n")?.stdout == "128\n", "the node's own profile is not in force");
    let profile = stage.data().with_file_name("profiles").join("INFRA_DIAG.cps.toml");
    stage.stop()?;
    std::fs::set_permissions(&profile, std::fs::Permissions::from_mode(0o666))?;
    let mut serve = Command::new(stage.program("portcullis"));
    serve.arg("serve").arg("--config").arg(stage.config()).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    let output = finish(serve)?;
    ensure!(output.status != Some(0) && output.all().contains("can be written by others than root"), "{}", output.all());
    Ok(())
}
