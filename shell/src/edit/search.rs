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
    /// The entry that is shown.
    index: usize,
    /// Where the search began, to come back to.
    begun: usize,
    text: Vec<u8>,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each character is looked for at once.
    Incremental,
    /// The term is typed first, behind this sign.
    Plain(u8),
}

impl Search {
    pub(super) fn incremental(towards: Towards, place: usize, text: Vec<u8>, at: usize) -> Self {
        Self { kind: Kind::Incremental, towards, term: Vec::new(), failed: false, index: place, begun: place, text, at }
    }

    pub(super) fn plain(sign: u8, towards: Towards, place: usize, text: Vec<u8>, at: usize) -> Self {
        Self { kind: Kind::Plain(sign), ..Self::incremental(towards, place, text, at) }
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
                self.look(search, 0)
            }
            Key::Control(18) | Key::Control(19) => {
                search.towards = if key == Key::Control(18) { Towards::Older } else { Towards::Newer };
                if search.term.is_empty() {
                    search.term = std::mem::take(&mut self.vi.term);
                }
                self.look(search, 1)
            }
            Key::Control(8 | 127) => {
                search.term.pop();
                while search.term.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
                    search.term.pop();
                }
                search.failed = false;
                if search.term.is_empty() {
                    search.index = search.begun;
                    (self.text, self.at) = (search.text.clone(), search.at);
                    self.search = Some(search);
                    return Step::Draw;
                }
                // a shorter term is still there where the longer one was
                if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(&search.term)) {
                    self.search = Some(search);
                    return Step::Draw;
                }
                self.look(search, 0)
            }
            Key::Control(7) => {
                self.vi.term = search.term;
                (self.text, self.at) = (search.text, search.at);
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
        let (text, at) = (std::mem::take(&mut self.text), self.at);
        self.vi.term = search.term;
        if let Some(was) = self.history.visit(search.index, &search.text) {
            self.replace(if text.is_empty() { was } else { text });
        }
        self.at = at.min(self.text.len());
    }

    /// Looks on for the term; `skip` is 1 to leave the entry that is shown.
    fn look(&mut self, mut search: Search, skip: usize) -> Step {
        let begin = search.begun;
        let from = match search.towards {
            Towards::Older => search.index.checked_sub(skip),
            Towards::Newer => Some(search.index + skip),
        };
        let term = search.term.clone();
        let place = |entry: &[u8]| entry.windows(term.len().max(1)).rposition(|window| window == term);
        // the same entry may have it once more, further on
        let shown = self.text.clone();
        let again = (skip == 1 && search.towards == Towards::Older && search.index != begin && !term.is_empty())
            .then(|| shown.get(..(self.at + term.len()).saturating_sub(1).min(shown.len())).and_then(place))
            .flatten();
        if let Some(at) = again {
            self.at = at;
            self.search = Some(search);
            return Step::Draw;
        }
        let own = place(&search.text).filter(|_| skip == 0 && search.index == begin && !term.is_empty());
        // the line as it was begun may differ from the entry in its place
        let found = match (own, from) {
            (Some(at), _) => Some((begin, at, search.text.clone())),
            (None, Some(from)) if !term.is_empty() => self.history.find(from, search.towards, place).map(|(index, at)| (index, at, self.history.entry(index).unwrap_or_default().to_vec())),
            (None, Some(_) | None) => None,
        };
        let step = match found {
            Some((index, at, text)) => {
                search.failed = false;
                search.index = index;
                (self.text, self.at) = (text, at);
                Step::Draw
            }
            None => {
                search.failed = !term.is_empty();
                Step::Bell
            }
        };
        self.search = Some(search);
        step
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
