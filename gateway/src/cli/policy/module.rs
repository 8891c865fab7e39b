//! A module's file, loaded as the judge would load it; a profile in its place is built first.

use super::super::CliError;
use anyhow::Context as _;
use portcullis_policy::author::{Core, Source, compile};
use portcullis_policy::{Evaluator, Limits, Module};
use std::io::Read as _;
use std::path::Path;

/// The evaluator, with the judge's limits.
pub(super) fn evaluator() -> Result<Evaluator, CliError> {
    Ok(Evaluator::new(Limits::default()).context("policies cannot be evaluated here")?)
}

/// A component's bytes; at most one more than a component may have.
pub(super) fn read(file: &Path, evaluator: &Evaluator) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(evaluator.large_limits().component as u64 + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(bytes)
}

/// The module in a file.
pub(super) fn load(file: &Path, evaluator: &Evaluator) -> Result<Module, CliError> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        return Ok(bake(file, None, evaluator)?.1);
    }
    let bytes = read(file, evaluator)?;
    Ok(evaluator.load(&bytes).with_context(|| format!("{} is not a module that the judge would take", file.display()))?)
}

/// The component and the module of a profile. What is wrong with the profile is in the error as it is, so that whoever asked can
/// show it line by line.
pub(super) fn bake(file: &Path, rules: Option<&Path>, evaluator: &Evaluator) -> Result<(Vec<u8>, Module), CliError> {
    let profile = Source::read(file).and_then(|source| compile(&source)).map_err(anyhow::Error::from)?;
    let program = std::env::current_exe().context("the path of this program is not known")?;
    let core = Core::find(rules, &program).map_err(anyhow::Error::from)?;
    Ok(core.bake(&profile, evaluator).map_err(anyhow::Error::from)?)
}
