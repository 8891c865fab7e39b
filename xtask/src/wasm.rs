//! A Rust toolchain that builds policy modules: the target `wasm32-unknown-unknown`.
//!
//! | route | when | what it does |
//! | --- | --- | --- |
//! | installed | the compiler in use has the target | nothing |
//! | rustup | rustup manages the compiler and its server answers | `rustup target add` |
//! | debian | root on Debian, or its packages are there already | installs `rustc-web`, `rust-web-src` and `lld-22`, builds `std` once into a cached sysroot |
//!
//! The first that works is taken; `PORTCULLIS_WASM_TOOLCHAIN=installed|rustup|debian` insists on one. Where none works the
//! error lists what to install. The Debian compiler is only ever named by its path: what `rustc` means elsewhere does not change.

use anyhow::{Context as _, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The target that policy modules are built for: no WASI, so nothing to import but what the policy ABI offers.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Chooses a route by name.
const ROUTE_VARIABLE: &str = "PORTCULLIS_WASM_TOOLCHAIN";
/// How long rustup may take to download the target (about 20 MB).
const RUSTUP_TIME: Duration = Duration::from_secs(120);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld-22"];
/// Stack of a module, in bytes. Small, because a fresh instance a question has to reset it.
const STACK: u32 = 64 * 1024;

/// A compiler that can build policy modules.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// Names the compiler and where its standard library came from; compilers must not share a build folder.
    pub(crate) id: String,
    rustc: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// A `cargo` that is set up to build for [`TARGET`] with no trace of the paths in `hidden` (folder, replacement) in the result.
    pub(crate) fn cargo(&self, hidden: &[(PathBuf, &str)]) -> Command {
        let mut flags = vec![OsString::from(format!("-Clink-arg=-zstack-size={STACK}"))];
        if let Some(sysroot) = &self.sysroot {
            flags.push(joined(&["--sysroot=".as_ref(), sysroot.as_os_str()]));
        }
        flags.extend(hidden.iter().map(|(from, to)| joined(&["--remap-path-prefix=".as_ref(), from.as_os_str(), "=".as_ref(), to.as_ref()])));
        let mut cargo = clean_cargo();
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new("\x1f")));
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo
    }
}

/// Finds a toolchain for [`TARGET`], or installs one, and says on stderr what it does.
///
/// # Errors
/// When no route works; the message lists what to install.
pub(crate) fn ensure_toolchain() -> anyhow::Result<Toolchain> {
    let chosen = std::env::var(ROUTE_VARIABLE).ok();
    let wanted = |route: &str| chosen.as_deref().is_none_or(|name| name == route);
    if let Some(name) = &chosen {
        ensure!(["installed", "rustup", "debian"].contains(&name.as_str()), "{ROUTE_VARIABLE}={name}: there are installed, rustup and debian");
    }
    if (wanted("installed") || wanted("rustup"))
        && let Some(toolchain) = installed()
    {
        return Ok(toolchain);
    }
    let debian_is_there = debian_source().is_some();
    if wanted("rustup") && !(chosen.is_none() && debian_is_there) && add_by_rustup() {
        return installed().context("rustup added the target, but the compiler in use does not have it");
    }
    if wanted("debian") {
        if !debian_is_there {
            install_debian()?;
        }
        return debian();
    }
    bail!("{}", advice())
}

fn advice() -> String {
    format!(
        "no compiler for {TARGET}; install one of\n  rustup target add {TARGET}\n  apt-get install --no-install-recommends {}   (Debian 12 with its security updates)",
        DEBIAN_PACKAGES.join(" ")
    )
}

fn installed() -> Option<Toolchain> {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let library = output(Command::new(&rustc).args(["--print", "target-libdir", "--target", TARGET]))?;
    has_rlib(Path::new(&library), "libcore-").then_some(())?;
    let version = version(&rustc)?;
    Some(Toolchain { id: format!("rustc-{version}"), rustc: None, sysroot: None, linker: None })
}

fn add_by_rustup() -> bool {
    if output(Command::new("rustup").arg("--version")).is_none() {
        return false;
    }
    say(&format!("rustup target add {TARGET}"));
    let Ok(mut child) = Command::new("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()).spawn() else { return false };
    let end = Instant::now() + RUSTUP_TIME;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) | Err(_) => {
                say("rustup takes too long; giving it up");
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Where the Debian compiler keeps the source of its standard library, when both are installed.
fn debian_source() -> Option<PathBuf> {
    let sysroot = output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))?;
    let source = PathBuf::from(sysroot).join("lib/rustlib/src/rust/library");
    // wit-bindgen needs edition 2024
    let minor = version(Path::new(DEBIAN_RUSTC))?.split('.').nth(1)?.parse::<u32>().ok()?;
    (source.join("core").is_dir() && minor >= 85).then_some(source)
}

fn install_debian() -> anyhow::Result<()> {
    let root = output(Command::new("id").arg("-u")).as_deref() == Some("0");
    ensure!(root && Path::new("/usr/bin/apt-get").exists(), "{}", advice());
    say(&format!("apt-get install {} (about 140 MB, once)", DEBIAN_PACKAGES.join(" ")));
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("/usr/bin/apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).status();
        ensure!(status.context("cannot run apt-get")?.success(), "apt-get {} failed\n{}", arguments.join(" "), advice());
        Ok(())
    };
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(DEBIAN_PACKAGES);
    apt(&install)?;
    ensure!(debian_source().is_some(), "{DEBIAN_RUSTC} is older than 1.85 or has no source; the packages have to come from Debian's security updates");
    Ok(())
}

fn debian() -> anyhow::Result<Toolchain> {
    let rustc = PathBuf::from(DEBIAN_RUSTC);
    let version = version(&rustc).context("cannot run the Debian compiler")?;
    let sysroot = cache()?.join(format!("rustc-web-{version}"));
    if !has_rlib(&library_of(&sysroot), "libstd-") {
        build_std(&rustc, &version, &sysroot).with_context(|| format!("cannot build std for {TARGET}"))?;
    }
    let linker = rustup_lld().or_else(|| Some(PathBuf::from("/usr/bin/wasm-ld-22")).filter(|path| path.exists())).with_context(advice)?;
    Ok(Toolchain { id: format!("rustc-web-{version}"), rustc: Some(rustc), sysroot: Some(sysroot), linker: Some(linker) })
}

/// Builds `std` with the seed crate that cargo needs for it, and puts the result together as a sysroot, in one rename.
fn build_std(rustc: &Path, version: &str, sysroot: &Path) -> anyhow::Result<()> {
    say(&format!("building std for {TARGET} with {} {version} into {} (a minute or two, once)", rustc.display(), sysroot.display()));
    let started = Instant::now();
    let work = cache()?.join(format!("building-{}", std::process::id()));
    let seed = work.join("seed");
    std::fs::create_dir_all(seed.join("src"))?;
    std::fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
    std::fs::write(
        seed.join("Cargo.toml"),
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [profile.release]\nopt-level = 3\npanic = \"abort\"\ncodegen-units = 1\n",
    )?;
    let registry = joined(&["--remap-path-prefix=".as_ref(), cargo_home()?.join("registry/src").as_os_str(), "=registry".as_ref()]);
    let flags = [OsString::from("-Cembed-bitcode=yes"), registry].join(OsStr::new("\x1f"));
    let status = clean_cargo()
        .current_dir(&seed)
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort", "--target-dir"])
        .arg(work.join("target"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("RUSTC", rustc)
        // Debian's is a released compiler: this is what lets cargo's flag through
        .env("RUSTC_BOOTSTRAP", "1")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo failed");
    let parts = work.join("sysroot");
    let library = library_of(&parts);
    std::fs::create_dir_all(&library)?;
    for entry in std::fs::read_dir(work.join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libseed-") {
            std::fs::copy(entry.path(), library.join(&*name))?;
        }
    }
    // procedural macros and build scripts are built for the host, against the compiler's own libraries
    let own = output(Command::new(rustc).args(["--print", "sysroot"])).context("the compiler names no sysroot")?;
    let host = output(Command::new(rustc).args(["--print", "host-tuple"])).context("the compiler names no host")?;
    std::os::unix::fs::symlink(Path::new(&own).join("lib/rustlib").join(&host), parts.join("lib/rustlib").join(&host))?;
    let _ = std::fs::remove_dir_all(sysroot);
    std::fs::rename(&parts, sysroot)?;
    std::fs::remove_dir_all(&work)?;
    say(&format!("std is built, in {} s", started.elapsed().as_secs()));
    Ok(())
}

fn library_of(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// The linker that comes with rustup's compiler.
fn rustup_lld() -> Option<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let hosts = std::fs::read_dir(Path::new(&sysroot).join("lib/rustlib")).ok()?;
    hosts.filter_map(Result::ok).map(|host| host.path().join("bin/rust-lld")).find(|path| path.exists())
}

/// `cargo` as the caller has it, without the caller's settings for other builds.
fn clean_cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(name);
    }
    cargo.stdin(Stdio::null());
    cargo
}

/// Cargo's home folder, where the sources of dependencies are.
pub(crate) fn cargo_home() -> anyhow::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).context("neither CARGO_HOME nor HOME is set")
}

fn cache() -> anyhow::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?;
    let cache = base.join("portcullis/wasm-sysroot");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

fn version(rustc: &Path) -> Option<String> {
    output(Command::new(rustc).arg("--version"))?.split(' ').nth(1).map(str::to_owned)
}

fn has_rlib(folder: &Path, prefix: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".rlib")
    })
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn joined(parts: &[&OsStr]) -> OsString {
    parts.iter().copied().collect()
}

#[expect(clippy::print_stderr, reason = "progress for the person at the terminal")]
fn say(what: &str) {
    eprintln!("wasm: {what}");
}
