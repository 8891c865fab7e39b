//! What of the input is a password.
//!
//! Two rules, asked before each piece of input goes to the terminal:
//! 1. the terminal collects lines and does not echo them (`getpass`, `su`, `read -s`): masked up to and including the
//!    line's end;
//! 2. the terminal hands over single keys (raw mode), the line that the cursor is in ends like a question for a password,
//!    and what is typed does not appear behind it: masked up to and including the line's end. The first key is masked
//!    before it can be known whether it appears.
//!
//! Everything else is recorded. Limits: a program that reads a password in raw mode under another wording is recorded; so
//! is a line that was typed ahead, before the program had turned the echo off (the terminal shows it as well). Whoever
//! turns the echo off hides their own input from the record, but not what it makes run: execs are in the journal.

/// Most bytes of the cursor's line that are remembered.
const LINE_KEPT: usize = 512;
/// Most keys after which a prompt's echo is still waited for.
const TYPED_KEPT: usize = 64;

/// How the terminal treats input, as its flags say at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It shows what is typed.
    Shown,
    /// It collects lines and shows nothing.
    HiddenLine,
    /// Neither: the program reads single keys and shows what it wants.
    Raw,
}

/// A prefix of the input, to be treated in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its length; 0 only for empty input.
    pub(crate) length: usize,
    /// Whether its bytes stay out of the recording.
    pub(crate) masked: bool,
}

/// The state: the cursor's line as the output draws it, and what was typed behind a prompt.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    line: CursorLine,
    prompt: Prompt,
}

#[derive(Debug, Default)]
enum Prompt {
    /// Nothing asks for a password in raw mode.
    #[default]
    None,
    /// Keys are typed behind a prompt that asks for one: the line as it was, and the keys.
    Hidden { before: Vec<u8>, typed: Vec<u8> },
    /// What is typed shows up: not a password, until the line ends.
    Echoed,
}

impl Mask {
    /// Takes note of output.
    pub(crate) fn output(&mut self, bytes: &[u8]) {
        self.line.draw(bytes);
        if let Prompt::Hidden { before, typed } = &self.prompt
            && self.line.shows(before, typed)
        {
            self.prompt = Prompt::Echoed;
        }
    }

    /// The next piece of `input`: at most up to the first line end, so that the flags are read anew for each line.
    pub(crate) fn next(&mut self, input: &[u8], echo: Echo) -> Piece {
        let end = input.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let length = end.map_or(input.len(), |at| at + 1);
        let masked = length > 0
            && match echo {
                Echo::Shown => {
                    self.prompt = Prompt::None;
                    false
                }
                Echo::HiddenLine => {
                    self.prompt = Prompt::None;
                    true
                }
                Echo::Raw => self.raw(input.get(..length).unwrap_or(input), end.is_some()),
            };
        Piece { length, masked }
    }

    fn raw(&mut self, piece: &[u8], ends: bool) -> bool {
        if matches!(self.prompt, Prompt::None) && self.line.asks_for_a_password() {
            self.prompt = Prompt::Hidden { before: self.line.text().to_vec(), typed: Vec::new() };
        }
        let masked = if let Prompt::Hidden { typed, .. } = &mut self.prompt {
            let room = TYPED_KEPT.saturating_sub(typed.len());
            typed.extend(piece.iter().take(room));
            true
        } else {
            false
        };
        if ends {
            self.prompt = Prompt::None;
            self.line.leave();
        }
        masked
    }
}

/// The text of the line that the cursor is in: enough of a terminal to follow a line editor that redraws its line.
#[derive(Debug, Default)]
struct CursorLine {
    cells: Vec<u8>,
    column: usize,
    escape: Escape,
    /// The line's end was typed; what was there asks no more, even if the program sends no new line.
    left: bool,
}

#[derive(Debug, Default, Clone)]
enum Escape {
    #[default]
    None,
    Begun,
    Control(Vec<u8>),
    /// A string that ends with BEL or ESC \: window titles and the like.
    Text,
}

impl CursorLine {
    fn draw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        match std::mem::take(&mut self.escape) {
            Escape::None => self.plain(byte),
            Escape::Begun => match byte {
                b'[' => self.escape = Escape::Control(Vec::new()),
                b']' | b'P' | b'_' | b'^' => self.escape = Escape::Text,
                _ => {}
            },
            Escape::Control(mut arguments) => {
                if (0x40..=0x7e).contains(&byte) {
                    self.control(&arguments, byte);
                } else if arguments.len() < 32 {
                    arguments.push(byte);
                    self.escape = Escape::Control(arguments);
                }
            }
            Escape::Text => match byte {
                0x07 => {}
                0x1b => self.escape = Escape::Begun,
                _ => self.escape = Escape::Text,
            },
        }
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            0x1b => self.escape = Escape::Begun,
            b'\n' => {
                self.cells.clear();
                self.column = 0;
                self.left = false;
            }
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            0x00..=0x1f | 0x7f => {}
            _ => {
                self.left = false;
                if self.column > self.cells.len() {
                    self.cells.resize(self.column, b' ');
                }
                if self.column >= LINE_KEPT {
                    // a longer line keeps its end: that is where a prompt is
                    self.cells.drain(..LINE_KEPT / 2);
                    self.column = self.cells.len();
                }
                match self.cells.get_mut(self.column) {
                    Some(cell) => *cell = byte,
                    None => self.cells.push(byte),
                }
                self.column += 1;
            }
        }
    }

    fn control(&mut self, arguments: &[u8], order: u8) {
        let number = std::str::from_utf8(arguments).ok().and_then(|t| t.split(';').next_back()?.parse::<usize>().ok());
        let count = number.unwrap_or(1).clamp(1, LINE_KEPT);
        match order {
            b'C' => self.column = (self.column + count).min(LINE_KEPT - 1),
            b'D' => self.column = self.column.saturating_sub(count),
            b'G' => self.column = count - 1,
            // another row: what is there is not known
            b'A' | b'B' | b'E' | b'F' | b'H' | b'f' => {
                self.cells.clear();
                self.column = if matches!(order, b'H' | b'f') && arguments.contains(&b';') { count - 1 } else { 0 };
            }
            b'K' => match number.unwrap_or(0) {
                0 => self.cells.truncate(self.column),
                1 => self.cells.iter_mut().take(self.column + 1).for_each(|cell| *cell = b' '),
                _ => self.cells.clear(),
            },
            b'J' => self.cells.truncate(self.column),
            _ => {}
        }
    }

    fn text(&self) -> &[u8] {
        self.cells.trim_ascii_end()
    }

    fn leave(&mut self) {
        self.left = true;
    }

    /// Whether the line reads `..password..:`, `PIN..:` or the like up to its end.
    fn asks_for_a_password(&self) -> bool {
        if self.left || !self.text().ends_with(b":") {
            return false;
        }
        let lower = self.text().to_ascii_lowercase();
        let has = |word: &[u8]| lower.windows(word.len()).any(|w| w == word);
        let word = |word: &[u8]| lower.split(|b| !b.is_ascii_alphanumeric()).any(|w| w == word);
        has(b"password") || has(b"passphrase") || has(b"passcode") || has(b"secret") || word(b"pin")
    }

    /// Whether the line is now what it was `before` with what was `typed` behind it. Asterisks are what hides a password.
    fn shows(&self, before: &[u8], typed: &[u8]) -> bool {
        let visible: Vec<u8> = typed.iter().copied().filter(|b| !b.is_ascii_control()).collect();
        if visible.is_empty() || visible.iter().all(|b| *b == b'*') {
            return false;
        }
        let behind = self.cells.strip_prefix(before).map(|rest| rest.strip_prefix(b" ").unwrap_or(rest));
        behind.is_some_and(|rest| rest.starts_with(visible.trim_ascii_start()) && !visible.trim_ascii_start().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types `input` all at once and says what is recorded, masked bytes as `#`.
    fn typed(mask: &mut Mask, input: &str, echo: Echo) -> String {
        let (mut rest, mut seen) = (input.as_bytes(), String::new());
        while !rest.is_empty() {
            let piece = mask.next(rest, echo);
            let (now, later) = rest.split_at(piece.length);
            seen += &if piece.masked { "#".repeat(now.len()) } else { String::from_utf8_lossy(now).into_owned() };
            rest = later;
        }
        seen
    }

    #[test]
    fn a_shown_line_is_recorded() {
        let mut mask = Mask::default();
        mask.output(b"password: ");
        assert_eq!(typed(&mut mask, "ls -l\r", Echo::Shown), "ls -l\r");
    }

    #[test]
    fn a_hidden_line_is_masked_whatever_the_prompt_says() {
        let mut mask = Mask::default();
        mask.output(b"Wie lautet es? ");
        assert_eq!(typed(&mut mask, "hunter2\n", Echo::HiddenLine), "########");
    }

    #[test]
    fn flags_are_asked_for_anew_at_each_line() {
        let mut mask = Mask::default();
        let paste = b"su\rhunter2\rid\r";
        let one = mask.next(paste, Echo::Shown);
        assert_eq!(one, Piece { length: 3, masked: false });
        let two = mask.next(&paste[3..], Echo::HiddenLine);
        assert_eq!(two, Piece { length: 8, masked: true });
        assert_eq!(mask.next(&paste[11..], Echo::Shown), Piece { length: 3, masked: false });
        assert_eq!(mask.next(b"", Echo::HiddenLine), Piece { length: 0, masked: false });
    }

    #[test]
    fn raw_keys_are_recorded() {
        let mut mask = Mask::default();
        mask.output(b"\r\n$ ");
        assert_eq!(typed(&mut mask, "vim x\r:wq\r\x03", Echo::Raw), "vim x\r:wq\r\x03");
    }

    #[test]
    fn raw_keys_behind_a_silent_prompt_are_masked_to_the_lines_end() {
        for prompt in ["Password: ", "op@db's password:", "Enter PIN for key: ", "Enter passphrase (empty for none): ", "client Secret (hidden): \x1b[0m"] {
            let mut mask = Mask::default();
            mask.output(b"ssh db\r\n");
            mask.output(prompt.as_bytes());
            assert_eq!(typed(&mut mask, "hun", Echo::Raw), "###", "{prompt}");
            assert_eq!(typed(&mut mask, "ter2\rls\r", Echo::Raw), "#####ls\r", "{prompt}");
        }
    }

    #[test]
    fn a_prompt_that_answers_with_asterisks_is_silent() {
        let mut mask = Mask::default();
        mask.output(b"Password: ");
        for key in ["h", "u", "*", "t"] {
            assert_eq!(typed(&mut mask, key, Echo::Raw), "#");
            mask.output(b"*");
        }
        let mut mask = Mask::default();
        mask.output(b"Password: ");
        assert_eq!(typed(&mut mask, "*", Echo::Raw), "#");
        mask.output(b"*");
        assert_eq!(typed(&mut mask, "x", Echo::Raw), "#");
    }

    #[test]
    fn what_is_echoed_behind_a_prompt_is_no_password() {
        let mut mask = Mask::default();
        mask.output(b"$ echo password: ");
        assert_eq!(typed(&mut mask, "h", Echo::Raw), "#");
        mask.output(b"h");
        assert_eq!(typed(&mut mask, "ello\r", Echo::Raw), "ello\r");
    }

    #[test]
    fn a_line_editor_that_redraws_its_line_counts_as_echo() {
        let mut mask = Mask::default();
        mask.output(b"\x1b]0;title\x07$ echo secret:");
        assert_eq!(typed(&mut mask, "h", Echo::Raw), "#");
        mask.output(b"\x1b[?25l\r\x1b[2K$ echo secret:h\x1b[?25h");
        assert_eq!(typed(&mut mask, "i\r", Echo::Raw), "i\r");
    }

    #[test]
    fn a_redrawn_prompt_that_contains_the_key_is_no_echo() {
        let mut mask = Mask::default();
        mask.output(b"Password: ");
        assert_eq!(typed(&mut mask, "s", Echo::Raw), "#");
        mask.output(b"\r\x1b[KPassword: *");
        assert_eq!(typed(&mut mask, "ecret\r", Echo::Raw), "######");
    }

    #[test]
    fn a_word_in_the_middle_of_output_is_no_prompt() {
        for output in ["password: hunter2\r\n$ ", "shopping: ", "the password is unset", "typing:"] {
            let mut mask = Mask::default();
            mask.output(output.as_bytes());
            assert_eq!(typed(&mut mask, "ls\r", Echo::Raw), "ls\r", "{output:?}");
        }
    }

    #[test]
    fn an_answered_prompt_asks_no_more() {
        let mut mask = Mask::default();
        mask.output(b"Password: ");
        assert_eq!(typed(&mut mask, "x\r", Echo::Raw), "##");
        // the program never sends a new line
        assert_eq!(typed(&mut mask, "ls\r", Echo::Raw), "ls\r");
        mask.output(b"\r\nPassword: ");
        assert_eq!(typed(&mut mask, "y", Echo::Raw), "#");
    }

    #[test]
    fn a_long_line_keeps_the_prompt_at_its_end() {
        let mut mask = Mask::default();
        mask.output(&b"x".repeat(5000));
        mask.output(b" password: ");
        assert_eq!(typed(&mut mask, "k", Echo::Raw), "#");
        assert!(mask.line.cells.len() <= LINE_KEPT);
    }

    #[test]
    fn hostile_output_neither_panics_nor_grows() {
        let mut mask = Mask::default();
        for seed in 0..20_000u32 {
            let noise = seed.wrapping_mul(2_654_435_761).to_le_bytes();
            mask.output(&noise);
            mask.output(b"\x1b[99999999999C\x1b[9999G\x1b[K\x1b[1K");
            assert!(mask.line.cells.len() <= LINE_KEPT && mask.line.column <= LINE_KEPT);
        }
    }
}
