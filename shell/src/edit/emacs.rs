//! The keys of emacs, as readline has them.

use super::history::Towards;
use super::keys::{Key, Named};
use super::{COUNT_MAX, Completing, Editor, Last, Pending, Step, text};
use super::search::Search;

impl Editor {
    /// Does what a key means among emacs' keys; also while inserting among vi's, where it means nothing else.
    pub(super) fn emacs(&mut self, key: Key) -> Step {
        if let Key::Meta(digit @ (b'0'..=b'9' | b'-')) = key {
            return self.digit(digit);
        }
        if let (Key::Text(digit), Some(_)) = (&key, self.count)
            && let [digit @ b'0'..=b'9'] = digit.as_slice()
        {
            return self.digit(*digit);
        }
        let given = self.count.take();
        let (count, negative) = given.unwrap_or((1, false));
        let last = std::mem::take(&mut self.last);
        match key {
            Key::Text(bytes) => {
                self.last = last;
                let typed: Vec<u8> = bytes.repeat(count);
                self.insert(&typed);
                self.last = Last::Typed;
                Step::Draw
            }
            Key::Control(byte) => self.control(byte, count, negative, last),
            Key::Meta(byte) => self.meta(byte, given.map(|_| count), negative, last),
            Key::Named(name) => self.named(name, count),
            Key::Escape | Key::Unknown | Key::Paste(_) => Step::Bell,
        }
    }

    fn digit(&mut self, digit: u8) -> Step {
        let (count, negative) = self.count.unwrap_or((0, false));
        self.count = Some(match digit {
            b'-' => (count, true),
            digit => ((count * 10 + usize::from(digit - b'0')).min(COUNT_MAX), negative),
        });
        Step::Draw
    }

    pub(super) fn named(&mut self, name: Named, count: usize) -> Step {
        match name {
            Named::Up => self.walk(Towards::Older, count),
            Named::Down => self.walk(Towards::Newer, count),
            Named::Left => self.go(self.back(count)),
            Named::Right => self.go(self.forward(count)),
            Named::WordLeft => self.go(self.words_back(count)),
            Named::WordRight => self.go(self.words_on(count)),
            Named::Home => self.start(),
            Named::End => self.end(),
            Named::Delete => self.delete(count),
            Named::Insert | Named::BackTab => Step::Bell,
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
            4 => self.delete(count),
            5 => self.end(),
            6 if negative => self.go(self.back(count)),
            6 => self.go(self.forward(count)),
            7 => Step::Bell,
            8 | 127 => self.rub_out(count),
            9 => Step::Complete(if last == Last::Completed { Completing::Again } else { Completing::First }),
            10 | 13 => self.accept(),
            // K L N O P Q R S T U V W X Y
            11 => {
                self.last = last;
                self.kill(self.at..self.text.len())
            }
            12 => Step::Clear,
            14 => self.walk(Towards::Newer, count),
            15 => {
                let next = self.history.place() + 1;
                let step = self.accept();
                self.next = (next < self.history.len()).then_some(next);
                step
            }
            16 => self.walk(Towards::Older, count),
            17 | 22 => {
                self.pending = Pending::Quoted;
                Step::Draw
            }
            18 => self.begin_search(Towards::Older),
            19 => self.begin_search(Towards::Newer),
            20 => self.swap_characters(),
            21 => {
                self.last = last;
                self.kill(0..self.at)
            }
            23 => {
                self.last = last;
                let start = text::blank_word_start(&self.text, self.at);
                self.kill(start..self.at)
            }
            24 => {
                self.pending = Pending::CtrlX;
                Step::Draw
            }
            25 => self.yank(),
            // ] _
            29 => {
                self.pending = Pending::Find { back: negative };
                Step::Draw
            }
            31 => self.undo(),
            _ => Step::Bell,
        }
    }

    fn meta(&mut self, byte: u8, given: Option<usize>, negative: bool, last: Last) -> Step {
        let count = given.unwrap_or(1);
        match byte {
            b'b' | b'B' => self.go(self.words_back(count)),
            b'f' | b'F' => self.go(self.words_on(count)),
            b'd' | b'D' => {
                self.last = last;
                self.kill(self.at..self.words_on(count))
            }
            127 | 8 => {
                self.last = last;
                self.kill(self.words_back(count)..self.at)
            }
            b'<' => self.visit(0),
            b'>' => self.visit(self.history.len()),
            b'.' | b'_' => self.last_argument(given, last),
            b'y' | b'Y' => self.turn_kills(last),
            b'u' | b'U' => self.words(count, |word, _| word.iter().flat_map(|c| c.to_uppercase()).collect()),
            b'l' | b'L' => self.words(count, |word, _| word.iter().flat_map(|c| c.to_lowercase()).collect()),
            b'c' | b'C' => self.words(count, |word, _| {
                word.iter().enumerate().flat_map(|(index, c)| if index == 0 { c.to_uppercase().collect::<Vec<_>>() } else { c.to_lowercase().collect() }).collect()
            }),
            b't' | b'T' => self.swap_words(),
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
                self.change(start..end, b"");
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
                self.pending = Pending::Find { back: !negative };
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

    pub(super) fn after_ctrl_x(&mut self, key: &Key) -> Step {
        match key {
            Key::Control(24) => {
                std::mem::swap(&mut self.at, &mut self.mark);
                self.at = self.at.min(self.text.len());
                Step::Draw
            }
            Key::Control(21) => self.undo(),
            Key::Control(127) => self.kill(0..self.at),
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
        let (start, end, ago) = match last {
            Last::Argument { start, end, ago } => (start, end, ago + 1),
            Last::Other | Last::Typed | Last::Killed | Last::Yanked { .. } | Last::Completed => (self.at, self.at, 1),
        };
        let Some(entry) = self.history.len().checked_sub(ago).and_then(|index| self.history.entry(index)) else {
            self.last = last;
            return Step::Bell;
        };
        let words = words(entry);
        let word = match given {
            Some(number) => words.get(number),
            None => words.last(),
        };
        let Some(word) = word.cloned() else { return Step::Bell };
        self.change(start..end, &word);
        self.last = Last::Argument { start, end: self.at, ago };
        Step::Draw
    }

    fn words(&mut self, count: usize, change: impl Fn(&[char], usize) -> String) -> Step {
        for index in 0..count {
            let mut start = self.at;
            while start < self.text.len() && !text::is_alphanumeric(&self.text, start) {
                start = text::next(&self.text, start);
            }
            let end = text::word_end(&self.text, start);
            let Ok(word) = std::str::from_utf8(self.text.get(start..end).unwrap_or_default()) else { return Step::Bell };
            let changed = change(&word.chars().collect::<Vec<_>>(), index);
            self.change(start..end, changed.as_bytes());
        }
        Step::Draw
    }

    fn swap_characters(&mut self) -> Step {
        let at = if self.at >= self.text.len() { text::previous(&self.text, self.text.len()) } else { self.at };
        let before = text::previous(&self.text, at);
        if at == 0 || before == at {
            return Step::Bell;
        }
        let after = text::next(&self.text, at);
        let swapped = [self.text.get(at..after).unwrap_or_default(), self.text.get(before..at).unwrap_or_default()].concat();
        self.change(before..after, &swapped);
        Step::Draw
    }

    fn swap_words(&mut self) -> Step {
        let end = text::word_end(&self.text, self.at);
        let start = text::word_start(&self.text, end);
        let first = text::word_start(&self.text, start);
        let first_end = text::word_end(&self.text, first);
        if first == start || first_end > start {
            return Step::Bell;
        }
        let part = |range: std::ops::Range<usize>| self.text.get(range).unwrap_or_default();
        let swapped = [part(start..end), part(first_end..start), part(first..first_end)].concat();
        self.change(first..end, &swapped);
        Step::Draw
    }

    fn begin_search(&mut self, towards: Towards) -> Step {
        self.search = Some(Search::incremental(towards, self.history.place(), self.text.clone(), self.at));
        Step::Draw
    }

    pub(super) fn begin_plain_search(&mut self, sign: u8, towards: Towards) -> Step {
        self.search = Some(Search::plain(sign, towards, self.history.place(), self.text.clone(), self.at));
        Step::Draw
    }
}

/// The words of a line, as a shell cuts it at blanks outside of quotes, with their quotes.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut quote = None;
    let mut escaped = false;
    for byte in line {
        match (*byte, quote) {
            (b' ' | b'\t' | b'\n', None) if !escaped => {
                if words.last().is_some_and(|word: &Vec<u8>| !word.is_empty()) {
                    words.push(Vec::new());
                }
                continue;
            }
            (b'\\', None | Some(b'"')) if !escaped => {
                escaped = true;
                if let Some(word) = words.last_mut() {
                    word.push(b'\\');
                }
                continue;
            }
            (b'\'' | b'"', None) if !escaped => quote = Some(*byte),
            (byte, Some(open)) if byte == open && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
        if let Some(word) = words.last_mut() {
            word.push(*byte);
        }
    }
    if words.last().is_some_and(Vec::is_empty) {
        words.pop();
    }
    words
}
