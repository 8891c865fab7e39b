//! INFRA_UPDATE_RESTART: INFRA_DIAG, and restart what hangs: units, the network, cell disks, the node.

use crate::Action;
use crate::diag;
use crate::programs::{cage, exadata, hardware, network, units};
use portcullis_sdk::{On, Table};

/// The action.
pub const INFRA_UPDATE_RESTART: Action =
    Action { name: "INFRA_UPDATE_RESTART", about: "INFRA_DIAG, and restart units, network, cell disks and the node.", roles: &["cps", "host", "cell"], table: &TABLE, onward: &[22] };

/// What it adds.
pub(crate) const TABLE: Table = Table {
    contains: Some(&diag::TABLE),
    programs: &[
        // who restarts units sees what state they are in
        On::roles(&["host", "cell"], units::LOOKS),
        On::every(units::REBOOT),
        On::every(units::RESTARTS),
        On::every(network::RESTARTS),
        On::roles(&["cps"], cage::ON_CPS_ETC),
        On::roles(&["host", "cell"], hardware::LOOKS),
        On::roles(&["host", "cell"], hardware::CHANGES),
        On::roles(&["host"], exadata::DBMCLI_ALL),
        On::roles(&["cell"], exadata::CELLCLI_ALL),
    ],
    writable: &[],
    accounts: &[],
    ..diag::TABLE
};
