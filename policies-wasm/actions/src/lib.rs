//! The standard actions: which commands each allows on which role of target.
//!
//! | action | contains | its rows |
//! | --- | --- | --- |
//! | INFRA_CPS_ONLY | - | [`cps_only`] |
//! | INFRA_DIAG | - | [`diag`] |
//! | INFRA_UPDATE_RESTART | INFRA_DIAG | [`update_restart`] |
//! | INFRA_HYPERVISOR | INFRA_UPDATE_RESTART | [`hypervisor`] |
//! | INFRA_FULL | everything but what it refuses | [`full`] |
//!
//! What is the same for all of them:
//!
//! | subject | what is judged | what is left to others |
//! | --- | --- | --- |
//! | `exec` | the image by its canonical path, the name that it is called by, all of its arguments | what a program reads and writes: the jail's mounts, and the path sets of its row. Its children: the next exec |
//! | `line` | every simple command: built-ins (no exec follows them), programs with literal arguments, redirections | arguments that are not literal: the exec |
//! | `file` | writing stays in the home and the writable folders of the role | what is visible: the jail's mounts |
//! | `forward` | the port, and that it leads to another node | who answers there |
//!
//! The line is judged for the operator: the whole of it is refused at once, with a reason. The exec is judged for the customer.
//! Nothing here is a limit on what bash itself computes, only on what it starts.
//!
//! Rows are judged by arguments, not by name: an allowed form runs no other program of the caller's choice, writes nothing
//! outside the folders that the role may write, and reads no configuration of the caller's choice. Paths are compared by their
//! text, made absolute and normal; where links lead is the kernel's business, through the mounts and the path sets of a row.
//!
//! Programs that can start others on request (vim, less, top) are allowed as far as their options do not ask for it: `:!sh` in vim
//! is an exec like any other and refused as such. Programs that exist to run code (shells, awk, python) are refused.

mod action;
mod builtins;
mod confine;
mod files;
mod forward;
mod line;
mod programs;
mod shell;

pub mod cps_only;
pub mod diag;
pub mod full;
pub mod hypervisor;
pub mod update_restart;

pub use action::Action;
pub use cps_only::INFRA_CPS_ONLY;
pub use diag::INFRA_DIAG;
pub use hypervisor::INFRA_HYPERVISOR;
pub use update_restart::INFRA_UPDATE_RESTART;
