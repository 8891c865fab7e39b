//! `portcullis policy check`: whether the judge would take a file, and what it found.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use super::module;
use clap::Args;
use portcullis_policy::author::inspect;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The component
    file: PathBuf,
}

pub(super) fn run(screen: Screen, check: &Check) -> Result<Outcome, CliError> {
    let evaluator = module::evaluator()?;
    let bytes = module::read(&check.file, &evaluator)?;
    let facts = inspect(&evaluator, &bytes);
    let limits = facts.limits;
    let refused = facts.module.as_ref().err();
    let about = facts.module.as_ref().ok();
    let described = about.map(|module| {
        let info = module.info();
        json!({ "name": info.name, "version": info.version, "action": module.action(), "roles": module.roles(), "pure": info.pure, "forms": info.allowed.len() })
    });
    let limits_json = json!({
        "component-bytes": limits.component, "memory-bytes": limits.memory, "stack-bytes": limits.stack, "table-entries": limits.table, "question-ms": limits.time.as_millis() as u64,
    });
    let all = json!({
        "file": check.file, "ok": refused.is_none(), "refused": refused, "bytes": facts.size, "digest": facts.digest, "imports": facts.imports, "exports": facts.exports,
        "limits": limits_json, "describes": described,
    });
    screen.show(&all, |screen| {
        let file = shown(&check.file.display().to_string());
        screen.line(&refused.map_or_else(|| format!("{file}: ok, the judge takes it"), |why| format!("{file}: refused: {why}")))?;
        let mib = |bytes: usize| format!("{} KiB", bytes >> 10);
        let name = about.map_or(String::new(), |module| format!("{} {}", module.info().name, module.info().version));
        let purpose = about.map_or(String::new(), |module| format!("{} on {}", module.action(), module.roles().join(", ")));
        let pure = about.map_or("", |module| if module.info().pure { "pure: equal questions get equal answers" } else { "not pure: each question is asked" });
        screen.fields(&[
            ("module", name),
            ("for", purpose),
            ("answers", pure.to_owned()),
            ("forms", about.map_or(String::new(), |module| module.info().allowed.len().to_string())),
            ("digest", facts.digest.to_string()),
            ("size", format!("{} bytes of at most {}", facts.size, limits.component)),
            ("imports", facts.imports.join(", ")),
            ("exports", facts.exports.join(", ")),
            ("limits", format!("memory {}, stack {}, {} ms a question", mib(limits.memory), mib(limits.stack), limits.time.as_millis())),
        ])
    })?;
    Ok(if refused.is_none() { Outcome::Done } else { Outcome::Failed })
}
