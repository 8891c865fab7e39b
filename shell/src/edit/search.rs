//! Searches in the history: the incremental one of Ctrl-R, and the plain one of vi's `/`.

use super::history::Towards;
use super::keys::Key;
use super::{Editor, Step};

/// A search that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Search {
    kind: Kind,
    towards: Towards,
    term: Vec<u8>,
    failed: bool,
    /// The entry that is looked at, and the one that was found last.
    index: usize,
    found: usize,
    /// What is looked through, and where in it.
    line: Vec<u8>,
    place: usize,
    /// There is nothing more in it on this way.
    beyond: bool,
    /// The same text once more is not found again.
    before: Option<Vec<u8>>,
    /// Where the search began, to come back to.
    begun: usize,
    text: Vec<u8>,
    at: usize,
    mark: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each character is looked for at once.
    Incremental,
    /// The term is typed first, behind this sign.
    Plain(u8),
}

impl Search {
    pub(super) fn incremental(towards: Towards, place: usize, text: Vec<u8>, (at, mark): (usize, usize)) -> Self {
        Self { kind: Kind::Incremental, towards, term: Vec::new(), failed: false, index: place, found: place, line: text.clone(), place: at, beyond: false, before: None, begun: place, text, at, mark }
    }

    pub(super) fn plain(sign: u8, towards: Towards, place: usize, text: Vec<u8>, at: usize) -> Self {
        Self { kind: Kind::Plain(sign), ..Self::incremental(towards, place, text, (at, 0)) }
    }

    /// What stands in the line's place while the term of a plain search is typed.
    pub(super) fn line(&self) -> Option<Vec<u8>> {
        match self.kind {
            Kind::Incremental => None,
            Kind::Plain(sign) => Some([&[sign], self.term.as_slice()].concat()),
        }
    }

    /// What stands in the prompt's place.
    pub(super) fn prompt(&self) -> Option<String> {
        let term = portcullis_model::bytes::printable(&self.term);
        let (failed, direction) = (if self.failed { "failed " } else { "" }, if self.towards == Towards::Older { "reverse-" } else { "" });
        (self.kind == Kind::Incremental).then(|| format!("({failed}{direction}i-search)`{term}': "))
    }
}

impl Editor {
    /// Does what a key means during a search.
    pub(super) fn searched(&mut self, search: Search, key: Key) -> Step {
        match search.kind {
            Kind::Incremental => self.incremental(search, key),
            Kind::Plain(_) => self.plain(search, key),
        }
    }

    fn incremental(&mut self, mut search: Search, key: Key) -> Step {
        match key {
            Key::Text(bytes) | Key::Paste(bytes) => {
                search.term.extend(bytes);
                self.look(search)
            }
            Key::Control(18) | Key::Control(19) => {
                let towards = if key == Key::Control(18) { Towards::Older } else { Towards::Newer };
                match (search.towards == towards, towards) {
                    // turned around it finds the same again
                    (false, _) => search.towards = towards,
                    (true, _) if search.term.is_empty() => search.term.clone_from(&self.vi.term),
                    (true, Towards::Older) => match search.place.checked_sub(1) {
                        Some(place) => search.place = place,
                        None => search.beyond = true,
                    },
                    (true, Towards::Newer) => search.place += 1,
                }
                self.look(search)
            }
            Key::Control(8 | 127) if search.term.is_empty() => {
                self.search = Some(search);
                Step::Bell
            }
            Key::Control(8 | 127) => {
                while search.term.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                self.look(search)
            }
            Key::Control(7) => {
                self.vi.term = search.term;
                (self.text, self.at, self.mark) = (search.text, search.at, search.mark);
                Step::Draw
            }
            Key::Control(3) => Step::Abandon,
            // Escape ends it and does nothing else; any other key does what it does
            key => {
                self.found(search);
                // as readline's isearch-terminators have it
                if matches!(key, Key::Escape | Key::Control(10)) { Step::Draw } else { self.key(key) }
            }
        }
    }

    /// Makes what was found the line.
    fn found(&mut self, search: Search) {
        let text = std::mem::take(&mut self.text);
        self.vi.term = search.term;
        if search.found == search.begun {
            self.text = search.text;
        } else if let Some(was) = self.history.visit(search.found, &search.text) {
            self.replace(search.begun, if text.is_empty() { was } else { text });
        }
        self.at = search.place.min(self.text.len());
    }

    /// The line that a search comes to.
    fn line_at(&self, search: &Search, index: usize) -> Vec<u8> {
        if index == search.begun { search.text.clone() } else { self.history.now(index).unwrap_or_default().to_vec() }
    }

    /// Looks for the term from where it is on.
    fn look(&mut self, mut search: Search) -> Step {
        let step = if self.looked(&mut search) {
            let text = self.line_at(&search, search.index);
            search.before = Some(text.clone());
            search.found = search.index;
            (self.at, self.mark) = (search.place.min(text.len()), (search.place + search.term.len()).min(text.len()));
            self.text = text;
            Step::Draw
        } else {
            search.index = search.found;
            Step::Bell
        };
        search.failed = step == Step::Bell;
        self.search = Some(search);
        step
    }

    fn looked(&self, search: &mut Search) -> bool {
        let length = search.term.len();
        if length == 0 {
            return false;
        }
        loop {
            let beyond = std::mem::take(&mut search.beyond);
            let is_it = |at: &usize| search.line.get(*at..).is_some_and(|rest| rest.starts_with(&search.term));
            let place = match search.towards {
                Towards::Older if beyond => None,
                Towards::Older => (0..=search.place).rev().find(is_it),
                Towards::Newer => (search.place..search.line.len()).find(is_it),
            };
            if let Some(place) = place {
                search.place = place;
                return true;
            }
            search.place = match search.towards {
                Towards::Older => 0,
                Towards::Newer => search.place.max((search.line.len() + 1).saturating_sub(length)),
            };
            loop {
                search.index = match search.towards {
                    Towards::Older => match search.index.checked_sub(1) {
                        Some(index) => index,
                        None => return false,
                    },
                    Towards::Newer if search.index >= self.history.len() => return false,
                    Towards::Newer => search.index + 1,
                };
                search.line = self.line_at(search, search.index);
                if search.before.as_ref() != Some(&search.line) && search.line.len() >= length {
                    break;
                }
            }
            search.place = if search.towards == Towards::Older { search.line.len() - length } else { 0 };
        }
    }

    fn plain(&mut self, mut search: Search, key: Key) -> Step {
        match key {
            Key::Text(bytes) | Key::Paste(bytes) => search.term.extend(bytes),
            Key::Control(8 | 127) if search.term.is_empty() => return Step::Draw,
            Key::Control(8 | 127) => {
                search.term.pop();
                while search.term.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
                    search.term.pop();
                }
            }
            Key::Control(10 | 13) => {
                if !search.term.is_empty() {
                    self.vi.term = search.term;
                }
                self.vi.towards = Some(search.towards);
                return self.search_again(search.towards);
            }
            Key::Control(3) => return Step::Abandon,
            Key::Escape | Key::Control(_) | Key::Meta(_) | Key::Named(_) | Key::Unknown => return Step::Draw,
        }
        self.search = Some(search);
        Step::Draw
    }

    /// Goes to the next entry that has the last term; a term that begins with `^` stands at the beginning of it.
    pub(super) fn search_again(&mut self, towards: Towards) -> Step {
        let term = self.vi.term.clone();
        let from = match towards {
            Towards::Older => self.history.place().checked_sub(1),
            Towards::Newer => Some(self.history.place() + 1),
        };
        let has = |entry: &[u8]| match term.strip_prefix(b"^") {
            Some(start) => entry.starts_with(start).then_some(()),
            None => entry.windows(term.len().max(1)).any(|window| window == term).then_some(()),
        };
        match from.filter(|_| !term.is_empty()).and_then(|from| self.history.find(from, towards, has)) {
            Some((index, ())) => self.visit(index),
            None => Step::Bell,
        }
    }
}
