//! The real shell and a real bash, outside of a jail. The other end of the shell's socket is a keeper of the tests' own,
//! which speaks the protocol and denies every line that runs `rm`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "all of it is test code, also what is outside of test functions")]

mod command;
mod driver;
mod editor;
mod jobs;
mod peer;
mod piped;
mod plain;
mod state;
