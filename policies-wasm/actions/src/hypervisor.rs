//! INFRA_HYPERVISOR: INFRA_UPDATE_RESTART, and the virtual machines of a host.

use crate::Action;
use crate::programs::{containers, exadata, users, virtual_machines};
use crate::update_restart;
use portcullis_sdk::{On, Table};

/// The action.
pub const INFRA_HYPERVISOR: Action =
    Action { name: "INFRA_HYPERVISOR", about: "INFRA_UPDATE_RESTART, and the virtual machines of a host.", roles: &["cps", "host", "cell"], table: &TABLE, onward: &[22] };

/// What it adds.
const TABLE: Table = Table {
    contains: Some(&update_restart::TABLE),
    programs: &[On::roles(&["host"], virtual_machines::ALL), On::roles(&["host"], containers::INTERACTIVE), On::roles(&["host"], exadata::HOST_TOOLS)],
    writable: &[],
    accounts: &[On::roles(&["cell"], users::CELL_ADMIN)],
    ..update_restart::TABLE
};
