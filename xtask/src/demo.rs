//! `cargo xtask demo`: Portcullis on one machine, with an operator and an approved request, until Ctrl-C.

use crate::build::{self, Profile};
use crate::step::say;
use crate::{check, machine, policies};
use anyhow::{Context as _, Result, bail};
use portcullis_tests::{Owner, Stage, StageOptions};
use std::path::Path;

/// Runs the demo, or its check.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let mut checking = false;
    let mut owner = Owner::Caller;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--check" => checking = true,
            "--user" => owner = Owner::Ordinary { id: uid_of(args.next().context("--user takes a name")?)? },
            other => bail!("demo does not take {other:?}"),
        }
    }
    machine::ensure(&[machine::BUILD, machine::DEMO])?;
    let modules = policies::build_policies(root)?;
    let programs = build::binaries(root, Profile::Dev)?;
    if checking {
        return check::once(&programs, &modules, owner);
    }
    say("starting Portcullis");
    let mut stage = Stage::with(&StageOptions { owner, ..StageOptions::new(programs, modules) })?;
    let access = stage.grant("INFRA_DIAG")?;
    print!("{}", stage.output());
    let ssh = format!("ssh {} {}", access.arguments().join(" "), access.destination());
    let portcullis = format!("{} --config {}", stage.program("portcullis").display(), stage.config().display());
    println!(
        "
Portcullis is up. Request {request} for INFRA_DIAG was made and approved; it ends in an hour.

  enter, as the operator:       {ssh}
  revoke, as the customer:      {portcullis} request revoke {request} --reason enough
  the sessions so far:          {portcullis} session list
  replay one:                   {portcullis} session play SESSION
  the recordings are in:        {evidence}

Inside, try `allowed`, `ls /var/log`, `docker run -v /:/mnt debian`, `why`. Ctrl-C here ends the demo and removes its folder.",
        request = access.request,
        evidence = stage.data().join("evidence").display(),
    );
    until_interrupted()?;
    println!("\nstopping");
    stage.stop()?;
    Ok(())
}

/// Waits for Ctrl-C or an order to end.
fn until_interrupted() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    signals.forever().next();
    Ok(())
}

fn uid_of(name: &str) -> Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let account = accounts.lines().find(|line| line.split(':').next() == Some(name)).with_context(|| format!("there is no user {name:?}"))?;
    account.split(':').nth(2).and_then(|id| id.parse().ok()).with_context(|| format!("user {name:?} has no uid"))
}
