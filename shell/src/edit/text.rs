//! The text of a line: bytes, cut into what the cursor steps over.
//!
//! A step is a character with the marks that combine with it, or one byte that is no UTF-8. Positions are byte offsets at
//! the beginning of a step, or the text's length.
//!
//! Nothing is invisible: a character that hides, moves or imitates others (bidirectional controls, zero-width ones, blanks
//! that are no blanks to a shell) is a step of its own and is shown by its number, as `<U+202E>`, so that a line reads as
//! it will be judged and run. Limit: letters of scripts that run from right to left are shown as they are, and a terminal
//! that reorders them also reorders signs between two of them.

use portcullis_model::bytes::is_unseen;
use unicode_width::UnicodeWidthChar as _;

/// The character at `at`, and its length; none where there is none, or a byte that is no UTF-8.
fn char_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    let rest = text.get(at..)?;
    let chunk = rest.get(..rest.len().min(4))?.utf8_chunks().next()?;
    let c = chunk.valid().chars().next()?;
    Some((c, c.len_utf8()))
}

fn combines(c: char) -> bool {
    !c.is_control() && !is_unseen(c) && c.width() == Some(0)
}

/// Whether the step at the beginning of `step` is shown by its number, because nobody would see what it is.
#[must_use]
pub fn is_numbered(step: &[u8]) -> bool {
    char_at(step, 0).is_some_and(|(c, _)| is_unseen(c))
}

/// The position after the step at `at`.
#[must_use]
pub fn next(text: &[u8], at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    let Some((_, length)) = char_at(text, at) else { return at + 1 };
    let mut end = at + length;
    while let Some((_, length)) = char_at(text, end).filter(|(c, _)| combines(*c)) {
        end += length;
    }
    end
}

/// The position of the step before `at`.
#[must_use]
pub fn previous(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    loop {
        let Some(one) = at.checked_sub(1) else { return 0 };
        // a character has four bytes at most
        let start = (at.saturating_sub(4)..one).find(|start| char_at(text, *start).is_some_and(|(_, length)| start + length == at)).unwrap_or(one);
        at = start;
        if at == 0 || !char_at(text, at).is_some_and(|(c, _)| combines(c)) {
            return at;
        }
    }
}

/// Whether the step at `at` belongs to a word of letters and digits.
#[must_use]
pub fn is_alphanumeric(text: &[u8], at: usize) -> bool {
    char_at(text, at).is_some_and(|(c, _)| c.is_alphanumeric())
}

/// Whether the step at `at` is a blank.
#[must_use]
pub fn is_blank(text: &[u8], at: usize) -> bool {
    matches!(text.get(at), Some(b' ' | b'\t' | b'\n'))
}

/// How a step looks on the screen: text that moves the cursor by its width, and the width.
#[must_use]
pub fn shown(step: &[u8], column: usize) -> (Vec<u8>, usize) {
    match char_at(step, 0) {
        Some(('\t', _)) => {
            let width = 8 - column % 8;
            (vec![b' '; width], width)
        }
        Some((c, _)) if c.is_ascii_control() => (vec![b'^', (c as u8) ^ 0x40], 2),
        // controls from beyond ASCII would be commands to the terminal
        Some((c, length)) if c.is_control() => octal(step.get(..length).unwrap_or_default()),
        Some((c, _)) if is_unseen(c) => {
            let shown = format!("<U+{:04X}>", u32::from(c));
            let width = shown.len();
            (shown.into_bytes(), width)
        }
        Some((c, _)) => {
            let width = c.width().unwrap_or(0);
            if width == 0 { octal(step) } else { (step.to_vec(), width) }
        }
        None => octal(step),
    }
}

fn octal(bytes: &[u8]) -> (Vec<u8>, usize) {
    let text: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let width = text.len();
    (text.into_bytes(), width)
}

/// Where the word around or after `at` ends.
#[must_use]
pub fn word_end(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while at < text.len() && !is_alphanumeric(text, at) {
        at = next(text, at);
    }
    while at < text.len() && is_alphanumeric(text, at) {
        at = next(text, at);
    }
    at
}

/// Where the word around or before `at` begins.
#[must_use]
pub fn word_start(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while at > 0 && !is_alphanumeric(text, previous(text, at)) {
        at = previous(text, at);
    }
    while at > 0 && is_alphanumeric(text, previous(text, at)) {
        at = previous(text, at);
    }
    at
}

/// Where the word between blanks before `at` begins.
#[must_use]
pub fn blank_word_start(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while at > 0 && is_blank(text, previous(text, at)) {
        at = previous(text, at);
    }
    while at > 0 && !is_blank(text, previous(text, at)) {
        at = previous(text, at);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_characters_with_their_marks_or_single_bytes() {
        let text = "ae\u{301}漢".as_bytes().iter().copied().chain(*b"\xff\xc3z").collect::<Vec<u8>>();
        let mut at = 0;
        let mut ends = Vec::new();
        while at < text.len() {
            at = next(&text, at);
            ends.push(at);
        }
        assert_eq!(ends, [1, 4, 7, 8, 9, 10]);
        let mut starts = Vec::new();
        while at > 0 {
            at = previous(&text, at);
            starts.push(at);
        }
        assert_eq!(starts, [9, 8, 7, 4, 1, 0]);
    }

    #[test]
    fn nothing_that_is_shown_steers_the_terminal() {
        assert_eq!(shown(b"\x1b", 0), (b"^[".to_vec(), 2));
        assert_eq!(shown(b"\x7f", 0), (b"^?".to_vec(), 2));
        assert_eq!(shown(b"\t", 5), (b"   ".to_vec(), 3));
        assert_eq!(shown(b"\xff", 0), (b"\\377".to_vec(), 4));
        assert_eq!(shown("\u{9b}".as_bytes(), 0), (b"\\302\\233".to_vec(), 8));
        assert_eq!(shown("漢".as_bytes(), 0).1, 2);
        assert_eq!(shown("e\u{301}".as_bytes(), 0), ("e\u{301}".into(), 1));
    }

    #[test]
    fn nothing_is_invisible() {
        // an order that is turned around, a joiner within a word, a blank that is none, a filler that looks like one
        let text = "ls\u{202e}a\u{200d}\u{301}b\u{a0}c\u{3164}\u{e0041}";
        let (mut at, mut seen) = (0, String::new());
        while at < text.len() {
            let end = next(text.as_bytes(), at);
            assert_eq!(previous(text.as_bytes(), end), at);
            let (bytes, width) = shown(&text.as_bytes()[at..end], 0);
            assert!(width > 0, "{seen}");
            seen.push_str(&String::from_utf8(bytes).unwrap());
            at = end;
        }
        assert_eq!(seen, "ls<U+202E>a<U+200D>b<U+00A0>c<U+3164><U+E0041>");
        for c in ('\0'..=char::MAX).filter(|c| is_unseen(*c)) {
            let step = format!("x{c}");
            assert_eq!(next(step.as_bytes(), 0), 1, "U+{:X} hides behind another character", u32::from(c));
            assert!(shown(c.to_string().as_bytes(), 0).0.is_ascii());
        }
    }

    #[test]
    fn words_are_found_both_ways() {
        let text = b"ls  -la /etc/x.y";
        assert_eq!((word_end(text, 0), word_end(text, 2), word_start(text, 16), word_start(text, 15)), (2, 7, 15, 13));
        assert_eq!((blank_word_start(text, 16), blank_word_start(text, 8)), (8, 4));
    }
}
