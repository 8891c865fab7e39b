//! What a line was before each change. As in readline, the cursor is behind what is back.

use std::ops::Range;

/// Most bytes that are kept.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes that are typed in a row and undone at once.
const ROW_MAX: usize = 20;

/// What a line was, where the cursor goes when it is so again, and what was inserted since, when that is all.
#[derive(Debug)]
struct State {
    text: Vec<u8>,
    at: usize,
    inserted: Option<Range<usize>>,
}

/// The states of a line, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Undo {
    states: Vec<State>,
    bytes: usize,
}

impl Undo {
    /// Keeps the text as it is before `length` bytes are inserted at `at`. One that goes on with what was inserted last is undone with it.
    pub(super) fn before_insert(&mut self, text: &[u8], at: usize, length: usize) {
        if length == 1
            && let Some(State { inserted: Some(inserted), .. }) = self.states.last_mut()
            && inserted.end == at
            && inserted.len() < ROW_MAX
        {
            inserted.end += 1;
            return;
        }
        self.keep(State { text: text.to_vec(), at, inserted: Some(at..at + length) });
    }

    /// Keeps the text as it is before any other change; undone, the cursor goes to `at`.
    pub(super) fn before_change(&mut self, text: &[u8], at: usize) {
        self.keep(State { text: text.to_vec(), at, inserted: None });
    }

    fn keep(&mut self, state: State) {
        self.bytes += state.text.len();
        self.states.push(state);
        while self.bytes > BYTES_MAX && self.states.len() > 1 {
            self.bytes -= self.states.remove(0).text.len();
        }
    }

    /// Whether there is nothing to go back to.
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// How many states there are.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Makes one state of all but the first `kept`.
    pub(super) fn join(&mut self, kept: usize) {
        let joined: usize = self.states.iter().skip(kept + 1).map(|state| state.text.len()).sum();
        self.bytes -= joined;
        self.states.truncate(kept + 1);
        if let Some(state) = self.states.get_mut(kept) {
            state.inserted = None;
        }
    }

    /// The last state.
    pub(super) fn back(&mut self) -> Option<(Vec<u8>, usize)> {
        let State { text, at, .. } = self.states.pop()?;
        self.bytes -= text.len();
        Some((text, at))
    }

    /// The first state.
    pub(super) fn first(&mut self) -> Option<(Vec<u8>, usize)> {
        self.states.truncate(1);
        self.bytes = 0;
        self.states.pop().map(|state| (state.text, state.at))
    }
}
