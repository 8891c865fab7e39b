//! Which crate may use which: the dependency picture as data.

use anyhow::{Context as _, Result};
use std::path::Path;

/// A crate's folder, the crates of ours that it may use, and third-party crates that only it may name.
const PICTURE: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &[]),
    ("sdk/profile", &[], &[]),
    ("policy", &["model", "profile"], &["wasmtime", "wasmtime-wizer"]),
    ("shell", &["model"], &["brush-parser", "unicode-width"]),
    ("sftp", &["model"], &[]),
    ("cage", &["model"], &[]),
    ("jail", &["model"], &["landlock", "seccompiler", "caps"]),
    ("recording", &["model"], &[]),
    ("warden", &["model", "jail", "recording"], &[]),
    ("control", &["model", "recording"], &["sqlx", "axum"]),
    ("gateway", &["model", "policy", "jail", "recording", "control", "shell"], &["russh"]),
    ("tests", &[], &[]),
    ("xtask", &["tests"], &[]),
];
/// seccompiler serves the judge too: it filters itself.
const SHARED: &[(&str, &str)] = &[("policy", "seccompiler")];

/// Lists the edges that are not in the picture.
pub(crate) fn check(root: &Path, broken: &mut Vec<String>) -> Result<()> {
    for (folder, allowed, _) in PICTURE {
        let path = root.join(folder).join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?.parse().with_context(|| path.display().to_string())?;
        let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else { continue };
        for name in dependencies.keys() {
            if let Some(ours) = name.strip_prefix("portcullis-") {
                if !allowed.contains(&ours) {
                    broken.push(format!("{folder}/Cargo.toml: {folder} may not use {ours}"));
                }
                continue;
            }
            let owner = PICTURE.iter().find(|(_, _, own)| own.contains(&name.as_str()));
            if let Some((owner, ..)) = owner
                && owner != folder
                && !SHARED.contains(&(folder, name.as_str()))
            {
                broken.push(format!("{folder}/Cargo.toml: only {owner} may use {name}"));
            }
        }
    }
    Ok(())
}
