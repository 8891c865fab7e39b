//! What an operator sees first.

use super::messages::{safe, say};
use jiff::Timestamp;
use portcullis_model::session::SessionFacts;
use portcullis_model::time::UnixMs;

/// Says whose session this is, for what, until when, and that it is recorded.
pub(super) fn show(facts: &SessionFacts) {
    let ticket = if facts.ticket.is_empty() { String::new() } else { format!(", ticket {}", safe(&facts.ticket)) };
    say(&format!("Portcullis: {} on {} ({}) for {}, request {}{ticket}", facts.action, safe(&facts.target), safe(&facts.role.to_string()), safe(&facts.operator), facts.request));
    let now = UnixMs::from_system(std::time::SystemTime::now());
    say(&format!("Until {} ({}). Everything is recorded.", moment(facts.end), left(facts.end.since(now))));
    say("'allowed' lists what may be run here, 'why' explains the last denial, 'request' is about this access.");
}

/// A moment in UTC.
pub(crate) fn moment(at: UnixMs) -> String {
    let shown = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    shown.map_or_else(|| "the end of time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// A span of milliseconds for people.
fn left(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min left"),
        (0, hours, minutes) => format!("{hours} h {minutes} min left"),
        (days, hours, _) => format!("{days} d {hours} h left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_people() {
        assert_eq!(moment(UnixMs(1_764_028_800_000)), "2025-11-25 00:00 UTC");
        assert_eq!(moment(UnixMs(u64::MAX)), "the end of time");
        assert_eq!([left(59_000), left(3_600_000 * 2 + 60_000), left(86_400_000 * 3)], ["0 min left", "2 h 1 min left", "3 d 0 h left"]);
    }
}
