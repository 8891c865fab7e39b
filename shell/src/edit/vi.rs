//! The keys of vi, as readline has them: a line begins in insert mode, Escape leads to commands.
//!
//! Limits: no registers, no visual mode.

use super::history::Towards;
use super::keys::{Key, Named};
use super::undo::Undo;
use super::{COUNT_MAX, Completing, Editor, Pending, Step, text};

/// What vi's keys remember from one to the next.
#[derive(Debug, Default)]
pub(super) struct State {
    commanding: bool,
    overwriting: bool,
    count: Option<usize>,
    found: Option<Find>,
    /// The keys of the command that is being given, and of the last that changed something.
    given: Vec<Key>,
    changes: bool,
    change: Vec<Key>,
    repeating: bool,
    /// How much could be undone when a command began to insert.
    began: Option<usize>,
    /// What was searched for last, and where.
    pub(super) term: Vec<u8>,
    pub(super) towards: Option<Towards>,
}

/// A command that wants more keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    /// `r`: the character.
    Replace(usize),
    /// `f`, `F`, `t`, `T`: the character; for an operator, if there is one.
    Find { find: Find, operator: Option<Operator>, count: usize },
    /// `d`, `c`, `y`: how far.
    Operator { operator: Operator, count: usize, more: Option<usize> },
}

/// A search within the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Find {
    wanted: Vec<u8>,
    back: bool,
    before: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Delete,
    Change,
    Yank,
}

/// Where a motion leads, and whether the character there is meant too.
struct Motion {
    to: usize,
    inclusive: bool,
}

impl State {
    /// Inserts from now on.
    pub(super) fn insert(&mut self) {
        (self.commanding, self.overwriting, self.count, self.began) = (false, false, None, None);
    }

    /// The same at the beginning of a line: what is inserted there is what `.` inserts again.
    pub(super) fn begin(&mut self) {
        self.insert();
        (self.given, self.changes, self.change) = (vec![Key::Text(b"i".to_vec())], true, Vec::new());
    }

    /// Whether text is inserted.
    pub(super) fn is_inserting(&self) -> bool {
        !self.commanding
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Class {
    Blank,
    Word,
    Sign,
}

impl Editor {
    pub(super) fn vi(&mut self, key: Key) -> Step {
        if self.vi.commanding {
            if self.vi.count.is_none() && !self.vi.repeating {
                self.vi.given.clear();
                self.vi.changes = false;
            }
            self.vi.given.push(key.clone());
            let step = self.command(key);
            self.command_given();
            return step;
        }
        self.vi.given.push(key.clone());
        match key {
            Key::Escape => {
                self.vi.commanding = true;
                self.vi.overwriting = false;
                // what a command began to insert is undone at once; what the line began with is not, as in readline
                match self.vi.began.take() {
                    Some(began) => self.undo.join(began),
                    None => {
                        self.undo = Undo::default();
                        self.vi.changes = self.vi.given.len() > 2;
                    }
                }
                self.at = self.back(1);
                self.command_given();
                Step::Draw
            }
            Key::Control(23) => self.rub_out_word(),
            Key::Text(bytes) if self.vi.overwriting && self.at < self.text.len() => {
                let end = self.forward(1);
                self.change(self.at..end, &bytes);
                Step::Draw
            }
            key => self.emacs(key),
        }
    }

    /// A command that changed something is what `.` does again.
    fn command_given(&mut self) {
        if self.vi.commanding && self.pending == Pending::Nothing && self.vi.changes && !self.vi.repeating {
            self.vi.change = std::mem::take(&mut self.vi.given);
            self.vi.changes = false;
        }
        if self.vi.commanding && self.pending == Pending::Nothing && self.at >= self.text.len() {
            self.at = text::previous(&self.text, self.text.len());
        }
    }

    fn insert_mode(&mut self) -> Step {
        self.vi.insert();
        self.vi.began = Some(self.undo.len());
        self.vi.changes = true;
        Step::Draw
    }

    fn command(&mut self, key: Key) -> Step {
        let byte = match &key {
            Key::Text(bytes) => match bytes.as_slice() {
                [byte] => *byte,
                _ => return Step::Bell,
            },
            Key::Control(9) => return Step::Bell,
            Key::Control(23) => return self.rub_out_word(),
            Key::Control(127 | 8) => return self.go(self.back(1)),
            Key::Control(_) => return self.emacs(key),
            Key::Named(Named::End) => {
                self.at = text::previous(&self.text, self.text.len());
                return Step::Draw;
            }
            Key::Named(name) => return self.named(*name, 1, false),
            Key::Escape | Key::Meta(_) | Key::Paste(_) | Key::Unknown => return Step::Bell,
        };
        if byte.is_ascii_digit() && (byte != b'0' || self.vi.count.is_some()) {
            self.vi.count = Some((self.vi.count.unwrap_or(0) * 10 + usize::from(byte - b'0')).min(COUNT_MAX));
            return Step::Draw;
        }
        let given = self.vi.count.take();
        let count = given.unwrap_or(1);
        match byte {
            b'd' | b'c' | b'y' => {
                let operator = match byte {
                    b'd' => Operator::Delete,
                    b'c' => Operator::Change,
                    _ => Operator::Yank,
                };
                self.pending = Pending::Vi(Begun::Operator { operator, count, more: None });
                Step::Draw
            }
            b'D' => self.operate(Operator::Delete, self.at, self.text.len()),
            b'C' => self.operate(Operator::Change, self.at, self.text.len()),
            b'Y' => self.operate(Operator::Yank, self.at, self.text.len()),
            b'S' => self.operate(Operator::Change, 0, self.text.len()),
            b's' => self.operate(Operator::Change, self.at, self.forward(count)),
            b'x' => self.operate(Operator::Delete, self.at, self.forward(count)),
            b'X' => self.operate(Operator::Delete, self.back(count), self.at),
            b'i' => self.insert_mode(),
            b'I' => {
                self.at = self.first_sign();
                self.insert_mode()
            }
            b'a' => {
                self.at = self.forward(1);
                self.insert_mode()
            }
            b'A' => {
                self.at = self.text.len();
                self.insert_mode()
            }
            b'R' => {
                self.insert_mode();
                self.vi.overwriting = true;
                Step::Draw
            }
            b'r' => {
                self.pending = Pending::Vi(Begun::Replace(count));
                Step::Draw
            }
            b'~' => self.turn_case(count),
            b'p' | b'P' => self.put(byte == b'p', count),
            b'v' => Step::Outside,
            b'u' => self.undo(count),
            b'U' => match self.undo.first() {
                Some((text, at)) => {
                    (self.text, self.at) = (text, at);
                    Step::Draw
                }
                None => Step::Bell,
            },
            b'.' => self.again(),
            b'j' | b'+' => self.walk(Towards::Newer, count),
            b'k' | b'-' => self.walk(Towards::Older, count),
            b'G' => self.visit(given.map_or(0, |number| number.saturating_sub(1))),
            b'/' => self.begin_plain_search(byte, Towards::Older),
            b'?' => self.begin_plain_search(byte, Towards::Newer),
            b'n' | b'N' => {
                let towards = self.vi.towards.unwrap_or(Towards::Older);
                let turned = if towards == Towards::Older { Towards::Newer } else { Towards::Older };
                self.search_again(if byte == b'n' { towards } else { turned })
            }
            b'#' => {
                self.change(0..0, b"#");
                self.accept()
            }
            b'=' => Step::Complete(Completing::List),
            b'*' | b'\\' => {
                self.at = self.forward(1);
                self.insert_mode();
                Step::Complete(if byte == b'*' { Completing::Insert } else { Completing::First })
            }
            b'_' => {
                self.at = self.forward(1);
                self.insert(b" ");
                let step = self.emacs(Key::Meta(b'.'));
                self.insert_mode();
                step
            }
            b'f' | b'F' | b't' | b'T' => {
                self.pending = Pending::Vi(Begun::Find { find: find(byte), operator: None, count });
                Step::Draw
            }
            byte => match self.motion(byte, count, None) {
                Some(Motion { to, .. }) => self.go(to.min(text::previous(&self.text, self.text.len()))),
                None => Step::Bell,
            },
        }
    }

    pub(super) fn vi_goes_on(&mut self, begun: Begun, key: Key) -> Step {
        self.vi.given.push(key.clone());
        let step = self.goes_on(begun, key);
        self.command_given();
        step
    }

    fn goes_on(&mut self, begun: Begun, key: Key) -> Step {
        let Key::Text(bytes) = key else { return if key == Key::Control(3) { Step::Abandon } else { Step::Draw } };
        match begun {
            Begun::Replace(count) => {
                let end = self.forward(count);
                if self.at == end {
                    return Step::Bell;
                }
                let at = self.at;
                self.change(at..end, &bytes.repeat(count));
                self.at = text::previous(&self.text, self.at);
                self.vi.changes = true;
                Step::Draw
            }
            Begun::Find { find, operator, count } => {
                let find = Find { wanted: bytes, ..find };
                self.vi.found = Some(find.clone());
                let motion = self.found_in_line(&find, count);
                self.moved(operator, motion)
            }
            Begun::Operator { operator, count, more } => {
                let [byte] = bytes.as_slice() else { return Step::Bell };
                match (byte, operator) {
                    (b'1'..=b'9', _) | (b'0', _) if *byte != b'0' || more.is_some() => {
                        let more = (more.unwrap_or(0) * 10 + usize::from(byte - b'0')).min(COUNT_MAX);
                        self.pending = Pending::Vi(Begun::Operator { operator, count, more: Some(more) });
                        Step::Draw
                    }
                    (b'd', Operator::Delete) | (b'c', Operator::Change) | (b'y', Operator::Yank) => self.operate(operator, 0, self.text.len()),
                    (b'f' | b'F' | b't' | b'T', _) => {
                        self.pending = Pending::Vi(Begun::Find { find: find(*byte), operator: Some(operator), count: count * more.unwrap_or(1) });
                        Step::Draw
                    }
                    (byte, _) => {
                        let motion = self.motion(*byte, count.saturating_mul(more.unwrap_or(1)).min(COUNT_MAX), Some(operator));
                        self.moved(Some(operator), motion)
                    }
                }
            }
        }
    }

    fn moved(&mut self, operator: Option<Operator>, motion: Option<Motion>) -> Step {
        let Some(Motion { to, inclusive }) = motion else { return Step::Bell };
        let Some(operator) = operator else { return self.go(to) };
        let (start, end) = (self.at.min(to), self.at.max(to));
        let end = if inclusive { text::next(&self.text, end) } else { end };
        self.operate(operator, start, end)
    }

    fn operate(&mut self, operator: Operator, start: usize, end: usize) -> Step {
        if start == end && operator != Operator::Change {
            return Step::Bell;
        }
        self.keep(self.text.get(start..end).unwrap_or_default().to_vec());
        if operator == Operator::Yank {
            self.at = start;
            return Step::Draw;
        }
        self.change(start..end, b"");
        self.vi.changes = true;
        if operator == Operator::Change { self.insert_mode() } else { Step::Draw }
    }

    fn put(&mut self, after: bool, count: usize) -> Step {
        let Some(kill) = self.kills.last().cloned() else { return Step::Bell };
        if after {
            self.at = self.forward(1);
        }
        self.insert(&kill.repeat(count.min(1000)));
        self.at = text::previous(&self.text, self.at);
        self.vi.changes = true;
        Step::Draw
    }

    fn turn_case(&mut self, count: usize) -> Step {
        let end = self.forward(count);
        let Ok(part) = std::str::from_utf8(self.text.get(self.at..end).unwrap_or_default()) else { return Step::Bell };
        let turned: String = part.chars().flat_map(|c| if c.is_lowercase() { c.to_uppercase().collect::<Vec<_>>() } else { c.to_lowercase().collect() }).collect();
        let at = self.at;
        self.change(at..end, turned.as_bytes());
        self.vi.changes = true;
        Step::Draw
    }

    fn again(&mut self) -> Step {
        let keys = self.vi.change.clone();
        if self.vi.repeating {
            return Step::Bell;
        }
        if keys.is_empty() {
            // as if nothing had been inserted by `i`
            return self.insert_mode();
        }
        self.vi.repeating = true;
        for key in keys {
            self.key(key);
        }
        self.vi.repeating = false;
        Step::Draw
    }

    /// Kills a word, or a run of signs, and the blanks behind it.
    fn rub_out_word(&mut self) -> Step {
        let byte = |at: usize| self.text.get(at).copied().unwrap_or(b' ');
        let ends = |byte: u8| byte.is_ascii_punctuation() || matches!(byte, b' ' | b'\t' | b'\n');
        let mut start = self.at;
        while start > 0 && text::is_blank(&self.text, start - 1) {
            start -= 1;
        }
        if start > 0 && start < self.at && !ends(byte(start)) && ends(byte(start - 1)) {
            start -= 1;
        }
        let signs = start > 0 && ends(byte(start - 1));
        while start > 0 && ends(byte(start - 1)) == signs {
            start -= 1;
        }
        if start == self.at { Step::Bell } else { self.kill(start..self.at) }
    }

    fn first_sign(&self) -> usize {
        let mut at = 0;
        while at < self.text.len() && text::is_blank(&self.text, at) {
            at = text::next(&self.text, at);
        }
        at
    }

    fn motion(&mut self, byte: u8, count: usize, operator: Option<Operator>) -> Option<Motion> {
        let exclusive = |to| Some(Motion { to, inclusive: false });
        match byte {
            b'h' => exclusive(self.back(count)),
            b'l' | b' ' => exclusive(self.forward(count)),
            b'0' => exclusive(0),
            b'^' => exclusive(self.first_sign()),
            b'$' => exclusive(self.text.len()),
            b'|' => {
                let mut at = 0;
                for _ in 1..count {
                    at = text::next(&self.text, at);
                }
                exclusive(at)
            }
            // `cw` leaves the blanks after the word, as it does in vi
            b'w' | b'W' if operator == Some(Operator::Change) && self.class(self.at, byte == b'W') != Class::Blank => {
                let to = (0..count).fold(self.at, |at, turn| self.word_end(at, byte == b'W', turn > 0));
                Some(Motion { to, inclusive: true })
            }
            b'w' | b'W' => exclusive((0..count).fold(self.at, |at, _| self.next_word(at, byte == b'W'))),
            b'b' | b'B' => exclusive((0..count).fold(self.at, |at, _| self.word_before(at, byte == b'B'))),
            b'e' | b'E' => {
                let to = (0..count).fold(self.at, |at, _| self.word_end(at, byte == b'E', true));
                Some(Motion { to, inclusive: true })
            }
            b';' | b',' => {
                let find = self.vi.found.clone()?;
                let find = if byte == b',' { Find { back: !find.back, ..find } } else { find };
                self.found_in_line(&find, count)
            }
            b'%' => self.matching_bracket().map(|to| Motion { to, inclusive: true }),
            _ => None,
        }
    }

    fn found_in_line(&self, find: &Find, count: usize) -> Option<Motion> {
        let mut at = self.at;
        for turn in 0..count {
            let is_it = |at: &usize| self.text.get(*at..).is_some_and(|rest| rest.starts_with(&find.wanted));
            // `t` does not stay where it is for being there already
            let beside = usize::from(find.before && turn == 0);
            at = if find.back {
                let limit = (0..beside).fold(at, |at, _| text::previous(&self.text, at));
                (0..limit).rev().find(is_it)?
            } else {
                let from = (0..=beside).fold(at, |at, _| text::next(&self.text, at));
                (from..self.text.len()).find(is_it)?
            };
        }
        let to = match (find.before, find.back) {
            (false, _) => at,
            (true, true) => text::next(&self.text, at),
            (true, false) => text::previous(&self.text, at),
        };
        Some(Motion { to, inclusive: !find.back })
    }

    fn matching_bracket(&self) -> Option<usize> {
        let at = (self.at..self.text.len()).find(|at| matches!(self.text.get(*at), Some(b'(' | b')' | b'[' | b']' | b'{' | b'}')))?;
        let this = *self.text.get(at)?;
        let (other, back) = match this {
            b'(' => (b')', false),
            b'[' => (b']', false),
            b'{' => (b'}', false),
            b')' => (b'(', true),
            b']' => (b'[', true),
            _ => (b'{', true),
        };
        let mut depth = 0_usize;
        let mut visit = |at: &usize| {
            match self.text.get(*at) {
                Some(byte) if *byte == this => depth += 1,
                Some(byte) if *byte == other => depth -= 1,
                _ => {}
            }
            depth == 0
        };
        if back { (0..=at).rev().find(&mut visit) } else { (at..self.text.len()).find(&mut visit) }
    }

    fn class(&self, at: usize, wide: bool) -> Class {
        if at >= self.text.len() || text::is_blank(&self.text, at) {
            Class::Blank
        } else if wide || text::is_alphanumeric(&self.text, at) || self.text.get(at) == Some(&b'_') {
            Class::Word
        } else {
            Class::Sign
        }
    }

    fn next_word(&self, from: usize, wide: bool) -> usize {
        let mut at = from;
        let class = self.class(at, wide);
        while at < self.text.len() && class != Class::Blank && self.class(at, wide) == class {
            at = text::next(&self.text, at);
        }
        while at < self.text.len() && self.class(at, wide) == Class::Blank {
            at = text::next(&self.text, at);
        }
        at
    }

    fn word_before(&self, from: usize, wide: bool) -> usize {
        let mut at = from;
        while at > 0 && self.class(text::previous(&self.text, at), wide) == Class::Blank {
            at = text::previous(&self.text, at);
        }
        let class = self.class(text::previous(&self.text, at), wide);
        while at > 0 && self.class(text::previous(&self.text, at), wide) == class {
            at = text::previous(&self.text, at);
        }
        at
    }

    /// The last character of the word; of the next one, with `onward`, when this is one already.
    fn word_end(&self, from: usize, wide: bool, onward: bool) -> usize {
        let mut at = if onward { text::next(&self.text, from) } else { from };
        while at < self.text.len() && self.class(at, wide) == Class::Blank {
            at = text::next(&self.text, at);
        }
        let class = self.class(at, wide);
        loop {
            let next = text::next(&self.text, at);
            if next >= self.text.len() || self.class(next, wide) != class {
                return at.min(text::previous(&self.text, self.text.len()));
            }
            at = next;
        }
    }
}

fn find(byte: u8) -> Find {
    Find { wanted: Vec::new(), back: matches!(byte, b'F' | b'T'), before: matches!(byte, b't' | b'T') }
}
