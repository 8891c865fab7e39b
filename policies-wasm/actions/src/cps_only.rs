//! INFRA_CPS_ONLY: repair a control plane server, and reach nothing else.
//!
//! The commands are INFRA_DIAG's of control plane servers, without the way on to other nodes, without other users, and with a few
//! scripts of the server as root. Its own folders are written.

use crate::Action;
use crate::programs::{cage, containers, curl, exadata, hardware, network, reports, rootexec, ssh, units, users};
use crate::shell;
use portcullis_sdk::{On, Table};

/// The action.
pub const INFRA_CPS_ONLY: Action =
    Action { name: "INFRA_CPS_ONLY", about: "Repair a control plane server, and reach nothing else.", roles: &["cps"], table: &TABLE, onward: &[] };

/// Its commands.
const TABLE: Table = Table {
    contains: Some(&shell::TABLE),
    programs: &[
        On::every(ssh::NOT_ONWARD),
        On::every(users::NOBODY),
        On::every(units::REBOOT),
        On::every(units::LOOKS),
        On::every(units::JOBS),
        On::every(network::REACHES),
        On::every(curl::ROWS),
        On::every(hardware::LOOKS),
        On::every(containers::DOCKER),
        On::every(exadata::DBMCLI_LOOKS),
        On::every(exadata::IMAGE),
        On::every(exadata::EXACLOUD),
        On::every(reports::ON_CPS),
        On::every(cage::ON_CPS_ONLY),
        On::every(rootexec::ROWS),
    ],
    writable: &[On::every(&["/u01", "/opt/oci/exacc"])],
    ..shell::TABLE
};
