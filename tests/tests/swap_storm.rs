//! A thousand swaps of the policy while fifty sessions work: every command is judged, by exactly one of the two modules, and by the
//! one that was in force for its session. What the recordings say is compared with what the sessions ran.

use anyhow::{Context as _, Result, ensure};
use portcullis_model::decision::Authority;
use portcullis_model::event::EventKind;
use portcullis_model::subject::Subject;
use portcullis_recording::{Body, FILE_NAME, Reader, Tail};
use portcullis_tests::policies::{Admin, Controller};
use portcullis_tests::storm::{self, Ran};
use portcullis_tests::{Stage, StageOptions, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SESSIONS: usize = 50;
const ACTIVATIONS: usize = 1000;
/// What a session is told of a swap.
const NOTICE: &str = "portcullis: the policy INFRA_DIAG was replaced by another version";

#[test]
fn every_command_of_a_swap_storm_is_judged_by_one_of_the_two() -> Result<()> {
    let admin = Admin::new()?;
    let mut options = StageOptions::from_environment()?;
    options.extra_config += &admin.configuration();
    let stage = Stage::with(&options)?;
    let controller = Controller::of(&stage)?;
    let modules = [admin.push(&stage, &admin.variant(&stage, "one")?)?, admin.push(&stage, &admin.variant(&stage, "other")?)?];
    controller.activate(&modules[0], None)?;
    // each may have 16 sessions
    let accesses = (0..4).map(|_| stage.grant("INFRA_DIAG")).collect::<Result<Vec<_>>>()?;

    let ran = storm::during(&accesses, SESSIONS, || {
        let turns = modules.iter().cycle().zip(modules.iter().cycle().skip(1));
        turns.take(ACTIVATIONS).try_for_each(|(active, next)| controller.activate(next, Some(active)).map(drop))
    })
    .with_context(|| stage.output())?;

    let evidence = stage.data().join("evidence");
    let recordings = wait::until("all recordings to be closed", wait::LONG, || {
        let all: Vec<_> = std::fs::read_dir(&evidence).ok()?.flatten().map(|entry| entry.path().join(FILE_NAME)).collect();
        let read: Vec<_> = all.iter().filter_map(|path| Judged::read(path).ok()).collect();
        (read.len() == SESSIONS && all.len() == SESSIONS).then_some(read)
    })
    .with_context(|| format!("{:?}", std::fs::read_dir(&evidence).map(|all| all.flatten().map(|entry| Judged::read(&entry.path().join(FILE_NAME)).map(|_| ())).collect::<Vec<_>>())))?;
    let of_session: BTreeMap<&str, &Judged> = recordings.iter().filter_map(|judged| Some((judged.commands.first()?.0.split('-').next()?, judged))).collect();
    ensure!(of_session.len() == SESSIONS, "recordings of {} sessions", of_session.len());
    let mut by = BTreeSet::new();
    let mut changes = 0;
    for Ran { session, taken, told } in &ran {
        ensure!(told.lines().all(|line| line == NOTICE), "session {session} was told: {told}");
        let judged = of_session.get(session.to_string().as_str()).with_context(|| format!("session {session} has no recording"))?;
        let (ran, on_record) = ((0..taken.len()).map(|n| storm::argument(*session, n)), judged.commands.iter().map(|(argument, _)| argument.clone()));
        ensure!(ran.eq(on_record), "session {session}: {} commands ran, on record are {:?}", taken.len(), judged.commands);
        for (argument, module) in &judged.commands {
            ensure!(modules.contains(module), "{argument} was judged by {module}, which is none of the two");
            by.insert(module);
        }
        changes += judged.changes;
    }
    ensure!(by.len() == 2, "one module judged everything");
    // who is between two questions while two swaps happen is told of the last one alone
    ensure!(changes >= ACTIVATIONS, "{changes} changes are on record in {SESSIONS} sessions");
    let commands: usize = ran.iter().map(|ran| ran.taken.len()).sum();
    eprintln!("{commands} commands of {SESSIONS} sessions during {ACTIVATIONS} activations; {changes} changes of the module on record");
    Ok(())
}

/// What a recording says was judged.
#[derive(Debug)]
struct Judged {
    /// The argument of each /usr/bin/true that was allowed, with the module that allowed it, in their order.
    commands: Vec<(String, String)>,
    /// How often another module was named.
    changes: usize,
}

impl Judged {
    /// Of a whole recording in which nothing was refused, and every decision is that of the module that was named before it.
    fn read(path: &Path) -> Result<Self> {
        let mut reader = Reader::open(path)?;
        let (mut commands, mut changes, mut named) = (Vec::new(), 0, None);
        for frame in &mut reader {
            let Body::Event(event) = frame?.body else { continue };
            match event.kind {
                EventKind::Started { policy, .. } => named = policy,
                EventKind::PolicyChanged { policy, .. } => {
                    named = policy;
                    changes += 1;
                }
                EventKind::Allowed { subject, authority: Authority::Policy(by), .. } => {
                    ensure!(Some(by) == named, "{subject:?} was judged by {by}, named was {named:?}");
                    if let Subject::Exec(exec) = subject
                        && exec.path == b"/usr/bin/true"
                    {
                        let argument = exec.argv.get(1).context("true without an argument")?;
                        commands.push((String::from_utf8(argument.clone())?, by.to_string()));
                    }
                }
                EventKind::Denied { subject, denial, .. } => anyhow::bail!("{subject:?} was refused: {denial:?}"),
                EventKind::Judge { live } => ensure!(live, "the judge was away"),
                _ => {}
            }
        }
        ensure!(reader.tail() == Some(Tail::Closed), "it is not closed");
        Ok(Self { commands, changes })
    }
}
