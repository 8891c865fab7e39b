//! `portcullis policy ...`: modules of policies, from the author's desk into force.

mod activate;
mod canary;
mod change;
mod component;
mod digest;
mod list;
mod new;
mod passphrase;
mod push;
mod pushed;
mod retire;
mod rollback;
mod shadow;
mod sign;
mod trial;

use super::screen::Screen;
use super::{CliError, Desk, Outcome};
use clap::Subcommand;
use std::ops::ControlFlow;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a project for a module, which builds and passes its tests at once
    New(new::New),
    /// Make a component of a core module, as compilers of C and Rust leave it
    Component(component::Component),
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

/// Does what needs neither a configuration nor a running Portcullis; gives the verb back when it needs them.
pub(super) fn local(screen: Screen, verb: Verb) -> ControlFlow<Result<Outcome, CliError>, Verb> {
    ControlFlow::Break(match verb {
        Verb::New(new) => new::run(screen, &new),
        Verb::Component(component) => component::run(screen, &component),
        verb => return ControlFlow::Continue(verb),
    })
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    match verb {
        Verb::New(new) => new::run(desk.screen, &new),
        Verb::Component(component) => component::run(desk.screen, &component),
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
