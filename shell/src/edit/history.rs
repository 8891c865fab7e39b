//! Lines that were entered, oldest first, and the place in them that the editor is at.
//!
//! As in readline, an entry that is edited keeps the edit while other entries are looked at, and is what it was again once
//! a line was entered.

use std::collections::BTreeMap;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// To older entries.
    Older,
    /// To newer ones.
    Newer,
}

/// The lines, bounded in number.
#[derive(Debug)]
pub struct History {
    entries: Vec<Vec<u8>>,
    edited: BTreeMap<usize, Vec<u8>>,
    at: usize,
    most: usize,
    /// How many there were before the first.
    gone: usize,
}

impl History {
    /// No more than the newest `most` entries are kept.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { entries: Vec::new(), edited: BTreeMap::new(), at: 0, most, gone: 0 }
    }

    /// Adds an entry, unless it is empty, begins with a blank, or is the one before again; says whether it did. What is
    /// at its end as a newline does not count.
    pub fn add(&mut self, text: &[u8]) -> bool {
        let text = text.trim_ascii_end();
        let kept = !text.is_empty() && !matches!(text.first(), Some(b' ' | b'\t' | b'\n')) && self.entries.last().is_none_or(|last| last != text);
        if kept {
            self.entries.push(text.to_vec());
            if self.entries.len() > self.most {
                self.entries.remove(0);
                self.gone += 1;
            }
        }
        self.rest();
        kept
    }

    /// Says that there were older ones, which have numbers too.
    pub fn skip(&mut self, older: usize) {
        self.gone += older;
    }

    /// The number of the first entry, as `!n` and `history` count.
    #[must_use]
    pub fn first_number(&self) -> usize {
        self.gone + 1
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::new(self.most);
    }

    /// Goes to the new line.
    pub fn rest(&mut self) {
        self.edited.clear();
        self.at = self.entries.len();
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the editor is; [`len`](Self::len) for the new line.
    #[must_use]
    pub fn place(&self) -> usize {
        self.at
    }

    /// The entry as it was entered.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<&[u8]> {
        self.entries.get(index).map(Vec::as_slice)
    }

    /// The entry, or the new line, as it is edited now.
    #[must_use]
    pub fn now(&self, index: usize) -> Option<&[u8]> {
        self.edited.get(&index).map(Vec::as_slice).or_else(|| self.entry(index))
    }

    /// Leaves `current` where the editor is and goes to `index`: the text there, none when there is no such entry.
    pub fn visit(&mut self, index: usize, current: &[u8]) -> Option<Vec<u8>> {
        if index > self.entries.len() {
            return None;
        }
        if self.entry(self.at) == Some(current) {
            self.edited.remove(&self.at);
        } else {
            self.edited.insert(self.at, current.to_vec());
        }
        self.at = index;
        Some(self.edited.get(&index).cloned().or_else(|| self.entry(index).map(<[u8]>::to_vec)).unwrap_or_default())
    }

    /// Goes `count` entries on.
    pub fn walk(&mut self, towards: Towards, count: usize, current: &[u8]) -> Option<Vec<u8>> {
        let index = match towards {
            Towards::Older => self.at.checked_sub(1)?.saturating_sub(count.saturating_sub(1)),
            Towards::Newer if self.at >= self.entries.len() => return None,
            Towards::Newer => (self.at + count).min(self.entries.len()),
        };
        self.visit(index, current)
    }

    /// The nearest entry from `from` on that `wanted` accepts; `from` itself is one.
    pub fn find<T>(&self, from: usize, towards: Towards, wanted: impl Fn(&[u8]) -> Option<T>) -> Option<(usize, T)> {
        let look = |index: usize| self.entry(index).and_then(&wanted).map(|found| (index, found));
        match towards {
            Towards::Older => (0..(from + 1).min(self.entries.len())).rev().find_map(look),
            Towards::Newer => (from..self.entries.len()).find_map(look),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_kept_while_others_are_looked_at() {
        let mut history = History::new(3);
        for line in ["one", "two", "two", " secret", "", "three\n", "four"] {
            history.add(line.as_bytes());
        }
        assert_eq!(history.len(), 3, "the newest three, without the double and the hidden");
        assert_eq!(history.walk(Towards::Older, 1, b"new"), Some(b"four".to_vec()));
        assert_eq!(history.walk(Towards::Older, 1, b"four, edited"), Some(b"three".to_vec()));
        assert_eq!(history.walk(Towards::Older, 9, b"three"), Some(b"two".to_vec()));
        assert_eq!(history.walk(Towards::Older, 1, b"two"), None);
        assert_eq!(history.walk(Towards::Newer, 2, b"two"), Some(b"four, edited".to_vec()));
        assert_eq!(history.walk(Towards::Newer, 1, b"four, edited"), Some(b"new".to_vec()));
        assert_eq!(history.walk(Towards::Newer, 1, b"new"), None);
        history.rest();
        assert_eq!(history.walk(Towards::Older, 1, b""), Some(b"four".to_vec()));
    }
}
