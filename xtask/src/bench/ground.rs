//! What every measurement stands on: a mount namespace of its own, the measuring programs, a running Portcullis.

use super::samples::parse;
use super::turns::{Scheduling, ordinarily, within};
use super::{TOOLS, canary};
use crate::build::{self, Profile};
use crate::step::{cargo, run, say};
use crate::{machine, policies};
use anyhow::{Context as _, Result, bail, ensure};
use portcullis_tests::{Access, Stage, StageOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const ISOLATED: &str = "PORTCULLIS_BENCH_ISOLATED";
const METER: &str = include_str!("meter.c");

/// What every measurement stands on.
pub(super) struct Ground {
    /// The running Portcullis: INFRA_DIAG as shipped, INFRA_FULL allowing nearly everything.
    pub(super) stage: Stage,
    /// Files of the benchmark itself.
    pub(super) folder: PathBuf,
    options: StageOptions,
    scheduling: Scheduling,
    meter: PathBuf,
    verdict_programs: PathBuf,
}

/// As root, goes on in a mount namespace of its own, by starting this program again.
pub(super) fn isolate() -> Result<()> {
    if !rustix::process::geteuid().is_root() || std::env::var_os(ISOLATED).is_some() {
        return Ok(());
    }
    machine::ensure(&[machine::BUILD, machine::DEMO, machine::TEST, machine::BENCH])?;
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private", "--"]).arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(ISOLATED, "1");
    Err(again.exec()).context("cannot start unshare")
}

impl Ground {
    /// Builds everything, but for the programs if they are there, and starts Portcullis.
    pub(super) fn prepare(root: &Path, programs: Option<&Path>) -> Result<Self> {
        machine::ensure(&[machine::BUILD, machine::DEMO, machine::BENCH])?;
        let modules = policies::build_policies(root)?;
        let canary = canary::build(root)?;
        let programs = programs.map_or_else(|| build::binaries(root, Profile::Release), |there| Ok(there.to_owned()))?;
        say("building the measuring programs");
        let verdict_programs = build_verdict_programs(root)?;
        let folder = canary::target(root).join("bench");
        std::fs::create_dir_all(&folder)?;
        let meter = build_meter(&tools(&folder)?, &folder)?;
        say("starting Portcullis");
        let mut options = StageOptions::new(programs, modules);
        options.modules.push(canary);
        let stage = Stage::with(&options)?;
        Ok(Self { stage, folder, options, scheduling: Scheduling::Ordinary, meter, verdict_programs })
    }

    /// Sees to it that the servers, and all that is started from now on, are scheduled so, as far as this machine lets them.
    pub(super) fn schedule(&mut self, wanted: Scheduling) -> Result<()> {
        if wanted == self.scheduling || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        self.restart(wanted)?;
        if self.scheduling != Scheduling::Ordinary && self.reaches_inside() && !self.sessions_inherit() {
            say("sessions are not scheduled as what starts them: what else this machine does will be in the numbers");
            self.restart(Scheduling::Ordinary)?;
        }
        Ok(())
    }

    fn sessions_inherit(&self) -> bool {
        let said = self.stage.grant("INFRA_FULL").and_then(|access| self.inside(&access, "policy"));
        said.is_ok_and(|policy| policy == [self.scheduling.number()])
    }

    /// Another Portcullis, with more in its configuration.
    pub(super) fn another(&self, configuration: &str) -> Result<Stage> {
        let mut options = self.options.clone();
        options.extra_config += configuration;
        Stage::with(&options)
    }

    /// How everything is scheduled now.
    pub(super) fn scheduling(&self) -> Scheduling {
        self.scheduling
    }

    fn restart(&mut self, scheduling: Scheduling) -> Result<()> {
        // what is started under one of them stays under it
        self.stage.stop()?;
        self.scheduling = scheduling.enter()?;
        self.stage = Stage::with(&self.options)?;
        Ok(())
    }

    /// What the servers said.
    pub(super) fn output(&self) -> String {
        self.stage.output()
    }

    /// Runs the measuring program here.
    pub(super) fn plain(&self, args: &str) -> Result<Vec<f64>> {
        numbers(Command::new(&self.meter).args(args.split(' ')).current_dir("/"))
    }

    /// Runs one of the programs that measure verdicts.
    pub(super) fn verdict_program(&self, name: &str, args: &[&str]) -> Result<Vec<f64>> {
        numbers(Command::new(self.verdict_programs.join(name)).args(args))
    }

    /// One of the examples that measure something, built.
    pub(super) fn example(&self, name: &str) -> Result<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this program has no workspace")?;
        run(&mut ordinarily(cargo(root).args(["build", "--locked", "--release", "--quiet", "--workspace", "--example", name])))?;
        Ok(build::target(root).join("release/examples").join(name))
    }

    /// The measuring program's path, here.
    pub(super) fn meter(&self) -> &Path {
        &self.meter
    }

    /// Whether sessions see the measuring program.
    pub(super) fn reaches_inside(&self) -> bool {
        self.meter.starts_with(TOOLS)
    }

    /// The measuring program's path, in a session.
    pub(super) fn meter_inside(&self) -> Result<&Path> {
        ensure!(self.reaches_inside(), "only root can show a session the measuring program");
        Ok(&self.meter)
    }

    /// Runs the measuring program in a session.
    pub(super) fn inside(&self, access: &Access, args: &str) -> Result<Vec<f64>> {
        let command = format!("{} {args}", self.meter_inside()?.display());
        numbers(&mut access.ssh(&[], &[&command])).with_context(|| format!("{command}, in a session"))
    }
}

/// Runs a program that prints numbers.
pub(super) fn numbers(command: &mut Command) -> Result<Vec<f64>> {
    let output = within(command)?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn build_verdict_programs(root: &Path) -> Result<PathBuf> {
    let target = canary::target(root).join("native");
    let workspace = root.join("tests/policies-wasm");
    run(cargo(&workspace).args(["build", "--locked", "--release", "--quiet", "--package", "verdict", "--target-dir"]).arg(&target))?;
    Ok(target.join("release"))
}

/// Where the measuring program is to lie: as root in [`TOOLS`], on a memory file system that only this namespace has.
fn tools(folder: &Path) -> Result<PathBuf> {
    if std::env::var_os(ISOLATED).is_none() {
        return Ok(folder.to_owned());
    }
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755,size=64m", "tmpfs", TOOLS]))?;
    Ok(PathBuf::from(TOOLS))
}

/// Compiles the measuring program into `place`, by way of `folder`.
pub(super) fn build_meter(place: &Path, folder: &Path) -> Result<PathBuf> {
    let source = folder.join("meter.c");
    std::fs::write(&source, METER)?;
    let program = place.join("meter");
    run(Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(&source))?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(program)
}
