//! Everything is killed at random moments under load, again and again: each recording is good up to a flagged end, and nothing that
//! was let in or shown is missing. `PORTCULLIS_CRASH_ROUNDS` says how often; a full run takes 200.

use anyhow::{Context as _, Result, ensure};
use portcullis_recording::{Body, FILE_NAME, Reader};
use portcullis_tests::stage::{processes_with, signal};
use portcullis_tests::{Access, Stage, StageOptions, wait};
use rustix::process::Signal;
use serde_json::Value;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::Duration;

const ROUNDS: u32 = 20;
const CLIENTS: usize = 3;
/// Everything runs for so long at most before something is killed.
const MOMENT_MAX_MS: u64 = 1500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Keeper,
    Warden,
    Gateway,
    All,
}

const VICTIMS: [Victim; 4] = [Victim::Keeper, Victim::Warden, Victim::Gateway, Victim::All];

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0_u8) % below
}

/// A session that writes without end, numbered lines that begin with `mark`.
fn load(access: &Access, mark: &str) -> Result<Child> {
    let script = format!("for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do for k in 1 2 3 4 5 6 7 8 9; do /bin/echo {mark}-$i$j$k; done; done; done");
    access.ssh(&[], &[&script]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("cannot start ssh")
}

fn victims(stage: &Stage, victim: Victim) -> Vec<u32> {
    let named = |program: &str, argument: &str| {
        let path = stage.program(program).display().to_string();
        let is_it = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(argument));
        processes_with(&path).into_iter().filter(is_it).collect::<Vec<_>>()
    };
    match victim {
        Victim::Warden => named("portcullis-warden", "--socket"),
        Victim::Gateway => named("portcullis", " gateway "),
        // a keeper is the warden's child
        Victim::Keeper => {
            let children = |warden: u32| std::fs::read_to_string(format!("/proc/{warden}/task/{warden}/children")).unwrap_or_default();
            let threads = |warden: u32| std::fs::read_dir(format!("/proc/{warden}/task")).map(|all| all.flatten().map(|t| t.path().join("children")).collect::<Vec<_>>()).unwrap_or_default();
            let of = |warden: u32| children(warden) + &threads(warden).iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect::<String>();
            named("portcullis-warden", "--socket").into_iter().flat_map(|warden| of(warden).split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).take(1).collect()
        }
        Victim::All => {
            let mut all: Vec<u32> = named("portcullis-warden", "--socket");
            all.extend(named("portcullis", " gateway "));
            all.extend(named("portcullis", " controller "));
            all.push(stage.pid());
            all
        }
    }
}

fn entries(stage: &Stage) -> Result<Vec<Value>> {
    let output = stage.cli(&["audit", "search", "--json"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// All that the recordings say was shown, a text for each session.
fn shown(stage: &Stage) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(stage.data().join("evidence"))?.flatten() {
        let Ok(reader) = Reader::open(&folder.path().join(FILE_NAME)) else { continue };
        let mut text = Vec::new();
        for frame in reader {
            if let Body::Output(bytes) = frame?.body {
                text.extend(bytes);
            }
        }
        all.push(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(all)
}

fn round(stage: &mut Stage, access: &Access, number: u32) -> Result<()> {
    let victim = *VICTIMS.get(number as usize % VICTIMS.len()).context("nobody to kill")?;
    let mut clients = (0..CLIENTS).map(|client| load(access, &format!("mark-{number}-{client}"))).collect::<Result<Vec<_>>>()?;
    let runs = wait::until("a session to be let in", wait::LONG, || {
        let admitted = entries(stage).ok()?.iter().filter(|entry| entry["event"].get("session-admitted").is_some()).count();
        (admitted > number as usize * CLIENTS).then_some(())
    });
    runs.with_context(|| stage.output())?;
    std::thread::sleep(Duration::from_millis(random(MOMENT_MAX_MS)));
    let before = entries(stage)?;
    let killed = victims(stage, victim);
    for pid in &killed {
        // what is gone already was about to be killed
        let _ = signal(*pid, Signal::KILL);
    }
    if victim != Victim::Keeper {
        stage.restart().with_context(|| format!("after the end of {victim:?}"))?;
    }
    let mut seen = Vec::new();
    for client in &mut clients {
        if victim == Victim::Keeper {
            // the others go on for long enough
            let _ = client.kill();
        }
        let mut text = String::new();
        client.stdout.take().context("no pipe")?.read_to_string(&mut text)?;
        client.wait()?;
        seen.push(text);
    }
    // what was left is closed and sealed
    let evidence = stage.data().join("evidence");
    let sealed = wait::until("all recordings to be sealed", wait::LONG * 2, || {
        let open = std::fs::read_dir(&evidence).ok()?.flatten().filter(|folder| folder.path().join(FILE_NAME).exists()).count();
        let log = entries(stage).ok()?;
        let count = |kinds: &[&str]| {
            let of = |entry: &Value| kinds.iter().find_map(|kind| entry["event"].get(*kind)).map(|event| event.get("session").or(event.pointer("/facts/id")).cloned());
            log.iter().filter_map(of).map(|session| session.unwrap_or_default().to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        (open == 0 && count(&["session-admitted"]).is_subset(&count(&["recording-sealed", "recording-missing"]))).then_some(())
    });
    sealed.with_context(|| format!("after the end of {victim:?} {killed:?}: {}", stage.output()))?;
    let found = stage.cli(&["audit", "verify", "--json"]).output()?;
    let found: Value = serde_json::from_slice(&found.stdout).with_context(|| format!("{found:?}"))?;
    ensure!(found.get("good") == Some(&Value::Bool(true)), "after the end of {victim:?}: {found:#}\n{}", stage.output());
    // what was in the log stayed, in its place
    let after = entries(stage)?;
    ensure!(after.get(..before.len()) == Some(&before[..]), "entries were lost after the end of {victim:?}");
    let recorded = shown(stage)?;
    for text in seen.iter().filter(|text| !text.is_empty()) {
        ensure!(recorded.iter().any(|recording| recording.starts_with(text.as_str())), "what was shown is not recorded after the end of {victim:?}: {text}");
    }
    Ok(())
}

#[test]
fn nothing_that_was_acted_on_is_missing_whatever_is_killed_and_when() -> Result<()> {
    let rounds = std::env::var("PORTCULLIS_CRASH_ROUNDS").ok().map(|text| text.parse()).transpose()?.unwrap_or(ROUNDS);
    let mut options = StageOptions::from_environment()?;
    options.only = &["INFRA_DIAG.cps.wasm"];
    let mut stage = Stage::with(&options)?;
    let access = stage.grant("INFRA_DIAG")?;
    for number in 0..rounds {
        round(&mut stage, &access, number).with_context(|| format!("round {number}"))?;
    }
    let log = entries(&stage)?;
    let count = |kind: &str| log.iter().filter(|entry| entry["event"].get(kind).is_some()).count();
    eprintln!("{rounds} rounds: {} sessions let in, {} recordings sealed, {} sessions that left none, {} starts", count("session-admitted"), count("recording-sealed"), count("recording-missing"), count("opened"));
    Ok(())
}
