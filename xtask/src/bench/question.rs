//! What a question costs inside of the judge: a fresh instance for each, in a process that does nothing else.
//!
//! `question` asks the shipped INFRA_DIAG about `ls -l /var/log`, in instances made ready before, as a judge does that has a moment
//! between two questions; `question-started` starts the instance within the time of the question. Their peer is the same rules
//! compiled for this machine, asked the same.
//!
//! `question-native`, `question-regorus` and `question-cedar` put another set of rules, which says nothing that any of them cannot
//! say, to a module that was baked of its profile, and to the peers' translations. All answer all commands alike before they are
//! timed. The peers are each in a process of their own, reuse what they have made for as long as they like and need not limit
//! anything; they are not modules that somebody may swap.

use super::Plan;
use super::ground::{Ground, numbers};
use super::samples::Samples;
use super::table::{Row, Unit};
use super::turns::ordinarily;
use crate::{build, policies};
use crate::step::{cargo, run};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: usize = 7;
const QUESTIONS: &str = "5000";
/// What the native rules are asked about as well.
const COMMANDS: &str = "/usr/bin/ls -l /var/log\n";

/// The shipped module's rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let program = ground.example("verdict_cost")?;
    let module = ground.stage.folder().join("modules/INFRA_DIAG.cps.wasm");
    let commands = ground.folder.join("commands.txt");
    std::fs::write(&commands, COMMANDS)?;
    let (mut ready, mut started, mut native) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        ready.add(numbers(Command::new(&program).arg("ready").arg(&module).arg(&commands).arg(QUESTIONS))?);
        started.add(numbers(Command::new(&program).arg("started").arg(&module).arg(&commands).arg(QUESTIONS))?);
        native.add(ground.verdict_program("native-verdict", &[QUESTIONS])?);
    }
    let peer = Some(("the same rules compiled natively", &native));
    let rows = [Row::new("question", Unit::Us, &ready, peer), Row::new("question-started", Unit::Us, &started, peer)];
    Ok(rows.into_iter().filter(|row| plan.wants(&row.name)).collect())
}

/// The other engines' rows.
pub(super) fn peers(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let program = ground.example("verdict_cost")?;
    let (engines, folder) = build_peers()?;
    let (profile, commands) = (folder.join("profile.toml"), folder.join("commands.txt"));
    let module = ground.folder.join("peers.wasm");
    let rules = policies::core_folder(&build::target(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this program has no workspace")?)).join("rules.core.wasm");
    run(Command::new(ground.stage.program("portcullis")).args(["policy", "build"]).arg(&profile).arg("-o").arg(&module).arg("--rules").arg(rules))?;
    let ask = |engine: &str| {
        let mut command = Command::new(&engines);
        command.arg(engine).arg(&profile).arg(&commands);
        command
    };
    let kinds = [("question-native", "native", "an equal set of rules compiled natively"), ("question-regorus", "regorus", "the same rules as Rego, regorus 0.14"), ("question-cedar", "cedar", "the same rules as Cedar, cedar-policy 4.14")];
    let ours = numbers(Command::new(&program).arg("verdicts").arg(&module).arg(&commands))?;
    ensure!(ours.contains(&0.0) && ours.contains(&1.0), "the commands show nothing: {ours:?}");
    for (_, engine, _) in kinds {
        let theirs = numbers(&mut ask(engine))?;
        ensure!(ours == theirs, "{engine} answers otherwise: {theirs:?}, and the module {ours:?}");
    }
    let (mut baked, mut samples) = (Samples::default(), vec![Samples::default(); kinds.len()]);
    for _ in 0..ROUNDS {
        baked.add(numbers(Command::new(&program).arg("ready").arg(&module).arg(&commands).arg(QUESTIONS))?);
        for ((_, engine, _), samples) in kinds.iter().zip(&mut samples) {
            samples.add(numbers(ask(engine).arg(QUESTIONS))?);
        }
    }
    let row = |((name, _, peer), samples): (&(&str, &str, &str), &Samples)| {
        let peer = format!("{peer}, p50 {:.1}, p99 {:.1} us", samples.median() / 1e3, samples.percentile(0.99) / 1e3);
        Row::new(name, Unit::Us, &baked, Some((&peer, samples)))
    };
    Ok(kinds.iter().zip(&samples).map(row).filter(|row| plan.wants(&row.name)).collect())
}

/// The program with the other engines, and the folder of what it is asked.
fn build_peers() -> Result<(PathBuf, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("peers");
    let target = build::target(root.parent().context("this program has no workspace")?).join("peers");
    run(&mut ordinarily(cargo(&folder).args(["build", "--locked", "--release", "--quiet", "--target-dir"]).arg(&target)))?;
    Ok((target.join("release/peers"), folder))
}
