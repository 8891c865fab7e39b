//! The standard actions, held to tables of commands.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

mod asking;
mod confinement;
mod corpus;
mod described;
mod diag_on_cps;
mod manual;
