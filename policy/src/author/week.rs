//! Times of the week as authors write them.

use portcullis_profile::Days;

/// Days: `mon`, or `mon-fri`; a range may run over the end of the week.
pub(super) fn days(text: &str) -> Result<Days, String> {
    let day = |name: &str| Days::NAMES.iter().position(|known| *known == name);
    let wrong = || format!("`{}` is no day: write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri", text.escape_debug());
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (day(from).ok_or_else(wrong)?, day(to).ok_or_else(wrong)?);
    let length = (to + 7 - from) % 7;
    Ok(Days((0..=length).fold(0, |bits, step| bits | 1 << ((from + step) % 7))))
}

/// Minutes after midnight: `08:30`, up to `24:00`.
pub(super) fn time(text: &str) -> Result<u16, String> {
    clock(text).filter(|minutes| *minutes <= 24 * 60).ok_or_else(|| format!("`{}` is no time of day: write hours and minutes, as in 08:30", text.escape_debug()))
}

/// Minutes ahead of UTC: `UTC`, `+02:00`, `-03:30`.
pub(super) fn offset(text: &str) -> Result<i16, String> {
    let wrong = || format!("`{}` is no offset from UTC: write UTC, or hours and minutes, as in +02:00 (a module has no time zones, so summer time is not followed)", text.escape_debug());
    if matches!(text, "UTC" | "Z") {
        return Ok(0);
    }
    let minutes = text.get(1..).and_then(clock).filter(|minutes| *minutes <= 14 * 60).and_then(|minutes| i16::try_from(minutes).ok()).ok_or_else(wrong)?;
    match text.as_bytes().first() {
        Some(b'+') => Ok(minutes),
        Some(b'-') => Ok(-minutes),
        _ => Err(wrong()),
    }
}

fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_offsets() {
        assert_eq!(days("mon-fri"), Ok(Days(0b001_1111)));
        assert_eq!(days("sat-mon"), Ok(Days(0b110_0001)));
        assert_eq!(days("wed"), Ok(Days(0b000_0100)));
        assert_eq!((time("08:30"), time("24:00"), offset("+05:30"), offset("-08:00"), offset("UTC")), (Ok(510), Ok(1440), Ok(330), Ok(-480), Ok(0)));
        for text in ["", "mo", "mon-", "mon-xyz", "Mon"] {
            assert!(days(text).is_err(), "{text}");
        }
        for text in ["", "8:30", "24:01", "08:60", "0830", "08:3x"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in ["", "02:00", "+2", "+15:00", "Europe/Berlin", "ö"] {
            assert!(offset(text).is_err(), "{text}");
        }
    }
}
