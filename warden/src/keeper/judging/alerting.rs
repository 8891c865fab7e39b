//! Alerts of a session: raised where something does not fit ([`super::explaining`]), written down, and told at once. Bounded: twenty at once and
//! one more each ten seconds; what is over that is counted, and the count goes with the next one, or with the last at the session's end.

use super::explaining::Origin;
use super::{Judging, Parties};
use crate::charge::Report;
use crate::clock;
use crate::keeper::evidence::Evidence;
use crate::keeper::fault::Fault;
use portcullis_jail::guard::{Attempt, Guard};
use portcullis_model::alert::{Alert, AlertKind, Ancestor};
use portcullis_model::decision::{Authority, Refusal};
use portcullis_model::event::EventKind;
use portcullis_model::subject::{Exec, Subject};
use std::time::{Duration, Instant};

/// Alerts at once.
const BURST: u32 = 20;
/// How long it takes until there may be one more.
const ONE_MORE: Duration = Duration::from_secs(10);

/// How many there were, and may be.
#[derive(Debug)]
pub(super) struct Alerting {
    number: u64,
    suppressed: u64,
    left: u32,
    since: Instant,
}

impl Alerting {
    pub(super) fn new(now: Instant) -> Self {
        Self { number: 0, suppressed: 0, left: BURST, since: now }
    }

    /// The number of one more alert and how many are not told before it; none when there are too many, and it is counted.
    fn take(&mut self, now: Instant) -> Option<(u64, u64)> {
        while self.left < BURST && now.duration_since(self.since) >= ONE_MORE {
            self.left += 1;
            self.since += ONE_MORE;
        }
        if self.left == BURST {
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(self.next())
            }
            None => {
                self.suppressed += 1;
                None
            }
        }
    }

    fn next(&mut self) -> (u64, u64) {
        self.number += 1;
        (self.number, std::mem::take(&mut self.suppressed))
    }
}

/// What an alert is about.
struct About {
    pid: u32,
    exec: Option<Box<Exec>>,
    chain: Vec<Ancestor>,
}

impl Judging {
    /// Looks whether the accepted lines explain an exec that waits, and says who asks for it.
    pub(super) fn look_at(&mut self, attempt: &Attempt, parties: &mut Parties<'_>) -> Result<(), Fault> {
        // a search along PATH tries one program under several names
        if attempt.repeated() {
            return Ok(());
        }
        let origin = self.origin(attempt, parties.guard);
        match self.explaining.unexplained(origin, attempt.exec()) {
            Some(why) => self.raise(AlertKind::Unexplained { why: why.to_owned() }, || about(attempt, parties.guard), parties.evidence),
            None => Ok(()),
        }
    }

    /// An exec is let go on.
    pub(super) fn goes_on(&mut self, attempt: &Attempt, guard: &Guard) {
        let explained = self.explaining.unexplained(self.origin(attempt, guard), attempt.exec()).is_none();
        self.explaining.proceeds(attempt.pid(), attempt.callers(), explained, |pid| guard.started(pid));
    }

    fn origin(&self, attempt: &Attempt, guard: &Guard) -> Origin {
        self.explaining.origin(attempt.callers(), |pid| guard.started(pid))
    }

    /// Looks whether an exec that is refused was allowed in its line by the same module.
    pub(super) fn contradicted(&mut self, attempt: &Attempt, refusal: &Refusal, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let (Authority::Policy(_), Subject::Exec(exec)) = (refusal.authority(), refusal.subject()) else { return Ok(()) };
        let running = parties.shell.running_number();
        if attempt.repeated() || !self.explaining.was_allowed_as(running, self.origin(attempt, parties.guard), exec) {
            return Ok(());
        }
        let denial = refusal.denial();
        let kind = AlertKind::Contradicted { rule: denial.rule.clone(), reason: denial.reason.clone() };
        self.raise(kind, || about(attempt, parties.guard), parties.evidence)
    }

    /// The kernel had loaded something else than what was allowed; the process is dead by now.
    pub(crate) fn killed(&mut self, pid: u32, found: Option<&Exec>, difference: &str, guard: &Guard, evidence: &mut Evidence) -> Result<(), Fault> {
        let callers = self.explaining.callers(pid).to_vec();
        self.explaining.lapsed(pid);
        let about = || About { pid, exec: found.cloned().map(Box::new), chain: guard.lineage(&callers) };
        self.raise(AlertKind::Killed { difference: difference.to_owned() }, about, evidence)
    }

    /// An exec that was let go on did not happen.
    pub(crate) fn did_not_happen(&mut self, pid: u32) {
        self.explaining.lapsed(pid);
    }

    fn raise(&mut self, kind: AlertKind, about: impl FnOnce() -> About, evidence: &mut Evidence) -> Result<(), Fault> {
        match self.alerting.take(Instant::now()) {
            Some((number, suppressed)) => self.tell(number, suppressed, kind, about(), evidence),
            None => Ok(()),
        }
    }

    fn tell(&mut self, number: u64, suppressed: u64, kind: AlertKind, about: About, evidence: &mut Evidence) -> Result<(), Fault> {
        let asker = self.asks.asker();
        let About { pid, exec, chain } = about;
        let (session, grant, target) = (asker.session.clone(), asker.grant.clone(), asker.target.clone());
        let alert = Box::new(Alert { session, grant, target, number, at: clock::now(), kind, pid, exec, chain, suppressed }.cut());
        evidence.note(EventKind::Alert(alert.clone()))?;
        self.asks.report(Report::Alert(alert));
        Ok(())
    }

    /// The session ends: how many alerts were not told.
    pub(crate) fn close_alerts(&mut self, evidence: &mut Evidence) -> Result<(), Fault> {
        if self.alerting.suppressed == 0 {
            return Ok(());
        }
        let (number, suppressed) = self.alerting.next();
        self.tell(number, suppressed, AlertKind::Suppressed, About { pid: 0, exec: None, chain: Vec::new() }, evidence)
    }
}

fn about(attempt: &Attempt, guard: &Guard) -> About {
    let above = attempt.callers().get(1..).unwrap_or_default();
    About { pid: attempt.pid(), exec: Some(Box::new(attempt.exec().clone())), chain: guard.lineage(above) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_few_and_those_that_are_not_told_are_counted() {
        let now = Instant::now();
        let mut alerting = Alerting::new(now);
        for number in 1..=u64::from(BURST) {
            assert_eq!(alerting.take(now), Some((number, 0)));
        }
        (0..1000).for_each(|_| assert_eq!(alerting.take(now), None));
        assert_eq!(alerting.take(now + ONE_MORE), Some((21, 1000)));
        assert_eq!(alerting.take(now + ONE_MORE), None);
        // a long silence fills the measure again, and no more than that
        let later = now + ONE_MORE * 1000;
        assert_eq!((0..100).filter(|_| alerting.take(later).is_some()).count(), BURST as usize);
    }
}
