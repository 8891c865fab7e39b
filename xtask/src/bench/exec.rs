//! What the guard costs an exec: the same loop in a session and outside of one, on one processor.
//!
//! `exec-guard-vfork` and `exec-guard-fork` start /bin/true over and over, as scripts and builds do; the question about it is
//! asked, or remembered where the module says that equal questions get equal answers. `exec-guard-asked` gives each one an
//! argument never used before, so that every exec is a new question. `exec-guard-spread` is the loop with vfork on all
//! processors, where the guard and its callers wake each other across them. `make-1500` is make -j2 with 300 targets of five execs.
//!
//! `exec-vs-sudo` and `make-vs-sudo` compare the same with sudo's intercept mode ([`super::sudo`]), which decides about each exec too.

use super::Plan;
use super::ground::Ground;
use super::samples::Samples;
use super::sudo::Sudo;
use super::table::{Row, Unit};
use super::turns::in_turns;
use super::TOOLS;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const ROUNDS: usize = 9;
const EXECS: usize = 300;
const MAKE_ROUNDS: usize = 15;
const MAKE_TARGETS: usize = 300;

const VFORK: &str = "vfork and exec of /bin/true outside of a session";

/// The loops.
pub(super) fn loops(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let kinds = [
        ("exec-guard-vfork", format!("exec vfork {EXECS} same /bin/true"), VFORK),
        ("exec-guard-fork", format!("exec fork {EXECS} same /bin/true"), "fork and exec of /bin/true outside of a session"),
        ("exec-guard-asked", format!("exec vfork {EXECS} new /bin/true"), VFORK),
    ];
    compare(ground, &kinds.into_iter().filter(|(name, ..)| plan.wants(name)).collect::<Vec<_>>())
}

/// The loop on all processors.
pub(super) fn spread(ground: &Ground, _: &Plan) -> Result<Vec<Row>> {
    compare(ground, &[("exec-guard-spread", format!("exec vfork {EXECS} same /bin/true"), VFORK)])
}

/// The loop and the build, against sudo's intercept mode.
pub(super) fn against_sudo(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let sudo = Sudo::prepare(&ground.folder)?;
    let access = ground.stage.grant("INFRA_FULL")?;
    let kinds = [("exec-vs-sudo", Unit::Us, ROUNDS, format!("exec vfork {EXECS} same /bin/true")), ("make-vs-sudo", Unit::Ms, ROUNDS, make_args()?)];
    let mut rows = Vec::new();
    for (name, unit, rounds, args) in kinds.into_iter().filter(|(name, ..)| plan.wants(name)) {
        let (mut guarded, mut intercepted) = (Samples::default(), Samples::default());
        for round in 0..rounds {
            in_turns(round, || guarded.add_all(ground.inside(&access, &args)), || intercepted.add_all(sudo.run(ground.meter(), &args)))?;
        }
        rows.push(Row::new(name, unit, &guarded, Some((Sudo::NAME, &intercepted))));
    }
    Ok(rows)
}

fn compare(ground: &Ground, kinds: &[(&str, String, &str)]) -> Result<Vec<Row>> {
    let access = ground.stage.grant("INFRA_FULL")?;
    let mut samples = vec![(Samples::default(), Samples::default()); kinds.len()];
    for round in 0..ROUNDS {
        for ((_, args, _), (guarded, plain)) in kinds.iter().zip(&mut samples) {
            in_turns(round, || guarded.add_all(ground.inside(&access, args)), || plain.add_all(ground.plain(args)))?;
        }
    }
    Ok(kinds.iter().zip(&samples).map(|((name, _, peer), (guarded, plain))| Row::new(name, Unit::Us, guarded, Some((peer, plain)))).collect())
}

/// The build.
pub(super) fn make(ground: &Ground, _: &Plan) -> Result<Vec<Row>> {
    ground.meter_inside()?;
    let access = ground.stage.grant("INFRA_FULL")?;
    let args = make_args()?;
    let (mut guarded, mut plain) = (Samples::default(), Samples::default());
    for round in 0..MAKE_ROUNDS {
        in_turns(round, || guarded.add_all(ground.inside(&access, &args)), || plain.add_all(ground.plain(&args)))?;
    }
    Ok(vec![Row::new("make-1500", Unit::Ms, &guarded, Some(("the same make outside of a session", &plain)))])
}

/// What the measuring program is to do for the build.
fn make_args() -> Result<String> {
    let file = Path::new(TOOLS).join("bench.mk");
    std::fs::write(&file, makefile()).with_context(|| format!("cannot write {}", file.display()))?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    Ok(format!("run /usr/bin/make -s -j2 -f {}", file.display()))
}

/// One shell and four programs a target.
fn makefile() -> String {
    let mut text = String::from(".PHONY: all\nall:");
    for target in 0..MAKE_TARGETS {
        // a String takes all that is written to it
        let _ = write!(text, " t{target}");
    }
    text.push_str("\nt%:\n\t@/bin/true; /bin/true; /bin/true; /bin/true\n");
    text
}

impl Samples {
    /// Adds a round, if it could be measured.
    pub(super) fn add_all(&mut self, round: Result<Vec<f64>>) -> Result<()> {
        self.add(round?);
        Ok(())
    }
}
