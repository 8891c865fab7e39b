//! `portcullis policy ...`: modules of policies, from the author's desk into force.
//!
//! At the desk every answer comes from the evaluator that the judge runs, under the judge's limits, and nothing needs a configuration
//! or a running Portcullis, but a replay over the controller's recordings.

mod activate;
mod build;
mod canary;
mod change;
mod check;
mod component;
mod digest;
mod explain;
mod image;
mod list;
mod module;
mod new;
mod passphrase;
mod problems;
mod push;
mod pushed;
mod replay;
mod retire;
mod rollback;
mod shadow;
mod show;
mod sign;
mod test;
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
    /// Build a module of a profile, without a compiler
    Build(build::Build),
    /// Say whether a file is a module that the judge would take, and if not, why
    Check(check::Check),
    /// Ask a module what a file of tests asks, and compare the answers
    Test(test::Test),
    /// Ask a module about one command or line, and say what it answers, what it was shown and what is allowed instead
    Explain(explain::Explain),
    /// Ask a module what recorded sessions asked, and list every decision that would be another
    Replay(replay::Replay),
    /// Sign a module and give it to the controller
    Push(push::Push),
    /// List pushed modules, newest first
    List(list::List),
    /// Show a module's file and the forms that it allows, or a pushed module and what became of it
    Show(show::Show),
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
        Verb::Build(build) => build::run(screen, &build),
        Verb::Check(check) => check::run(screen, &check),
        Verb::Test(test) => test::run(screen, &test),
        Verb::Explain(explain) => explain::run(screen, &explain),
        Verb::Show(show) if show.is_local() => show::run(screen, &show),
        Verb::Replay(replay) if replay.is_local() => replay::run_local(screen, &replay),
        verb => return ControlFlow::Continue(verb),
    })
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    match verb {
        Verb::New(new) => new::run(desk.screen, &new),
        Verb::Component(component) => component::run(desk.screen, &component),
        Verb::Build(build) => build::run(desk.screen, &build),
        Verb::Check(check) => check::run(desk.screen, &check),
        Verb::Test(test) => test::run(desk.screen, &test),
        Verb::Explain(explain) => explain::run(desk.screen, &explain),
        Verb::Replay(replay) => replay::run(desk, &replay).await,
        Verb::Push(push) => push::run(desk, push).await,
        Verb::List(list) => list::run(desk, list).await,
        Verb::Show(show) => pushed::run(desk, &show.module).await,
        Verb::Shadow(shadow) => shadow::run(desk, shadow).await,
        Verb::Canary(canary) => canary::run(desk, canary).await,
        Verb::Activate(activate) => activate::run(desk, activate).await,
        Verb::Rollback(rollback) => rollback::run(desk, rollback).await,
        Verb::Retire(retire) => retire::run(desk, retire).await,
        Verb::Trial(trial) => trial::run(desk, trial).await,
    }
}
