//! INFRA_UPDATE_RESTART: restart what hangs. What it allows stands in [`actions::update_restart`].

use portcullis_sdk::{Description, Guest, Session, Subject, Verdict};

/// The module.
#[derive(Debug)]
pub struct InfraUpdateRestart;

impl Guest for InfraUpdateRestart {
    fn describe() -> Description {
        actions::INFRA_UPDATE_RESTART.describe(env!("CARGO_PKG_VERSION"))
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        actions::INFRA_UPDATE_RESTART.judge(&session, &subject)
    }
}

portcullis_sdk::export!(InfraUpdateRestart);
