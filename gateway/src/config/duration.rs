//! Lengths of time as people write them: `30s`, `15m`, `2h`, `1d`, `1h30m`.

use std::time::Duration;

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time: write a number and s, m, h or d, as in 30s, 2h or 1h30m")]
pub struct InvalidDuration(String);

/// Reads a length of time.
///
/// # Errors
/// [`InvalidDuration`] for anything but numbers each followed by its unit, and for what does not fit 64 bits of seconds.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let bad = || InvalidDuration(text.chars().take(40).collect());
    let (mut total, mut number, mut units) = (0u64, None::<u64>, 0u32);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let so_far = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(u64::from(digit)));
            number = Some(so_far.ok_or_else(bad)?);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(bad()),
        };
        let seconds = number.take().and_then(|n| n.checked_mul(unit)).ok_or_else(bad)?;
        total = total.checked_add(seconds).ok_or_else(bad)?;
        units += 1;
    }
    if number.is_some() || units == 0 { Err(bad()) } else { Ok(Duration::from_secs(total)) }
}

/// A length of time as it would be written, rounded to seconds.
#[must_use]
pub fn show(length: Duration) -> String {
    let mut rest = length.as_secs();
    let mut text = String::new();
    for (unit, name) in [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push(name);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("2h", 7200), ("1d", 86_400), ("1h30m", 5400), ("0s", 0)] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for bad in ["", "2", "h", "2h3", "-1h", "2 h", "2w", "99999999999999999999s", "999999999999999999d", "٢h"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(show(Duration::from_secs(5400)), "1h30m");
        assert_eq!(show(Duration::ZERO), "0s");
    }
}
