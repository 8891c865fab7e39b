//! `portcullis policy replay`: a candidate is asked what recorded sessions asked.
//!
//! The recordings come from a folder of evidence, or from the controller, one after another. Each is checked frame by frame as it is
//! read; what stands behind a frame that does not hold is not believed, and the recording is named. The exit status is 0 when every
//! recording was read and no answer would be another, and 1 otherwise.

mod recordings;

use super::super::screen::{Screen, shown};
use super::super::{CliError, Desk, Outcome};
use super::module;
use crate::config::duration;
use anyhow::Context as _;
use clap::Args;
use portcullis_model::decision::Authority;
use portcullis_model::event::EventKind;
use portcullis_model::time::UnixMs;
use portcullis_policy::Module;
use portcullis_policy::replay::{Change, Counts, Group, Instances, Recorded, Replay as Run, Stateful};
use portcullis_recording::{Body, Reader, Tail};
use recordings::{Archive, Folder, Source};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Args)]
pub(in crate::cli) struct Replay {
    /// The candidate's file, or a profile
    module: PathBuf,
    /// Only what was asked in this time: 30d, 12h
    #[arg(long, value_name = "TIME", value_parser = length)]
    since: Option<Duration>,
    /// A folder of evidence, with one folder for each session [default: the controller's recordings]
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Ask a fresh instance each question, as a node does; slower
    #[arg(long)]
    fresh: bool,
    /// Most rows that are listed; all flips are counted
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    limit: usize,
}

impl Replay {
    pub(super) fn is_local(&self) -> bool {
        self.evidence.is_some()
    }

    fn since(&self) -> UnixMs {
        let now = UnixMs::from_system(SystemTime::now());
        self.since.map_or(UnixMs(0), |length| UnixMs(now.0.saturating_sub(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))))
    }
}

fn length(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// What was read, beside what was asked.
#[derive(Debug, Default)]
struct Seen {
    recordings: u64,
    other: u64,
    open: u64,
    problems: Vec<(String, String)>,
}

/// Why a recording was not read to its end.
enum Stopped {
    Stateful,
    Problem(String),
}

impl From<Stateful> for Stopped {
    fn from(_: Stateful) -> Self {
        Self::Stateful
    }
}

pub(super) fn run_local(screen: Screen, replay: &Replay) -> Result<Outcome, CliError> {
    let folder = replay.evidence.clone().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot start")?;
    runtime.block_on(all(screen, replay, || Ok(Source::Folder(Folder::open(&folder)?))))
}

pub(super) async fn run(desk: &Desk, replay: &Replay) -> Result<Outcome, CliError> {
    all(desk.screen, replay, || Ok(Source::Archive(Archive::open(desk)?))).await
}

async fn all(screen: Screen, replay: &Replay, open: impl Fn() -> Result<Source, CliError>) -> Result<Outcome, CliError> {
    let module = module::load(&replay.module, &module::evaluator()?)?;
    let since = replay.since();
    let begun = Instant::now();
    let mut instances = if replay.fresh { Instances::Fresh } else { Instances::Reused };
    let mut again = false;
    loop {
        let mut run = Run::new(&module, instances);
        let mut read = Seen::default();
        match every(&mut run, &mut read, &mut open()?, &module, since).await? {
            Ok(()) => return tell(screen, replay, &module, run, &read, begun.elapsed(), again),
            // what was found so far is not what a node would answer
            Err(Stateful) => (instances, again) = (Instances::Fresh, true),
        }
    }
}

async fn every(run: &mut Run<'_>, read: &mut Seen, source: &mut Source, module: &Module, since: UnixMs) -> Result<Result<(), Stateful>, CliError> {
    while let Some((name, recording)) = source.next(module).await? {
        read.recordings += 1;
        let outcome = recording.map_err(Stopped::Problem).and_then(|input| one(run, read, module, since, input));
        match outcome {
            Ok(()) => {}
            Err(Stopped::Stateful) => return Ok(Err(Stateful)),
            Err(Stopped::Problem(problem)) => read.problems.push((name, problem)),
        }
    }
    Ok(Ok(()))
}

/// One recording, as far as it holds.
fn one(run: &mut Run<'_>, read: &mut Seen, module: &Module, since: UnixMs, input: impl Read) -> Result<(), Stopped> {
    let told = |error: &dyn std::error::Error| Stopped::Problem(crate::chain(error));
    let mut reader = Reader::new(input).map_err(|error| told(&error))?;
    for frame in &mut reader {
        let frame = frame.map_err(|error| told(&error))?;
        let Body::Event(event) = frame.body else { continue };
        let (subject, authority, recorded) = match event.kind {
            EventKind::Started { facts, .. } => {
                if !module.is_for(facts.action, facts.role) {
                    read.other += 1;
                    return Ok(());
                }
                run.session(&facts);
                continue;
            }
            EventKind::Allowed { subject, authority, confinement, .. } => (subject, authority, Recorded::Allowed(confinement)),
            EventKind::Denied { subject, authority, denial, .. } => (subject, authority, Recorded::Denied { rule: denial.rule }),
            _ => continue,
        };
        match authority {
            Authority::Policy(_) if frame.at >= since => run.decision(frame.at, frame.seq, subject, &recorded)?,
            // the module asked, and a person answered: what the module would say now is not to be compared with that
            Authority::Policy(_) | Authority::Answer { .. } | Authority::Portcullis | Authority::Trust(_) => run.unasked(&subject, matches!(recorded, Recorded::Allowed(_))),
        }
    }
    match reader.tail() {
        Some(Tail::Closed) => {}
        Some(Tail::Open) => read.open += 1,
        Some(Tail::Torn { at }) => return Err(Stopped::Problem(format!("it ends in the middle of a frame, at byte {at}"))),
        None => return Err(Stopped::Problem("it has no end".to_owned())),
    }
    Ok(())
}

fn tell(screen: Screen, replay: &Replay, module: &Module, run: Run<'_>, read: &Seen, took: Duration, again: bool) -> Result<Outcome, CliError> {
    let (counts, groups, more) = run.finish();
    let Counts { sessions, subjects, unasked, remembered, same, other_rule, other_confinement, faults, flips } = counts;
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = subjects as f64 / seconds.max(1e-9);
    let problems: Vec<_> = read.problems.iter().map(|(recording, problem)| json!({ "recording": recording, "problem": problem })).collect();
    let json = json!({
        "digest": module.info().digest, "recordings": read.recordings, "other-actions": read.other, "sessions": sessions, "still-open": read.open, "subjects": subjects,
        "unasked": unasked, "remembered": remembered, "same": same, "other-rule": other_rule, "other-confinement": other_confinement, "faults": faults, "flips": flips,
        "seconds": seconds, "subjects-per-second": rate, "fresh-instances": replay.fresh || again, "keeps-state": again, "unread": problems,
        "groups": groups.iter().take(replay.limit).collect::<Vec<_>>(), "groups-left-out": groups.len().saturating_sub(replay.limit), "flips-not-grouped": more,
    });
    screen.show(&json, |screen| {
        let row = |group: &Group| {
            [group.count.to_string(), group.change.words().to_owned(), group.rule.clone(), group.operator.clone(), format!("{} {}", group.subject, group.command), format!("{} frame {}", group.session, group.seq)]
        };
        if !groups.is_empty() {
            screen.table(["COUNT", "CHANGE", "RULE", "OPERATOR", "WHAT", "FIRST SEEN"], groups.iter().take(replay.limit).map(row).collect())?;
        }
        let hidden = groups.len().saturating_sub(replay.limit);
        if hidden > 0 || more > 0 {
            screen.line(&format!("{hidden} more rows (--limit), and {more} flips that no row has"))?;
        }
        for (recording, problem) in &read.problems {
            screen.line(&format!("not read to its end: {}: {}", shown(recording), shown(problem)))?;
        }
        if again {
            screen.line("the module keeps state from question to question within an instance, which a node does not let it; replayed with fresh instances")?;
        }
        let of = |change: Change| groups.iter().filter(|group| group.change == change).map(|group| group.count).sum::<u64>();
        let kinds = [Change::NowDenied, Change::NowAsked, Change::NowAllowed, Change::DeniedNowAsked].map(|change| (of(change), change.words()));
        let kinds: Vec<String> = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
        screen.line(&format!("{flips} of {subjects} decisions would be others{}{}", if kinds.is_empty() { "" } else { ": " }, kinds.join(", ")))?;
        screen.line(&format!(
            "{same} the same ({other_rule} by another rule, {other_confinement} confined otherwise), {faults} faults, {unasked} not asked (Portcullis's own, or before --since)",
        ))?;
        screen.line(&format!(
            "{sessions} sessions in {} recordings ({} of other actions, {} not closed, {} not read to their end), {rate:.0} subjects a second",
            read.recordings, read.other, read.open, read.problems.len()
        ))
    })?;
    Ok(if flips == 0 && read.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}
