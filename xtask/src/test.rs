//! Everything that CI runs, in the order in which it fails fastest.

use crate::build::{self, Profile};
use crate::step::{cargo, run, say};
use crate::{bench, check, machine, policies, room, templates, tidy};
use anyhow::Result;
use std::path::Path;

/// Tidy, clippy, and the tests that need no built product.
pub(crate) fn quick(root: &Path) -> Result<()> {
    tidy::run(root)?;
    machine::ensure(&[machine::BUILD])?;
    clippy(root)?;
    say("unit tests");
    run(cargo(root).args(["test", "--locked", "--workspace", "--lib", "--bins", "--quiet"]))
}

/// All of it.
pub(crate) fn all(root: &Path) -> Result<()> {
    tidy::run(root)?;
    machine::ensure(&[machine::BUILD, machine::DEMO, machine::TEST])?;
    room::ensure(root)?;
    let modules = policies::build_policies(root)?;
    say("tests of the policy modules, natively");
    run(cargo(root).current_dir(root.join("policies-wasm")).args(["test", "--locked", "--workspace", "--target-dir"]).arg(build::target(root).join("policies-native")))?;
    let canary = bench::canary(root)?;
    let programs = build::binaries(root, Profile::Dev)?;
    let templates = templates::build(root, &programs)?;
    say("tests of every crate");
    run(cargo(root).args(["test", "--locked", "--no-fail-fast", "--workspace", "--exclude", "portcullis-tests"]).env("PORTCULLIS_TEMPLATES", &templates).env("PORTCULLIS_MODULES", &modules).env("PORTCULLIS_CANARY", &canary).env("PORTCULLIS_PROGRAMS", &programs))?;
    say("end-to-end tests and attacks, with the real programs and the OpenSSH client");
    run(cargo(root).args(["test", "--locked", "--no-fail-fast", "-p", "portcullis-tests"]).env("PORTCULLIS_TEMPLATES", &templates).env("PORTCULLIS_MODULES", &modules).env("PORTCULLIS_CANARY", &canary).env("PORTCULLIS_PROGRAMS", &programs))?;
    check::everyone(&programs, &modules)?;
    clippy(root)?;
    say("everything holds");
    Ok(())
}

/// The attacks alone.
pub(crate) fn attacks(root: &Path, names: &[String]) -> Result<()> {
    machine::ensure(&[machine::BUILD, machine::DEMO, machine::TEST])?;
    let modules = policies::build_policies(root)?;
    let canary = bench::canary(root)?;
    let programs = build::binaries(root, Profile::Dev)?;
    say("attacks");
    run(cargo(root)
        .args(["test", "--locked", "-p", "portcullis-tests", "--test", "attacks", "--"])
        .args(names)
        .env("PORTCULLIS_MODULES", &modules).env("PORTCULLIS_CANARY", &canary)
        .env("PORTCULLIS_PROGRAMS", &programs))
}

fn clippy(root: &Path) -> Result<()> {
    say("clippy");
    run(cargo(root).args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
