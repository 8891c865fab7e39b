//! A file as its author wrote it, and what is wrong in it.

use portcullis_model::bytes::printable;
use std::fmt;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Largest file that is read, in bytes.
const SOURCE_MAX: u64 = 4 << 20;

/// A TOML file.
#[derive(Debug, Clone)]
pub struct Source {
    file: PathBuf,
    text: String,
}

/// One thing that is wrong in a file: where, what, and the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    shown: String,
    width: usize,
}

/// Everything that is wrong in a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Source {
    /// Reads a file of at most 4 MiB.
    ///
    /// # Errors
    /// [`Problems`] that name the file when it cannot be read, is too large or is not UTF-8.
    pub fn read(file: &Path) -> Result<Self, Problems> {
        let whole = |message: String| Problems(vec![Problem { file: file.to_owned(), line: 0, column: 0, message, shown: String::new(), width: 0 }]);
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).and_then(|file| file.take(SOURCE_MAX + 1).read_to_end(&mut bytes));
        opened.map_err(|error| whole(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > SOURCE_MAX {
            return Err(whole(format!("it is larger than {SOURCE_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| whole("it is not UTF-8".to_owned()))?;
        Ok(Self::new(file, text))
    }

    /// A text that is said to be the contents of a file.
    #[must_use]
    pub fn new(file: &Path, text: String) -> Self {
        Self { file: file.to_owned(), text }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line of an offset, from 1.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|b| *b == b'\n').count()
    }

    /// A problem at a place.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let before = self.text.get(..start).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(begin..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = self.text.get(begin..start).unwrap_or_default().chars().count() + 1;
        let end = self.text.floor_char_boundary(span.end.min(begin + line.len()).max(start));
        let width = self.text.get(start..end).unwrap_or_default().chars().count().max(1);
        // one character for each, so that the mark below stands where it should
        let harmless = |c: char| if c == '\t' { ' ' } else if c != '\\' && printable(c.encode_utf8(&mut [0; 4]).as_bytes()).chars().count() != 1 { '?' } else { c };
        let shown = line.chars().map(harmless).collect();
        Problem { file: self.file.clone(), line: self.line_of(start), column, message: message.into(), shown, width }
    }

    /// What the TOML reader complains about.
    #[must_use]
    pub(super) fn toml_problem(&self, error: &toml::de::Error) -> Problem {
        self.problem(error.span().unwrap_or(0..0), error.message().lines().collect::<Vec<_>>().join("; "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, shown, width } = self;
        let file = printable(file.as_os_str().as_bytes());
        if *line == 0 {
            return write!(f, "{file}: {message}");
        }
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        write!(f, "{file}:{line}:{column}: {message}\n {number} | {shown}\n {margin} | {}{}", " ".repeat(column - 1), "^".repeat(*width))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_where_in_it() {
        let source = Source::new(Path::new("p.toml"), "a = 1\nbö = \"\u{1b}x\"\n".to_owned());
        let at = source.text().find('"').unwrap();
        let problem = source.problem(at..at + 4, "no such thing");
        assert_eq!((problem.line, problem.column), (2, 6));
        assert_eq!(problem.to_string(), "p.toml:2:6: no such thing\n 2 | bö = \"?x\"\n   |      ^^^^");
        assert_eq!(source.problem(999..1000, "x").line, 3);
    }
}
