//! Bounds that hold before anything is parsed. A bound that is met is a denial, never less analysis.
//!
//! The parser is recursive, and on nested parentheses that do not close it is exponential. The counts here know nothing
//! of quotes: they bound the parser's work, they do not say what the text means. Both only over-count, except that a
//! closing bracket in quotes hides one opening bracket from the depth; for that there is the total.

use super::{Refused, denied};
use portcullis_model::subject::LINE_MAX;

/// Deepest nesting of brackets and compound commands.
const DEPTH_MAX: usize = 48;
/// Deepest nesting of round brackets that follow each other directly: what the parser tries in two ways at each level.
const ROUND_RUN_MAX: usize = 6;
/// Deepest nesting of `case`, which costs the parser twice as much with each level.
const CASE_MAX: usize = 5;
/// Most openings in one text, however they close.
const OPENINGS_MAX: usize = 2000;

/// Refuses what would cost the parser too much.
pub(super) fn check(text: &[u8]) -> Result<(), Refused> {
    if text.len() > LINE_MAX {
        return Err(denied("line-length", format!("the line has {} bytes, more than {LINE_MAX}", text.len())));
    }
    let (mut depth, mut openings, mut run, mut cases) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut deepest = 0;
    for token in text.split_inclusive(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') {
        let (word, last) = match token.split_last() {
            Some((last, word)) if !last.is_ascii_alphanumeric() && *last != b'_' => (word, Some(*last)),
            _ => (token, None),
        };
        match word {
            b"if" | b"case" | b"do" | b"for" | b"while" | b"until" | b"select" | b"coproc" | b"function" => openings += 1,
            _ => {}
        }
        match word {
            b"if" | b"case" | b"do" => depth += 1,
            b"fi" | b"esac" | b"done" => depth = depth.saturating_sub(1),
            _ => {}
        }
        match word {
            b"case" => cases += 1,
            b"esac" => cases = cases.saturating_sub(1),
            _ => {}
        }
        if cases > CASE_MAX {
            return Err(denied("nesting", format!("more than {CASE_MAX} cases in each other")));
        }
        if !word.is_empty() {
            run = 0;
        }
        match last {
            Some(b'(') => (depth, openings, run) = (depth + 1, openings + 1, run + 1),
            Some(b'{' | b'[' | b'`' | b'<') => (depth, openings, run) = (depth + usize::from(last != Some(b'`') && last != Some(b'<')), openings + 1, 0),
            Some(b')' | b'}' | b']') => (depth, run) = (depth.saturating_sub(1), 0),
            Some(b' ' | b'\t' | b'\n' | b'$') | None => {}
            Some(_) => run = 0,
        }
        deepest = deepest.max(depth);
        if run > ROUND_RUN_MAX {
            return Err(denied("nesting", format!("more than {ROUND_RUN_MAX} round brackets open in a row")));
        }
    }
    if deepest > DEPTH_MAX {
        return Err(denied("nesting", format!("the line nests {deepest} deep, more than {DEPTH_MAX}")));
    }
    if openings > OPENINGS_MAX {
        return Err(denied("nesting", format!("the line opens {openings} brackets and compound commands, more than {OPENINGS_MAX}")));
    }
    Ok(())
}
