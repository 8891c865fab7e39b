//! What programs have switched on at the operator's terminal, so that it can be switched off when the session is ended over
//! their heads: a killed editor does not leave the alternate screen by itself, and the last line would be lost in it.
//!
//! Only switches are looked at (`ESC [ ? N h` and `l`, `ESC =` and `>`), in one pass and without looking back. Colours and the
//! rest of what a terminal can be told are undone without asking, because that does no harm.

use std::collections::BTreeSet;

/// Longest sequence that is looked at.
const SEQUENCE_MAX: usize = 64;
/// Switches that are off in a terminal at rest: cursor keys, mouse in its forms, focus, alternate screens, bracketed paste, drawing in one go.
const OFF: [u16; 14] = [1, 9, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 2004, 2026, 47, 1047, 1049];

/// The switches of one terminal.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    on: BTreeSet<u16>,
    keypad: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After `ESC [`.
    Sequence(Vec<u8>),
}

impl Screen {
    /// Takes note of output.
    pub(crate) fn output(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (std::mem::take(&mut self.state), *byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Sequence(Vec::new()),
                (State::Escape, b'=' | b'>') => {
                    self.keypad = *byte == b'=';
                    State::Ground
                }
                (State::Sequence(text), b'h' | b'l') => {
                    self.switch(&text, *byte == b'h');
                    State::Ground
                }
                (State::Sequence(mut text), b'?' | b';' | b'0'..=b'9') if text.len() < SEQUENCE_MAX => {
                    text.push(*byte);
                    State::Sequence(text)
                }
                _ => State::Ground,
            };
        }
    }

    fn switch(&mut self, text: &[u8], on: bool) {
        let Some(numbers) = text.strip_prefix(b"?") else { return };
        for number in numbers.split(|byte| *byte == b';') {
            let Some(number) = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).filter(|number| OFF.contains(number)) else { continue };
            if on { self.on.insert(number) } else { self.on.remove(&number) };
        }
    }

    /// What puts the terminal at rest; the cursor stays on the screen that is then shown.
    pub(crate) fn rest(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = OFF.iter().filter(|number| self.on.contains(number)).flat_map(|number| format!("\x1b[?{number}l").into_bytes()).collect();
        if self.keypad {
            bytes.extend_from_slice(b"\x1b>");
        }
        // the cursor is shown, colours are off
        bytes.extend_from_slice(b"\x1b[?25h\x1b[0m");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(output: &[u8]) -> String {
        let mut screen = Screen::default();
        // cut anywhere
        output.chunks(1).for_each(|bytes| screen.output(bytes));
        String::from_utf8(screen.rest()).unwrap()
    }

    #[test]
    fn what_was_switched_on_is_switched_off() {
        assert_eq!(rest(b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25lx"), "\x1b[?1l\x1b[?2004l\x1b[?1049l\x1b>\x1b[?25h\x1b[0m");
        assert_eq!(rest(b"\x1b[?1000;1006hx"), "\x1b[?1000l\x1b[?1006l\x1b[?25h\x1b[0m");
    }

    #[test]
    fn what_is_off_is_left_alone() {
        assert_eq!(rest(b"\x1b[?1049h\x1b[?1049l\x1b=\x1b>\x1b[4h\x1b[?77h\x1b[?99999999999h plain"), "\x1b[?25h\x1b[0m");
    }
}
