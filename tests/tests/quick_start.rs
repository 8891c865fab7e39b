//! The quick start of docs/policies.md, executed as it is written: from nothing to a module that judges sessions, and back.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Access, Stage, StageOptions, wait};
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANUAL: &str = include_str!("../../docs/policies.md");
const FROM: &str = "<!-- run as it stands by tests/tests/quick_start.rs, as are the blocks below -->";
/// Where the reader restarts the servers, looks at what is allowed now, and is done.
const PAUSES: [&str; 3] = ["<!-- restart -->", "<!-- try it -->", "<!-- as far as here -->"];

/// The commands of the manual: up to each of the pauses, block after block.
fn commands() -> Result<Vec<String>> {
    let (_, mut text) = MANUAL.split_once(FROM).context("the manual does not say where its quick start begins")?;
    let mut parts = Vec::new();
    for pause in PAUSES {
        let (part, rest) = text.split_once(pause).with_context(|| format!("the manual has no {pause}"))?;
        let blocks = part.split("```sh\n").skip(1).map(|block| block.split_once("```").map(|(commands, _)| commands).context("a block of commands does not end"));
        parts.push(blocks.collect::<Result<String>>()?);
        text = rest;
    }
    Ok(parts)
}

/// A shell of the reader's, which is in another folder and knows other words after each part.
struct Shell<'a> {
    programs: PathBuf,
    config: PathBuf,
    home: &'a Path,
    cargo: PathBuf,
    admins: &'a Path,
    before: String,
}

impl Shell<'_> {
    /// Types the commands of a part; gives what they printed.
    fn run(&mut self, commands: &str) -> Result<String> {
        let path = std::env::join_paths(std::iter::once(self.programs.clone()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
        let mut shell = Command::new("sh");
        shell.args(["-eux", "-c", &format!("{}{commands}", self.before)]).current_dir(self.home);
        shell.env("PATH", path).env("PORTCULLIS_CONFIG", &self.config).env("ADMINS", self.admins).env("USER", "ann").env("CARGO", &self.cargo);
        // what cargo told this test is not for the project's own cargo
        shell.env_remove("CARGO_TARGET_DIR").env_remove("PORTCULLIS");
        let done = shell.output()?;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.success(), "{commands}\n{out}{err}");
        // a shell of its own has to be told again where the last one was, and what its words mean
        for line in commands.lines().filter(|line| line.starts_with("cd ") || line.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase()))) {
            writeln!(self.before, "{line}")?;
        }
        Ok(out.into_owned())
    }
}

#[test]
fn the_manuals_quick_start_does_what_it_says() -> Result<()> {
    let Some(templates) = std::env::var_os("PORTCULLIS_TEMPLATES").map(PathBuf::from) else {
        eprintln!("SKIPPED: the quick start, because PORTCULLIS_TEMPLATES does not say where the cargo for modules is; `cargo xtask templates` makes it");
        return Ok(());
    };
    let folder = tempfile::Builder::new().prefix("portcullis-reader-").tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let admins = folder.path().join("policy-admins");
    let mut options = StageOptions::from_environment()?;
    options.extra_config += &format!("\n[policy]\nadmins = '{}'\n", admins.display());
    let mut stage = Stage::with(&options)?;
    let parts = commands()?;
    let mut shell = Shell {
        programs: stage.folder().join("bin"),
        config: stage.config(),
        home: folder.path(),
        cargo: templates.join("cargo"),
        admins: &admins,
        before: String::new(),
    };
    shell.run(&parts[0])?;
    stage.restart()?;

    let access = stage.grant("INFRA_DIAG")?;
    ensure!(access.run("uname")?.status == Some(0), "the shipped module does not allow what it allows");
    let activated = shell.run(&parts[1])?;
    ensure!(activated.contains("enforced in "), "{activated}");
    new_module_judges(&access)?;
    let shown = shell.run(&parts[2])?;
    for event in ["Policy.Push", "Policy.Activate", "Policy.Rollback"] {
        ensure!(shown.contains(event), "{event} is not on record: {shown}");
    }
    // whether the node has answered already is seen here
    wait::until("the shipped module to judge again", wait::LONG, || access.run("uname").ok().filter(|allowed| allowed.status == Some(0)))?;
    Ok(())
}

/// What the manual says about the new module.
fn new_module_judges(access: &Access) -> Result<()> {
    let allowed = access.run("uptime")?;
    ensure!(allowed.status == Some(0) && allowed.stdout.contains("load"), "{allowed:?}");
    let refused = access.run("tail /etc/shadow")?;
    ensure!(refused.status != Some(0) && refused.stdout.is_empty(), "{refused:?}");
    let hint = "tail [-n COUNT] FILE...";
    ensure!(refused.stderr.contains("(rule tail-file)") && refused.stderr.contains(hint) && MANUAL.contains(hint), "{refused:?}");
    let unknown = access.run("uname")?;
    ensure!(unknown.status != Some(0) && unknown.stderr.contains("not-listed"), "the shipped module allowed it, this one does not: {unknown:?}");
    Ok(())
}
