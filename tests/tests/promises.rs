//! The promises of ARCHITECTURE.md, each with the real programs and the stock ssh client.
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::stage::{alive, processes_with};
use portcullis_tests::{Stage, wait};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

/// Recordings of the stage, as folders.
fn recordings(stage: &Stage) -> Vec<PathBuf> {
    std::fs::read_dir(stage.data().join("evidence")).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default()
}

#[test]
fn nothing_runs_unjudged_whoever_asks() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    for (command, allowed) in [
        ("echo one && date +%Y", true),
        ("for i in 1 2 3; do echo $i; done | wc -l", true),
        ("cat < /etc/hostname", true),
        ("echo $(python3 -c 'print(1)')", false),
        ("ls; python3 -c 'print(1)'", false),
        ("bash -c id", false),
        ("sh -c id", false),
        ("env python3 -c 'print(1)'", false),
        ("find /etc -maxdepth 0 -exec id ;", false),
        ("awk 'BEGIN{system(\"id\")}'", false),
        ("xargs python3 < /dev/null", false),
        ("p=python3; $p -c 'print(1)'", false),
        ("cp /usr/bin/id ./ls2; ./ls2", false),
    ] {
        let output = access.run(command)?;
        ensure!((output.status == Some(0)) == allowed, "{command:?} should be {}: {output:?}", if allowed { "allowed" } else { "refused" });
        ensure!(allowed || output.stderr.contains("denied by"), "{command:?} was refused without a reason: {output:?}");
        ensure!(!output.stdout.contains("uid="), "{command:?} ran: {output:?}");
    }
    Ok(())
}

#[test]
fn the_decision_is_in_the_recording() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    access.run("uname -m; python3 -V")?;
    let allowed = access.run("uname -m")?;
    ensure!(allowed.status == Some(0), "{allowed:?}");
    let sessions = wait::until("both sessions to be listed as ended", wait::LONG, || {
        let list = stage.sessions().ok()?;
        let ended = list.iter().filter(|s| s["state"] == "ended");
        let ids: Vec<String> = ended.filter_map(|s| s["facts"]["id"].as_str().map(str::to_owned)).collect();
        (ids.len() == 2).then_some(ids)
    })?;
    let mut shown = String::new();
    for id in &sessions {
        shown.push_str(&stage.json(&["session", "show", id])?.to_string());
    }
    for wanted in ["uname", "python3", "/usr/bin/uname"] {
        ensure!(shown.contains(wanted), "{wanted} is not in session show: {shown}");
    }
    Ok(())
}

#[test]
fn exit_status_output_and_input_pass_unchanged() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let status = access.run("exit 37")?;
    ensure!(status.status == Some(37), "{status:?}");
    let split = access.run("echo out; echo err >&2; false")?;
    ensure!((split.status, split.stdout.as_str(), split.stderr.as_str()) == (Some(1), "out\n", "err\n"), "{split:?}");
    let input: Vec<u8> = (0..3_000_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    let counted = access.run_with_input(&["wc -c"], &input)?;
    ensure!(counted.stdout.trim() == "3000000", "{counted:?}");
    let big = access.run("seq 1 200000 | tail -1; seq 1 200000")?;
    ensure!(big.stdout.lines().count() == 200_001, "{} lines", big.stdout.lines().count());
    Ok(())
}

#[test]
fn revoke_leaves_nothing() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut first = access.terminal()?;
    first.expect("INFRA_DIAG")?;
    let mut second = access.terminal()?;
    second.expect("INFRA_DIAG")?;
    for (terminal, mark) in [(&mut first, "87651"), (&mut second, "87652")] {
        terminal.line(&format!("for i in 1 2 3 4 5; do setsid sleep {mark} & done; sleep {mark} | cat"))?;
    }
    let marked = || [processes_with("sleep 87651"), processes_with("sleep 87652")].concat();
    let running = wait::until("twelve sleeping processes", wait::LONG, || {
        let found = marked();
        (found.len() >= 12).then_some(found)
    })?;
    let receipt = stage.revoke(&access)?;
    ensure!(running.iter().all(|pid| !alive(*pid)) && marked().is_empty(), "some outlived it: {:?}; {receipt:?}", marked());
    ensure!(receipt.survivors == 0 && receipt.killed >= 12, "{receipt:?}");
    first.wait()?;
    second.wait()?;
    let again = access.run("true")?;
    ensure!(again.status == Some(255) && again.stderr.contains("Permission denied"), "{again:?}");
    Ok(())
}

#[test]
fn a_grant_ends_by_itself() -> Result<()> {
    let stage = Stage::start()?;
    // the shortest that can be asked for
    let access = stage.grant_for("INFRA_DIAG", "1m")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("sleep 86543")?;
    terminal.expect_within("ended", Duration::from_secs(90)).context("the operator was not told")?;
    terminal.wait().context("the session outlived its grant")?;
    ensure!(processes_with("sleep 86543").is_empty());
    let again = access.run("true")?;
    ensure!(again.status == Some(255), "{again:?}");
    Ok(())
}

#[test]
fn every_byte_is_recorded_but_no_password() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("echo visible-$((6*7))")?;
    terminal.expect("visible-42")?;
    // written so that the prompt is not found in the line's own echo
    terminal.line("read -s -p 'Pass''word: ' secret; echo; echo length-${#secret}")?;
    terminal.expect("Password: ")?;
    terminal.line("hunter2hunter2")?;
    terminal.expect("length-14")?;
    terminal.line("exit 4")?;
    ensure!(terminal.wait()?.code() == Some(4));
    let folder = wait::until("the recording", wait::LONG, || recordings(&stage).pop())?;
    let mut bytes = Vec::new();
    portcullis_recording::Source::open(&folder.join("recording"))?.0.read_to_end(&mut bytes)?;
    let has = |text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
    ensure!(has(b"visible-42"), "the output is not recorded");
    ensure!(!has(b"hunter2"), "the password is recorded");
    Ok(())
}

#[test]
fn a_session_that_cannot_be_recorded_does_not_start() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a full disk is made with a mount, which takes root");
        return Ok(());
    }
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let evidence = stage.data().join("evidence");
    // no space at all where recordings go
    let warden = *processes_with(&stage.program("portcullis-warden").display().to_string()).iter().min().context("no warden")?;
    // where the warden sees it: it has mounts of its own
    let there = |program: &str| {
        let mut command = std::process::Command::new("nsenter");
        command.args(["-t", &warden.to_string(), "-m", program]);
        command
    };
    let mounted = there("mount").args(["-t", "tmpfs", "-o", "size=4k,nr_inodes=1,mode=0755", "full"]).arg(&evidence).status()?;
    ensure!(mounted.success(), "cannot mount");
    let refused = access.run("echo ran");
    let unmounted = there("umount").arg(&evidence).status()?;
    let refused = refused?;
    ensure!(unmounted.success());
    ensure!(refused.status != Some(0) && !refused.stdout.contains("ran"), "{refused:?}");
    let again = access.run("echo ran")?;
    ensure!(again.stdout == "ran\n", "it does not recover: {again:?}; {}", stage.output());
    Ok(())
}

#[test]
fn what_an_operator_leaves_is_there_for_their_next_session_and_ends_with_the_access() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let first = access.run("echo mine > note; echo scratch > /tmp/note")?;
    ensure!(first.status == Some(0), "{first:?}");
    let next = access.run("cat note /tmp/note")?;
    named_for_the_host(&stage, &access)?;
    if !rustix::process::geteuid().is_root() {
        ensure!(!next.stdout.contains("mine"), "without root each session has its own: {next:?}");
        return Ok(());
    }
    ensure!(next.stdout == "mine\nscratch\n", "{next:?}");
    let other = stage.grant("INFRA_DIAG")?.run("cat /tmp/note; ls /home")?;
    ensure!(!other.stdout.contains("scratch") && other.stdout.lines().count() == 1, "another access sees it: {other:?}");
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    ensure!(!mounts.contains("belongings"), "it is mounted where others can see it");
    stage.revoke(&access)?;
    let names = std::fs::read_dir(stage.data().join("userdb"))?.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    ensure!(!names.iter().any(|name| name.to_string_lossy().contains(&access.account)), "the account is still named: {names:?}");
    let left: Vec<_> = std::fs::read_dir(stage.data().join("warden/belongings"))?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(left.len() == 1, "the other access has folders, the revoked one has none: {left:?}");
    Ok(())
}

/// The host's own programs know the account by its name, where they ask the user database.
fn named_for_the_host(stage: &Stage, access: &portcullis_tests::Access) -> Result<()> {
    let record = stage.data().join("userdb").join(format!("{}.user", access.account));
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    ensure!(std::fs::read_to_string(&record)?.contains(&access.account), "no record {}", record.display());
    let asks = std::fs::read_to_string("/etc/nsswitch.conf").is_ok_and(|text| text.lines().any(|line| line.starts_with("passwd:") && line.contains("systemd")));
    if !asks {
        eprintln!("SKIPPED: this machine's programs do not ask the user database");
        return Ok(());
    }
    // in mounts of its own, where the folder is the one that they read
    let script = format!("mkdir -p /run/userdb && mount --bind {} /run/userdb && getent passwd {}", stage.data().join("userdb").display(), access.account);
    let shown = std::process::Command::new("unshare").args(["-m", "sh", "-c", &script]).output()?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(text.starts_with(&access.account) && text.contains("/usr/sbin/nologin"), "getent: {text} {}", String::from_utf8_lossy(&shown.stderr));
    Ok(())
}
