//! History expansion: `!!`, `!$`, `!string`, `^old^new^` and their kin, as bash expands them. Pure.
//!
//! Nothing is run from here: what a line expands to becomes the line that is edited, and has to be entered like any other
//! (bash's `histverify`). Quotes are seen as bash's history sees them: nothing is expanded between single quotes, behind a
//! backslash, in a comment, in `$!`, `${!x}` and `[!x]`, and before a blank, `=` and the end.

use super::history::{History, Towards};
use super::tokens::tokens;

/// Longest line that comes of it.
const EXPANDED_MAX: usize = 64 * 1024;

/// What a line is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expanded {
    /// What it is.
    Same,
    /// This line.
    Line(Vec<u8>),
    /// This line, which is only to be shown and remembered (`:p`).
    Shown(Vec<u8>),
}

/// Why there is nothing to expand to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpansionError {
    /// No entry is meant.
    #[error("{0}: event not found")]
    Event(String),
    /// The entry has no such word.
    #[error("{0}: bad word specifier")]
    Word(String),
    /// It is not in the text.
    #[error("{0}: substitution failed")]
    Substitution(String),
    /// No modifier has this letter.
    #[error("{0}: unrecognized history modifier")]
    Modifier(String),
    /// It grows beyond all bounds.
    #[error("the expanded line is longer than {EXPANDED_MAX} bytes")]
    Long,
}

/// What one expansion leaves to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// What `!?string?` looked for, and the word that had it.
    sought: Option<(Vec<u8>, Vec<u8>)>,
    /// What `:s` replaced by what.
    replaced: Option<(Vec<u8>, Vec<u8>)>,
}

/// The quote that is open behind `text`.
#[must_use]
pub fn open_quote(text: &[u8]) -> Option<u8> {
    let mut quote = None;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => at += 1,
            (b'\'' | b'"', None) => quote = Some(*byte),
            (byte, Some(open)) if *byte == open => quote = None,
            _ => {}
        }
        at += 1;
    }
    quote
}

/// Expands a line behind which `quote` is open from the lines before it.
///
/// # Errors
/// [`ExpansionError`].
pub fn expand(line: &[u8], quote: Option<u8>, history: &History, memory: &mut Memory) -> Result<Expanded, ExpansionError> {
    let quick = quote.is_none() && line.starts_with(b"^");
    let whole = if quick { [b"!!:s".as_slice(), line].concat() } else { line.to_vec() };
    let mut reader = Reader { line: &whole, at: 0, quote, history, memory, out: Vec::new(), only_shown: false };
    let changed = reader.run()?;
    let Reader { out, only_shown, .. } = reader;
    Ok(match (changed, only_shown) {
        (false, _) => Expanded::Same,
        (true, false) => Expanded::Line(out),
        (true, true) => Expanded::Shown(out),
    })
}

struct Reader<'a> {
    line: &'a [u8],
    at: usize,
    quote: Option<u8>,
    history: &'a History,
    memory: &'a mut Memory,
    out: Vec<u8>,
    only_shown: bool,
}

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.line.get(self.at + ahead).copied()
    }

    fn run(&mut self) -> Result<bool, ExpansionError> {
        let mut changed = false;
        while let Some(byte) = self.byte(0) {
            if self.out.len() > EXPANDED_MAX {
                return Err(ExpansionError::Long);
            }
            match (byte, self.quote) {
                (b'\\', None | Some(b'"')) => {
                    self.out.push(byte);
                    self.at += 1;
                    if let Some(next) = self.byte(0) {
                        self.out.push(next);
                        self.at += 1;
                    }
                    continue;
                }
                (b'#', None) if self.at == 0 || self.line.get(self.at - 1).is_some_and(|before| b" \t\n;&()|<>".contains(before)) => {
                    self.out.extend_from_slice(self.line.get(self.at..).unwrap_or_default());
                    return Ok(changed);
                }
                (b'\'' | b'"', None) => self.quote = Some(byte),
                (byte, Some(open)) if byte == open => self.quote = None,
                (b'!', None | Some(b'"')) if self.expands() => {
                    let start = self.at;
                    self.at += 1;
                    let text = self.one(start)?;
                    self.out.extend(text);
                    changed = true;
                    continue;
                }
                _ => {}
            }
            self.out.push(byte);
            self.at += 1;
        }
        Ok(changed)
    }

    /// Whether the `!` here is one that expands.
    fn expands(&self) -> bool {
        let rest = self.line.get(self.at + 1..).unwrap_or_default();
        let before = self.line.get(..self.at).unwrap_or_default();
        match rest.first() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b'=') => false,
            Some(b'"') if self.quote == Some(b'"') => false,
            Some(_) => !(before.ends_with(b"$") || before.ends_with(b"[") && rest.contains(&b']') || before.ends_with(b"${") && rest.contains(&b'}')),
        }
    }

    /// What stands for an error: the expansion as it was written.
    fn written(&self, start: usize) -> String {
        portcullis_model::bytes::printable(self.line.get(start..self.at).unwrap_or_default())
    }

    /// One expansion; the `!` is behind.
    fn one(&mut self, start: usize) -> Result<Vec<u8>, ExpansionError> {
        let event = self.event(start)?;
        let mut text = self.words(&event, start)?;
        while self.byte(0) == Some(b':') {
            let Some(letter) = self.byte(1) else { break };
            self.at += 2;
            match letter {
                b'g' | b'a' | b'G' => {
                    let (all, each) = (letter != b'G', letter == b'G');
                    // the modifier itself follows without a colon
                    let Some(letter) = self.byte(0) else { break };
                    self.at += 1;
                    text = self.modified(letter, text, all, each, start)?;
                }
                letter => text = self.modified(letter, text, false, false, start)?,
            }
        }
        Ok(text)
    }

    fn event(&mut self, start: usize) -> Result<Vec<u8>, ExpansionError> {
        let last = self.history.len();
        let index = match self.byte(0) {
            Some(b'!') => {
                self.at += 1;
                last.checked_sub(1)
            }
            Some(b'#') => {
                self.at += 1;
                return Ok(self.out.clone());
            }
            Some(b':' | b'$' | b'^' | b'*' | b'%') => last.checked_sub(1),
            Some(b'-') if self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.at += 1;
                let back = self.number();
                last.checked_sub(back).filter(|_| back > 0)
            }
            Some(byte) if byte.is_ascii_digit() => {
                let number = self.number();
                number.checked_sub(self.history.first_number()).filter(|index| *index < last)
            }
            Some(b'?') => {
                self.at += 1;
                let from = self.at;
                while self.byte(0).is_some_and(|byte| byte != b'?' && byte != b'\n') {
                    self.at += 1;
                }
                let term = self.line.get(from..self.at).unwrap_or_default().to_vec();
                if self.byte(0) == Some(b'?') {
                    self.at += 1;
                }
                self.containing(term)
            }
            _ => {
                let from = self.at;
                while self.byte(0).is_some_and(|byte| !ends_event(byte, self.at > from) && Some(byte) != self.quote) {
                    self.at += 1;
                }
                let term = self.line.get(from..self.at).unwrap_or_default();
                let found = self.history.find(last, Towards::Older, |entry| entry.starts_with(term).then_some(()));
                found.filter(|_| !term.is_empty()).map(|(index, ())| index)
            }
        };
        index.and_then(|index| self.history.entry(index)).map(<[u8]>::to_vec).ok_or_else(|| ExpansionError::Event(self.written(start)))
    }

    /// The newest entry that contains `term`, or what was looked for last.
    fn containing(&mut self, term: Vec<u8>) -> Option<usize> {
        let term = if term.is_empty() { self.memory.sought.as_ref()?.0.clone() } else { term };
        let has = |text: &[u8]| text.windows(term.len()).any(|window| window == term);
        let (index, word) = self.history.find(self.history.len(), Towards::Older, |entry| {
            has(entry).then(|| tokens(entry).into_iter().map(|(_, word)| word).rfind(|word| has(word)).unwrap_or_default().to_vec())
        })?;
        self.memory.sought = Some((term, word));
        Some(index)
    }

    fn number(&mut self) -> usize {
        let mut number = 0_usize;
        while let Some(digit) = self.byte(0).filter(u8::is_ascii_digit) {
            number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    /// The words of the event that are meant: all of it when nothing is said.
    fn words(&mut self, event: &[u8], start: usize) -> Result<Vec<u8>, ExpansionError> {
        let colon = usize::from(self.byte(0) == Some(b':'));
        let first = self.byte(colon);
        let designates = match first {
            Some(b'^' | b'$' | b'*' | b'-' | b'%') => true,
            Some(byte) => colon == 1 && byte.is_ascii_digit(),
            None => false,
        };
        if !designates {
            return Ok(event.to_vec());
        }
        self.at += colon;
        let words: Vec<&[u8]> = tokens(event).into_iter().map(|(_, word)| word).collect();
        let last = words.len().checked_sub(1);
        if self.byte(0) == Some(b'%') {
            self.at += 1;
            return self.memory.sought.as_ref().map(|(_, word)| word.clone()).ok_or_else(|| ExpansionError::Word(self.written(start)));
        }
        if self.byte(0) == Some(b'*') {
            self.at += 1;
            return Ok(words.get(1..).unwrap_or_default().join(&b' '));
        }
        let from = self.place(last).unwrap_or(Some(0));
        let to = match self.byte(0) {
            Some(b'*') => {
                self.at += 1;
                // behind the last word it is nothing
                if from.is_some_and(|from| from == words.len()) {
                    return Ok(Vec::new());
                }
                last
            }
            Some(b'-') => {
                self.at += 1;
                match self.place(last) {
                    Some(place) => place,
                    None => last.and_then(|last| last.checked_sub(1)),
                }
            }
            _ => from,
        };
        let range = from.zip(to).filter(|(from, to)| from <= to).and_then(|(from, to)| words.get(from..=to));
        range.map(|words| words.join(&b' ')).ok_or_else(|| ExpansionError::Word(self.written(start)))
    }

    /// A word's place, if one is written here.
    fn place(&mut self, last: Option<usize>) -> Option<Option<usize>> {
        match self.byte(0)? {
            b'^' => {
                self.at += 1;
                Some(Some(1))
            }
            b'$' => {
                self.at += 1;
                Some(last)
            }
            byte if byte.is_ascii_digit() => Some(Some(self.number())),
            _ => None,
        }
    }

    fn modified(&mut self, letter: u8, text: Vec<u8>, all: bool, each: bool, start: usize) -> Result<Vec<u8>, ExpansionError> {
        let slash = text.iter().rposition(|byte| *byte == b'/');
        let dot = text.iter().rposition(|byte| *byte == b'.');
        let cut = |range: Option<std::ops::Range<usize>>| range.and_then(|range| text.get(range)).unwrap_or(&text).to_vec();
        match letter {
            b'h' => Ok(cut(slash.map(|at| 0..at))),
            b't' => Ok(cut(slash.map(|at| at + 1..text.len()))),
            b'r' => Ok(cut(dot.map(|at| 0..at))),
            b'e' => Ok(cut(dot.map(|at| at..text.len()))),
            b'p' => {
                self.only_shown = true;
                Ok(text)
            }
            b'q' => Ok(single_quoted(&text)),
            b'x' => Ok(text.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).map(single_quoted).collect::<Vec<_>>().join(&b' ')),
            b's' => {
                let Some(delimiter) = self.byte(0) else { return Err(ExpansionError::Substitution(self.written(start))) };
                self.at += 1;
                let old = self.part(delimiter);
                let new = self.part(delimiter);
                let old = match (old.is_empty(), &self.memory.replaced, &self.memory.sought) {
                    (false, _, _) => old,
                    (true, Some((old, _)), _) => old.clone(),
                    (true, None, Some((term, _))) => term.clone(),
                    (true, None, None) => return Err(ExpansionError::Substitution(self.written(start))),
                };
                let new = with_old(&new, &old);
                self.memory.replaced = Some((old, new));
                self.replaced(text, all, each, start)
            }
            b'&' => self.replaced(text, all, each, start),
            _ => Err(ExpansionError::Modifier(char::from(letter).escape_debug().to_string())),
        }
    }

    /// Up to the delimiter, which a backslash makes part of it.
    fn part(&mut self, delimiter: u8) -> Vec<u8> {
        let mut part = Vec::new();
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            if byte == delimiter {
                break;
            }
            if byte == b'\\' && self.byte(0) == Some(delimiter) {
                part.push(delimiter);
                self.at += 1;
                continue;
            }
            part.push(byte);
        }
        part
    }

    fn replaced(&self, text: Vec<u8>, all: bool, each: bool, start: usize) -> Result<Vec<u8>, ExpansionError> {
        let failed = || ExpansionError::Substitution(self.written(start));
        let (old, new) = self.memory.replaced.as_ref().ok_or_else(failed)?;
        let mut out = Vec::new();
        let mut rest = text.as_slice();
        let mut any = false;
        while let Some(at) = rest.windows(old.len().max(1)).position(|window| window == old.as_slice()) {
            any = true;
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            out.extend_from_slice(new);
            rest = rest.get(at + old.len()..).unwrap_or_default();
            if each {
                // once in each word
                let word = rest.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
                out.extend_from_slice(rest.get(..word).unwrap_or_default());
                rest = rest.get(word..).unwrap_or_default();
            } else if !all {
                break;
            }
            if out.len() > EXPANDED_MAX {
                return Err(ExpansionError::Long);
            }
        }
        out.extend_from_slice(rest);
        if any { Ok(out) } else { Err(failed()) }
    }
}

fn ends_event(byte: u8, begun: bool) -> bool {
    b" \t\n:;&()|<>^$*%".contains(&byte) || byte == b'-' && begun
}

fn single_quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in text {
        if *byte == b'\'' { out.extend_from_slice(b"'\\''") } else { out.push(*byte) }
    }
    out.push(b'\'');
    out
}

/// `&` in what comes is what goes, but for `\&`.
fn with_old(new: &[u8], old: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = new.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.peek() == Some(&&b'&') => out.extend(bytes.next()),
            b'&' => out.extend_from_slice(old),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
