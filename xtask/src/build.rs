//! Building the product's binaries.

use crate::step::{cargo, run, say};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// How to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// With debug assertions: demo and tests.
    Dev,
    /// As shipped: benchmarks.
    Release,
}

/// Builds the binaries and says in which folder they are.
pub(crate) fn binaries(root: &Path, profile: Profile) -> Result<PathBuf> {
    say("building the programs (the first time takes some minutes: WebAssembly compiler, ciphers, SQLite)");
    let mut build = cargo(root);
    build.args(["build", "--locked", "--workspace", "--bins"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    run(&mut build)?;
    Ok(target(root).join(if profile == Profile::Release { "release" } else { "debug" }))
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}
