//! What a module costs, in a process that does nothing else: numbers, one a line.
//!
//! ```text
//! verdict_cost verdicts MODULE COMMANDS            1 for each command that it allows, 0 for each other
//! verdict_cost ready    MODULE COMMANDS QUESTIONS  nanoseconds of each question, to an instance made ready before, as the judge has it
//! verdict_cost started  MODULE COMMANDS QUESTIONS  the same, to an instance that is started for the question
//! verdict_cost load     MODULE TIMES               nanoseconds to compile it, check it and ask what it is for
//! verdict_cost memory   MODULE COMMANDS INSTANCES  bytes of the process for each instance that has answered and lives on
//! ```
//!
//! COMMANDS has one command a line, words between blanks, the program as an absolute path. A question is timed from the subject to
//! the checked verdict; every one gets an instance of its own.

use anyhow::{Context as _, bail, ensure};
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Confinement, Verdict};
use portcullis_model::wire::judge::Counters;
use portcullis_policy::replay::{Instances, Recorded, Replay};
use portcullis_policy::{Evaluator, Limits, Module, Sitting};
use std::io::Write as _;
use std::time::Instant;

/// Questions that are not counted: the first ones find nothing in any cache.
const WARM: usize = 1000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let evaluator = Evaluator::new(Limits::default())?;
    let load = |path: &str| {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        evaluator.load(&bytes).with_context(|| format!("cannot load {path}"))
    };
    let numbers = match words[..] {
        ["verdicts", module, commands] => verdicts(&load(module)?, &subjects(commands)?)?,
        ["ready", module, commands, questions] => questions_to(&load(module)?, &subjects(commands)?, questions.parse()?, Module::prepare)?,
        ["started", module, commands, questions] => questions_to(&load(module)?, &subjects(commands)?, questions.parse()?, |_| {})?,
        ["load", module, times] => {
            let once = || {
                let begun = Instant::now();
                load(module).map(|_| begun.elapsed().as_nanos())
            };
            (0..times.parse::<usize>()?).map(|_| once()).collect::<Result<_, _>>()?
        }
        ["memory", module, commands, instances] => vec![memory(&load(module)?, &subjects(commands)?, instances.parse()?)?],
        _ => bail!("usage: verdict_cost verdicts|ready|started|load|memory MODULE [COMMANDS] [NUMBER]"),
    };
    let mut out = std::io::stdout().lock();
    Ok(numbers.iter().try_for_each(|number| writeln!(out, "{number}"))?)
}

fn verdicts(module: &Module, subjects: &[Subject]) -> anyhow::Result<Vec<u128>> {
    let mut sitting = Sitting::new(&facts(module)?);
    let mut ask = |subject: &Subject| module.judge(&mut sitting, UnixMs(1), Counters::default(), subject.clone());
    subjects.iter().map(|subject| Ok(u128::from(matches!(ask(subject)?, Verdict::Allow(_))))).collect()
}

fn questions_to(module: &Module, subjects: &[Subject], count: usize, between: impl Fn(&Module)) -> anyhow::Result<Vec<u128>> {
    let mut sitting = Sitting::new(&facts(module)?);
    let mut taken = Vec::with_capacity(count);
    // an interpreter's questions are a thousand times as long
    let warm = WARM.min(count / 10);
    for (n, subject) in subjects.iter().cycle().take(warm + count).enumerate() {
        let subject = subject.clone();
        let begun = Instant::now();
        let verdict = module.judge(&mut sitting, UnixMs(1), Counters::default(), subject);
        let nanoseconds = begun.elapsed().as_nanos();
        drop(verdict?);
        between(module);
        if n >= warm {
            taken.push(nanoseconds);
        }
    }
    Ok(taken)
}

/// A replay keeps the instance that it asks: so many of them are so many live instances.
fn memory(module: &Module, subjects: &[Subject], instances: usize) -> anyhow::Result<u128> {
    let facts = facts(module)?;
    let ask = |replay: &mut Replay<'_>| -> anyhow::Result<()> {
        replay.session(&facts);
        subjects.iter().try_for_each(|subject| Ok(replay.decision(UnixMs(1), 0, subject.clone(), &Recorded::Allowed(Confinement::default()))?))
    };
    // what every process has that ever asked
    let mut first = Replay::new(module, Instances::Reused);
    ask(&mut first)?;
    let before = resident()?;
    let mut live = Vec::with_capacity(instances);
    for _ in 0..instances {
        let mut replay = Replay::new(module, Instances::Reused);
        ask(&mut replay)?;
        live.push(replay);
    }
    let after = resident()?;
    for replay in live {
        ensure!(replay.finish().0.faults == 0, "not every question was answered");
    }
    Ok(u128::from(after.saturating_sub(before)) / u128::try_from(instances.max(1))?)
}

/// Bytes of memory that this process has.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say how much memory this has")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes << 10)
}

fn subjects(path: &str) -> anyhow::Result<Vec<Subject>> {
    let commands = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let exec = |command: &str| {
        let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let path = words.first().cloned().unwrap_or_default();
        let parents = vec![b"bash".to_vec(), b"portcullis-shel".to_vec()];
        Subject::Exec(Exec { path, argv: words, scripts: vec![], cwd: b"/home/ann".to_vec(), uid: 70_000, tty: true, parents, line: Some(command.into()) })
    };
    Ok(commands.lines().map(exec).collect())
}

/// Of a session that the module is for.
fn facts(module: &Module) -> anyhow::Result<SessionFacts> {
    Ok(SessionFacts {
        id: "s-0000000000000000".parse()?,
        grant: "g-0000000000000000".parse()?,
        request: "r-00000000".parse()?,
        ticket: "OPS-1".into(),
        operator: "ann@provider.example".into(),
        account: "ann".into(),
        uid: 70_000,
        action: module.action().parse()?,
        target: "rack1-cps1".into(),
        role: module.roles().first().context("a module for no role judges nothing")?.parse()?,
        source: "127.0.0.1:40000".into(),
        key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".into(),
        start: UnixMs(1),
        end: UnixMs(2),
        tty: true,
    })
}
