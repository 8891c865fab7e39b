//! What the file server and the forwarder ask and tell.

use super::{Judging, Parties, Waiting};
use crate::keeper::fault::Fault;
use crate::keeper::services::{Service, unaskable};
use crate::keeper::shell;
use portcullis_model::decision::{Heard, Permit, Refusal, Silence};
use portcullis_model::event::EventKind;
use portcullis_model::subject::{FileOpKind, Forward, Subject};
use portcullis_model::verdict::Denial;
use portcullis_model::wire::shell::{LineAnswer, ToKeeper};
use std::net::SocketAddr;

/// Requests that may wait for an answer: both programs ask one at a time.
const REQUESTS_MAX: usize = 4;

fn out_of_place(what: &str) -> Fault {
    Fault::Shell(format!("it {what}, which has no place in its session"))
}

impl Judging {
    /// Does what one of them asks for, or takes note of what it tells.
    pub(super) fn service_said(&mut self, message: ToKeeper, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.questions.count(|waiting| matches!(waiting, Waiting::Request(_))) >= REQUESTS_MAX {
            return Err(Fault::Shell("it asks about too much at once".to_owned()));
        }
        match (message, &mut *parties.service) {
            (ToKeeper::File { id, operation }, Service::Files(_)) => {
                let unaskable = unaskable(&operation);
                let subject = Subject::File(operation);
                match unaskable {
                    Some(why) => self.settle(Waiting::Request(id), subject, Heard::Silence(Silence::Unaskable(why)), parties),
                    None => self.ask(Waiting::Request(id), subject, parties),
                }
            }
            (ToKeeper::Moved { id, moved, closed }, Service::Files(files)) => {
                let event = files.moved(id, moved, closed).map_err(|error| Fault::Shell(error.to_string()))?;
                event.map_or(Ok(()), |event| Ok(parties.evidence.note(event)?))
            }
            (ToKeeper::Forward { id }, Service::Forward(forwarding)) => {
                let subject = Subject::Forward(forwarding.wanted().clone());
                self.ask(Waiting::Request(id), subject, parties)
            }
            (ToKeeper::Connect { id, address }, Service::Forward(forwarding)) => match forwarding.address(address) {
                Ok(decision) => {
                    parties.evidence.note(EventKind::Tried { decision, address })?;
                    Ok(parties.shell.judged(id, LineAnswer::Allowed)?)
                }
                Err(denial) => self.refuse_address(id, address, denial, parties),
            },
            (ToKeeper::Connected { address }, Service::Forward(forwarding)) => {
                let decision = forwarding.connected(address).ok_or_else(|| out_of_place("tells of a connection"))?;
                Ok(parties.evidence.note(EventKind::Connected { decision, address })?)
            }
            (ToKeeper::File { .. } | ToKeeper::Moved { .. }, _) => Err(out_of_place("speaks of files")),
            (ToKeeper::Forward { .. } | ToKeeper::Connect { .. } | ToKeeper::Connected { .. }, _) => Err(out_of_place("speaks of connections")),
            (ToKeeper::Line { .. } | ToKeeper::Trial { .. } | ToKeeper::Withdraw { .. } | ToKeeper::Done { .. } | ToKeeper::Wish { .. }, _) => Err(out_of_place("speaks of lines")),
        }
    }

    fn refuse_address(&mut self, id: u32, address: SocketAddr, denial: Denial, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let subject = Subject::Forward(Forward { host: address.ip().to_string(), port: address.port() });
        self.refuse_request(id, &Refusal::by_portcullis(subject, denial), parties)
    }

    /// Refuses a request, once that is written down.
    pub(super) fn refuse_request(&mut self, id: u32, refusal: &Refusal, parties: &mut Parties<'_>) -> Result<(), Fault> {
        parties.evidence.refused(refusal, 0)?;
        Ok(parties.shell.judged(id, LineAnswer::Denied(shell::notice(refusal, self.judge.module())))?)
    }
}

/// Lets a request go on, once the journal has it.
pub(super) fn accept_request(id: u32, permit: Permit, parties: &mut Parties<'_>) -> Result<(), Fault> {
    let committed = parties.evidence.commit(permit, 0)?;
    match (committed.subject(), &mut *parties.service) {
        (Subject::File(operation), Service::Files(files)) if matches!(operation.kind, FileOpKind::Read | FileOpKind::Write) => {
            files.opened(id, committed.seq()).map_err(|error| Fault::Shell(error.to_string()))?;
        }
        (Subject::Forward(_), Service::Forward(forwarding)) => forwarding.named(committed.seq()),
        _ => {}
    }
    Ok(parties.shell.judged(id, LineAnswer::Allowed)?)
}
