//! What a swap of policies costs. `swap-storm`: questions of 50 sessions to a judge of its own while two modules take turns in
//! force, a hundred times a second, against the same questions without that. `activate`: from the order to put a staged module in force
//! to the judge's word that it is, with nobody asking.

use super::Plan;
use super::ground::{Ground, numbers};
use super::samples::Samples;
use super::table::{Row, Unit};
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// For the judge to come up.
const DEADLINE: Duration = Duration::from_secs(60);

/// Both rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let folder = fresh(&ground.folder)?;
    let program = ground.example("swap_storm")?;
    let admin = Command::new(&program).arg("admin").output().context("cannot start swap_storm")?;
    std::fs::write(folder.join("admins"), admin.stdout)?;
    std::fs::create_dir_all(folder.join("modules"))?;
    let judge = Judge::start(&ground.stage.program("portcullis-judge"), &folder)?;
    let module = ground.stage.folder().join("modules/INFRA_DIAG.cps.wasm");
    let run = |what: &str| numbers(Command::new(&program).arg(what).arg(folder.join("judge.sock")).arg(folder.join("policies.sock")).arg(&module));
    let (mut quiet, mut storm, mut activate) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        quiet.add(run("quiet")?);
        storm.add(run("storm")?);
        activate.add(run("activate")?);
    }
    drop(judge);
    let peer = format!("the same without activations, p99 {:.1} us", quiet.percentile(0.99) / 1e3);
    let rows = [Row::new("swap-storm", Unit::Us, &storm, Some((&peer, &quiet))), Row::new("activate", Unit::Ms, &activate, None)];
    Ok(rows.into_iter().filter(|row| plan.wants(&row.name)).collect())
}

fn fresh(folder: &Path) -> Result<std::path::PathBuf> {
    let folder = folder.join("swap");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

struct Judge(Child);

impl Judge {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        for (option, name) in [("--modules", "modules"), ("--socket", "judge.sock"), ("--policies", "policies.sock"), ("--policy-admins", "admins")] {
            command.arg(option).arg(folder.join(name));
        }
        let judge = Self(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start a judge")?);
        let end = Instant::now() + DEADLINE;
        // it listens there last
        while !folder.join("policies.sock").exists() {
            if Instant::now() > end {
                bail!("a judge does not come up");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(judge)
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
