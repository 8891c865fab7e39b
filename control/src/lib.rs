//! The controller: requests, approvals, grants, and the books about them.
//!
//! Nothing of a command's path runs through here: a node enforces the grants that it holds, signed and expiring, whether
//! or not the controller is there. The controller decides who gets a grant, tells each node over the node's own
//! outbound [`link`], and keeps who asked, who approved, who ended it, why, and what the end left behind.
//!
//! | module | idea |
//! | --- | --- |
//! | [`domain`] | what a request is and may become; pure |
//! | [`store`] | the books: one transaction a transition, history in the same one |
//! | [`desk`] | one operation of a person or of the clock: domain, store and signature together |
//! | [`api`] | HTTP and JSON over the desk |
//! | [`link`] | the nodes' connections: driven by the store, so that nothing to be told can be lost |
//!
//! Limits: plain HTTP, so loopback addresses only; SQLite; the tokens of one machine.
#![forbid(unsafe_code)]

pub mod api;
pub mod config;
mod connection;
mod controller;
pub mod desk;
pub mod domain;
mod evidence;
mod files;
mod keys;
pub mod link;
mod modules;
pub mod store;
mod timer;
pub mod token;

pub use config::{ControllerConfig, Limits, TargetConfig};
pub use controller::{Controller, RunError, StartError};
