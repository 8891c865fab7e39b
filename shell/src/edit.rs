//! A line editor: keys in, a line out. Pure: no I/O, no clock.
//!
//! The keys are those of readline as bash has them without configuration, since they are what operators' hands know:
//! emacs' ([`emacs`]) or vi's ([`vi`]), the same history, search, kills and undo. What readline does not know is left out: no
//! colours in the text, no menus. Text is bytes; what is no UTF-8 is edited, shown and handed on like everything else.
//!
//! [`keys`] makes keys of bytes, [`Editor::key`] does what a key means and says what follows from it, [`screen`] shows it.

mod emacs;
pub mod expansion;
pub mod history;
pub mod keys;
mod search;
pub mod screen;
pub mod text;
mod tokens;
mod undo;
mod vi;

use history::{History, Towards};
use keys::{EscapeIs, Key};
use search::Search;
use std::collections::BTreeMap;
use std::ops::Range;
use undo::Undo;

/// Which keys edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// As in bash without configuration.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

/// What follows from a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The screen may have changed.
    Draw,
    /// There was nothing to do.
    Bell,
    /// The line is entered.
    Accept,
    /// The input ends.
    End,
    /// The line is given up.
    Abandon,
    /// The terminal is to be cleared.
    Clear,
    /// The line is to be edited by a program (Ctrl-X Ctrl-E).
    Outside,
    /// The word before the cursor is to be completed; the names are to be listed if that does not lead on.
    Complete(Completing),
}

/// How a word is to be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completing {
    /// As far as it is clear; told for the first time.
    First,
    /// Told again: the names are wanted.
    Again,
    /// The names alone.
    List,
    /// All of the names.
    Insert,
}

/// What a word can become.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// Where in the text the word begins.
    pub start: usize,
    /// What it becomes, as far as it is clear.
    pub insert: Vec<u8>,
    /// All that it can become, each as it would be inserted.
    pub all: Vec<Vec<u8>>,
    /// The names for people.
    pub names: Vec<Vec<u8>>,
}

/// What the last key did, where that matters to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Other,
    /// Text was killed: what is killed next joins it.
    Killed,
    /// A kill was inserted here, of this length; the ring may be turned.
    Yanked { start: usize, end: usize },
    /// The last word, or this one, of the entry this many before the editor's was inserted, or there was none.
    Argument { word: Option<usize>, ago: usize, inserted: bool },
    /// A word was completed.
    Completed,
}

/// What the next key is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    Nothing,
    /// To be inserted as it is, this often.
    Quoted(usize),
    /// Ctrl-X came, with a count that may be negative.
    CtrlX(usize, bool),
    /// A character to go to.
    Find { back: bool, count: usize },
    /// The rest of a vi command.
    Vi(vi::Begun),
}

/// Most kills that are kept.
const KILLS_MAX: usize = 10;
/// Most that a count says.
const COUNT_MAX: usize = 1000;

/// The count that is being given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    digits: Option<usize>,
    negative: bool,
}

/// The editor of one session: it outlives its lines.
#[derive(Debug)]
pub struct Editor {
    text: Vec<u8>,
    at: usize,
    mark: usize,
    keys: Keys,
    vi: vi::State,
    undo: Undo,
    /// The same for the entries that were looked at.
    undos: BTreeMap<usize, Undo>,
    kills: Vec<Vec<u8>>,
    kill: usize,
    last: Last,
    count: Option<Count>,
    pending: Pending,
    search: Option<Search>,
    history: History,
    /// The entry that the next line begins with (Ctrl-O).
    next: Option<usize>,
}

impl Editor {
    /// An editor over a history.
    #[must_use]
    pub fn new(history: History) -> Self {
        Self {
            text: Vec::new(),
            at: 0,
            mark: 0,
            keys: Keys::Emacs,
            vi: vi::State::default(),
            undo: Undo::default(),
            undos: BTreeMap::new(),
            kills: Vec::new(),
            kill: 0,
            last: Last::Other,
            count: None,
            pending: Pending::Nothing,
            search: None,
            history,
            next: None,
        }
    }

    /// Changes the keys.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// How Escape is to be read now.
    #[must_use]
    pub fn escape(&self) -> EscapeIs {
        if self.keys == Keys::Vi { EscapeIs::AKey } else { EscapeIs::Meta }
    }

    /// The line so far.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the cursor is in it.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// What stands in the prompt's place, when something does, and what is edited then.
    #[must_use]
    pub fn instead_of_prompt(&self) -> Option<String> {
        match (&self.search, self.count) {
            (Some(search), _) => search.prompt(),
            (None, Some(Count { digits, negative })) if self.keys == Keys::Emacs => Some(format!("(arg: {}{}) ", if negative { "-" } else { "" }, digits.unwrap_or(1))),
            (None, _) => None,
        }
    }

    /// What stands in the line's place: the term of a search that is being typed.
    #[must_use]
    pub fn instead_of_line(&self) -> Option<Vec<u8>> {
        self.search.as_ref().and_then(Search::line)
    }

    /// The history.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Adds to the history; says whether it did.
    pub fn remember(&mut self, text: &[u8]) -> bool {
        self.history.add(text)
    }

    /// Begins a line.
    pub fn begin(&mut self) {
        self.text.clear();
        (self.at, self.mark) = (0, 0);
        self.undo = Undo::default();
        self.undos.clear();
        self.history.rest();
        self.reset();
        self.vi.begin();
        if let Some(text) = self.next.take().and_then(|index| self.history.visit(index, b"")) {
            self.replace(self.history.len(), text);
        }
    }

    /// The line, once it is entered.
    pub fn take(&mut self) -> Vec<u8> {
        (self.at, self.mark) = (0, 0);
        std::mem::take(&mut self.text)
    }

    /// Puts another text in the line's place, as one change; the cursor is at its end.
    pub fn set_text(&mut self, text: &[u8]) {
        self.reset();
        self.vi.insert();
        self.change(0..self.text.len(), text);
    }

    /// Forgets the history.
    pub fn forget(&mut self) {
        self.history.clear();
    }

    /// Gives up whatever a key began.
    pub fn reset(&mut self) {
        self.last = Last::Other;
        self.count = None;
        self.pending = Pending::Nothing;
        self.search = None;
    }

    /// Does what a key means.
    pub fn key(&mut self, key: Key) -> Step {
        if let Some(search) = self.search.take() {
            return self.searched(search, key);
        }
        if let Key::Paste(bytes) = key {
            self.pending = Pending::Nothing;
            self.last = Last::Other;
            self.count = None;
            self.mark = self.at;
            self.vi.insert();
            self.insert(&bytes);
            return Step::Draw;
        }
        match std::mem::take(&mut self.pending) {
            Pending::Quoted(count) => {
                let bytes = match key {
                    Key::Text(bytes) => bytes,
                    Key::Control(byte) => vec![byte],
                    Key::Escape => vec![0x1b],
                    Key::Meta(byte) => vec![0x1b, byte],
                    Key::Named(_) | Key::Paste(_) | Key::Unknown => return Step::Bell,
                };
                self.insert(&bytes.repeat(count));
                Step::Draw
            }
            Pending::CtrlX(count, negative) => self.after_ctrl_x(&key, count, negative),
            Pending::Find { back, count } => self.find(&key, back, count),
            Pending::Vi(begun) => self.vi_goes_on(begun, key),
            Pending::Nothing => match self.keys {
                Keys::Emacs => self.emacs(key),
                Keys::Vi => self.vi(key),
            },
        }
    }

    /// Takes what a word can become; says what names are to be listed.
    pub fn complete(&mut self, completion: &Completion, how: Completing) -> (Step, Vec<Vec<u8>>) {
        let word = self.text.get(completion.start..self.at).unwrap_or_default();
        if completion.all.is_empty() {
            return (Step::Bell, Vec::new());
        }
        let insert = match how {
            Completing::Insert => Some(completion.all.iter().flat_map(|one| [one.as_slice(), if one.ends_with(b" ") { b"" } else { b" " }].concat()).collect()),
            Completing::List => None,
            Completing::First | Completing::Again => (completion.insert != word && !completion.insert.is_empty()).then(|| completion.insert.clone()),
        };
        match insert {
            Some(insert) => {
                self.change(completion.start..self.at, &insert);
                (if completion.all.len() == 1 || how == Completing::Insert { Step::Draw } else { Step::Bell }, Vec::new())
            }
            None if how == Completing::First => {
                // as in readline, only where nothing was inserted the next Tab lists
                self.last = Last::Completed;
                (Step::Bell, Vec::new())
            }
            None => (Step::Draw, completion.names.clone()),
        }
    }

    // What the commands of both kinds of keys are made of.

    fn insert(&mut self, bytes: &[u8]) {
        self.undo.before_insert(&self.text, self.at, bytes.len());
        self.text.splice(self.at..self.at, bytes.iter().copied());
        self.at += bytes.len();
    }

    fn change(&mut self, range: Range<usize>, with: &[u8]) {
        let (end, gone) = (range.end, range.len());
        self.change_as(range, with, end, gone);
    }

    /// The same where undoing leaves the cursor elsewhere, or where fewer bytes are gone at a time: the mark stays within the text.
    fn change_as(&mut self, range: Range<usize>, with: &[u8], undone: usize, gone: usize) {
        self.undo.before_change(&self.text, undone);
        self.mark = self.mark.min(self.text.len().saturating_sub(gone));
        let start = range.start;
        self.text.splice(range, with.iter().copied());
        self.at = start + with.len();
    }

    /// The text of another entry, with the changes that can be undone there; it was another one's (`from`) so far.
    fn replace(&mut self, from: usize, text: Vec<u8>) {
        let undo = self.undos.remove(&self.history.place()).unwrap_or_default();
        self.undos.insert(from, std::mem::replace(&mut self.undo, undo));
        self.at = if self.keys == Keys::Vi && !self.vi.is_inserting() { 0 } else { text.len() };
        self.mark = 0;
        self.text = text;
    }

    fn undo(&mut self, count: usize) -> Step {
        if count > 1 && !self.undo.is_empty() {
            self.undo(1);
            return self.undo(count - 1);
        }
        match self.undo.back() {
            Some((text, at)) => {
                (self.text, self.at) = (text, at);
                self.mark = self.mark.min(self.text.len());
                Step::Draw
            }
            None => Step::Bell,
        }
    }

    /// Kills text; what is killed in a row is one kill.
    fn kill(&mut self, range: Range<usize>) -> Step {
        let back = range.start < self.at;
        let killed = self.text.get(range.clone()).unwrap_or_default().to_vec();
        match self.kills.last_mut().filter(|_| self.last == Last::Killed) {
            Some(last) if back => *last = [killed, std::mem::take(last)].concat(),
            Some(last) => last.extend(killed),
            None if killed.is_empty() => {}
            None => self.keep(killed),
        }
        self.kill = self.kills.len().saturating_sub(1);
        if !range.is_empty() {
            self.change(range, b"");
        }
        if self.keys == Keys::Emacs {
            self.mark = self.at;
        }
        self.last = Last::Killed;
        Step::Draw
    }

    fn keep(&mut self, killed: Vec<u8>) {
        self.kills.push(killed);
        if self.kills.len() > KILLS_MAX {
            self.kills.remove(0);
        }
        self.kill = self.kills.len().saturating_sub(1);
    }

    fn walk(&mut self, towards: Towards, count: usize) -> Step {
        let from = self.history.place();
        match self.history.walk(towards, count, &self.text) {
            Some(text) => {
                self.replace(from, text);
                Step::Draw
            }
            None => Step::Bell,
        }
    }

    fn visit(&mut self, index: usize) -> Step {
        let from = self.history.place();
        match self.history.visit(index, &self.text) {
            Some(text) => {
                self.replace(from, text);
                Step::Draw
            }
            None => Step::Bell,
        }
    }

    /// The position `count` steps on.
    fn forward(&self, count: usize) -> usize {
        let mut at = self.at;
        for _ in 0..count {
            if at >= self.text.len() {
                break;
            }
            at = text::next(&self.text, at);
        }
        at
    }

    /// The position `count` steps back.
    fn back(&self, count: usize) -> usize {
        let mut at = self.at;
        for _ in 0..count {
            if at == 0 {
                break;
            }
            at = text::previous(&self.text, at);
        }
        at
    }

    fn go(&mut self, at: usize) -> Step {
        if at == self.at {
            return Step::Bell;
        }
        self.at = at;
        Step::Draw
    }

    /// Goes to the next, or the last, of the character that is `key`; or to the one that `count` says.
    fn find(&mut self, key: &Key, back: bool, count: usize) -> Step {
        let Key::Text(wanted) = key else { return Step::Bell };
        let is_it = |at: &usize| self.text.get(*at..).is_some_and(|rest| rest.starts_with(wanted));
        // where there are fewer, the last of them is as far as it goes
        let found = if back { (0..self.at).rev().filter(is_it).take(count).last() } else { (self.forward(1)..self.text.len()).filter(is_it).take(count).last() };
        found.map_or(Step::Bell, |at| self.go(at))
    }

    fn accept(&mut self) -> Step {
        self.reset();
        Step::Accept
    }
}

#[cfg(test)]
mod tests;
