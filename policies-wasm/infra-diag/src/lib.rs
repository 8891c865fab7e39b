//! INFRA_DIAG: look, do not touch. What it allows stands in [`actions::diag`].

use portcullis_sdk::{Description, Guest, Session, Subject, Verdict};

/// The module.
#[derive(Debug)]
pub struct InfraDiag;

impl Guest for InfraDiag {
    fn describe() -> Description {
        actions::INFRA_DIAG.describe(env!("CARGO_PKG_VERSION"))
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        actions::INFRA_DIAG.judge(&session, &subject)
    }
}

portcullis_sdk::export!(InfraDiag);
