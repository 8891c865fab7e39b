//! What is wrong with an author's file: each as `FILE:LINE:COLUMN: what`, with the line, on standard error; as JSON where that was
//! asked for.

use super::super::screen::Screen;
use super::super::{CliError, Outcome};
use portcullis_policy::author::Problems;
use serde_json::json;
use std::io::Write as _;

pub(super) fn tell(screen: Screen, problems: &Problems, outcome: Outcome) -> Result<Outcome, CliError> {
    let all: Vec<_> = problems.0.iter().map(|problem| json!({ "file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message })).collect();
    screen.show(&json!({ "ok": false, "problems": all }), |_| writeln!(std::io::stderr().lock(), "{problems}"))?;
    Ok(outcome)
}
