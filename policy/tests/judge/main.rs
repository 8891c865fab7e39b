//! The judge from outside: modules that attack it, modules that are none, and the process with its socket.
//!
//! The modules here are written in WebAssembly's text form, so that they can do what no compiler would.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr, reason = "tests, and what only tests use")]

mod assigning;
mod beside;
mod bounds;
mod facts;
mod languages;
mod loading;
mod process;
mod replay;
mod running;
mod safety;
mod storm;
mod trials;
mod versions;
mod warden;
mod wat_module;
