//! A module on trial: what it answered beside the module in force, and when that is enough.
//!
//! The counts are bounded: differences are rows of operator, command and the two answers; what finds no room in a row is counted
//! all the same. A trial that is over stays over: nobody asks the module again before the next assignment.

use crate::fault::Fault;
use crate::module::Module;
use portcullis_model::action::{Action, Role};
use portcullis_model::bytes::printable;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{self, Bounds, COMMAND_MAX, Candidate, Difference, NAME_MAX, Outcome, OutcomeKind, ROWS_BYTES_MAX, ROWS_MAX, TrialReport};
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Words of a command that tell it from another.
const WORDS: usize = 4;

/// A trial that runs, or that has ended by itself.
#[derive(Debug)]
pub(crate) struct Trial {
    action: Action,
    role: Role,
    /// What judges where the module on trial does not.
    against: Option<PolicyDigest>,
    module: Arc<Module>,
    kind: policy::Trial,
    bounds: Bounds,
    since: UnixMs,
    over: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    questions: u64,
    agreed: u64,
    faults: u64,
    dropped: u64,
    extra_denials: u64,
    rows: BTreeMap<Row, u64>,
    bytes: usize,
    more: u64,
    ended: Option<String>,
    changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    operator: String,
    command: String,
    active: Outcome,
    candidate: Outcome,
}

/// What a count led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Goes {
    /// The trial goes on, or was over already.
    On,
    /// This ended it.
    Over,
}

impl Trial {
    /// A trial that begins now.
    pub(crate) fn begin(action: Action, role: Role, against: Option<PolicyDigest>, module: Arc<Module>, candidate: &Candidate, now: UnixMs) -> Self {
        let Candidate { trial, bounds, .. } = candidate;
        Self {
            action,
            role,
            against,
            module,
            kind: *trial,
            bounds: *bounds,
            since: now,
            over: AtomicBool::new(false),
            counts: Mutex::new(Counts { changed: true, ..Counts::default() }),
        }
    }

    /// Whether this is the trial of that candidate, so that it goes on where it is.
    pub(crate) fn is_of(&self, against: Option<PolicyDigest>, candidate: &Candidate) -> bool {
        self.against == against && self.module.info().digest == candidate.digest && self.kind == candidate.trial && self.bounds == candidate.bounds
    }

    /// The module on trial.
    pub(crate) fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// How it is tried.
    pub(crate) fn kind(&self) -> policy::Trial {
        self.kind
    }

    /// Whether it is over: the module is not asked any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends it without a word: it was ended before, and told.
    pub(crate) fn was_ended(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.lock().changed = false;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question that the module on trial left without an answer.
    pub(crate) fn faulted(&self, fault: &Fault) -> Goes {
        let mut counts = self.lock();
        counts.faults += 1;
        counts.changed = true;
        if counts.faults <= u64::from(self.bounds.faults) {
            return Goes::On;
        }
        let why = format!("{} of at most {} questions without an answer, the last: {}", counts.faults, self.bounds.faults, fault.line());
        self.end(&mut counts, why)
    }

    /// Counts a question that was not put to the other module.
    pub(crate) fn dropped(&self) {
        let mut counts = self.lock();
        counts.dropped += 1;
        counts.changed = true;
    }

    /// Counts a question that both were asked.
    pub(crate) fn answered(&self, operator: &str, command: &str, active: Outcome, candidate: Outcome) -> Goes {
        let mut counts = self.lock();
        counts.questions += 1;
        counts.changed = true;
        if active.verdict == candidate.verdict {
            counts.agreed += 1;
            return Goes::On;
        }
        counts.extra_denials += u64::from(candidate.verdict == OutcomeKind::Deny);
        counts.differed(Row { operator: cut(operator.as_bytes(), NAME_MAX), command: command.to_owned(), active, candidate });
        let (extra, all, bound) = (counts.extra_denials, counts.questions, self.bounds.extra_denials_percent);
        if all < u64::from(self.bounds.after) || extra * 100 <= all * u64::from(bound) {
            return Goes::On;
        }
        self.end(&mut counts, format!("{extra} of {all} questions denied that the module in force does not deny, at most {bound} percent may be"))
    }

    fn end(&self, counts: &mut Counts, why: String) -> Goes {
        if self.over.swap(true, Ordering::SeqCst) {
            return Goes::On;
        }
        tracing::warn!(action = %self.action, role = %self.role, module = %self.module.info().digest, why, "a trial is over");
        counts.ended = Some(why);
        Goes::Over
    }

    /// What it showed so far, if that changed since the last report.
    pub(crate) fn news(&self) -> Option<TrialReport> {
        let mut counts = self.lock();
        std::mem::take(&mut counts.changed).then(|| self.report_of(&counts))
    }

    /// What it showed so far has to be told again.
    pub(crate) fn tell_again(&self) {
        let mut counts = self.lock();
        // one that was ended before an earlier judge's end has nothing to tell
        counts.changed = !self.is_over() || counts.ended.is_some();
    }

    fn report_of(&self, counts: &Counts) -> TrialReport {
        let row = |(row, count): (&Row, &u64)| {
            let Row { operator, command, active, candidate } = row.clone();
            Difference { operator, command, active, candidate, count: *count }
        };
        TrialReport {
            action: self.action,
            role: self.role,
            candidate: self.module.info().digest,
            trial: self.kind,
            since: self.since,
            questions: counts.questions,
            agreed: counts.agreed,
            faults: counts.faults,
            dropped: counts.dropped,
            ended: counts.ended.clone(),
            rows: counts.rows.iter().map(row).collect(),
            more: counts.more,
        }
    }
}

impl Counts {
    fn differed(&mut self, row: Row) {
        if let Some(count) = self.rows.get_mut(&row) {
            *count += 1;
            return;
        }
        // with what the numbers and lengths of a row take
        let bytes = row.operator.len() + row.command.len() + row.active.rule.len() + row.candidate.rule.len() + 16;
        if self.rows.len() >= ROWS_MAX || self.bytes + bytes > ROWS_BYTES_MAX {
            self.more += 1;
            return;
        }
        self.bytes += bytes;
        self.rows.insert(row, 1);
    }
}

/// An answer, or none, as it is compared.
pub(crate) fn outcome(answer: &Result<Verdict, Fault>) -> Outcome {
    let (verdict, rule) = match answer {
        Ok(Verdict::Allow(_)) => (OutcomeKind::Allow, String::new()),
        Ok(Verdict::Deny(denial)) => (OutcomeKind::Deny, cut(denial.rule.as_bytes(), NAME_MAX)),
        Ok(Verdict::Ask(_)) => (OutcomeKind::Ask, String::new()),
        Err(fault) => (OutcomeKind::Fault, cut(fault.line().as_bytes(), NAME_MAX)),
    };
    Outcome { verdict, rule }
}

/// What a subject is about, in its first words.
pub(crate) fn command(subject: &Subject) -> String {
    let words: Vec<&[u8]> = match subject {
        Subject::Line(line) => line.text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(WORDS).collect(),
        Subject::Exec(exec) => std::iter::once(exec.path.as_slice()).chain(exec.argv.iter().skip(1).map(Vec::as_slice)).take(WORDS).collect(),
        Subject::File(file) => return cut(&[format!("{:?} ", file.kind).to_lowercase().as_bytes(), &file.path].concat(), COMMAND_MAX),
        Subject::Forward(forward) => return cut(format!("forward {}:{}", forward.host, forward.port).as_bytes(), COMMAND_MAX),
    };
    cut(&words.join(&b' '), COMMAND_MAX)
}

/// Printable, and at most so many bytes.
fn cut(bytes: &[u8], most: usize) -> String {
    let mut text = printable(bytes.get(..bytes.len().min(most)).unwrap_or_default());
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::subject::{Exec, Forward, Line};

    #[test]
    fn a_command_is_its_first_words_whatever_they_are() {
        let exec = |argv: &[&str]| {
            let argv = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
            Subject::Exec(Exec { path: b"/usr/bin/docker".into(), argv, scripts: vec![], cwd: b"/".into(), uid: 1, tty: true, parents: vec![], line: None })
        };
        assert_eq!(command(&exec(&["docker", "ps", "-a", "--format", "x", "y"])), "/usr/bin/docker ps -a --format");
        assert_eq!(command(&exec(&["docker", "a\nb", "\u{1b}[2J"])), "/usr/bin/docker a\\nb \\x1b[2J");
        assert!(command(&exec(&["docker", &"\u{1b}".repeat(5000)])).len() <= COMMAND_MAX);
        let line = |text: &str| Subject::Line(Line { text: text.into(), commands: vec![], cwd: b"/".into() });
        assert_eq!(command(&line("  ls\t-l   /x | head -n 5")), "ls -l /x |");
        assert_eq!(command(&Subject::Forward(Forward { host: "db".into(), port: 5432 })), "forward db:5432");
    }

    #[test]
    fn rows_are_bounded_and_the_rest_is_counted() {
        let mut counts = Counts::default();
        let outcome = |verdict| Outcome { verdict, rule: "r".repeat(NAME_MAX) };
        for n in 0..5000 {
            let row = Row { operator: "o".repeat(NAME_MAX), command: format!("{n:0width$}", width = COMMAND_MAX), active: outcome(OutcomeKind::Allow), candidate: outcome(OutcomeKind::Deny) };
            counts.differed(row.clone());
            counts.differed(row);
        }
        assert!(counts.rows.len() <= ROWS_MAX && counts.bytes <= ROWS_BYTES_MAX);
        assert_eq!(counts.rows.values().sum::<u64>() + counts.more, 10_000);
        let mut short = Counts::default();
        for n in 0..ROWS_MAX + 3 {
            short.differed(Row { operator: "o".into(), command: n.to_string(), active: outcome(OutcomeKind::Allow), candidate: Outcome { verdict: OutcomeKind::Ask, rule: String::new() } });
        }
        assert!(short.rows.len() <= ROWS_MAX && short.more >= 3);
    }
}
