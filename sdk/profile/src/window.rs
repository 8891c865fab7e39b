//! Times of the week.

use serde::{Deserialize, Serialize};
use std::fmt;

const MINUTE_MS: u64 = 60_000;
const DAY: i64 = 24 * 60;

/// A time of the week: on these days, from one time of day to another. A window that ends before it begins runs past midnight
/// and belongs to the day on which it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its name, for people.
    pub name: String,
    /// The days on which it begins.
    pub days: Days,
    /// Minutes after midnight at which it begins.
    pub from: u16,
    /// Minutes after midnight at which it is over, at most 1440; the same as `from` for a whole day.
    pub to: u16,
    /// Minutes that its clock is ahead of UTC. An offset, not a zone: a module has no time zone data, and the clock does not
    /// change in summer.
    pub ahead: i16,
}

/// Days of the week: bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(pub u8);

impl Days {
    /// The names of the days, from Monday on.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    fn contains(self, day: i64) -> bool {
        self.0 >> day.rem_euclid(7) & 1 == 1
    }
}

impl Window {
    /// Whether it holds at a moment, in milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn contains(&self, unix_ms: u64) -> bool {
        let minutes = i64::try_from(unix_ms / MINUTE_MS).unwrap_or(i64::MAX).saturating_add(i64::from(self.ahead));
        // 1970-01-01 was a Thursday
        let (day, minute) = (minutes.div_euclid(DAY) + 3, minutes.rem_euclid(DAY));
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from < to {
            return self.days.contains(day) && (from..to).contains(&minute);
        }
        self.days.contains(day) && minute >= from || self.days.contains(day - 1) && minute < to
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, days, from, to, ahead } = self;
        let days: Vec<&str> = (0..).zip(Days::NAMES).filter(|(day, _)| days.contains(*day)).map(|(_, name)| name).collect();
        let sign = if *ahead < 0 { '-' } else { '+' };
        let ahead = ahead.unsigned_abs();
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{name} ({} {}-{} {sign}{})", days.join(","), time(*from), time(*to), time(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wednesday 2026-11-25 00:00 UTC.
    const WEDNESDAY: u64 = 1_795_564_800_000;

    fn at(day: u64, hour: u64, minute: u64) -> u64 {
        WEDNESDAY + ((day * 24 + hour) * 60 + minute) * MINUTE_MS
    }

    #[test]
    fn a_window_holds_on_its_days_between_its_times() {
        let office = Window { name: "office".into(), days: Days(0b001_1111), from: 8 * 60, to: 18 * 60, ahead: 0 };
        for (moment, inside) in [
            (at(0, 8, 0), true), (at(0, 7, 59), false), (at(0, 17, 59), true), (at(0, 18, 0), false), (at(2, 12, 0), true), (at(3, 12, 0), false), (at(4, 12, 0), false), (at(5, 12, 0), true),
        ] {
            assert_eq!(office.contains(moment), inside, "{moment}");
        }
    }

    #[test]
    fn an_offset_moves_it() {
        let there = Window { name: "x".into(), days: Days(0b000_0100), from: 8 * 60, to: 9 * 60, ahead: 330 };
        assert!(there.contains(at(0, 2, 30)) && !there.contains(at(0, 8, 0)) && !there.contains(at(0, 3, 30)));
        let behind = Window { ahead: -8 * 60, ..there.clone() };
        assert_eq!((there.to_string().as_str(), behind.to_string().as_str()), ("x (wed 08:00-09:00 +05:30)", "x (wed 08:00-09:00 -08:00)"));
        assert!(behind.contains(at(0, 16, 0)) && !behind.contains(at(0, 15, 59)));
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_of_its_beginning() {
        let night = Window { name: "night".into(), days: Days(0b001_0000), from: 22 * 60, to: 4 * 60, ahead: 0 };
        assert!(night.contains(at(2, 23, 0)) && night.contains(at(3, 3, 59)) && !night.contains(at(3, 4, 0)) && !night.contains(at(2, 3, 0)) && !night.contains(at(3, 23, 0)));
        let whole = Window { name: "wednesday".into(), days: Days(0b000_0100), from: 0, to: 0, ahead: 0 };
        assert!(whole.contains(at(0, 0, 0)) && whole.contains(at(0, 23, 59)) && !whole.contains(at(1, 0, 0)));
    }
}
