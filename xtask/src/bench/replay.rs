//! What a replay costs for each recorded subject, reading and checking the recording included: `portcullis policy replay` of the
//! shipped INFRA_DIAG over the recording of a session that really ran so many different commands. The peer is the same replay with
//! a fresh instance for each question, as on a node. Both use one core.

use super::Plan;
use super::ground::Ground;
use super::samples::Samples;
use super::table::{Row, Unit};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const ROUNDS: usize = 7;
/// Each of them is another question: what is equal would be answered once.
const COMMANDS: u32 = 20_000;

/// The row.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let stage = &ground.stage;
    let access = stage.grant_for("INFRA_DIAG", "2h")?;
    let ran = access.run(&format!("for n in $(seq {COMMANDS}); do /usr/bin/true $n; done"))?;
    ensure!(ran.status == Some(0), "the commands did not run: {ran:?}");
    stage.revoke(&access)?;
    let module = stage.folder().join("modules/INFRA_DIAG.cps.wasm");
    let (mut reused, mut fresh) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        reused.add(vec![replay(ground, &module, &[])?]);
        fresh.add(vec![replay(ground, &module, &["--fresh"])?]);
    }
    let row = Row::new("replay", Unit::Us, &reused, Some(("a fresh instance for each question", &fresh)));
    Ok(Some(row).into_iter().filter(|row| plan.wants(&row.name)).collect())
}

/// Nanoseconds for each subject of one replay, on one core.
fn replay(ground: &Ground, module: &Path, more: &[&str]) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(ground.stage.program("portcullis")).args(["policy", "--json", "replay"]).arg(module).arg("--evidence").arg(ground.stage.data().join("evidence")).args(more);
    let output = command.output().context("cannot start taskset")?;
    let found: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("the replay failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    let (subjects, seconds) = (found.get("subjects").and_then(Value::as_f64), found.get("seconds").and_then(Value::as_f64));
    let (subjects, seconds) = subjects.zip(seconds).context("the replay does not say how long it took")?;
    ensure!(subjects >= f64::from(COMMANDS), "the replay found {subjects} subjects of {COMMANDS}");
    Ok(seconds / subjects * 1e9)
}
