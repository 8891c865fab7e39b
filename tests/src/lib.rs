//! The harness of the end-to-end tests, of the demo and of the benchmarks: a real `portcullis serve` in a folder of its
//! own, a real request, the stock `ssh` client.
//!
//! Nothing here knows the product's insides: it uses the command line, the network, and what the kernel shows of a process.

#![expect(clippy::print_stderr, reason = "a stage that does not stop has nobody else to tell")]

pub mod client;
pub mod forms;
pub mod policies;
pub mod stage;
pub mod storm;
pub mod terminal;
pub mod tracer;
pub mod wait;

pub use client::{Access, Output};
pub use stage::{Ended, Owner, Stage, StageOptions};
pub use terminal::Terminal;
