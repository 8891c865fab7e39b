//! Attacks by a program that the policy lets run, with the whole product in between: the operator's own ssh client, the
//! gateway, the keeper's guard, the judge, the jail.
//!
//! Each script in `tests/attacks` runs in `/usr/bin/python3` inside a session whose policy allows every program but
//! `/usr/bin/id`, and every argument but FORBIDDEN. It prints HELD, or BYPASS and how. The one about programs of root has INFRA_FULL as it
//! is shipped.

#![expect(clippy::print_stdout, reason = "what an attack found out is of interest, and what is skipped is said aloud")]

use anyhow::{Result, ensure};
use portcullis_tests::{Stage, StageOptions};
use std::path::Path;

/// Tries of each race; the unguarded kernel loses one in five to eight of them.
const ROUNDS: u32 = 300;

/// Which INFRA_FULL judges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// One that allows everything but the canary.
    Canary,
    /// As it is shipped.
    Shipped,
}

fn attack(name: &str, policy: Policy) -> Result<()> {
    let options = StageOptions::from_environment()?;
    let stage = Stage::with(&if policy == Policy::Canary { options.with_canary()? } else { options })?;
    let access = stage.grant("INFRA_FULL")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.py")));
    let script = format!("ROUNDS = {ROUNDS}\nEVIDENCE = {:?}\n{}\n{}", stage.data().join("evidence"), read("prelude")?, read(name)?);
    let output = access.run_with_input(&["/usr/bin/python3 -"], script.as_bytes())?;
    ensure!(output.stdout.contains("HELD") && output.status == Some(0), "{name}: {}\n{}", output.all(), stage.output());
    // the guard still works, for good and for bad
    let canary = access.run(if policy == Policy::Canary { "/usr/bin/id" } else { "unshare -r /usr/bin/id" })?;
    ensure!(canary.status != Some(0) && canary.stderr.contains("denied by"), "{name}: afterwards the canary ran: {canary:?}");
    let good = access.run("echo alive")?;
    ensure!(good.stdout == "alive\n", "{name}: afterwards nothing runs: {good:?}");
    println!("{}", output.stdout.trim());
    let receipt = stage.revoke(&access)?;
    ensure!(receipt.survivors == 0, "{name}: {receipt:?}");
    Ok(())
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() -> Result<()> {
            attack(stringify!($name), Policy::Canary)
        })*

        #[test]
        fn every_script_is_run() {
            let mut listed = vec!["prelude", "run_as", $(stringify!($name)),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks");
            let mut there: Vec<String> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
            listed.sort_unstable();
            there.sort_unstable();
            assert_eq!(listed, there);
        }
    };
}

#[test]
fn run_as() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: programs as root need root");
        return Ok(());
    }
    attack("run_as", Policy::Shipped)
}

attacks![
    argv_race,
    copies,
    environment,
    execveat,
    links_and_views,
    memfd,
    more_processes,
    nested_filter,
    other_abis,
    out_of_the_jail,
    path_race,
    racing_threads,
    refused_calls,
    shared_cwd,
    sockets_and_terminals,
    symlink_race,
    view,
];
