//! `cargo xtask templates`: what `portcullis policy new` makes builds and passes its tests, in every language whose tools are here.
//!
//! A project for each language lies in `target/templates`, and its component beside it as `LANGUAGE.wasm`, for the judge's tests;
//! `cargo` there is the one that builds modules in Rust, for the test of the manual's quick start. What was fetched or built before and whose sources have not changed stays: only files that differ are written.
//! Fetching takes npm's and PyPI's registries; a language whose tools or registry are missing is left out, loudly.

use crate::build::target;
use crate::machine::find;
use crate::step::{run, say};
use crate::wasm::{TARGET, ensure_toolchain};
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LANGUAGES: &[&str] = &["c", "python", "rust", "js"];
/// What the projects are called.
const NAME: &str = "first-policy";

/// Makes, tests and builds a project for each language that can be, and returns the folder with the components.
pub(crate) fn build(root: &Path, programs: &Path) -> Result<PathBuf> {
    let folder = target(root).join("templates");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let program = programs.join("portcullis");
    let cargo = cargo(&folder)?;
    for language in LANGUAGES {
        say(&format!("the policy template in {language}"));
        let project = scaffold(&program, language, &folder)?;
        let component = folder.join(format!("{language}.wasm"));
        if let Err(reason) = ready(language, &project) {
            eprintln!("SKIPPED: the policy template in {language}: {reason}");
            let _ = std::fs::remove_file(&component);
            continue;
        }
        let make = |goal: &str| -> Result<()> {
            let mut make = Command::new("make");
            run(make.arg("--no-print-directory").arg(goal).current_dir(&project).env("PORTCULLIS", &program).env("CARGO", &cargo))
        };
        make("test")?;
        make("policy.wasm")?;
        let built = project.join("policy.wasm");
        std::fs::copy(&built, &component).with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(folder)
}

/// A cargo that builds for WebAssembly with the compiler that the shipped modules are built with, and for the host as always.
fn cargo(folder: &Path) -> Result<PathBuf> {
    let toolchain = ensure_toolchain()?.cargo(&[]);
    let quoted = |text: &OsStr| format!("'{}'", text.to_string_lossy().replace('\'', r"'\''"));
    let set: String = toolchain.get_envs().filter_map(|(name, value)| Some(format!("export {}={}; ", name.to_string_lossy(), quoted(value?)))).collect();
    let program = quoted(toolchain.get_program());
    let file = folder.join("cargo");
    std::fs::write(&file, format!("#!/bin/sh\nunset CARGO_TARGET_DIR\ncase \" $* \" in *' {TARGET} '*) {set}: ;; esac\nexec {program} \"$@\"\n"))?;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(file)
}

/// A project as `policy new` makes it now; files that stay as they were keep their time, so that `make` finds nothing to do.
fn scaffold(program: &Path, language: &str, folder: &Path) -> Result<PathBuf> {
    let fresh = tempfile::tempdir_in(folder)?;
    let made = Command::new(program).args(["policy", "new", "--lang", language, NAME]).current_dir(fresh.path()).output()?;
    ensure!(made.status.success(), "portcullis policy new --lang {language}: {}", String::from_utf8_lossy(&made.stderr));
    let project = folder.join(language);
    update(&fresh.path().join(NAME), &project)?;
    Ok(project)
}

fn update(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, place) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() {
            update(&entry, &place)?;
        } else {
            let text = std::fs::read(&entry)?;
            if std::fs::read(&place).ok().as_deref() != Some(&text) {
                std::fs::write(&place, text)?;
            }
        }
    }
    Ok(())
}

/// Whether a language's tools are here; what is to be fetched can be, or was fetched before.
fn ready(language: &str, project: &Path) -> Result<(), String> {
    let needs = |programs: &[&str]| match programs.iter().find(|program| find(program).is_none()) {
        Some(missing) => Err(format!("{missing} is not installed")),
        None => Ok(()),
    };
    let answers = |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    match language {
        "js" => {
            needs(&["node", "npm"])?;
            let fetched = project.join("node_modules/.package-lock.json").exists();
            if fetched || answers(Command::new("npm").args(["view", "@bytecodealliance/componentize-js", "version"])) { Ok(()) } else { Err("npm does not reach its registry".to_owned()) }
        }
        "python" | "c" => {
            if language == "c" && (find("wasm-ld").is_some() && Path::new("/usr/lib/wasm32-wasi/libc.a").exists()) {
                return needs(&["clang", "cc"]);
            }
            needs(&["python3", "cc"])?;
            if project.join(".venv/bin/python").exists() {
                return Ok(());
            }
            if !answers(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
                return Err("python3 has no venv (package python3-venv)".to_owned());
            }
            let package = if language == "c" { "ziglang" } else { "componentize-py" };
            if !answers(Command::new("python3").args(["-m", "pip", "index", "versions", package])) {
                return Err("pip does not reach its registry".to_owned());
            }
            if language == "c" {
                // the compiler is fetched by its own goal
                let fetched = Command::new("make").args(["--no-print-directory", "zig"]).current_dir(project).status();
                return if fetched.is_ok_and(|status| status.success()) { Ok(()) } else { Err("zig cannot be fetched".to_owned()) };
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
