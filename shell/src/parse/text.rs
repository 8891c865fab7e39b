//! Bytes to the text that the parser takes, and back, without loss.
//!
//! The parser works on UTF-8; bash takes bytes, and all that has a meaning to it is ASCII. A byte that is not part of
//! UTF-8 becomes a character of a private range, and is itself again in every word. Text that uses that range is refused.

use super::{Refused, denied};

/// Where bytes from 0x80 are kept: U+10FF80 to U+10FFFF.
const KEPT: u32 = 0x0010_ff00;

fn kept(byte: u8) -> Option<char> {
    char::from_u32(KEPT + u32::from(byte))
}

fn is_kept(c: char) -> bool {
    (KEPT + 0x80..=KEPT + 0xff).contains(&u32::from(c))
}

/// The text for the parser.
pub(super) fn to_source(bytes: &[u8]) -> Result<String, Refused> {
    let mut source = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            refuse_control(c)?;
            if is_kept(c) {
                return Err(denied("encoding", format!("the character U+{:X} cannot be judged", u32::from(c))));
            }
            source.push(c);
        }
        source.extend(chunk.invalid().iter().filter_map(|byte| kept(*byte)));
    }
    Ok(source)
}

/// Control characters are separators to one program and text to the next.
fn refuse_control(c: char) -> Result<(), Refused> {
    let separates = (c.is_control() && !matches!(c, '\t' | '\n')) || matches!(c, '\u{2028}' | '\u{2029}');
    if separates {
        return Err(denied("control-characters", format!("the line contains the control character U+{:04X}; write it as $'\\u{:x}'", u32::from(c), u32::from(c))));
    }
    Ok(())
}

/// The bytes that a piece of the parser's text stands for.
pub(super) fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut room = [0; 4];
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(KEPT)) {
            Ok(byte) if is_kept(c) => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut room).as_bytes()),
        }
    }
    bytes
}
