//! Which name was meant: the nearest by the number of changed, added, dropped and swapped characters.

/// Longest name that is compared; a longer one is not a slip of the finger.
const LENGTH: usize = 32;

/// How many single changes lie between two texts, when they are at most two.
pub(crate) fn distance(a: &[u8], b: &[u8]) -> Option<usize> {
    if a.len() > LENGTH || b.len() > LENGTH || a.len().abs_diff(b.len()) > 2 {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(LENGTH);
            let swapped = j > 0 && i > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let mut least = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= 2 && *distance < a.len())
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        for (a, b, want) in [
            ("systemctl", "systemctl", Some(0)), ("sytemctl", "systemctl", Some(1)), ("systmectl", "systemctl", Some(1)), ("sl", "ls", Some(1)), ("cta", "cat", Some(1)),
            ("rm", "ls", None), ("x", "y", None), ("docker", "podman", None), ("journalclt", "journalctl", Some(1)),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
        }
        assert_eq!(distance(&[b'a'; 4096], &[b'a'; 4096]), None);
    }
}
