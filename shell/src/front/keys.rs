//! What a line asks of the editor.

use crate::edit::Keys;
use portcullis_model::subject::{Line, WordKind};

/// What can be asked of the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// These keys (`set -o vi`).
    Keys(Keys),
    /// History expansion, or none (`set -H`, `set +H`).
    Expansion(bool),
    /// An empty history (`history -c`).
    Forget,
}

/// What a line asks for, if it does.
pub(super) fn asked_by(line: &Line) -> Option<Asked> {
    let [command] = line.commands.as_slice() else { return None };
    let words: Vec<&[u8]> = command.words.iter().filter(|word| word.kind == WordKind::Literal).map(|word| word.text.as_slice()).collect();
    match words.as_slice() {
        [b"set", b"-o", b"vi"] | [b"set", b"+o", b"emacs"] => Some(Asked::Keys(Keys::Vi)),
        [b"set", b"-o", b"emacs"] | [b"set", b"+o", b"vi"] => Some(Asked::Keys(Keys::Emacs)),
        [b"set", b"-H"] | [b"set", b"-o", b"histexpand"] => Some(Asked::Expansion(true)),
        [b"set", b"+H"] | [b"set", b"+o", b"histexpand"] => Some(Asked::Expansion(false)),
        [b"history", b"-c"] => Some(Asked::Forget),
        _ => None,
    }
}
