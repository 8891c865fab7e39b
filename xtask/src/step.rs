//! Running programs with their output shown, and saying what is going on.

use anyhow::{Context as _, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Says what is done next.
pub(crate) fn say(what: &str) {
    println!("\n== {what}");
}

/// Runs a program to its end; its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("   $ {shown}");
    let begin = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    println!("   ({:.1} s)", begin.elapsed().as_secs_f64());
    Ok(())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Cargo, the one that runs this.
pub(crate) fn cargo(root: &std::path::Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    // what `cargo run` told this process about its own package must not steer another build
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST") || text == "CARGO_BIN_NAME" || text == "CARGO_PRIMARY_PACKAGE" {
            cargo.env_remove(&name);
        }
    }
    cargo
}
