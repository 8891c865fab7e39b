//! INFRA_HYPERVISOR: the virtual machines of a host too. What it allows stands in [`actions::hypervisor`].

use portcullis_sdk::{Description, Guest, Session, Subject, Verdict};

/// The module.
#[derive(Debug)]
pub struct InfraHypervisor;

impl Guest for InfraHypervisor {
    fn describe() -> Description {
        actions::INFRA_HYPERVISOR.describe(env!("CARGO_PKG_VERSION"))
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        actions::INFRA_HYPERVISOR.judge(&session, &subject)
    }
}

portcullis_sdk::export!(InfraHypervisor);
