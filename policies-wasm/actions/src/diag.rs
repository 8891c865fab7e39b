//! INFRA_DIAG: look, do not touch.
//!
//! Runs as the session's own user, but for what is listed as root's: logs, and on control plane servers the state of units. On
//! hosts and cells there is less: their tools, in forms that look, and the shell's basics.

use crate::Action;
use crate::programs::{cage, containers, curl, exadata, hardware, logs, network, reports, ssh, units, users, virtual_machines};
use crate::shell;
use portcullis_sdk::{On, Table};

/// The action.
pub const INFRA_DIAG: Action =
    Action { name: "INFRA_DIAG", about: "Look, do not touch: logs, states, reports.", roles: &["cps", "host", "cell"], table: &TABLE, onward: &[22] };

/// Its commands.
pub(crate) const TABLE: Table = Table {
    contains: Some(&shell::TABLE),
    programs: &[
        On::every(ssh::ONWARD),
        On::every(users::SUDO),
        On::every(users::SU),
        On::every(logs::AS_ROOT),
        On::roles(&["cps"], units::LOOKS),
        On::roles(&["cps"], units::JOBS),
        On::roles(&["cps"], units::LOOKS_AS_ROOT),
        On::roles(&["cps"], network::REACHES),
        On::roles(&["cps"], curl::ROWS),
        On::roles(&["cps"], hardware::LOOKS),
        On::roles(&["cps"], exadata::EXACLOUD),
        On::roles(&["cps"], reports::ON_CPS),
        On::roles(&["cps"], cage::ON_CPS),
        On::roles(&["cps", "host"], containers::DOCKER),
        On::roles(&["cps", "host"], exadata::DBMCLI_LOOKS),
        On::roles(&["host"], containers::PODMAN),
        On::roles(&["host"], virtual_machines::LISTS),
        On::roles(&["cell"], exadata::CELLCLI_LOOKS),
        On::roles(&["host", "cell"], reports::ON_NODES),
        On::roles(&["host", "cell"], cage::ON_NODES),
        On::every(exadata::IMAGE),
        On::every(units::NO_RESTART),
    ],
    writable: &[On::roles(&["cps"], &["/u01"])],
    accounts: &[On::roles(&["cps"], users::CPS), On::roles(&["host"], users::HOST), On::roles(&["cell"], users::CELL)],
    ..shell::TABLE
};
