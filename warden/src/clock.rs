//! The wall clock, for what is written down and for grants, and how long to wait for a moment of it.

use portcullis_model::time::UnixMs;
use std::time::{Duration, Instant, SystemTime};

/// The longest wait for a moment of the wall clock: so late, at most, is it noticed that the clock was set forward.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The time now.
pub(crate) fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

/// Microseconds since `start`.
pub(crate) fn micros_since(start: Instant) -> u64 {
    micros_between(start, Instant::now())
}

/// Microseconds from one moment to a later one.
pub(crate) fn micros_between(start: Instant, end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(start).as_micros()).unwrap_or(u64::MAX)
}

/// A moment of the wall clock that also passes by the monotonic one: setting the clock back does not put it off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    wall: UnixMs,
    steady: Option<Instant>,
}

impl Moment {
    /// The moment `wall`, seen from now.
    pub(crate) fn at(wall: UnixMs) -> Self {
        Self { wall, steady: Instant::now().checked_add(Duration::from_millis(wall.since(now()))) }
    }

    /// Milliseconds until it is there; 0 when it is.
    pub(crate) fn remaining_ms(&self) -> u64 {
        let by_wall = self.wall.since(now());
        let by_steady = self.steady.map(|at| at.saturating_duration_since(Instant::now()).as_millis());
        by_steady.and_then(|ms| u64::try_from(ms).ok()).map_or(by_wall, |ms| ms.min(by_wall))
    }

    /// Whether it is there.
    pub(crate) fn has_come(&self) -> bool {
        self.remaining_ms() == 0
    }

    /// When to look again.
    pub(crate) fn next_look(&self) -> Instant {
        // a millisecond later, because milliseconds were rounded down
        Instant::now() + Duration::from_millis(self.remaining_ms() + 1).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes() {
        assert!(Moment::at(UnixMs(0)).has_come());
        assert!(Moment::at(now()).has_come());
        let later = Moment::at(now().plus(60_000));
        assert!(!later.has_come());
        assert!(later.next_look() <= Instant::now() + LONGEST_WAIT);
        assert!(!Moment::at(UnixMs(u64::MAX)).has_come(), "a grant without end does not overflow");
    }
}
