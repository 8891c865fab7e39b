//! `cargo xtask bench`: what Portcullis costs, as ratios against named peers measured in the same run.
//!
//! Both sides of a comparison take turns, round after round, so that whatever else the machine does falls on both. A row is
//! the median of all samples, with the 99th percentile and the lowest and highest median of a round, and the median of the
//! rounds' ratios with the lowest and the highest; how a row is measured stands in the module that makes it, how the sides are
//! scheduled in [`turns`]. The programs are release builds (or those in the folder that `--programs` names), started as in
//! production, entered by OpenSSH's client.
//!
//! As root, everything happens in a mount namespace of its own, where the measuring program lies in [`TOOLS`] on a memory file
//! system: sessions see it there, the machine does not. Without root there is no such place, and the rows of what runs in a
//! session are left out, by name.

mod canary;
mod exec;
mod ground;
mod languages;
mod login;
mod question;
mod replay;
mod revoke;
mod samples;
mod session;
mod storm;
mod sudo;
mod swap;
mod table;
mod transfer;
mod turns;
mod verdict;

pub(crate) use canary::build as canary;

use crate::step::say;
use anyhow::{Context as _, Result, bail};
use ground::Ground;
use std::path::{Path, PathBuf};
use table::Row;
use turns::Scheduling;

/// Where sessions find the measuring program: a folder whose programs they may run, and which is empty on a Debian as installed.
const TOOLS: &str = "/usr/local/sbin";

/// A measurement, and the rows that it makes.
struct Measurement {
    rows: &'static [&'static str],
    runs: Runs,
    scheduling: Scheduling,
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

// those that are scheduled alike beside each other: each change is a new start of the servers; the ordinary ones first, which
// find the machine as it is
const ALL: &[Measurement] = &[
    Measurement { rows: &["revoke-1", "revoke-100", "revoke-1000"], runs: Runs::Inside, scheduling: Scheduling::Ordinary, measure: revoke::counted },
    Measurement { rows: &["revoke-forkbomb"], runs: Runs::Inside, scheduling: Scheduling::Ordinary, measure: revoke::fork_bomb },
    Measurement { rows: &["sftp-up", "sftp-down"], runs: Runs::Inside, scheduling: Scheduling::Ordinary, measure: transfer::measure },
    Measurement { rows: &["recorded-output", "recorded-output-tlog"], runs: Runs::Inside, scheduling: Scheduling::Ordinary, measure: session::output },
    Measurement { rows: &["session-memory"], runs: Runs::Outside, scheduling: Scheduling::Ordinary, measure: session::memory },
    Measurement { rows: &["swap-storm", "activate"], runs: Runs::Outside, scheduling: Scheduling::Ordinary, measure: swap::measure },
    Measurement { rows: &["enforced", "enforced-in-storm", "storm-commands"], runs: Runs::Outside, scheduling: Scheduling::Ordinary, measure: storm::measure },
    Measurement { rows: &["replay"], runs: Runs::Outside, scheduling: Scheduling::Ordinary, measure: replay::measure },
    Measurement { rows: &["exec-guard-vfork", "exec-guard-fork", "exec-guard-asked"], runs: Runs::Inside, scheduling: Scheduling::FirstOnOne, measure: exec::loops },
    Measurement { rows: &["verdict", "verdict-vs-native"], runs: Runs::Outside, scheduling: Scheduling::FirstOnOne, measure: verdict::measure },
    Measurement { rows: &["question", "question-started"], runs: Runs::Outside, scheduling: Scheduling::FirstOnOne, measure: question::measure },
    Measurement { rows: &["question-native", "question-regorus", "question-cedar"], runs: Runs::Outside, scheduling: Scheduling::FirstOnOne, measure: question::peers },
    Measurement { rows: languages::ROWS, runs: Runs::Outside, scheduling: Scheduling::FirstOnOne, measure: languages::measure },
    Measurement { rows: &["exec-guard-spread"], runs: Runs::Inside, scheduling: Scheduling::First, measure: exec::spread },
    Measurement { rows: &["make-1500"], runs: Runs::Inside, scheduling: Scheduling::First, measure: exec::make },
    Measurement { rows: &["exec-vs-sudo", "make-vs-sudo"], runs: Runs::Inside, scheduling: Scheduling::First, measure: exec::against_sudo },
    Measurement { rows: &["ssh-prompt", "keystroke-echo"], runs: Runs::Outside, scheduling: Scheduling::First, measure: login::measure },
];

/// Measures what is named, or everything, prints the table and writes the rows.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let plan = Plan::parse(args)?;
    ground::isolate()?;
    let mut ground = Ground::prepare(root, plan.programs.as_deref())?;
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    let mut left_out = Vec::new();
    let mut notes = Vec::new();
    for measurement in ALL {
        let wanted: Vec<&str> = measurement.rows.iter().copied().filter(|row| plan.wants(row)).collect();
        if wanted.is_empty() {
            continue;
        }
        if measurement.runs == Runs::Inside && !ground.reaches_inside() {
            left_out.extend(wanted);
        } else {
            say(&format!("measuring {}", measurement.rows.join(", ")));
            match ground.schedule(measurement.scheduling).and_then(|_| (measurement.measure)(&ground, &plan)) {
                Ok(measured) => {
                    if let Some(said) = ground.scheduling().said() {
                        let names: Vec<&str> = measured.iter().map(|row| row.name.as_str()).collect();
                        notes.push(format!("{said}: {}", names.join(", ")));
                    }
                    rows.extend(measured);
                }
                Err(error) => {
                    println!("   FAILED: {error:#}");
                    failures.push(format!("{}: {error:#}", measurement.rows.join(", ")));
                }
            }
        }
    }
    print!("\n{}", table::text(&rows));
    if !notes.is_empty() {
        println!("\n{}", notes.join("\n"));
    }
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
    programs: Option<PathBuf>,
    names: Vec<String>,
}

impl Plan {
    fn parse(args: &[String]) -> Result<Self> {
        let known: Vec<&str> = ALL.iter().flat_map(|m| m.rows).copied().collect();
        let mut plan = Self { json: None, programs: None, names: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => plan.json = Some(std::path::absolute(args.next().context("--json takes a file")?)?),
                "--programs" => plan.programs = Some(std::path::absolute(args.next().context("--programs takes a folder")?)?),
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
        assert!(plan(&["--json"]).is_err() && plan(&["--programs"]).is_err());
        assert_eq!(plan(&["--programs", "/opt/p"]).unwrap().programs.as_deref(), Some(Path::new("/opt/p")));
    }
}
