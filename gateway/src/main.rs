//! `portcullis`: parse what was typed, log, read the configuration where it is needed, run, and say how it went.

use clap::Parser as _;
use portcullis_gateway::cli::{Cli, Outcome};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.start_log();
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(error) => Outcome::report(&error).into(),
    }
}
