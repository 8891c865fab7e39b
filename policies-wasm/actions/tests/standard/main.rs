//! The standard actions, held to tables of commands.

mod asking;
mod diag_on_cps;
