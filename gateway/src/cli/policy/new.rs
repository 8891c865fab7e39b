//! `portcullis policy new`: a project for a policy module, from the templates of `sdk/`, which the program carries with it.
//!
//! Files are written as they are, but for the project's name. One that is called `NAME.in` in the template is called `NAME` in the
//! project: cargo would take it for its own where the templates are.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// What a template calls its project, and what a compiler makes of that.
const NAMES: [&str; 2] = ["policy-name", "policy_name"];
/// Longest name of a module in the policy ABI.
const LONGEST: usize = 64;

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The language that it is written in
    #[arg(long, value_enum)]
    lang: Language,
    /// The module's name, and the folder's that is made for it: a-z, 0-9 and -
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Js,
    Python,
    C,
}

impl Language {
    fn template(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => RUST,
            Self::Js => JS,
            Self::Python => PYTHON,
            Self::C => C,
        }
    }
}

pub(super) fn run(screen: Screen, new: &New) -> Result<Outcome, CliError> {
    check(&new.name)?;
    let folder = Path::new(&new.name);
    // a project that is there already is somebody's work
    std::fs::create_dir(folder).with_context(|| format!("cannot make the folder {}", new.name))?;
    let files = write(folder, new.lang.template(), &new.name)?;
    let made = json!({ "name": new.name, "folder": folder, "files": files });
    screen.show(&made, |screen| {
        screen.line(&format!("{}: {} files; README.md says more", shown(&new.name), files.len()))?;
        screen.line(&format!("cd {} && make test && make", shown(&new.name)))
    })?;
    Ok(Outcome::Done)
}

fn check(name: &str) -> Result<(), CliError> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.len() <= LONGEST && name.bytes().all(is_plain) && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') {
        return Ok(());
    }
    Err(CliError::Usage(format!("{:?} is no name for a module: a letter, then letters, digits and -, at most {LONGEST}; all of them small", shown(name))))
}

/// Writes a template's files, and says which.
fn write(folder: &Path, template: &[(&str, &str)], name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (place, text) in template {
        let place = PathBuf::from(place.strip_suffix(".in").unwrap_or(place));
        let file = folder.join(&place);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        std::fs::write(&file, named(text, name)).with_context(|| format!("cannot write {}", file.display()))?;
        written.push(place);
    }
    Ok(written)
}

fn named(text: &str, name: &str) -> String {
    let [dashed, underscored] = NAMES;
    text.replace(dashed, name).replace(underscored, &name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_for_every_language() {
        for good in ["a", "db-restart", "x9", &"x".repeat(64)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "x-", "9x", "X", "a/b", "..", "a b", "a_b", "ä", "\u{1b}[2J", &"x".repeat(65)] {
            assert!(matches!(check(bad), Err(CliError::Usage(text)) if !text.contains('\u{1b}')), "{bad}");
        }
    }

    #[test]
    fn each_project_has_what_building_it_takes_and_its_own_name() {
        for language in Language::value_variants() {
            let folder = tempfile::tempdir().unwrap();
            let files = write(folder.path(), language.template(), "db-restart").unwrap();
            let has = |name: &str| files.iter().any(|file| file == Path::new(name));
            assert!(has("Makefile") && has("README.md") && has(".gitignore"), "{language:?}: {files:?}");
            assert!(files.iter().any(|file| file.ends_with("policy.wit")), "{language:?}: {files:?}");
            assert!(!files.iter().any(|file| file.to_string_lossy().ends_with(".in")), "{language:?}: {files:?}");
            let all: String = files.iter().map(|file| std::fs::read_to_string(folder.path().join(file)).unwrap()).collect();
            assert!(NAMES.iter().all(|name| !all.contains(name)), "{language:?}");
            assert!(all.contains("db-restart"), "{language:?}");
        }
        let rust = write(tempfile::tempdir().unwrap().path(), Language::Rust.template(), "x").unwrap();
        for wanted in ["Cargo.toml", "Cargo.lock", "src/lib.rs", ".cargo/config.toml", "portcullis/rust/Cargo.toml", "portcullis/rust/src/lib.rs", "portcullis/wit/policy.wit"] {
            assert!(rust.iter().any(|file| file == Path::new(wanted)), "{wanted}: {rust:?}");
        }
    }
}
