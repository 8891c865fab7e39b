//! Policy modules pushed, put in force and taken back by the command line, while people work over ssh.
#![expect(clippy::print_stderr, reason = "what took how long is said aloud")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::policies::Admin;
use portcullis_tests::{Owner, Stage, StageOptions, Terminal, wait};

/// A stage that knows the admin's key.
fn stage(owner: Owner) -> Result<(Stage, Admin)> {
    let admin = Admin::new()?;
    let mut options = StageOptions { owner, ..StageOptions::from_environment()? };
    options.extra_config += &admin.configuration();
    Ok((Stage::with(&options)?, admin))
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
    let (stage, admin) = stage(owner)?;
    let module = admin.variant(&stage, "second")?;
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

    let digest = admin.push(&stage, &module)?;
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

#[test]
fn a_candidate_is_compared_and_taken_out_by_itself_and_all_of_it_is_on_record() -> Result<()> {
    let (stage, admin) = stage(Owner::Caller)?;
    // it allows everything, and traps when an argument asks for it
    let canary = std::env::var_os("PORTCULLIS_CANARY").context("PORTCULLIS_CANARY is not set; run the tests by `cargo xtask`")?;
    let digest = admin.push(&stage, &std::path::Path::new(&canary).join("INFRA_CPS_ONLY.cps.wasm"))?;
    ensure!(finish(stage.cli(&["policy", "shadow", &digest, "--reason", "a test"]))?.status == Some(0), "{}", stage.output());
    let access = stage.grant("INFRA_CPS_ONLY")?;

    let refused = access.run("python3 -V")?;
    ensure!(refused.status != Some(0) && refused.stderr.contains("denied by"), "a module on trial decided: {refused:?}");
    let trial = || stage.json(&["policy", "trial", &digest]).ok();
    let listed = wait::until("the difference to be listed", wait::LONG, || trial().filter(|trial| trial["differences"].as_array().is_some_and(|rows| !rows.is_empty())))?;
    let row = &listed["differences"][0];
    ensure!(row["operator"] == "operator0" && row["active"]["verdict"] == "deny" && row["candidate"]["verdict"] == "allow", "{listed}");
    ensure!(listed["policy"]["stage"] == "shadow" && listed["faults"] == 0, "{listed}");

    let allowed = access.run("/usr/bin/true trap")?;
    ensure!(allowed.status == Some(0), "what a module on trial fails at was noticed: {allowed:?}");
    let show = || stage.json(&["policy", "show", &digest]).ok();
    let ended = wait::until("the trial to end by itself", wait::LONG, || show().filter(|shown| shown["policy"]["stage"] == "retired")).with_context(|| stage.output())?;
    let events: Vec<(&str, &str)> = ended["history"].as_array().context("no history")?.iter().filter_map(|event| Some((event["kind"].as_str()?, event["target"].as_str().unwrap_or("")))).collect();
    for event in [("Policy.Push", ""), ("Policy.Test", ""), ("Policy.Shadow", "")] {
        ensure!(events.contains(&event), "{event:?} is not on record: {events:?}");
    }
    ensure!(events.iter().any(|(kind, _)| *kind == "Policy.Fault"), "{ended}");
    // a trial that a node ended is a failure
    let shown = finish(stage.cli(&["policy", "trial", &digest]))?;
    ensure!(shown.status == Some(1) && shown.stdout.contains("ended by the node") && shown.stdout.contains("python3"), "{shown:?}");
    Ok(())
}
