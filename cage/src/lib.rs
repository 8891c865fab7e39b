//! The cage commands: `sudols`, `sudocat`, `sudohead`, `sudotail`, `sudocp`, `sudorm` and `sudovi`, which show and change, as root, what
//! lies in the few folders that a policy names.
//!
//! Three layers hold each of them, and none relies on the others: the policy judges the operands by their text; the kernel holds the
//! process to the folders of the verdict (Landlock), with no network, no children and few capabilities; and this program
//!
//! - takes an operand for the text that was judged: absolute, without `.` and `..`, and *no link on the way* ([`place`]);
//! - opens nothing that can hold it up or has effects of its own: no pipe, socket or device ([`place`]);
//! - reads and writes no file that has a second name, which could lie where nobody judged it;
//! - walks folders by descriptors, so that one that is moved or swapped meanwhile leads nowhere else;
//! - makes no links, and gives no file the set-user-ID or set-group-ID bit.
//!
//! What a command takes is exactly what the policy's table says ([`grammar`]); a test compares the two.
//!
//! `sudovi` is none of root's: see [`edit`].

pub mod copy;
pub mod edit;
pub mod failure;
pub mod grammar;
pub mod lines;
pub mod list;
pub mod names;
pub mod place;
pub mod remove;
pub mod show;
pub mod tail;

use failure::{Report, Usage};
use grammar::{Arguments, Command};
use place::Places;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Does what the command `called` is for; returns its exit status: 0 done, 1 not or not all of it, 2 not understood.
#[must_use]
pub fn run(called: &[u8], arguments: &[Vec<u8>]) -> u8 {
    let name = called.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let Some(command) = Command::of(name) else {
        Report::new("portcullis-cage").fail(&Usage::Command(name.to_vec()));
        return 2;
    };
    let mut report = Report::new(command.name());
    let done = command.grammar().read(arguments).and_then(|arguments| perform(command, &arguments, &mut report));
    match done {
        Ok(()) => report.status(),
        Err(usage) => {
            report.fail(&usage);
            2
        }
    }
}

fn perform(command: Command, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    if command == Command::Vi {
        return edit::front::run(arguments, report);
    }
    // a file over the session's limit is an error to be told, and half of it to be taken away, not a death; so is a reader that has gone
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false))) {
        report.fail(&error);
        return Ok(());
    }
    let places = match Places::new() {
        Ok(places) => places,
        Err(error) => {
            report.fail(&error);
            return Ok(());
        }
    };
    match command {
        Command::Ls => list::run(&places, arguments, report),
        Command::Cat => show::cat(&places, arguments, report)?,
        Command::Head => show::head(&places, arguments, report)?,
        Command::Tail => tail::run(&places, arguments, report)?,
        Command::Cp => copy::run(&places, arguments, report)?,
        Command::Rm => remove::run(&places, arguments, report)?,
        Command::ViRead => edit::load::run(&places, arguments, report)?,
        Command::ViWrite => edit::save::run(&places, arguments, report)?,
        Command::Vi => {}
    }
    Ok(())
}
