//! INFRA_CPS_ONLY: repair a control plane server, and reach nothing else. What it allows stands in [`actions::cps_only`].

use portcullis_sdk::{Description, Guest, Session, Subject, Verdict};

/// The module.
#[derive(Debug)]
pub struct InfraCpsOnly;

impl Guest for InfraCpsOnly {
    fn describe() -> Description {
        actions::INFRA_CPS_ONLY.describe(env!("CARGO_PKG_VERSION"))
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        actions::INFRA_CPS_ONLY.judge(&session, &subject)
    }
}

portcullis_sdk::export!(InfraCpsOnly);
