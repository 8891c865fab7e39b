//! The standard actions, held to tables of commands.

mod asking;
mod confinement;
mod corpus;
mod described;
mod diag_on_cps;
mod manual;
