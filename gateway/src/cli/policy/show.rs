//! `portcullis policy show`: what a module says about itself.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use super::module;
use clap::Args;
use serde_json::json;
use std::path::Path;

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// A module's file, or a profile; or the digest of a pushed module, or the first 8 digits of it
    pub(super) module: String,
}

impl Show {
    /// Whether it is about a file: one that is there, or whose name is no digest.
    pub(super) fn is_local(&self) -> bool {
        let file = Path::new(&self.module);
        file.is_file() || file.extension().is_some() || self.module.contains('/')
    }
}

pub(super) fn run(screen: Screen, show: &Show) -> Result<Outcome, CliError> {
    let module = module::load(Path::new(&show.module), &module::evaluator()?)?;
    let info = module.info();
    let all = json!({
        "name": info.name, "version": info.version, "digest": info.digest, "action": module.action(), "roles": module.roles(), "pure": info.pure, "allowed": info.allowed,
    });
    screen.show(&all, |screen| {
        let pure = if info.pure { "pure" } else { "not pure" };
        screen.line(&format!("{}, {pure}, digest {}", shown(&format!("{} {} for {} on {}", info.name, info.version, module.action(), module.roles().join(", "))), info.digest))?;
        screen.table(["ALLOWED", "NOTE"], info.allowed.iter().map(|row| [row.form.clone(), row.note.clone()]).collect())
    })?;
    Ok(Outcome::Done)
}
