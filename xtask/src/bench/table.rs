//! The rows, for people and for programs.

use super::samples::{Ratios, Samples};
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// One row. In JSON it has the fields up to `ratio`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) name: String,
    /// The median, in `unit`.
    pub(super) median: f64,
    /// The 99th percentile, in `unit`.
    pub(super) p99: f64,
    /// us, ms or KiB.
    pub(super) unit: &'static str,
    /// What it is compared with.
    pub(super) peer: Option<String>,
    /// The median of rounds by the peer's round at the same time.
    pub(super) ratio: Option<f64>,
    #[serde(skip)]
    p99_ratio: Option<f64>,
    #[serde(skip)]
    ratios: Option<Ratios>,
    #[serde(skip)]
    spread: (f64, f64),
    #[serde(skip)]
    samples: usize,
}

/// How a quantity is shown: nanoseconds, but for the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Bytes, in KiB.
    KiB,
}

/// What a row should reach.
enum Target {
    Ratio(f64),
    P99(f64),
    Both { median: f64, p99: f64 },
    /// Of the 99th percentiles of both sides.
    P99Ratio(f64),
}

const TARGETS: &[(&str, Target)] = &[
    ("exec-guard-vfork", Target::Ratio(1.25)),
    ("exec-guard-fork", Target::Ratio(1.25)),
    ("make-1500", Target::Ratio(1.15)),
    ("question", Target::Both { median: 15.0, p99: 50.0 }),
    ("verdict", Target::P99(50.0)),
    ("swap-storm", Target::P99Ratio(2.0)),
    ("activate", Target::P99(100.0)),
    ("enforced", Target::P99(100.0)),
    // 50,000 subjects a second
    ("replay", Target::P99(20.0)),
    ("ssh-prompt", Target::Ratio(1.0)),
    // four fifths of the peer's bytes a second
    ("sftp-up", Target::Ratio(1.25)),
    ("sftp-down", Target::Ratio(1.25)),
    // nine tenths of the bytes a second of what records nothing, five times those of what does
    ("recorded-output", Target::Ratio(1.11)),
    ("recorded-output-tlog", Target::Ratio(0.2)),
    ("session-memory", Target::Ratio(1.0)),
    ("revoke-1000", Target::P99(50.0)),
];

impl Row {
    /// A row from samples in nanoseconds, or in bytes.
    pub(super) fn new(name: &str, unit: Unit, samples: &Samples, peer: Option<(&str, &Samples)>) -> Self {
        let (unit, scale) = match unit {
            Unit::Us => ("us", 1e3),
            Unit::Ms => ("ms", 1e6),
            Unit::KiB => ("KiB", 1024.0),
        };
        let (low, high) = samples.spread();
        let ratios = peer.map(|(_, peer)| samples.ratios_to(peer));
        Self {
            name: name.to_owned(),
            median: samples.median() / scale,
            p99: samples.percentile(0.99) / scale,
            unit,
            peer: peer.map(|(name, _)| name.to_owned()),
            ratio: ratios.map(|ratios| ratios.median),
            p99_ratio: peer.map(|(_, peer)| samples.percentile(0.99) / peer.percentile(0.99)),
            ratios,
            spread: (low / scale, high / scale),
            samples: samples.count(),
        }
    }

    fn target(&self) -> String {
        let Some((_, target)) = TARGETS.iter().find(|(name, _)| *name == self.name) else { return String::new() };
        let (text, met) = match target {
            Target::Ratio(most) => (format!("{most:.2}x"), self.ratio.is_some_and(|ratio| ratio <= *most)),
            Target::P99(most) => (format!("p99 {most:.0} {}", self.unit), self.p99 <= *most),
            Target::P99Ratio(most) => (format!("p99 {most:.0}x, {:.2}x", self.p99_ratio.unwrap_or(f64::NAN)), self.p99_ratio.is_some_and(|ratio| ratio <= *most)),
            Target::Both { median, p99 } => (format!("{median:.0}, p99 {p99:.0} {}", self.unit), self.median <= *median && self.p99 <= *p99),
        };
        format!("{text} {}", if met { "met" } else { "missed" })
    }
}

/// The rows as a table.
pub(super) fn text(rows: &[Row]) -> String {
    let mut text = format!("{:<22} {:>10} {:>21} {:>10} {:>7} {:>14}  {:<22} {:>7}  {}\n", "", "median", "medians of rounds", "p99", "ratio", "of rounds", "target", "samples", "peer");
    for row in rows {
        let (low, high) = row.spread;
        let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        let spread = format!("{low:.1} .. {high:.1}");
        let ratios = row.ratios.map_or_else(String::new, |ratios| format!("{:.2} .. {:.2}", ratios.lowest, ratios.highest));
        let peer = row.peer.as_deref().unwrap_or("");
        // a String takes all that is written to it
        let _ = writeln!(
            text,
            "{:<22} {:>7.1} {} {spread:>21} {:>7.1} {} {ratio:>7} {ratios:>14}  {:<22} {:>7}  {peer}",
            row.name, row.median, row.unit, row.p99, row.unit, row.target(), row.samples
        );
    }
    text
}

/// Writes the rows as JSON, one object a row, in a list.
pub(super) fn write(file: &Path, rows: &[Row]) -> Result<()> {
    let mut json = serde_json::to_string_pretty(rows)?;
    json.push('\n');
    Ok(std::fs::write(file, json)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(nanoseconds: f64) -> Samples {
        let mut samples = Samples::default();
        samples.add(vec![nanoseconds]);
        samples
    }

    #[test]
    fn a_row_is_what_the_contract_says() {
        let row = Row::new("make-1500", Unit::Ms, &samples(2.2e6), Some(("plain", &samples(2.0e6))));
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json, serde_json::json!({"name": "make-1500", "median": 2.2, "p99": 2.2, "unit": "ms", "peer": "plain", "ratio": 1.1}));
        let alone = serde_json::to_value(Row::new("revoke-forkbomb", Unit::Ms, &samples(1e6), None)).unwrap();
        assert!(alone["peer"].is_null() && alone["ratio"].is_null());
        let table = text(&[row]);
        assert!(table.contains("1.10x") && table.contains("1.15x met") && table.contains("plain"), "{table}");
    }
}
