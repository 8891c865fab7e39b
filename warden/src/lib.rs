//! The privileged side of Portcullis: the warden, which keeps the grants of a node and opens and ends sessions, and the
//! keeper, of which each session has one.
//!
//! Both are one program, `portcullis-warden`; the warden starts it again for each session. They share the messages between
//! them, and nothing at run time: a keeper knows its own session only.
#![forbid(unsafe_code)]

mod chain;
mod charge;
mod clock;
mod keeper;
mod packets;
mod warden;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged, in the form of `tracing_subscriber`'s filters; without it, what is worth knowing.
pub(crate) const LOG_VARIABLE: &str = "PORTCULLIS_LOG";

/// The privileged side of Portcullis on one node
#[derive(Debug, Parser)]
#[command(name = "portcullis-warden", version, arg_required_else_help = true, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    warden: Option<warden::Args>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Run one session; started by the warden, with its socket as standard input
    #[command(hide = true)]
    Keeper,
    /// Pack one recording; started by the warden
    #[command(hide = true)]
    Seal(warden::sealing::Args),
}

/// The program: reads the command line, becomes warden or keeper, and says in one line why it could not go on.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
    let result = match cli {
        Cli { role: Some(Role::Keeper), .. } => keeper::run(),
        Cli { role: Some(Role::Seal(args)), .. } => warden::sealing::run(&args),
        Cli { warden: Some(args), .. } => warden::run(args),
        // clap asks for the warden's arguments where there is no role
        Cli { role: None, warden: None } => Err(anyhow::anyhow!("nothing to do; see --help")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
