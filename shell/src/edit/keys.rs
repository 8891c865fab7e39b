//! Bytes of a terminal to keys, one byte at a time.
//!
//! A key is told as soon as it is whole. The one doubt is Escape, a key of its own and the beginning of others: while
//! [`Decoder::is_waiting`], whoever feeds the decoder says with [`Decoder::idle`] that nothing more came. A byte that is
//! not UTF-8 is a character of its own.

/// Longest control sequence that is taken for one.
const SEQUENCE_MAX: usize = 32;
/// Most bytes of a paste that are kept: far more than a line may have.
const PASTE_MAX: usize = 4 * 1024 * 1024;
/// What ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A character, or a byte that is none.
    Text(Vec<u8>),
    /// A control character, Escape aside: 3 is Ctrl-C, 127 is Backspace.
    Control(u8),
    /// A character with Meta, or after Escape.
    Meta(u8),
    /// Escape alone.
    Escape,
    /// A key with a name.
    Named(Named),
    /// A paste that the terminal marked as one.
    Paste(Vec<u8>),
    /// A sequence that means nothing here.
    Unknown,
}

/// A key with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Arrow left with Ctrl or Alt.
    WordLeft,
    /// Arrow right with Ctrl or Alt.
    WordRight,
    /// Home.
    Home,
    /// End.
    End,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Shift-Tab.
    BackTab,
}

/// How Escape is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapeIs {
    /// Meta for the key that follows.
    Meta,
    /// A key of its own, unless it begins a sequence of the terminal.
    AKey,
}

/// What of a key has come.
#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// A character of this many bytes.
    Character(Vec<u8>, usize),
    Escape,
    /// After `ESC [`, or after `ESC O`.
    Sequence { bytes: Vec<u8>, meta: bool },
    Ss3,
    Paste(Vec<u8>),
}

/// The decoder.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// Whether a key has begun that may be whole, or may be never.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !matches!(self.state, State::Ground | State::Paste(_))
    }

    /// Whether a paste has begun.
    #[must_use]
    pub fn is_pasting(&self) -> bool {
        matches!(self.state, State::Paste(_))
    }

    /// Takes one byte; gives the keys that it completes, two at most.
    pub fn push(&mut self, byte: u8, escape: EscapeIs) -> Vec<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Character(mut bytes, length) => {
                if byte & 0xc0 != 0x80 {
                    // what came is no character: its bytes are keys of their own, and so is this one
                    let mut keys: Vec<Key> = bytes.into_iter().map(|byte| Key::Text(vec![byte])).collect();
                    keys.extend(self.ground(byte));
                    return keys;
                }
                bytes.push(byte);
                if bytes.len() < length {
                    self.state = State::Character(bytes, length);
                    return Vec::new();
                }
                if std::str::from_utf8(&bytes).is_ok() { vec![Key::Text(bytes)] } else { bytes.into_iter().map(|byte| Key::Text(vec![byte])).collect() }
            }
            State::Escape => match (byte, escape) {
                (b'[', _) => {
                    self.state = State::Sequence { bytes: Vec::new(), meta: false };
                    Vec::new()
                }
                (b'O', _) => {
                    self.state = State::Ss3;
                    Vec::new()
                }
                (0x1b, EscapeIs::Meta) => {
                    // Alt with an arrow, as some terminals send it
                    self.state = State::Escape;
                    Vec::new()
                }
                (byte, EscapeIs::Meta) => vec![Key::Meta(byte)],
                (byte, EscapeIs::AKey) => {
                    let mut keys = vec![Key::Escape];
                    keys.extend(self.ground(byte));
                    keys
                }
            },
            State::Ss3 => vec![named(b"", byte).map_or(Key::Unknown, Key::Named)],
            State::Sequence { mut bytes, meta } => {
                if byte == b'[' && bytes.is_empty() || (0x20..0x40).contains(&byte) && bytes.len() < SEQUENCE_MAX {
                    bytes.push(byte);
                    self.state = State::Sequence { bytes, meta };
                    return Vec::new();
                }
                if byte == b'~' && bytes == b"200" {
                    self.state = State::Paste(Vec::new());
                    return Vec::new();
                }
                vec![named(&bytes, byte).map_or(Key::Unknown, Key::Named)]
            }
            State::Paste(mut bytes) => {
                bytes.push(byte);
                if bytes.ends_with(PASTE_END) {
                    bytes.truncate(bytes.len() - PASTE_END.len());
                    return vec![Key::Paste(lines(bytes))];
                }
                if bytes.len() > PASTE_MAX + PASTE_END.len() {
                    // the end is still looked for, and so much is over any limit already
                    bytes.remove(PASTE_MAX);
                }
                self.state = State::Paste(bytes);
                Vec::new()
            }
        }
    }

    /// Nothing more came: what has begun is whole, or nothing.
    pub fn idle(&mut self) -> Vec<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => Vec::new(),
            State::Character(bytes, _) => bytes.into_iter().map(|byte| Key::Text(vec![byte])).collect(),
            State::Escape => vec![Key::Escape],
            State::Ss3 => vec![Key::Meta(b'O')],
            State::Sequence { bytes, .. } if bytes.is_empty() => vec![Key::Meta(b'[')],
            State::Sequence { .. } => vec![Key::Unknown],
            paste @ State::Paste(_) => {
                self.state = paste;
                Vec::new()
            }
        }
    }

    fn ground(&mut self, byte: u8) -> Vec<Key> {
        match byte {
            0x1b => self.state = State::Escape,
            0x00..0x20 | 0x7f => return vec![Key::Control(byte)],
            0x20..0x80 => return vec![Key::Text(vec![byte])],
            0xc2..0xe0 => self.state = State::Character(vec![byte], 2),
            0xe0..0xf0 => self.state = State::Character(vec![byte], 3),
            0xf0..0xf5 => self.state = State::Character(vec![byte], 4),
            0x80..0xc2 | 0xf5..=0xff => return vec![Key::Text(vec![byte])],
        }
        Vec::new()
    }
}

fn named(arguments: &[u8], last: u8) -> Option<Named> {
    let mut parts = arguments.split(|byte| *byte == b';');
    let (first, modifier) = (parts.next().unwrap_or_default(), parts.next());
    let word = matches!(modifier, Some(b"5" | b"3"));
    Some(match (first, last) {
        (_, b'A') => Named::Up,
        (_, b'B') => Named::Down,
        (_, b'C') if word => Named::WordRight,
        (_, b'D') if word => Named::WordLeft,
        (_, b'C') => Named::Right,
        (_, b'D') => Named::Left,
        (_, b'H') | (b"1" | b"7", b'~') => Named::Home,
        (_, b'F') | (b"4" | b"8", b'~') => Named::End,
        (b"2", b'~') => Named::Insert,
        (b"3", b'~') => Named::Delete,
        (_, b'Z') => Named::BackTab,
        _ => return None,
    })
}

/// Terminals send the Enter key for the ends of pasted lines.
fn lines(mut bytes: Vec<u8>) -> Vec<u8> {
    for byte in &mut bytes {
        if *byte == b'\r' {
            *byte = b'\n';
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8], escape: EscapeIs) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys: Vec<Key> = bytes.iter().flat_map(|byte| decoder.push(*byte, escape)).collect();
        keys.extend(decoder.idle());
        keys
    }

    #[test]
    fn keys_are_what_terminals_send() {
        let table: &[(&[u8], &[Key])] = &[
            (b"a\x01", &[Key::Text(b"a".to_vec()), Key::Control(1)]),
            ("é漢".as_bytes(), &[Key::Text("é".into()), Key::Text("漢".into())]),
            (b"\xc3a\xff", &[Key::Text(b"\xc3".to_vec()), Key::Text(b"a".to_vec()), Key::Text(b"\xff".to_vec())]),
            (b"\x1b[A\x1bOB\x1b[3~\x1b[1;5D\x1bb", &[Key::Named(Named::Up), Key::Named(Named::Down), Key::Named(Named::Delete), Key::Named(Named::WordLeft), Key::Meta(b'b')]),
            (b"\x1b[200~a\rb\x1b[C\x1b[201~c", &[Key::Paste(b"a\nb\x1b[C".to_vec()), Key::Text(b"c".to_vec())]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1b[", &[Key::Meta(b'[')]),
            (b"\x1b[99;99x", &[Key::Unknown]),
        ];
        for (bytes, want) in table {
            assert_eq!(keys(bytes, EscapeIs::Meta), *want, "{}", bytes.escape_ascii());
        }
        assert_eq!(keys(b"\x1bx\x1b[D", EscapeIs::AKey), [Key::Escape, Key::Text(b"x".to_vec()), Key::Named(Named::Left)]);
    }
}
