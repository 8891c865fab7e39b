//! Other users: `sudo` and `su` as requests for a process of theirs.

use portcullis_sdk::{Confine, Program, Rule};

/// `sudo` alone, for actions in which root runs some commands and nobody becomes another user.
pub(crate) const SUDO: &[Program] =
    &[Program::ruled(&["sudo"], "sudo COMMAND, sudo -u USER COMMAND", "what is listed as root's, or as one of the users of su", Rule::Sudo).example("")];
/// `su` to the accounts of the role.
pub(crate) const SU: &[Program] = &[Program::ruled(&["su"], "su - USER", "a shell as one of the role's users, whose commands are judged like all else", Rule::Su).example("")];

/// What there is of other users in an action without any.
pub(crate) const NOBODY: &[Program] = &[
    Program::refused(&["sudo"], "commands of this action run as yourself", "COMMAND"),
    Program::refused(&["su"], "commands of this action run as yourself", "COMMAND"),
];

/// Users that exist on control plane servers, hosts and cells for looking.
pub(crate) const CPS: &[Confine] = &[Confine::as_user("ecra"), Confine::as_user("exawatcher"), Confine::as_user("dbmsvc")];
pub(crate) const HOST: &[Confine] = &[Confine::as_user("dbmmonitor")];
pub(crate) const CELL: &[Confine] = &[Confine::as_user("cellmonitor")];
/// The user that manages a cell.
pub(crate) const CELL_ADMIN: &[Confine] = &[Confine::as_user("celladmin")];
