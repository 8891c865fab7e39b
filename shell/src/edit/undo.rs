//! What a line was before each change.

/// Most bytes that are kept.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most characters that are typed in a row and undone at once.
const ROW_MAX: usize = 20;

/// The states of a line, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Undo {
    states: Vec<(Vec<u8>, usize)>,
    bytes: usize,
    row: usize,
}

impl Undo {
    /// Keeps a state, unless what comes goes on with the typing that it is in.
    pub(super) fn before(&mut self, text: &[u8], at: usize, typing: bool) {
        if typing && self.row > 0 && self.row < ROW_MAX {
            self.row += 1;
            return;
        }
        self.row = 1;
        self.bytes += text.len();
        self.states.push((text.to_vec(), at));
        while self.bytes > BYTES_MAX && self.states.len() > 1 {
            self.bytes -= self.states.remove(0).0.len();
        }
    }

    /// The last state.
    pub(super) fn back(&mut self) -> Option<(Vec<u8>, usize)> {
        let (text, at) = self.states.pop()?;
        self.bytes -= text.len();
        self.row = 0;
        Some((text, at))
    }

    /// The first state.
    pub(super) fn first(&mut self) -> Option<(Vec<u8>, usize)> {
        self.states.truncate(1);
        self.bytes = 0;
        self.row = 0;
        self.states.pop()
    }
}
