//! `portcullis policy test`: 0 when every answer is the expected one, 1 when not, 2 when the file cannot be used.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use super::{explain, module, problems};
use anyhow::Context as _;
use clap::Args;
use portcullis_policy::Module;
use portcullis_policy::author::{Failure, Outcome as Tested, Problems, Report, Source, read_cases};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The file of tests
    cases: PathBuf,
    /// The module's file, or a profile [default: what the file of tests names]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

pub(super) fn run(screen: Screen, test: &Test) -> Result<Outcome, CliError> {
    let cases = match Source::read(&test.cases).and_then(read_cases) {
        Ok(cases) => cases,
        Err(found) => return problems::tell(screen, &found, Outcome::Usage),
    };
    let Some(file) = test.module.as_ref().or(cases.module.as_ref()).or(cases.profile.as_ref()) else {
        return Err(CliError::Usage(format!("{} names neither module nor profile, and there is no --module", shown(&test.cases.display().to_string()))));
    };
    let module = match module::load(file, &module::evaluator()?) {
        Ok(module) => module,
        Err(CliError::Failed(error)) if error.is::<Problems>() => {
            let found = error.downcast::<Problems>().context("the profile is not a profile")?;
            return problems::tell(screen, &found, Outcome::Usage);
        }
        Err(CliError::Failed(error)) => return Err(CliError::Usage(crate::chain(error.as_ref()))),
        Err(error) => return Err(error),
    };
    let report = match cases.run(&module, explain::parse_line) {
        Ok(report) => report,
        Err(found) => return problems::tell(screen, &found, Outcome::Usage),
    };
    tell(screen, &test.cases, &module, &report)?;
    Ok(if report.failed() == 0 { Outcome::Done } else { Outcome::Failed })
}

fn tell(screen: Screen, file: &Path, module: &Module, report: &Report) -> std::io::Result<()> {
    let (all, failed) = (report.outcomes.len(), report.failed());
    let row = |tested: &Tested| {
        let fields: Vec<Value> = tested.failure.iter().flat_map(|failure| &failure.fields).map(|(name, want, got)| json!({ "field": name, "expected": want, "got": got })).collect();
        json!({ "line": tested.case.line, "name": tested.case.name, "ok": tested.failure.is_none(), "answer": tested.failure.as_ref().map(|failure| &failure.answer), "differences": fields })
    };
    let rows: Vec<Value> = report.outcomes.iter().map(row).collect();
    let json = json!({ "file": file, "digest": module.info().digest, "passed": all - failed, "failed": failed, "cases": rows });
    screen.show(&json, |screen| {
        for tested in &report.outcomes {
            let Some(Failure { fields, answer }) = &tested.failure else { continue };
            screen.line(&format!("{}:{}: FAILED {}", shown(&file.display().to_string()), tested.case.line, shown(&tested.case.name)))?;
            screen.line(&format!("    asked   {}", shown(&explain::subject_in_words(&tested.case.subject))))?;
            for (name, want, got) in fields {
                screen.line(&format!("  - {name}: {}", shown(want)))?;
                screen.line(&format!("  + {name}: {}", shown(got)))?;
            }
            screen.line(&format!("    answer  {}", shown(answer)))?;
        }
        screen.line(&format!("{} passed, {failed} failed, by {}", all - failed, module.info().digest))
    })
}
