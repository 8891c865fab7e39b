//! The command line: a noun, then a verb.
//!
//! Answers go to standard output: tables on a terminal, tab-separated fields elsewhere, JSON with `--json`. Complaints go
//! to standard error, one line. The exit status says how it went: 0 done, 1 failed, 2 not understood, 3 denied, 4 not
//! authenticated. Whatever came from outside is shown so that it cannot steer the terminal.

mod alert;
mod amendment;
mod api;
mod audit;
mod doctor;
mod export;
mod host_key;
mod outcome;
mod play;
mod policy;
mod question;
mod request;
mod screen;
mod session;

pub use outcome::{CliError, Outcome};

use crate::config::{self, Config};
use crate::layout::Layout;
use crate::{role, serve};
use clap::{Parser, Subcommand};
use screen::Screen;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Temporary, mediated, recorded and revocable SSH access to rack nodes.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 120)]
pub struct Cli {
    /// Configuration file [default: $PORTCULLIS_CONFIG, else /etc/portcullis/portcullis.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer with JSON
    #[arg(long, global = true)]
    json: bool,
    /// File with the API token [default: $PORTCULLIS_TOKEN, else the data folder's token for the verb]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Start everything on this machine and watch over it until told to end
    Serve,
    /// Play the gateway's role: SSH server and link to the controller (started by serve)
    Gateway,
    /// Play the controller's role: requests, grants, API (started by serve)
    Controller,
    /// The configuration file
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Say which layers of enforcement are live on this node, and why others are not
    Doctor,
    /// Requests for access
    #[command(subcommand)]
    Request(request::Verb),
    /// Sessions under granted requests
    #[command(subcommand)]
    Session(session::Verb),
    /// Alerts of sessions
    #[command(subcommand)]
    Alert(alert::Verb),
    /// Policy modules
    #[command(subcommand)]
    Policy(policy::Verb),
    /// The node's audit log
    #[command(subcommand)]
    Audit(audit::Verb),
    /// The SSH server's own keys
    #[command(subcommand)]
    HostKey(host_key::Verb),
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Read the file and say what is wrong with it
    Check,
}

/// What every verb has at hand.
struct Desk {
    config: Config,
    layout: Layout,
    token_file: Option<PathBuf>,
    screen: Screen,
}

impl Cli {
    /// Sends what the program has to say about itself to standard error: from "info" for the processes, from "warn" for
    /// the tools; `RUST_LOG` says otherwise.
    pub fn start_log(&self) {
        let level = match self.noun {
            Noun::Serve | Noun::Gateway | Noun::Controller => "info",
            _ => "warn",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal).with_target(false).init();
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// [`CliError`] when it was not done, or not all of it.
    pub fn run(self) -> Result<Outcome, CliError> {
        let file = config_file(self.config, std::env::var_os("PORTCULLIS_CONFIG"));
        let screen = Screen::new(self.json);
        let noun = match self.noun {
            Noun::Policy(verb) => match policy::local(screen, verb) {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(verb) => Noun::Policy(verb),
            },
            Noun::Audit(verb) => match audit::local(screen, verb) {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(verb) => Noun::Audit(verb),
            },
            Noun::Session(verb) => match session::local(screen, verb) {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(verb) => Noun::Session(verb),
            },
            noun => noun,
        };
        let config = Config::load(&file)?;
        if let Noun::Config(ConfigVerb::Check) = noun {
            screen.check_passed(&file)?;
            return Ok(Outcome::Done);
        }
        let desk = Desk { layout: Layout::of(&config), config, token_file: self.token_file, screen };
        let runtime = tokio::runtime::Runtime::new()?;
        let done = runtime.block_on(async {
            match noun {
                Noun::Serve => serve::run(&desk.config).await.map_err(CliError::from),
                Noun::Gateway => role::gateway::run(&desk.config).await.map_err(CliError::from),
                Noun::Controller => role::controller::run(&desk.config).await.map_err(CliError::from),
                Noun::Config(ConfigVerb::Check) => Ok(()),
                Noun::Doctor => return doctor::run(&desk).await,
                Noun::Request(verb) => return request::run(&desk, verb).await,
                Noun::Session(verb) => return session::run(&desk, verb).await,
                Noun::Alert(verb) => return alert::run(&desk, verb).await,
                Noun::Policy(verb) => return policy::run(&desk, verb).await,
                Noun::Audit(verb) => return audit::run(&desk, verb).await,
                Noun::HostKey(verb) => return host_key::run(&desk, &verb),
            }
            .map(|()| Outcome::Done)
        });
        // a task that does not end must not hold the process: what matters was awaited
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        done
    }
}

fn config_file(typed: Option<PathBuf>, environment: Option<OsString>) -> PathBuf {
    typed.or(environment.filter(|text| !text.is_empty()).map(PathBuf::from)).unwrap_or_else(|| PathBuf::from(config::DEFAULT_PATH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_was_typed_wins_over_the_environment() {
        assert_eq!(config_file(Some("a".into()), Some("b".into())), PathBuf::from("a"));
        assert_eq!(config_file(None, Some("b".into())), PathBuf::from("b"));
        assert_eq!(config_file(None, Some("".into())), PathBuf::from(config::DEFAULT_PATH));
    }
}
