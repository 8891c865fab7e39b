//! Lets through what draws, and nothing that makes a terminal answer, remember or act.
//!
//! A recording holds what an operator's programs wrote, and an operator may be hostile to whoever watches later. A terminal
//! answers some sequences by *typing* (device reports, its title, its answerback, the clipboard, colours), and what it types
//! goes to the viewer's shell. Others change what the viewer's keys send, resize or move the window, print, or put text on
//! the clipboard.
//!
//! So this is a list of what passes, not of what does not: printable UTF-8, the control characters that move the cursor, and
//! whole escape sequences of known harmless form. An escape sequence is held back until it is complete and then passed or
//! dropped as one, so the viewer's terminal is in its ground state after each piece, whatever came in; a string (OSC, DCS,
//! APC, PM, SOS) is swallowed to its end, titles excepted, which are rewritten.
//!
//! Limits. The viewer's terminal is taken to be in UTF-8: in another character set, bytes of a valid character could be 8-bit
//! control characters. Images (sixel and the like) and hyperlinks are not shown. What is drawn may still lie.

use std::io::Write as _;

/// Longest escape sequence that is looked at; a longer one is dropped.
const SEQUENCE_MAX: usize = 128;
/// Longest string that is swallowed while its end does not come; behind that the text is shown again.
const STRING_MAX: usize = 1024 * 1024;
/// Longest title.
const TITLE_MAX: usize = 256;
/// Private modes that only draw: 132 columns excepted, which resizes.
const MODES: [&[u8]; 12] =
    [b"5", b"6", b"7", b"12", b"25", b"45", b"47", b"69", b"1047", b"1048", b"1049", b"2026"];

/// A stream of terminal output, cut anywhere, made harmless to a viewer.
#[derive(Default)]
pub struct Filter {
    state: State,
    held: Vec<u8>,
    swallowed: usize,
    previous: u8,
    alternate: bool,
    drawn: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Inside a character of several bytes; how many are to come.
    Utf8(u8),
    /// After ESC, with the intermediate bytes so far.
    Escape,
    /// After ESC [.
    Csi,
    /// Inside a CSI that was given up: to its final byte.
    CsiIgnored,
    /// Inside an operating system command; also ended by BEL.
    Osc,
    /// Inside any other string.
    Text,
    /// After an ESC inside a string.
    StringEscape { osc: bool },
}

// terminal bytes do not belong into a log
impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Filter {
    /// The harmless part of `bytes`, which follow what was passed before.
    #[must_use]
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.byte(*byte, &mut out);
        }
        self.drawn |= !out.is_empty();
        out
    }

    /// What puts a terminal back in order on which the output so far was shown.
    #[must_use]
    pub fn restore(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.alternate {
            out.extend_from_slice(b"\x1b[?1049l");
        }
        if self.drawn {
            // character set, colours, autowrap, cursor, margins and origin, synchronised drawing
            out.extend_from_slice(b"\x0f\x1b(B\x1b[0m\x1b[?7h\x1b[?25h\x1b[4l\x1b[?6l\x1b[?69l\x1b7\x1b[r\x1b8\x1b[?5l\x1b[?2026l");
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Utf8(left) => self.continuation(byte, left, out),
            State::Escape => self.escape(byte, out),
            State::Csi | State::CsiIgnored => self.csi(byte, out),
            State::Osc | State::Text => self.string(byte, out),
            State::StringEscape { osc } => {
                if byte == b'\\' {
                    self.end_string(osc, out);
                } else {
                    // any other sequence ends the string and begins
                    self.enter(State::Escape);
                    self.escape(byte, out);
                }
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        self.swallowed = 0;
        self.previous = 0;
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x1b => self.enter(State::Escape),
            // BEL to CR move the cursor or ring; SO and SI choose between two character sets. ENQ would be answered.
            0x07..=0x0f | 0x20..=0x7e => out.push(byte),
            0xc2..=0xdf => self.begin_character(byte, 1),
            0xe0..=0xef => self.begin_character(byte, 2),
            0xf0..=0xf4 => self.begin_character(byte, 3),
            _ => {}
        }
    }

    fn begin_character(&mut self, byte: u8, left: u8) {
        self.enter(State::Utf8(left));
        self.held.push(byte);
    }

    fn continuation(&mut self, byte: u8, left: u8, out: &mut Vec<u8>) {
        if !(0x80..=0xbf).contains(&byte) {
            self.enter(State::Ground);
            out.extend_from_slice("\u{fffd}".as_bytes());
            return self.ground(byte, out);
        }
        self.held.push(byte);
        if left > 1 {
            self.state = State::Utf8(left - 1);
            return;
        }
        let character = std::str::from_utf8(&self.held).ok().and_then(|text| text.chars().next());
        match character {
            Some('\u{9b}') => return self.enter(State::Csi),
            Some('\u{9d}') => return self.enter(State::Osc),
            Some('\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}') => return self.enter(State::Text),
            // the other 8-bit control characters
            Some(c) if c.is_control() => {}
            Some(_) => out.extend_from_slice(&self.held),
            None => out.extend_from_slice("\u{fffd}".as_bytes()),
        }
        self.enter(State::Ground);
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x1b => self.enter(State::Escape),
            0x18 | 0x1a | 0x80.. => {
                self.enter(State::Ground);
                self.ground(byte, out);
            }
            // done at once by a terminal, in the middle of the sequence
            0x00..=0x1f => control(byte, out),
            0x20..=0x2f => self.hold(byte, State::Escape),
            b'[' if self.held.is_empty() => self.enter(State::Csi),
            b']' if self.held.is_empty() => self.enter(State::Osc),
            // not k, a title of screen and tmux: other terminals show its text, and too much shown is better than too little
            b'P' | b'X' | b'^' | b'_' if self.held.is_empty() => self.enter(State::Text),
            0x7f => {}
            _ => {
                let draws = matches!(
                    (self.held.as_slice(), byte),
                    (b"", b'7' | b'8' | b'D' | b'E' | b'H' | b'M' | b'c') | (b"(" | b")" | b"*" | b"+", b'0' | b'A' | b'B') | (b"#", b'3'..=b'6' | b'8')
                );
                if draws {
                    out.push(0x1b);
                    out.extend_from_slice(&self.held);
                    out.push(byte);
                }
                if (self.held.as_slice(), byte) == (b"", b'c') {
                    self.alternate = false;
                }
                self.enter(State::Ground);
            }
        }
    }

    fn hold(&mut self, byte: u8, state: State) {
        if self.held.len() < SEQUENCE_MAX {
            self.state = state;
            self.held.push(byte);
        } else {
            self.enter(State::CsiIgnored);
        }
    }

    fn csi(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x1b => self.enter(State::Escape),
            0x18 | 0x1a | 0x80.. => {
                self.enter(State::Ground);
                self.ground(byte, out);
            }
            0x00..=0x1f => control(byte, out),
            0x20..=0x3f => {
                if self.state == State::Csi {
                    self.hold(byte, State::Csi);
                }
            }
            0x7f => {}
            0x40..=0x7e => {
                if self.state == State::Csi
                    && let Some(parameters) = drawing(&self.held, byte)
                {
                    self.follow(&parameters, byte);
                    out.extend_from_slice(b"\x1b[");
                    out.extend_from_slice(&parameters);
                    out.push(byte);
                }
                self.enter(State::Ground);
            }
        }
    }

    /// Keeps in mind what [`restore`](Self::restore) has to undo.
    fn follow(&mut self, parameters: &[u8], last: u8) {
        let Some(modes) = parameters.strip_prefix(b"?") else { return };
        if modes.split(|b| *b == b';').any(|mode| matches!(mode, b"47" | b"1047" | b"1049")) && matches!(last, b'h' | b'l') {
            self.alternate = last == b'h';
        }
    }

    fn string(&mut self, byte: u8, out: &mut Vec<u8>) {
        let osc = self.state == State::Osc;
        match byte {
            0x1b => self.state = State::StringEscape { osc },
            0x07 if osc => self.end_string(true, out),
            0x18 | 0x1a => self.enter(State::Ground),
            _ if self.swallowed == STRING_MAX => self.enter(State::Ground),
            _ => {
                self.swallowed += 1;
                if osc && self.held.len() < TITLE_MAX * 4 {
                    self.held.push(byte);
                }
                // the 8-bit end of a string, as UTF-8
                if std::mem::replace(&mut self.previous, byte) == 0xc2 && byte == 0x9c {
                    self.end_string(osc, out);
                }
            }
        }
    }

    fn end_string(&mut self, osc: bool, out: &mut Vec<u8>) {
        if osc
            && let [kind @ (b'0' | b'1' | b'2'), b';', title @ ..] = self.held.as_slice()
        {
            // a Vec takes all that is written to it
            let _ = write!(out, "\x1b]{};", char::from(*kind));
            let title = String::from_utf8_lossy(title);
            let title: String = title.chars().filter(|c| !c.is_control()).take(TITLE_MAX).collect();
            out.extend_from_slice(title.as_bytes());
            out.push(0x07);
        }
        self.enter(State::Ground);
    }
}

fn control(byte: u8, out: &mut Vec<u8>) {
    if matches!(byte, 0x07..=0x0f) {
        out.push(byte);
    }
}

/// The parameters with which a control sequence may pass, when it only draws.
fn drawing(held: &[u8], last: u8) -> Option<Vec<u8>> {
    let plain = held.iter().all(|b| matches!(b, b'0'..=b'9' | b';' | b':'));
    let fields = || held.split(|b| *b == b';');
    let private = held.strip_prefix(b"?").filter(|rest| rest.iter().all(|b| matches!(b, b'0'..=b'9' | b';')));
    let passes = match last {
        // insert, cursor, erase, scroll, delete, tabs, repeat, attributes, margins, save and restore
        b'@'..=b'M' | b'P' | b'S' | b'X' | b'Z' | b'`' | b'a' | b'b' | b'd'..=b'g' | b'm' | b'r' | b's' | b'u' if plain => true,
        // with more parameters it follows the mouse
        b'T' => plain && fields().count() == 1,
        // insert mode
        b'h' | b'l' if plain => held == b"4",
        b'h' | b'l' => {
            let modes: Vec<&[u8]> = private?.split(|b| *b == b';').filter(|mode| MODES.contains(mode)).collect();
            return (!modes.is_empty()).then(|| [b"?", modes.join(&b';').as_slice()].concat());
        }
        // selective erase
        b'J' | b'K' => private.is_some(),
        // the title's stack; everything else of this kind reports or moves the window
        b't' => plain && fields().next().is_some_and(|first| first == b"22" || first == b"23"),
        // the cursor's form
        b'q' => matches!(held, [b' '] | [b'0'..=b'6', b' ']),
        // soft reset
        b'p' => held == b"!",
        _ => false,
    };
    passes.then(|| held.to_vec())
}

#[cfg(test)]
mod tests;
