//! Builds the policy modules: each guest crate of `policies-wasm` to a component, named as the judge wants it.
//!
//! A guest says in its Cargo.toml what it is for: `[package.metadata.portcullis] modules = ["INFRA_DIAG.cps"]` becomes
//! `target/policies/INFRA_DIAG.cps.wasm`. Cargo knows what has to be compiled again; a file whose bytes stay the same is not
//! touched. The bytes hold no path of this machine, and the same checkout gives the same bytes each time. Another folder gives
//! others: cargo derives symbol names from the absolute path of a package outside of the workspace's folder, which the SDK is.
//!
//! A guest that says `core = "rules"` is no module by itself: it becomes `target/rules/rules.core.wasm`, the core module that
//! `portcullis policy build` bakes profiles into. It lies beside the programs' folder, where they look for it.

use crate::wasm::{TARGET, Toolchain, cargo_home, ensure_toolchain};
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Builds every module of `root`'s `policies-wasm` and returns the folder that holds them, and nothing else.
///
/// # Errors
/// When there is no toolchain, a guest does not compile, or is no component of the policy ABI.
pub(crate) fn build_policies(root: &Path) -> anyhow::Result<PathBuf> {
    let toolchain = ensure_toolchain()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    build_policies_with(root, &toolchain, &target)
}

/// The same with a given toolchain and build folder.
///
/// # Errors
/// When a guest does not compile, or is no component of the policy ABI.
pub(crate) fn build_policies_with(root: &Path, toolchain: &Toolchain, target: &Path) -> anyhow::Result<PathBuf> {
    let started = Instant::now();
    let workspace = root.join("policies-wasm");
    let guests = guests(&workspace)?;
    let objects = target.join("wasm").join(&toolchain.id);
    say(&format!("building {} for {TARGET} with {}", guests.iter().map(|guest| guest.package.as_str()).collect::<Vec<_>>().join(", "), toolchain.id));
    let status = toolchain
        .cargo(&[(root.to_owned(), "/portcullis"), (cargo_home()?.join("registry/src"), "/registry")])
        .current_dir(&workspace)
        .args(["build", "--release", "--locked", "--quiet", "--target", TARGET, "--target-dir"])
        .arg(&objects)
        .args(guests.iter().flat_map(|guest| ["--package", guest.package.as_str()]))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the policy modules in {} do not compile", workspace.display());

    let folder = target.join("policies");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut wanted = Vec::new();
    for guest in &guests {
        let core = objects.join(TARGET).join("release").join(format!("{}.wasm", guest.package.replace('-', "_")));
        let component = componentise(&core)?;
        if let Some(name) = &guest.core {
            let bytes = std::fs::read(&core).with_context(|| format!("cannot read {}", core.display()))?;
            let place = core_folder(target);
            std::fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
            let file = place.join(format!("{name}.core.wasm"));
            let news = if write_if_changed(&file, &bytes)? { "written" } else { "unchanged" };
            say(&format!("{} {news}, {} bytes", file.display(), bytes.len()));
        }
        for module in &guest.modules {
            let file = folder.join(format!("{module}.wasm"));
            let news = if write_if_changed(&file, &component)? { "written" } else { "unchanged" };
            say(&format!("{} {news}, {} bytes", file.display(), component.len()));
            wanted.push(file);
        }
    }
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if !wanted.contains(&path) {
            say(&format!("removing {}, which no guest makes", path.display()));
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    say(&format!("policy modules are up to date, in {:.1} s", started.elapsed().as_secs_f32()));
    Ok(folder)
}

/// Where core modules that profiles are baked into lie, below the build folder.
pub(crate) fn core_folder(target: &Path) -> PathBuf {
    target.join("rules")
}

struct Guest {
    package: String,
    modules: Vec<String>,
    core: Option<String>,
}

#[derive(serde::Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    metadata: Option<Metadata>,
}

#[derive(serde::Deserialize)]
struct Metadata {
    portcullis: Option<Portcullis>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Portcullis {
    #[serde(default)]
    modules: Vec<String>,
    core: Option<String>,
}

/// The folders of `workspace` that hold a guest, in the order of their names.
fn guests(workspace: &Path) -> anyhow::Result<Vec<Guest>> {
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(workspace).with_context(|| format!("cannot read {}", workspace.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.exists() {
            manifests.push(manifest);
        }
    }
    manifests.sort();
    let mut guests = Vec::new();
    for path in manifests {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest = toml::from_str(&text).with_context(|| format!("{} does not parse", path.display()))?;
        if let Some(Package { name, metadata: Some(Metadata { portcullis: Some(Portcullis { modules, core }) }) }) = manifest.package {
            guests.push(Guest { package: name, modules, core });
        }
    }
    ensure!(!guests.is_empty(), "no guest in {} says which modules it makes", workspace.display());
    Ok(guests)
}

/// Makes a component of a core module; what it imports and exports is described by its own custom section.
fn componentise(core: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(core).with_context(|| format!("cannot read {}", core.display()))?;
    wit_component::ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .with_context(|| format!("{} does not become a component", core.display()))
}

/// Whether the file had to be written. A reader sees the old bytes or the new, never a part.
fn write_if_changed(file: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    if std::fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let new = file.with_extension("new");
    std::fs::write(&new, bytes).with_context(|| format!("cannot write {}", new.display()))?;
    std::fs::rename(&new, file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(true)
}

#[expect(clippy::print_stderr, reason = "progress for the person at the terminal")]
fn say(what: &str) {
    eprintln!("policies: {what}");
}
