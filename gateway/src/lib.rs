//! The `portcullis` program: SSH server, session relay, link to the controller, command line and the supervisor of the
//! embedded set-up. It is the composition root: the one place that knows all parts and how they are put together.
//!
//! | module | idea |
//! | --- | --- |
//! | [`layout`], [`trust`] | where everything is, and whose signature counts |
//! | [`config`] | the configuration file, as written and as meant |
//! | [`ssh`] | the SSH server; the only place that knows the protocol |
//! | [`session`] | opening sessions through the warden, relaying their bytes |
//! | [`access`] | who may connect, and which connections a revoke cuts |
//! | [`node`] | the node's books: grants, sessions, what the controller is to be told |
//! | [`link`] | the connection to the controller |
//! | [`role`] | the two roles that this program can play: gateway and controller |
//! | [`serve`] | all processes of one machine, started, watched and ended |
//! | [`cli`] | the command line |
//!
//! The gateway holds no secret but its host keys, no terminal and no evidence, and it can let nobody in: the warden checks
//! every grant itself.
#![forbid(unsafe_code)]

pub mod access;
pub mod cli;
pub mod config;
pub mod layout;
pub mod link;
pub mod node;
pub mod role;
pub mod serve;
pub mod session;
pub mod ssh;
pub mod trust;

/// An error and its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
