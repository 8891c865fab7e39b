//! `cargo xtask bench`: what Portcullis costs, as ratios against named peers measured in the same run.
//!
//! Both sides of a comparison take turns, round after round, so that whatever else the machine does falls on both. A row is
//! the median of all samples, with the 99th percentile and the lowest and highest median of a round; how a row is measured
//! stands in the module that makes it. The programs are release builds, started as in production, entered by OpenSSH's client.
//!
//! As root, everything happens in a mount namespace of its own, where the measuring program lies in [`TOOLS`] on a memory file
//! system: sessions see it there, the machine does not. Without root there is no such place, and the rows of what runs in a
//! session are left out, by name.

mod canary;
mod exec;
mod ground;
mod login;
mod revoke;
mod samples;
mod table;
mod verdict;

pub(crate) use canary::build as canary;

use crate::step::say;
use anyhow::{Context as _, Result, bail};
use ground::Ground;
use std::path::{Path, PathBuf};
use table::Row;

/// Where sessions find the measuring program: a folder whose programs they may run, and which is empty on a Debian as installed.
const TOOLS: &str = "/usr/local/sbin";

/// A measurement, and the rows that it makes.
struct Measurement {
    rows: &'static [&'static str],
    runs: Runs,
    measure: fn(&Ground, &Plan) -> Result<Vec<Row>>,
}

/// Where the measuring program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Outside of sessions.
    Outside,
    /// In a session, which only root can show it to.
    Inside,
}

const ALL: &[Measurement] = &[
    Measurement { rows: &["exec-guard-vfork", "exec-guard-fork", "exec-guard-asked"], runs: Runs::Inside, measure: exec::loops },
    Measurement { rows: &["make-1500"], runs: Runs::Inside, measure: exec::make },
    Measurement { rows: &["verdict", "verdict-vs-native"], runs: Runs::Outside, measure: verdict::measure },
    Measurement { rows: &["ssh-prompt"], runs: Runs::Outside, measure: login::measure },
    Measurement { rows: &["revoke-1", "revoke-100", "revoke-1000"], runs: Runs::Inside, measure: revoke::counted },
    Measurement { rows: &["revoke-forkbomb"], runs: Runs::Inside, measure: revoke::fork_bomb },
];

/// Measures what is named, or everything, prints the table and writes the rows.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let plan = Plan::parse(args)?;
    ground::isolate()?;
    let ground = Ground::prepare(root)?;
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    let mut left_out = Vec::new();
    for measurement in ALL {
        let wanted: Vec<&str> = measurement.rows.iter().copied().filter(|row| plan.wants(row)).collect();
        if wanted.is_empty() {
            continue;
        }
        if measurement.runs == Runs::Inside && !ground.reaches_inside() {
            left_out.extend(wanted);
        } else {
            say(&format!("measuring {}", measurement.rows.join(", ")));
            match (measurement.measure)(&ground, &plan) {
                Ok(measured) => rows.extend(measured),
                Err(error) => {
                    println!("   FAILED: {error:#}");
                    failures.push(format!("{}: {error:#}", measurement.rows.join(", ")));
                }
            }
        }
    }
    print!("\n{}", table::text(&rows));
    if !left_out.is_empty() {
        println!("\nleft out, because only root can show a session the measuring program: {}", left_out.join(", "));
    }
    if let Some(file) = &plan.json {
        table::write(file, &rows).with_context(|| format!("cannot write {}", file.display()))?;
        println!("\nwritten to {}", file.display());
    }
    if !failures.is_empty() {
        bail!("not everything could be measured:\n  {}\nthe servers said:\n{}", failures.join("\n  "), ground.output());
    }
    Ok(())
}

/// What was asked for.
struct Plan {
    json: Option<PathBuf>,
    names: Vec<String>,
}

impl Plan {
    fn parse(args: &[String]) -> Result<Self> {
        let known: Vec<&str> = ALL.iter().flat_map(|m| m.rows).copied().collect();
        let mut plan = Self { json: None, names: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => plan.json = Some(std::path::absolute(args.next().context("--json takes a file")?)?),
                name if known.contains(&name) => plan.names.push(name.to_owned()),
                other => bail!("there is no benchmark {other:?}; there are {}", known.join(", ")),
            }
        }
        Ok(plan)
    }

    fn wants(&self, row: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_all_or_what_is_named() {
        let plan = |args: &[&str]| Plan::parse(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert!(plan(&[]).unwrap().wants("verdict"));
        let some = plan(&["--json", "/tmp/x.json", "verdict"]).unwrap();
        assert!(some.wants("verdict") && !some.wants("make-1500"));
        assert_eq!(some.json.as_deref(), Some(Path::new("/tmp/x.json")));
        assert!(plan(&["nonsense"]).is_err());
        assert!(plan(&["--json"]).is_err());
    }
}
