//! The programs, a table a topic. Every row is allowed by its arguments, not by its name.

mod basics;
mod curl;
mod find;
mod network;
mod refused;
mod sed;
mod services;
mod system;
mod text;
mod wrappers;

use portcullis_sdk::{Options, Program, Rule};

/// All of them.
pub(crate) const ALL: &[&[Program]] =
    &[text::ROWS, basics::ROWS, system::ROWS, services::ROWS, network::ROWS, find::ROWS, sed::ROWS, curl::ROWS, wrappers::ROWS, refused::ROWS];

/// A row that is allowed with any arguments.
const fn any(names: &'static [&'static str], form: &'static str, note: &'static str) -> Program {
    Program { names, form, note, hint: form, rule: Rule::Any }
}

/// A row with options from a grammar and any operands.
const fn options(names: &'static [&'static str], form: &'static str, note: &'static str, hint: &'static str, options: &'static Options) -> Program {
    Program { names, form, note, hint, rule: Rule::Options(options) }
}
