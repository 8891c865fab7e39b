//! The project's automation: `cargo xtask COMMAND`.
//!
//! Each command finds or installs what it needs, says what it does, and shows the output of what it starts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool for developers")]

mod bench;
mod build;
mod check;
mod demo;
mod machine;
mod policies;
mod room;
mod step;
mod templates;
mod test;
mod tidy;
mod wasm;

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [--check] [--user NAME]   build everything, start Portcullis with a demo operator and an approved request, and
                                 print the ssh line to paste; --check drives the same by itself and fails unless
                                 everything holds; --user runs the servers as that ordinary user
  test                           everything that CI runs
  ci                             the quick half of it: tidy, clippy, unit tests
  tidy                           the rules that keep the architecture true
  policies                       build the policy modules to WebAssembly
  templates                      make, test and build a policy module in each language, as `portcullis policy new` does
  attack [NAME...]               the attack tests alone
  bench [--json FILE] [--programs FOLDER] [NAME...]
                                 measure, as ratios against named peers; --programs measures programs that are built already
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = root()?;
    let (command, rest) = args.split_first().map_or(("", &[][..]), |(c, r)| (c.as_str(), r));
    match command {
        "demo" => demo::run(&root, rest),
        "test" => test::all(&root),
        "ci" => test::quick(&root),
        "tidy" => tidy::run(&root),
        "policies" => policies::build_policies(&root).map(|folder| println!("the modules are in {}", folder.display())),
        "templates" => {
            let programs = build::binaries(&root, build::Profile::Dev)?;
            templates::build(&root, &programs).map(|folder| println!("the components are in {}", folder.display()))
        }
        "attack" => test::attacks(&root, rest),
        "bench" => bench::run(&root, rest),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{USAGE}"),
    }
}

/// The checkout's top folder.
fn root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).context("xtask has no parent folder")
}
