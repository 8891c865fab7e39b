//! Lengths of time as authors write them: `30s`, `10m`, `2h`, `1h30m`, `7d`.

/// Milliseconds of a length of time.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is not a length of time: write a number and s, m, h or d, as in 30s, 10m or 1h30m", text.escape_debug());
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let mut after = after.chars();
        let unit = match after.next() {
            Some('s') => 1000,
            Some('m') => 60_000,
            Some('h') => 3_600_000,
            Some('d') => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = after.as_str();
    }
    if total == 0 { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn lengths_are_numbers_with_units() {
        for (text, want) in [("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000)] {
            assert_eq!(milliseconds(text), Ok(want), "{text}");
        }
        for text in ["", "0s", "5", "s", "5x", "-5s", "99999999999999999999s", "5 s", "ö"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }
}
