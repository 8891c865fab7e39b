//! Several lines to units: the shortest runs of whole lines that bash would take as one.

use super::{Deadlined, Functions, Refused, Wants};
use portcullis_model::subject::LINE_MAX;

/// Collects lines until they are one unit.
#[derive(Debug, Default)]
pub struct Collector {
    text: Vec<u8>,
    wants: Option<Wants>,
}

impl Collector {
    /// Adds a line, with its newline if it has one; returns the unit once it is whole. A unit that is wrong is whole: its
    /// judgement says what is wrong with it.
    pub fn push(&mut self, line: &[u8], parser: &Deadlined) -> Option<Vec<u8>> {
        self.text.extend_from_slice(line);
        if self.text.len() <= LINE_MAX && self.wants.as_ref().is_some_and(|wants| !wants.may_end_with(line)) {
            return None;
        }
        match parser.parse(&self.text, b"", &Functions::new()) {
            Err(Refused::Incomplete { wants, .. }) => {
                self.wants = Some(wants);
                None
            }
            Ok(_) | Err(Refused::Denied(_)) => self.finish(),
        }
    }

    /// Whether nothing has been collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether what is missing is the end of a here-document.
    #[must_use]
    pub fn is_in_here_document(&self) -> bool {
        matches!(self.wants, Some(Wants::Line(_)))
    }

    /// What there is, whole or not; none when there is nothing.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.wants = None;
        let text = std::mem::take(&mut self.text);
        (!text.is_empty()).then_some(text)
    }
}

/// The units of `text`. The last one may be incomplete.
#[must_use]
pub fn units(text: &[u8], parser: &Deadlined) -> Vec<Vec<u8>> {
    let mut collector = Collector::default();
    let mut units: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| collector.push(line, parser)).collect();
    units.extend(collector.finish());
    units
}

/// Words and signs after which a line goes on without a `;`.
const OPEN: &[&[u8]] = &[b"do", b"then", b"else", b"elif", b"if", b"while", b"until", b"in", b"{", b"(", b"|", b"&", b"&&", b"||", b"|&", b";", b";;", b")"];

/// A unit of several lines as one, for the history, as bash has it (`cmdhist`): where that is the same command. It is the
/// unit as it is where it would be another, as with here-documents and quotes.
#[must_use]
pub fn joined(unit: &[u8], parser: &Deadlined) -> Vec<u8> {
    let unit = unit.trim_ascii_end();
    if !unit.contains(&b'\n') {
        return unit.to_vec();
    }
    let mut one: Vec<u8> = Vec::with_capacity(unit.len());
    for line in unit.split(|byte| *byte == b'\n') {
        let before = one.trim_ascii_end();
        if let Some(before) = before.strip_suffix(b"\\") {
            one.truncate(before.len());
            one.extend_from_slice(line);
            continue;
        }
        let word = before.rsplit(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
        let open = OPEN.iter().any(|open| word == *open || (!open.first().is_some_and(u8::is_ascii_alphabetic) && word.ends_with(open)));
        let length = before.len();
        one.truncate(length);
        if length > 0 {
            one.extend_from_slice(if open { b" " } else { b"; " });
        }
        one.extend_from_slice(line.trim_ascii());
    }
    let commands = |text: &[u8]| parser.parse(text, b"", &Functions::new()).ok().map(|parsed| parsed.line.commands);
    match (commands(unit), commands(&one)) {
        (Some(before), Some(now)) if before == now => one,
        _ => unit.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_has_commands_on_one_line_where_that_is_the_same() {
        for (unit, want) in [
            ("for i in 1 2\ndo echo $i\ndone", "for i in 1 2; do echo $i; done"),
            ("if true; then\n  ls\nelse\n  pwd\nfi\n", "if true; then ls; else pwd; fi"),
            ("f() {\nls\n}", "f() { ls; }"),
            ("ls |\ncat &&\npwd", "ls | cat && pwd"),
            ("echo a \\\nb", "echo a b"),
            ("cat <<E\nx\nE", "cat <<E\nx\nE"),
            ("echo 'a\nb'", "echo 'a\nb'"),
            ("case x in\nx) ls;;\n*)\npwd\nesac", "case x in x) ls;; *) pwd; esac"),
        ] {
            assert_eq!(String::from_utf8(joined(unit.as_bytes(), &Deadlined::default())).unwrap(), want, "{unit:?}");
        }
    }

    #[test]
    fn lines_are_cut_where_bash_would_cut_them() {
        let units = units(b"ls\ncat <<E\n'a\nE\n\nif id\nthen ls\nfi\necho 'x\ny'; f() {\n:\n}\nls )\nlast", &Deadlined::default());
        let units: Vec<&str> = units.iter().map(|unit| std::str::from_utf8(unit).unwrap()).collect();
        assert_eq!(units, ["ls\n", "cat <<E\n'a\nE\n", "\n", "if id\nthen ls\nfi\n", "echo 'x\ny'; f() {\n:\n}\n", "ls )\n", "last"]);
    }

    #[test]
    fn a_long_here_document_is_not_parsed_once_a_line() {
        let text = format!("cat <<E\n{}E\n", "some text\n".repeat(5000));
        let start = std::time::Instant::now();
        assert_eq!(units(text.as_bytes(), &Deadlined::default()).len(), 1);
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
