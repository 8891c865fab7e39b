//! Standard output: tables for people, tab-separated fields for scripts, JSON for programs.

use portcullis_model::bytes::printable;
use portcullis_model::time::UnixMs;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

/// Standard output, in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    json: bool,
    terminal: bool,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: io::stdout().is_terminal() }
    }

    /// Whether answers are JSON.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// A value as JSON, or whatever `text` writes.
    pub(super) fn show<T: Serialize>(self, value: &T, text: impl FnOnce(Self) -> io::Result<()>) -> io::Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(value)?;
            return self.line(&json);
        }
        text(self)
    }

    /// One line; it must not contain anything from outside that did not go through [`shown`].
    pub(super) fn line(self, line: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{line}")
    }

    /// Rows under headings, all fields made printable here.
    pub(super) fn table<const N: usize>(self, headings: [&str; N], rows: Vec<[String; N]>) -> io::Result<()> {
        let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|field| shown(&field))).collect();
        let mut out = io::stdout().lock();
        if !self.terminal {
            return rows.iter().try_for_each(|row| writeln!(out, "{}", row.join("\t")));
        }
        let mut widths = headings.map(|heading| heading.chars().count());
        for row in &rows {
            for (width, field) in widths.iter_mut().zip(row) {
                *width = (*width).max(field.chars().count());
            }
        }
        let line = |fields: &[String]| {
            let cells: Vec<_> = fields.iter().zip(widths).map(|(field, width)| format!("{field:width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        writeln!(out, "{}", line(&headings.map(str::to_owned)))?;
        rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
    }

    /// Names and values, one a line; values made printable here, empty ones left out.
    pub(super) fn fields(self, fields: &[(&str, String)]) -> io::Result<()> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
        let mut out = io::stdout().lock();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let name = format!("{name}:");
            writeln!(out, "{name:width$} {}", shown(value))?;
        }
        Ok(())
    }

    pub(super) fn check_passed(self, file: &Path) -> io::Result<()> {
        self.show(&serde_json::json!({ "file": file, "ok": true }), |screen| screen.line(&format!("{}: ok", shown(&file.display().to_string()))))
    }
}

/// Text from outside, so that it cannot steer a terminal. A backslash stays one when nothing had to be escaped.
pub(super) fn shown(text: &str) -> String {
    let printable = printable(text.as_bytes());
    if printable == text.replace('\\', "\\\\") { text.to_owned() } else { printable }
}

/// A point in time, in UTC, to the second.
pub(super) fn time(at: UnixMs) -> String {
    let seconds = i64::try_from(at.0 / 1000).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    seconds.map_or_else(|| at.0.to_string(), |stamp| stamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\x1b[2Jb");
        assert_eq!(shown("C:\\x"), "C:\\x");
        assert_eq!(time(UnixMs(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(UnixMs(u64::MAX)), u64::MAX.to_string());
    }
}
