//! `portcullis policy build`: a declarative profile becomes a module, without a compiler.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use super::{module, problems};
use anyhow::Context as _;
use clap::Args;
use portcullis_policy::Module;
use portcullis_policy::author::{PROFILE_SCHEMA, Problems};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The profile
    #[arg(required_unless_present = "schema")]
    profile: Option<PathBuf>,
    /// Where the module is written to [default: ACTION.role.wasm beside the profile, of the profile's first role]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The prebuilt rules component [default: the installed one]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print the JSON Schema of a profile, for editors, and build nothing
    #[arg(long, exclusive = true)]
    schema: bool,
}

pub(super) fn run(screen: Screen, build: &Build) -> Result<Outcome, CliError> {
    let Some(profile) = &build.profile else {
        screen.line(PROFILE_SCHEMA.trim_end())?;
        return Ok(Outcome::Done);
    };
    let begun = Instant::now();
    let evaluator = module::evaluator()?;
    let (component, module) = match module::bake(profile, build.rules.as_deref(), &evaluator) {
        Ok(baked) => baked,
        Err(CliError::Failed(error)) if error.is::<Problems>() => {
            let found = error.downcast::<Problems>().context("the profile is not a profile")?;
            return problems::tell(screen, &found, Outcome::Failed);
        }
        Err(error) => return Err(error),
    };
    let out = build.out.clone().unwrap_or_else(|| beside(profile, &module));
    replace(&out, &component).with_context(|| format!("cannot write {}", out.display()))?;
    let info = module.info();
    let built = json!({
        "file": out, "bytes": component.len(), "digest": info.digest, "name": info.name, "version": info.version, "action": module.action(), "roles": module.roles(), "pure": info.pure,
    });
    screen.show(&built, |screen| {
        let pure = if info.pure { "pure" } else { "asked each time" };
        let what = format!("{} {} for {} on {}", info.name, info.version, module.action(), module.roles().join(", "));
        screen.line(&format!("{}: {}, {} bytes, {pure}, in {} ms", shown(&out.display().to_string()), shown(&what), component.len(), begun.elapsed().as_millis()))?;
        screen.line(&format!("digest {}", info.digest))
    })?;
    Ok(Outcome::Done)
}

fn beside(profile: &Path, module: &Module) -> PathBuf {
    let role = module.roles().first().map_or("", String::as_str);
    profile.with_file_name(format!("{}.{role}.wasm", module.action()))
}

/// Writes a file in one step: whoever reads it gets the old module or the new one.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    // as other files of its author are, not for its author alone
    new.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
