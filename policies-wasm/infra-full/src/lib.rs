//! INFRA_FULL: everything, still guarded. What it allows stands in [`actions::full`].

use portcullis_sdk::{Description, Guest, Session, Subject, Verdict};

/// The module.
#[derive(Debug)]
pub struct InfraFull;

impl Guest for InfraFull {
    fn describe() -> Description {
        actions::full::describe(env!("CARGO_PKG_VERSION"))
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        actions::full::judge(&session, &subject)
    }
}

portcullis_sdk::export!(InfraFull);
