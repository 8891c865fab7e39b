//! The session jail: what a session's processes see, may do and leave behind. The only crate with unsafe code, and the
//! only one that starts processes.
//!
//! [`Jail::build`] makes a process in namespaces of its own, which builds the root that the session sees, gives it a
//! terminal, installs the exec guard's filter and starts the shell; from there nothing is executed that [`guard`] does not
//! let continue. [`kill`] ends it all, and counts what is left: nothing.
//!
//! | module | idea |
//! | --- | --- |
//! | [`profile`] | what a session for an action on a role sees, as data |
//! | `build`, `descent` | the jail is a numbered descent, one error a step |
//! | [`folders`] | what the sessions of one grant share |
//! | `root`, `account` | the file system that the session sees |
//! | `confine`, `ruleset`, `deny` | what the shell loses before it runs: capabilities, Landlock, system calls |
//! | `init`, `runas`, `users` | the first process in the jail: reaps, reports, makes processes of other users, dies with its keeper |
//! | [`guard`] | every execve is asked about, and verified when it happened |
//! | [`helper`], `orders`, `hold`, `places` | what a verdict holds one process to, beyond the jail |
//! | [`cgroup`], [`kill`] | where the processes are counted, and their end |
//! | [`pty`], [`socket`], [`spawn`], [`probe`] | terminals, sockets, other processes of Portcullis, what this node can do |
//!
//! Limits: this is a jail of namespaces, not a machine: a hole in the kernel is a hole in it. An interpreter that a policy
//! allows does, without another exec, whatever the jail lets its process do.

mod account;
mod build;
pub mod cgroup;
mod chain;
mod confine;
mod control;
mod deny;
mod descent;
mod environment;
pub mod folders;
pub mod guard;
pub mod helper;
mod hold;
mod init;
pub mod kill;
mod orders;
mod places;
pub mod probe;
pub mod profile;
pub mod pty;
mod root;
mod ruleset;
mod runas;
pub mod socket;
pub mod spawn;
mod spec;
mod sys;
mod users;

pub use build::{Jail, JailError, Terminal};
pub use control::{Control, ControlError, FromInit, OfChild, Said};
pub use spec::{JailSpec, Privilege};
pub use users::Others;
