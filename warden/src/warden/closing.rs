//! The recordings of keepers that died, closed in their stead.
//!
//! That reads the whole recording, so each has a thread of its own: the warden does not wait for it, but for its own end.

use crate::chain::with_sources;
use crate::clock;
use portcullis_model::boot::BootId;
use portcullis_model::receipt::{EndCause, Receipt};
use portcullis_recording::{Orphan, OrphanError, ReadError, boot_id, close_orphan};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::thread::{Builder, JoinHandle};

/// The recordings that are being closed.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    threads: Vec<JoinHandle<()>>,
}

impl Closing {
    /// Closes a session's recording. Its keeper is dead, and was reaped: nobody else writes to it.
    pub(crate) fn begin(&mut self, evidence: PathBuf, receipt: Receipt, why: &str) {
        self.threads.retain(|thread| !thread.is_finished());
        let (session, text) = (receipt.session.clone(), account(&receipt.cause, why));
        let work = move || close(&evidence, &receipt, &text);
        match Builder::new().name("closing".to_owned()).spawn(work) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::error!(%session, %error, "the recording of a keeper that died stays open"),
        }
    }

    /// Waits until all are closed.
    pub(crate) fn wait(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a recording of a keeper that died stays open");
            }
        }
    }
}

fn close(evidence: &std::path::Path, receipt: &Receipt, text: &str) {
    let session = &receipt.session;
    let ended = |torn: u64| {
        let torn = if torn == 0 { String::new() } else { format!("; {torn} bytes of an unfinished frame are kept in recording.torn") };
        Receipt { cause: EndCause::Fault(format!("{text}{torn}")), ..receipt.clone() }
    };
    match close_orphan(evidence, session, (clock::now(), boot_id().unwrap_or(BootId::UNKNOWN)), ended) {
        Ok(Orphan::WasClosed) => {}
        Ok(Orphan::Closed { sealed, torn }) => {
            tracing::info!(%session, frames = sealed.frames, torn, head = %sealed.head, "the recording of a keeper that died is closed");
        }
        // it died before there was one
        Err(OrphanError::Read(ReadError::Io(error))) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::error!(%session, error = with_sources(&error), "the recording of a keeper that died stays open"),
    }
}

/// What the recording's last event says.
fn account(cause: &EndCause, why: &str) -> String {
    let told = match cause {
        EndCause::Exit | EndCause::Disconnect => " after the client had gone",
        EndCause::Revoked => " after access was revoked",
        EndCause::Closed => " after the request was closed",
        EndCause::Expired => " after the time of the access was over",
        EndCause::Idle => " after there was no input for too long",
        EndCause::Terminated => " after the session was terminated",
        EndCause::PolicyWithdrawn => " after its policy was withdrawn",
        EndCause::Shutdown => " while the node was being stopped",
        EndCause::Fault(_) => "",
    };
    format!("the keeper died ({why}){told}; the warden closed its recording")
}
