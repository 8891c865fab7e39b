//! A candidate asked what recorded sessions asked: which of its answers would be others.
//!
//! The questions are the recorded subjects, in their order, with the recorded time and counts, in the session's own facts. The
//! candidate's memo is its own: it remembers what *it* answered. What the operators would have done next, had an answer been another,
//! nobody knows; the record goes on as it was.
//!
//! A judge asks a fresh instance each question. Here that would be most of the time, so one instance answers many ([`Seat`]), and a
//! share of its answers is compared with those of fresh ones, memo and all. The first that differs shows a module that keeps state
//! where a node would not let it; then [`Stateful`] says so, and the caller begins again with [`Instances::Fresh`]. A module that is
//! pure by its own word is asked equal questions of one session once.

mod flips;
mod seat;

pub use flips::{Change, Flip, Group};

use crate::abi::{self, types};
use crate::fault::Fault;
use crate::host::Memo;
use crate::module::{Module, Sitting};
use flips::Flips;
use portcullis_model::id::SessionId;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Confinement, Verdict};
use portcullis_model::wire::judge::Counters;
use seat::Seat;
use std::collections::HashMap;

/// One of so many answers of a reused instance is compared with a fresh one's; the first ones all are.
const COMPARED: u64 = 64;
/// Answers of one session that are remembered; more are asked again.
const REMEMBERED: usize = 1 << 16;

/// How instances are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One answers many questions, and a share of the answers is checked.
    Reused,
    /// Each answers one, as on a node.
    Fresh,
}

/// The module answered otherwise in an instance that had answered before: only fresh instances show what a node would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the module keeps state from question to question within an instance")]
pub struct Stateful;

/// What a recording says became of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The policy of that time allowed it.
    Allowed(Confinement),
    /// The policy of that time denied it.
    Denied {
        /// the rule
        rule: String,
    },
}

/// What was found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Subjects that a policy had decided, and that the candidate was asked about.
    pub subjects: u64,
    /// Subjects that Portcullis itself had decided: no policy was asked, and the candidate is not.
    pub unasked: u64,
    /// Questions of which an equal one had been answered in the same session.
    pub remembered: u64,
    /// Answers that were the recorded decision.
    pub same: u64,
    /// Those among them that deny by another rule.
    pub other_rule: u64,
    /// Those among them that confine otherwise.
    pub other_confinement: u64,
    /// Questions that the candidate failed at, which is a denial.
    pub faults: u64,
    /// Answers that are another decision.
    pub flips: u64,
}

/// A replay under way.
pub struct Replay<'a> {
    module: &'a Module,
    instances: Instances,
    seat: Option<Seat<'a>>,
    asked: u64,
    current: Option<Current>,
    counts: Counts,
    flips: Flips,
}

struct Current {
    id: SessionId,
    operator: String,
    sitting: Sitting,
    counters: Counters,
    answers: HashMap<Vec<u8>, Result<Verdict, String>>,
}

impl<'a> Replay<'a> {
    /// A replay of nothing yet.
    #[must_use]
    pub fn new(module: &'a Module, instances: Instances) -> Self {
        Self { module, instances, seat: None, asked: 0, current: None, counts: Counts::default(), flips: Flips::default() }
    }

    /// Goes on with another session.
    pub fn session(&mut self, facts: &SessionFacts) {
        self.counts.sessions += 1;
        self.current = Some(Current {
            id: facts.id.clone(),
            operator: facts.operator.clone(),
            sitting: Sitting::new(facts),
            counters: Counters::default(),
            answers: HashMap::new(),
        });
    }

    /// A decision that was not a policy's: it counts for what the session did, and nobody is asked.
    pub fn unasked(&mut self, subject: &Subject, allowed: bool) {
        self.counts.unasked += 1;
        if let Some(current) = &mut self.current {
            count(&mut current.counters, subject, allowed);
        }
    }

    /// A policy's decision about a subject: at a time, and by which frame of the recording.
    ///
    /// # Errors
    /// [`Stateful`]: nothing found so far is to be believed.
    pub fn decision(&mut self, at: UnixMs, seq: u64, subject: Subject, recorded: &Recorded) -> Result<(), Stateful> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let done = self.decide(&mut current, at, seq, subject, recorded);
        self.current = Some(current);
        done
    }

    fn decide(&mut self, current: &mut Current, at: UnixMs, seq: u64, subject: Subject, recorded: &Recorded) -> Result<(), Stateful> {
        self.counts.subjects += 1;
        let counters = current.counters;
        count(&mut current.counters, &subject, matches!(recorded, Recorded::Allowed(_)));
        // a subject that cannot be written down is asked about each time
        let key = if self.module.info().pure { postcard::to_allocvec(&subject).ok() } else { None };
        if let Some(answer) = key.as_ref().and_then(|key| current.answers.get(key)) {
            self.counts.remembered += 1;
            compare(&mut self.counts, &mut self.flips, &current.id, &current.operator, seq, &subject, recorded, answer);
            return Ok(());
        }
        let answer = self.ask(current, at, counters, &subject)?.map_err(|fault| fault.line());
        compare(&mut self.counts, &mut self.flips, &current.id, &current.operator, seq, &subject, recorded, &answer);
        if let Some(key) = key.filter(|_| current.answers.len() < REMEMBERED) {
            current.answers.insert(key, answer);
        }
        Ok(())
    }

    fn ask(&mut self, current: &mut Current, at: UnixMs, counters: Counters, subject: &Subject) -> Result<Result<Verdict, Fault>, Stateful> {
        if self.instances == Instances::Fresh {
            return Ok(self.module.judge(&mut current.sitting, at, counters, subject.clone()));
        }
        self.asked += 1;
        let mut fresh = current.sitting.clone();
        let reused = self.ask_seat(&mut current.sitting, at, counters, subject);
        let checked = self.asked <= COMPARED || self.asked.is_multiple_of(COMPARED) || reused.is_err();
        if !checked {
            return Ok(reused);
        }
        let answer = self.module.judge(&mut fresh, at, counters, subject.clone());
        match (&reused, &answer) {
            (Ok(one), Ok(other)) if one == other && current.sitting.memo() == fresh.memo() => {}
            // an instance that answered much may fail where a fresh one does not: it is the fresh one that counts
            (Err(_), _) => current.sitting = fresh,
            (Ok(_), _) => return Err(Stateful),
        }
        Ok(answer)
    }

    fn ask_seat(&mut self, sitting: &mut Sitting, at: UnixMs, counters: Counters, subject: &Subject) -> Result<Verdict, Fault> {
        let question: types::Subject = abi::subject(subject.clone()).map_err(Fault::Question)?;
        let mut seat = match self.seat.take().filter(Seat::is_good) {
            Some(seat) => seat,
            None => Seat::take(self.module)?,
        };
        let memo = std::mem::take(sitting.memo_mut());
        let kept: Memo = memo.clone();
        match seat.judge(sitting.at(at, counters), memo, &question) {
            Ok((verdict, memo)) => {
                *sitting.memo_mut() = memo;
                self.seat = Some(seat);
                Ok(verdict)
            }
            Err(fault) => {
                *sitting.memo_mut() = kept;
                Err(fault)
            }
        }
    }

    /// What was found: counts, and the flips in groups, the largest first; and how many flips there was no room to group.
    #[must_use]
    pub fn finish(self) -> (Counts, Vec<Group>, u64) {
        let (groups, more) = self.flips.finish();
        (self.counts, groups, more)
    }
}

fn count(counters: &mut Counters, subject: &Subject, allowed: bool) {
    match (allowed, subject) {
        (false, _) => counters.denials += 1,
        (true, Subject::Line(_)) => counters.lines += 1,
        (true, Subject::Exec(_)) => counters.execs += 1,
        (true, Subject::File(_) | Subject::Forward(_)) => {}
    }
}

#[expect(clippy::too_many_arguments, reason = "a place in a recording and two answers, of which the caller has each by itself")]
fn compare(
    counts: &mut Counts,
    flips: &mut Flips,
    session: &SessionId,
    operator: &str,
    seq: u64,
    subject: &Subject,
    recorded: &Recorded,
    answer: &Result<Verdict, String>,
) {
    let before = if let Recorded::Denied { rule } = recorded { rule.as_str() } else { "" };
    let was_allowed = matches!(recorded, Recorded::Allowed(_));
    let (change, rule, reason) = match answer {
        Ok(Verdict::Allow(_)) if !was_allowed => (Change::NowAllowed, "", ""),
        Ok(Verdict::Allow(confinement)) => {
            counts.same += 1;
            counts.other_confinement += u64::from(*recorded != Recorded::Allowed(confinement.clone()));
            return;
        }
        Ok(Verdict::Deny(denial)) if was_allowed => (Change::NowDenied, denial.rule.as_str(), denial.reason.as_str()),
        Ok(Verdict::Deny(denial)) => {
            counts.same += 1;
            counts.other_rule += u64::from(denial.rule != before);
            return;
        }
        Ok(Verdict::Ask(ask)) => (if was_allowed { Change::NowAsked } else { Change::DeniedNowAsked }, "", ask.prompt.as_str()),
        Err(fault) => {
            counts.faults += 1;
            if !was_allowed {
                counts.same += 1;
                counts.other_rule += 1;
                return;
            }
            (Change::NowDenied, "module-fault", fault.as_str())
        }
    };
    counts.flips += 1;
    flips.add(Flip { change, before, rule, reason, operator, session, seq, subject });
}
