//! The module for tests and benchmarks: INFRA_FULL that allows everything but a canary.

use crate::policies::build_policies_with;
use crate::wasm::ensure_toolchain;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Builds the modules of `tests/policies-wasm` and says in which folder they are; never the one of the shipped modules.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    let toolchain = ensure_toolchain()?;
    build_policies_with(&root.join("tests"), &toolchain, &target(root))
}

/// The build folder of what is built for tests and benchmarks.
pub(super) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder)).join("testing")
}
