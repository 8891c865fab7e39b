//! Which word was meant, and which form is nearest: by the number of characters that would have to change.

/// How many single characters have to be changed, added or dropped to make one text of the other.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, (y, window)) in b.iter().zip(last.windows(2)).enumerate() {
            let [diagonal, above] = window else { continue };
            let left = row.get(j).copied().unwrap_or(usize::MAX);
            row.push((diagonal + usize::from(x != *y)).min(above + 1).min(left.saturating_add(1)));
        }
        last = row;
    }
    last.last().copied().unwrap_or(0)
}

/// The nearest of `known`, when it is near enough to have been meant.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|name| (distance(word, name), name)).min()?;
    (near.0 <= 1 + word.chars().count() / 4).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_and_the_far_is_not() {
        assert_eq!((distance("", "abc"), distance("abc", "abd"), distance("kitten", "sitting")), (3, 1, 3));
        assert_eq!(meant("operand", ["options", "operands", "names"]), Some("operands"));
        assert_eq!(meant("colour", ["options", "operands"]), None);
        assert_eq!(meant("x", []), None);
    }
}
