//! Whether a wall clock was set back: it is held against a clock that never runs backwards.

use portcullis_model::time::UnixMs;

/// How far the wall clock may fall behind the steady one without being called set back: it is slewed, and both are read one after the
/// other.
const SLACK_MS: u64 = 2000;

/// Sees moments, in order.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The furthest that the wall clock was ahead of the steady one, in this start of the node.
    ahead_ms: Option<i128>,
    last: UnixMs,
}

impl Clock {
    /// The node was started anew: only the wall clock goes on.
    pub(crate) fn restart(&mut self) {
        self.ahead_ms = None;
    }

    /// By how many milliseconds the wall clock was set back before this moment; none when it was not.
    pub(crate) fn back(&mut self, wall: UnixMs, steady_ns: u64) -> Option<u64> {
        let ahead = i128::from(wall.0) - i128::from(steady_ns / 1_000_000);
        let fell = match self.ahead_ms {
            Some(before) => u64::try_from(before - ahead).unwrap_or(0),
            None => self.last.since(wall),
        };
        self.last = self.last.max(wall);
        // from here on it is held against where it is now: one step is told once
        self.ahead_ms = Some(if fell > SLACK_MS { ahead } else { self.ahead_ms.map_or(ahead, |before| before.max(ahead)) });
        (fell > SLACK_MS).then_some(fell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_is_told_once_and_by_how_much() {
        let mut clock = Clock::default();
        let ns = |ms: u64| ms * 1_000_000;
        assert_eq!(clock.back(UnixMs(100_000), ns(50)), None);
        assert_eq!(clock.back(UnixMs(200_000), ns(100_050)), None);
        // forward, and slewed a little
        assert_eq!(clock.back(UnixMs(900_000), ns(100_060)), None);
        assert_eq!(clock.back(UnixMs(899_000), ns(101_060)), None);
        assert_eq!(clock.back(UnixMs(600_000), ns(102_060)), Some(302_000));
        assert_eq!(clock.back(UnixMs(601_000), ns(103_060)), None);
        // across starts of the node only the wall clock speaks
        clock.restart();
        assert_eq!(clock.back(UnixMs(500_000), ns(5)), Some(400_000));
        clock.restart();
        assert_eq!(clock.back(UnixMs(2_000_000), ns(5)), None);
    }
}
