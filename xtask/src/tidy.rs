//! The rules that keep the picture in ARCHITECTURE.md true, checked on the files that git knows.

mod edges;
mod text;

use crate::step::say;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks every rule and lists everything that breaks one.
pub(crate) fn run(root: &Path) -> Result<()> {
    say("tidy");
    let mut broken = Vec::new();
    edges::check(root, &mut broken)?;
    for file in files(root)? {
        let Ok(content) = std::fs::read_to_string(root.join(&file)) else { continue };
        text::check(&file, &content, &mut broken);
    }
    if broken.is_empty() {
        println!("   the rules hold");
        return Ok(());
    }
    bail!("{} rules are broken:\n  {}", broken.len(), broken.join("\n  "))
}

/// Tracked and new files, ignored ones left out, relative to the root.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output().context("cannot start git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout.split(|b| *b == 0).filter(|name| !name.is_empty()).map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned())).collect())
}
