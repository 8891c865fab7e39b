//! `portcullis policy ...`: modules of policies, from the author's desk into force.

mod activate;
mod canary;
mod change;
mod digest;
mod list;
mod passphrase;
mod push;
mod pushed;
mod retire;
mod rollback;
mod shadow;
mod sign;
mod trial;

use super::{CliError, Desk, Outcome};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Sign a module and give it to the controller
    Push(push::Push),
    /// List pushed modules, newest first
    List(list::List),
    /// Show a pushed module, and what became of it
    Show {
        /// Its digest, or the first 8 digits of it
        digest: String,
    },
    /// Try a module beside the one in force, without effect
    Shadow(shadow::Shadow),
    /// Try a module on a share of the sessions
    Canary(canary::Canary),
    /// Put a module in force
    Activate(activate::Activate),
    /// Put in force what was in force before
    Rollback(rollback::Rollback),
    /// Take a module out of everything
    Retire(retire::Retire),
    /// Show what a trial found: questions that the two modules answer differently
    Trial(trial::Trial),
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    match verb {
        Verb::Push(push) => push::run(desk, push).await,
        Verb::List(list) => list::run(desk, list).await,
        Verb::Show { digest } => pushed::run(desk, &digest).await,
        Verb::Shadow(shadow) => shadow::run(desk, shadow).await,
        Verb::Canary(canary) => canary::run(desk, canary).await,
        Verb::Activate(activate) => activate::run(desk, activate).await,
        Verb::Rollback(rollback) => rollback::run(desk, rollback).await,
        Verb::Retire(retire) => retire::run(desk, retire).await,
        Verb::Trial(trial) => trial::run(desk, trial).await,
    }
}
