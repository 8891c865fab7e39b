//! When a session ends by itself: the grant's time, and the time without input. And when the operator is told before.

use crate::clock::{LONGEST_WAIT, Moment};
use portcullis_model::receipt::EndCause;
use portcullis_model::time::UnixMs;
use std::time::{Duration, Instant};

/// How long before the end the operator is told, and how it is said; the earliest first.
const WARNINGS: [(u64, &str); 2] = [(300_000, "5 minutes"), (60_000, "1 minute")];

/// How long before the end for want of input the operator is told; half of the time, if that is less.
const IDLE_WARNING: Duration = Duration::from_secs(60);

/// The clocks of one session.
#[derive(Debug)]
pub(crate) struct Timers {
    end: Moment,
    warnings: Vec<(Moment, &'static str)>,
    idle: Option<Duration>,
    /// The last input, when the operator was told that there was none since.
    told_idle: Option<Instant>,
}

/// What it is time for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// To tell the operator.
    Warning(String),
    /// To end.
    End(EndCause),
}

impl Timers {
    /// For a session that ends at `end`, or after `idle_s` seconds without input; 0 is never.
    pub(crate) fn new(end: UnixMs, idle_s: u32) -> Self {
        let warnings = WARNINGS.iter().map(|(before, text)| (Moment::at(UnixMs(end.0.saturating_sub(*before))), *text));
        // what is past already is not said: the operator knows how long the access was to last
        let warnings = warnings.filter(|(moment, _)| !moment.has_come()).collect();
        Self { end: Moment::at(end), warnings, idle: (idle_s > 0).then(|| Duration::from_secs(idle_s.into())), told_idle: None }
    }

    /// The session ends later: at `end`. What was told of the earlier one is told again in time.
    pub(crate) fn put_off(&mut self, end: UnixMs) {
        let later = Self::new(end, 0);
        (self.end, self.warnings) = (later.end, later.warnings);
    }

    /// What it is time for, each thing once.
    pub(crate) fn due(&mut self, last_input: Instant) -> Due {
        if self.end.has_come() {
            return Due::End(EndCause::Expired);
        }
        if self.idle.is_some_and(|idle| last_input.elapsed() >= idle) {
            return Due::End(EndCause::Idle);
        }
        if let Some(warning) = self.idle_warning().filter(|before| last_input.elapsed() >= *before)
            && self.told_idle != Some(last_input)
        {
            self.told_idle = Some(last_input);
            let left = self.idle.unwrap_or_default().saturating_sub(warning).as_secs().max(1);
            let plural = if left == 1 { "" } else { "s" };
            return Due::Warning(format!("nothing was typed for a while: this session ends in {left} second{plural} unless something is"));
        }
        match self.warnings.first() {
            Some((moment, text)) if moment.has_come() => {
                let text = format!("this session ends in {text}");
                self.warnings.remove(0);
                Due::Warning(text)
            }
            Some(_) | None => Due::Nothing,
        }
    }

    /// How long there may be no input before the operator is told.
    fn idle_warning(&self) -> Option<Duration> {
        self.idle.map(|idle| idle.saturating_sub(IDLE_WARNING.min(idle / 2)))
    }

    /// When to look again.
    pub(crate) fn next_look(&self, last_input: Instant) -> Instant {
        let moments = std::iter::once(&self.end).chain(self.warnings.first().map(|(moment, _)| moment)).map(Moment::next_look);
        let idle = self.idle.and_then(|idle| last_input.checked_add(idle));
        let warning = self.idle_warning().filter(|_| self.told_idle != Some(last_input)).and_then(|before| last_input.checked_add(before));
        moments.chain(idle).chain(warning).min().unwrap_or_else(|| Instant::now() + LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    #[test]
    fn the_end_of_the_grant_ends_the_session() {
        let mut timers = Timers::new(now(), 0);
        assert_eq!(timers.due(Instant::now()), Due::End(EndCause::Expired));
        let mut timers = Timers::new(now().plus(600_000), 0);
        assert_eq!(timers.due(Instant::now()), Due::Nothing);
        assert!(timers.next_look(Instant::now()) <= Instant::now() + LONGEST_WAIT);
    }

    #[test]
    fn an_end_that_is_put_off_is_warned_of_anew() {
        let mut timers = Timers::new(now().plus(200_000), 0);
        timers.put_off(now().plus(300_020));
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(timers.due(Instant::now()), Due::Warning("this session ends in 5 minutes".into()));
        let mut over = Timers::new(now(), 0);
        over.put_off(now().plus(600_000));
        assert_eq!(over.due(Instant::now()), Due::Nothing);
    }

    #[test]
    fn each_warning_comes_once_and_none_that_is_past() {
        let mut timers = Timers::new(now().plus(300_020), 0);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(timers.due(Instant::now()), Due::Warning("this session ends in 5 minutes".into()));
        assert_eq!(timers.due(Instant::now()), Due::Nothing);
        let mut short = Timers::new(now().plus(200_000), 0);
        assert_eq!(short.due(Instant::now()), Due::Nothing);
    }

    #[test]
    fn the_operator_is_told_once_before_the_end_for_idleness() {
        let mut timers = Timers::new(now().plus(600_000), 120);
        let since = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let quiet = since(61);
        assert_eq!(timers.due(since(30)), Due::Nothing);
        assert!(timers.next_look(quiet) <= Instant::now());
        assert!(matches!(timers.due(quiet), Due::Warning(text) if text.contains("60 seconds")));
        assert_eq!(timers.due(quiet), Due::Nothing);
        assert!(timers.next_look(quiet) > Instant::now());
        // typed something, and fell silent again
        assert!(matches!(timers.due(since(70)), Due::Warning(_)));
        assert!(matches!(Timers::new(now().plus(600_000), 4).due(since(2)), Due::Warning(text) if text.contains("2 seconds")));
    }

    #[test]
    fn input_puts_off_the_end_for_idleness() {
        let mut timers = Timers::new(now().plus(600_000), 1);
        assert_eq!(timers.due(Instant::now()), Due::Nothing);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        assert_eq!(timers.due(long_ago), Due::End(EndCause::Idle));
        assert!(timers.next_look(long_ago) <= Instant::now());
    }
}
