//! The keys of emacs, as readline has them.

use super::history::Towards;
use super::keys::{Key, Named};
use super::{COUNT_MAX, Completing, Count, Editor, Last, Pending, Step, text};
use super::search::Search;
use super::tokens::tokens;

impl Editor {
    /// Does what a key means among emacs' keys; also while inserting among vi's, where it means nothing else.
    pub(super) fn emacs(&mut self, key: Key) -> Step {
        if let Key::Meta(digit @ (b'0'..=b'9' | b'-')) = key {
            // a minus with Meta after one is the sign itself, as often as the count says: not at all
            return if digit == b'-' && self.count.is_some() { self.emacs_counted(Key::Text(b"-".to_vec())) } else { self.digit(digit) };
        }
        if let (Key::Text(digit), Some(_)) = (&key, self.count)
            && let [digit @ (b'0'..=b'9' | b'-')] = digit.as_slice()
        {
            return self.digit(*digit);
        }
        self.emacs_counted(key)
    }

    fn emacs_counted(&mut self, key: Key) -> Step {
        let given = self.count.take();
        let count = given.and_then(|given| given.digits).unwrap_or(1);
        let negative = given.is_some_and(|given| given.negative);
        let last = std::mem::take(&mut self.last);
        match key {
            Key::Text(_) if negative => Step::Bell,
            Key::Text(bytes) => {
                self.insert(&bytes.repeat(count));
                Step::Draw
            }
            // with a count, what is deleted is kept to be put back
            Key::Control(byte @ (4 | 8 | 127)) if given.is_some_and(|given| given.digits.is_some()) && !self.text.is_empty() => {
                let on = negative != (byte == 4);
                let range = if on { self.at..self.forward(count) } else { self.back(count)..self.at };
                self.last = last;
                if range.is_empty() { Step::Bell } else { self.kill(range) }
            }
            Key::Control(byte) => self.control(byte, count, negative, last),
            Key::Meta(byte) => self.meta(byte, given.map(|_| count), negative, last),
            Key::Named(name) => self.named(name, count, negative),
            Key::Escape | Key::Unknown | Key::Paste(_) => Step::Bell,
        }
    }

    fn digit(&mut self, digit: u8) -> Step {
        let Count { digits, negative } = self.count.unwrap_or_default();
        self.count = Some(match (digit, digits) {
            // a count that has begun makes a minus what it is
            (b'-', Some(_)) => return self.emacs_counted(Key::Text(b"-".to_vec())),
            (b'-', None) => Count { digits, negative: true },
            (digit, digits) => Count { digits: Some((digits.unwrap_or(0) * 10 + usize::from(digit - b'0')).min(COUNT_MAX)), negative },
        });
        Step::Draw
    }

    pub(super) fn named(&mut self, name: Named, count: usize, negative: bool) -> Step {
        match (name, negative) {
            (Named::Up, false) | (Named::Down, true) => self.walk(Towards::Older, count),
            (Named::Down, false) | (Named::Up, true) => self.walk(Towards::Newer, count),
            (Named::Left, false) | (Named::Right, true) => self.go(self.back(count)),
            (Named::Right, false) | (Named::Left, true) => self.go(self.forward(count)),
            (Named::WordLeft, false) | (Named::WordRight, true) => self.go(self.words_back(count)),
            (Named::WordRight, false) | (Named::WordLeft, true) => self.go(self.words_on(count)),
            (name, negative) => self.named_place(name, count, negative),
        }
    }

    fn named_place(&mut self, name: Named, count: usize, negative: bool) -> Step {
        match name {
            Named::Home => self.start(),
            Named::End => self.end(),
            Named::Delete if negative => self.rub_out(count),
            Named::Delete => self.delete(count),
            _ => Step::Bell,
        }
    }

    fn start(&mut self) -> Step {
        self.at = 0;
        Step::Draw
    }

    fn end(&mut self) -> Step {
        self.at = self.text.len();
        Step::Draw
    }

    fn words_on(&self, count: usize) -> usize {
        (0..count).fold(self.at, |at, _| text::word_end(&self.text, at))
    }

    fn words_back(&self, count: usize) -> usize {
        (0..count).fold(self.at, |at, _| text::word_start(&self.text, at))
    }

    pub(super) fn delete(&mut self, count: usize) -> Step {
        let end = self.forward(count);
        if end == self.at {
            return Step::Bell;
        }
        let at = self.at;
        self.change(at..end, b"");
        Step::Draw
    }

    pub(super) fn rub_out(&mut self, count: usize) -> Step {
        let start = self.back(count);
        if start == self.at {
            return Step::Bell;
        }
        self.change(start..self.at, b"");
        Step::Draw
    }

    fn control(&mut self, byte: u8, count: usize, negative: bool, last: Last) -> Step {
        match byte {
            0 => {
                self.mark = self.at;
                Step::Draw
            }
            // A B C D E F
            1 => self.start(),
            2 if negative => self.go(self.forward(count)),
            2 => self.go(self.back(count)),
            3 => Step::Abandon,
            4 if self.text.is_empty() => Step::End,
            4 if negative => self.rub_out(count),
            4 => self.delete(count),
            5 => self.end(),
            6 if negative => self.go(self.back(count)),
            6 => self.go(self.forward(count)),
            7 => Step::Bell,
            8 | 127 if negative => self.delete(count),
            8 | 127 => self.rub_out(count),
            9 => Step::Complete(if last == Last::Completed { Completing::Again } else { Completing::First }),
            10 | 13 => self.accept(),
            // K L N O P Q R S T U V W X Y
            11 => {
                self.last = last;
                self.kill(if negative { 0..self.at } else { self.at..self.text.len() })
            }
            12 => Step::Clear,
            14 => self.walk(if negative { Towards::Older } else { Towards::Newer }, count),
            15 => {
                let next = self.history.place() + 1;
                let step = self.accept();
                self.next = (next < self.history.len()).then_some(next);
                step
            }
            16 => self.walk(if negative { Towards::Newer } else { Towards::Older }, count),
            17 | 22 => {
                self.pending = Pending::Quoted(count);
                Step::Draw
            }
            18 => self.begin_search(Towards::Older),
            19 => self.begin_search(Towards::Newer),
            20 if negative => Step::Bell,
            20 => self.swap_characters(count),
            21 => {
                self.last = last;
                self.kill(0..self.at)
            }
            23 => {
                self.last = last;
                let start = (0..if negative { 1 } else { count }).fold(self.at, |at, _| text::blank_word_start(&self.text, at));
                self.kill(start..self.at)
            }
            24 => {
                self.pending = Pending::CtrlX(count, negative);
                Step::Draw
            }
            25 => self.yank(),
            // ] _
            29 => {
                self.pending = Pending::Find { back: negative, count };
                Step::Draw
            }
            31 if negative => Step::Draw,
            31 => self.undo(count),
            _ => Step::Bell,
        }
    }

    fn meta(&mut self, byte: u8, given: Option<usize>, negative: bool, last: Last) -> Step {
        let count = given.unwrap_or(1);
        match byte {
            b'b' | b'B' if !negative => self.go(self.words_back(count)),
            b'b' | b'B' => self.go(self.words_on(count)),
            b'f' | b'F' if !negative => self.go(self.words_on(count)),
            b'f' | b'F' => self.go(self.words_back(count)),
            b'd' | b'D' | 127 | 8 => {
                self.last = last;
                let back = negative == matches!(byte, b'd' | b'D');
                self.kill(if back { self.words_back(count)..self.at } else { self.at..self.words_on(count) })
            }
            b'<' => self.walk(Towards::Older, self.history.place()),
            b'>' if self.history.place() == self.history.len() => Step::Draw,
            b'>' => self.visit(self.history.len()),
            b'.' | b'_' => self.last_argument(given, last),
            b'y' | b'Y' => self.turn_kills(last),
            b'u' | b'U' => self.words(count, negative, |c, _| c.to_uppercase().collect()),
            b'l' | b'L' => self.words(count, negative, |c, _| c.to_lowercase().collect()),
            b'c' | b'C' => self.words(count, negative, |c, first| if first { c.to_uppercase().collect() } else { c.to_lowercase().collect() }),
            b't' | b'T' if negative => Step::Bell,
            b't' | b'T' => self.swap_words(count),
            b'r' | b'R' => match self.undo.first() {
                Some((text, at)) => {
                    (self.text, self.at) = (text, at);
                    Step::Draw
                }
                None => Step::Bell,
            },
            b'\\' => {
                let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
                let (mut start, mut end) = (self.at, self.at);
                while start > 0 && blank(self.text.get(start - 1)) {
                    start -= 1;
                }
                while blank(self.text.get(end)) {
                    end += 1;
                }
                if start < end {
                    self.change(start..end, b"");
                }
                Step::Draw
            }
            b'#' => {
                self.change(0..0, b"#");
                self.accept()
            }
            b'?' | b'=' => Step::Complete(Completing::List),
            b'*' => Step::Complete(Completing::Insert),
            b'p' => self.begin_plain_search(b':', Towards::Older),
            b'n' => self.begin_plain_search(b':', Towards::Newer),
            b' ' => {
                self.mark = self.at;
                Step::Draw
            }
            29 => {
                self.pending = Pending::Find { back: !negative, count };
                Step::Draw
            }
            10 | 13 => {
                self.insert(b"\n");
                Step::Draw
            }
            18 => self.meta(b'r', given, negative, last),
            _ => Step::Bell,
        }
    }

    pub(super) fn after_ctrl_x(&mut self, key: &Key, count: usize, negative: bool) -> Step {
        match key {
            Key::Control(24) => {
                std::mem::swap(&mut self.at, &mut self.mark);
                self.at = self.at.min(self.text.len());
                Step::Draw
            }
            Key::Control(5) => Step::Outside,
            Key::Control(21) if negative => Step::Draw,
            Key::Control(21) => self.undo(count),
            Key::Control(127) => self.kill(if negative { self.at..self.text.len() } else { 0..self.at }),
            Key::Text(_) | Key::Control(_) | Key::Meta(_) | Key::Escape | Key::Named(_) | Key::Paste(_) | Key::Unknown => Step::Bell,
        }
    }

    fn yank(&mut self) -> Step {
        let Some(kill) = self.kills.get(self.kill).cloned() else { return Step::Bell };
        let start = self.at;
        self.mark = start;
        self.insert(&kill);
        self.last = Last::Yanked { start, end: self.at };
        Step::Draw
    }

    fn turn_kills(&mut self, last: Last) -> Step {
        let Last::Yanked { start, end } = last else { return Step::Bell };
        self.kill = self.kill.checked_sub(1).unwrap_or(self.kills.len().saturating_sub(1));
        let kill = self.kills.get(self.kill).cloned().unwrap_or_default();
        self.change(start..end, &kill);
        self.last = Last::Yanked { start, end: self.at };
        Step::Draw
    }

    /// Inserts the last word of the entry before, or of the one before that when told again; or the word that a count says.
    fn last_argument(&mut self, given: Option<usize>, last: Last) -> Step {
        let (word, ago) = match last {
            Last::Argument { word, ago, inserted } => {
                if inserted {
                    self.undo(1);
                }
                (word, ago + 1)
            }
            Last::Other | Last::Killed | Last::Yanked { .. } | Last::Completed => (given, 1),
        };
        self.last = Last::Argument { word, ago, inserted: false };
        let Some(entry) = self.history.place().checked_sub(ago).and_then(|index| self.history.now(index)) else { return Step::Bell };
        let words: Vec<&[u8]> = tokens(entry).into_iter().map(|(_, word)| word).collect();
        let found = match word {
            Some(number) => words.get(number),
            None => words.last(),
        };
        let Some(found) = found.map(|word| word.to_vec()) else { return Step::Bell };
        self.mark = self.at;
        self.change(self.at..self.at, &found);
        self.last = Last::Argument { word, ago, inserted: true };
        Step::Draw
    }

    /// Changes the case of words: `change` gets each character and whether it is the first of a word.
    fn words(&mut self, count: usize, negative: bool, change: impl Fn(char, bool) -> String) -> Step {
        let (start, end) = if negative { (self.words_back(count), self.at) } else { (self.at, self.words_on(count)) };
        let Ok(part) = std::str::from_utf8(self.text.get(start..end).unwrap_or_default()) else { return Step::Bell };
        let mut within = false;
        let mut changed = String::with_capacity(part.len());
        for c in part.chars() {
            let first = c.is_alphanumeric() && !within;
            within = c.is_alphanumeric();
            changed.push_str(&change(c, first));
        }
        if start < end {
            self.change_as(start..end, changed.as_bytes(), end, 0);
        }
        Step::Draw
    }

    /// Takes the character before the cursor over the one at it, or over as many as the count says.
    fn swap_characters(&mut self, count: usize) -> Step {
        let at = if self.at >= self.text.len() { text::previous(&self.text, self.text.len()) } else { self.at };
        let before = text::previous(&self.text, at);
        if at == 0 || before == at {
            return Step::Bell;
        }
        let after = (0..count).fold(at, |at, _| text::next(&self.text, at));
        let swapped = [self.text.get(at..after).unwrap_or_default(), self.text.get(before..at).unwrap_or_default()].concat();
        self.change_as(before..after, &swapped, at, at - before);
        Step::Draw
    }

    fn swap_words(&mut self, count: usize) -> Step {
        let end = self.words_on(count);
        let start = text::word_start(&self.text, end);
        let first = (0..count).fold(start, |at, _| text::word_start(&self.text, at));
        let first_end = text::word_end(&self.text, first);
        if first == start || first_end > start {
            return Step::Bell;
        }
        let part = |range: std::ops::Range<usize>| self.text.get(range).unwrap_or_default();
        let swapped = [part(start..end), part(first_end..start), part(first..first_end)].concat();
        self.change_as(first..end, &swapped, end, end - start);
        Step::Draw
    }

    fn begin_search(&mut self, towards: Towards) -> Step {
        self.search = Some(Search::incremental(towards, self.history.place(), self.text.clone(), (self.at, self.mark)));
        Step::Draw
    }

    pub(super) fn begin_plain_search(&mut self, sign: u8, towards: Towards) -> Step {
        self.search = Some(Search::plain(sign, towards, self.history.place(), self.text.clone(), self.at));
        Step::Draw
    }
}
