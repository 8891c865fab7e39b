//! Each part killed in the middle: everything is denied, sessions end where they must, nothing is left, and it recovers.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::stage::{alive, processes_with, signal};
use portcullis_tests::{Stage, wait};
use rustix::process::Signal;

/// The stage's process of this kind: its own folder is in the command line of each of its processes.
fn part(stage: &Stage, program: &str, role: &str) -> Result<u32> {
    let path = stage.program(program).display().to_string();
    wait::until(&format!("{program} {role}"), wait::LONG, || processes_with(&path).into_iter().find(|pid| command_line(*pid).contains(role)))
}

fn command_line(pid: u32) -> String {
    std::fs::read(format!("/proc/{pid}/cmdline")).map(|l| String::from_utf8_lossy(&l).replace('\0', " ")).unwrap_or_default()
}

fn keepers(stage: &Stage) -> Vec<u32> {
    // a keeper is the warden's child
    let Ok(warden) = part(stage, "portcullis-warden", "--socket") else { return Vec::new() };
    let Ok(threads) = std::fs::read_dir(format!("/proc/{warden}/task")) else { return Vec::new() };
    let children = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

#[test]
fn the_judge_dies_and_everything_is_denied_until_it_is_back() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("date +before-%Y")?;
    terminal.expect("before-20")?;
    let judge = part(&stage, "portcullis-judge", "")?;
    // stopped, it answers nothing: what is asked meanwhile is denied when its time is over
    signal(judge, Signal::STOP)?;
    terminal.line("date +meanwhile-%Y")?;
    terminal.expect("denied by")?;
    signal(judge, Signal::KILL)?;
    let back = wait::until("a new judge", wait::LONG, || part(&stage, "portcullis-judge", "").ok().filter(|pid| *pid != judge))?;
    ensure!(alive(back));
    wait::until("commands to be allowed again", wait::LONG, || {
        terminal.line("date +after-%Y").ok()?;
        terminal.expect_within("after-20", std::time::Duration::from_secs(3)).ok()
    })?;
    ensure!(!terminal.plain().contains("meanwhile-20"), "a command ran without a judge");
    Ok(())
}

#[test]
fn the_keeper_dies_and_with_it_the_session() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("for i in 1 2 3; do setsid sleep 76541 & done; sleep 76541")?;
    wait::until("sleeping processes", wait::LONG, || (processes_with("sleep 76541").len() >= 4).then_some(()))?;
    let keeper = *keepers(&stage).first().context("no keeper")?;
    signal(keeper, Signal::KILL)?;
    terminal.wait().context("the client was not disconnected")?;
    wait::until("the session's processes to be gone", wait::LONG, || processes_with("sleep 76541").is_empty().then_some(()))?;
    let again = access.run("echo again")?;
    ensure!(again.stdout == "again\n", "{again:?}");
    let ended = wait::until("the session's end to be told as a fault", wait::LONG, || {
        let sessions = stage.sessions().ok()?;
        let fault = sessions.iter().find(|session| session["receipt"]["cause"].to_string().contains("fault"))?;
        fault["facts"]["id"].as_str().map(str::to_owned)
    })?;
    // the warden closes the recording in the keeper's stead, and whoever looks is told
    wait::until("the recording to be closed", wait::LONG, || {
        let shown = stage.json(&["session", "show", &ended]).ok()?;
        let recording = &shown["recording"];
        (recording["state"] == "complete" && recording["ended"].to_string().contains("the keeper died")).then_some(())
    })
}

#[test]
fn the_warden_dies_and_with_it_every_session() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("setsid sleep 76542 & sleep 76542")?;
    wait::until("sleeping processes", wait::LONG, || (processes_with("sleep 76542").len() >= 2).then_some(()))?;
    let warden = part(&stage, "portcullis-warden", "--socket")?;
    signal(warden, Signal::KILL)?;
    terminal.wait().context("the client was not disconnected")?;
    wait::until("the session's processes to be gone", wait::LONG, || processes_with("sleep 76542").is_empty().then_some(()))
}

#[test]
fn the_client_is_killed_and_the_session_ends() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("setsid sleep 76543 & sleep 76543")?;
    wait::until("sleeping processes", wait::LONG, || (processes_with("sleep 76543").len() >= 2).then_some(()))?;
    signal(terminal.pid(), Signal::KILL)?;
    wait::until("the session's processes to be gone", wait::LONG, || processes_with("sleep 76543").is_empty().then_some(()))
}

#[test]
fn an_orderly_stop_ends_sessions_and_leaves_no_process() -> Result<()> {
    let mut stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("setsid sleep 76544 & sleep 76544")?;
    wait::until("sleeping processes", wait::LONG, || (processes_with("sleep 76544").len() >= 2).then_some(()))?;
    ensure!(stage.stop()?.success(), "{}", stage.output());
    terminal.wait()?;
    let folder = stage.folder().display().to_string();
    ensure!(processes_with("sleep 76544").is_empty());
    // the ssh client's own command line names the key in this folder, but it has ended
    ensure!(processes_with(&format!("{folder}/bin")).is_empty(), "{:?}", processes_with(&folder));
    Ok(())
}
