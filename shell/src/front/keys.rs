//! Which keys a line asks for.

use crate::edit::Keys;
use portcullis_model::subject::{Line, WordKind};

/// The keys that a line asks for (`set -o vi`), if it does.
pub(super) fn asked_by(line: &Line) -> Option<Keys> {
    let [command] = line.commands.as_slice() else { return None };
    let words: Vec<&[u8]> = command.words.iter().filter(|word| word.kind == WordKind::Literal).map(|word| word.text.as_slice()).collect();
    match words.as_slice() {
        [b"set", b"-o", b"vi"] | [b"set", b"+o", b"emacs"] => Some(Keys::Vi),
        [b"set", b"-o", b"emacs"] | [b"set", b"+o", b"vi"] => Some(Keys::Emacs),
        _ => None,
    }
}
