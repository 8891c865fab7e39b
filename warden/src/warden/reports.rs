//! What keepers report, and what is done about those that no longer can.

use super::sealing::Job;
use super::sessions::{JailHandle, Phase, Session};
use super::Warden;
use crate::chain::with_sources;
use crate::charge::{KILL_DEADLINE, Report};
use crate::clock;
use crate::packets::Received;
use portcullis_model::alert::Alert;
use portcullis_model::asking::Asked;
use portcullis_model::audit::AuditEvent;
use portcullis_model::receipt::{EndCause, Receipt, Survivor};
use portcullis_model::session::ExitStatus;
use portcullis_model::wire::warden::FromWarden;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// How long the kill of a jail may take whose keeper is dead: the kernel has begun it with the keeper's death.
const ORPHAN_DEADLINE: std::time::Duration = KILL_DEADLINE;

/// How long a keeper that was killed may take to be gone.
const REAP_DEADLINE: std::time::Duration = std::time::Duration::from_secs(1);

impl Warden {
    /// Takes what a keeper has reported.
    pub(super) fn keeper_reports(&mut self, keeper: u64) {
        while let Some(session) = self.sessions.get_mut(keeper) {
            match session.report(&mut self.intake) {
                Ok(Received::Message(report, descriptor)) => self.reported(keeper, report, descriptor),
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) => return self.keeper_failed(keeper, "the keeper is gone"),
                Err(error) => return self.keeper_failed(keeper, &with_sources(&error)),
            }
        }
    }

    /// A keeper's process has ended: what it still said counts.
    pub(super) fn keeper_died(&mut self, keeper: u64) {
        self.keeper_reports(keeper);
        if self.sessions.get_mut(keeper).is_some() {
            self.keeper_failed(keeper, "the keeper died");
        }
        // of one whose session is over, this was what was waited for
        if let Some(mut process) = self.leaving.remove(&keeper)
            && let Err(error) = process.try_wait()
        {
            tracing::error!(%error, "the end of a keeper cannot be waited for");
        }
    }

    fn reported(&mut self, keeper: u64, report: Report, descriptor: Option<OwnedFd>) {
        match report {
            Report::Jailed { cgroup } => {
                let Some(init) = descriptor else { return self.keeper_failed(keeper, "the keeper reported a jail without its init") };
                if let Some(session) = self.sessions.get_mut(keeper) {
                    session.jail = Some(JailHandle { init, cgroup });
                }
            }
            Report::Started => self.started(keeper),
            Report::Asked(asked) => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                // whose it is is known here, whatever the keeper says
                let (id, grant) = (session.facts.id.clone(), session.facts.grant.clone());
                tracing::info!(session = %id, question = %asked.id, "a session has people asked");
                self.say(&FromWarden::Asked(Box::new(Asked { session: id, grant, ..*asked })));
            }
            Report::Wish { number, wish } => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                let session = session.facts.id.clone();
                self.say(&FromWarden::Wish { session, number, wish });
            }
            Report::Alert(alert) => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                // whose it is is known here, whatever the keeper says
                let (session, grant, target) = (session.facts.id.clone(), session.facts.grant.clone(), session.facts.target.clone());
                tracing::warn!(%session, kind = alert.kind.name(), pid = alert.pid, "an alert");
                self.say(&FromWarden::Alert(Box::new(Alert { session, grant, target, ..*alert })));
            }
            Report::Noted { number } => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                let session = session.facts.id.clone();
                self.say(&FromWarden::Noted { session, number });
            }
            Report::AskOver { question, end } => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                let session = session.facts.id.clone();
                tracing::info!(%session, %question, ?end, "a question is over");
                self.say(&FromWarden::AskOver { session, question, end });
            }
            Report::Grew { frames, head } => {
                let Some(session) = self.sessions.get_mut(keeper) else { return };
                let session = session.facts.id.clone();
                self.ledger.note(AuditEvent::RecordingGrew { session, frames, head });
            }
            Report::Empty => {
                if let Some(session) = self.sessions.get_mut(keeper) {
                    session.empty.get_or_insert_with(Instant::now);
                }
            }
            Report::Refused(reason) => {
                let Some(session) = self.sessions.remove(keeper) else { return };
                tracing::warn!(session = %session.facts.id, reason, "a session did not start");
                let ticket = session.ticket();
                self.unstarted(&session.facts, EndCause::Fault(reason.clone()), &reason);
                self.over(keeper, session, None);
                if let Some(ticket) = ticket {
                    self.refuse(ticket, reason);
                }
            }
            Report::Ended { receipt, exit, recording } => {
                let Some(session) = self.sessions.remove(keeper) else { return };
                let (id, grant) = (session.facts.id.clone(), session.facts.grant.clone());
                // what it is about is known here, whatever the keeper says
                let receipt = Receipt { session: id.clone(), grant, ..receipt };
                self.ended(keeper, session, receipt.clone(), exit);
                self.sealing.begin(match recording {
                    None => Job::Closed(id),
                    Some(problem) => {
                        tracing::error!(session = %id, problem, "the recording of a session was not closed");
                        Job::Orphan(Box::new(receipt), problem)
                    }
                });
            }
        }
    }

    fn started(&mut self, keeper: u64) {
        let Some(session) = self.sessions.get_mut(keeper) else { return };
        if let Phase::Starting { .. } = session.phase {
            let Phase::Starting { ticket, client, .. } = std::mem::replace(&mut session.phase, Phase::Running) else { return };
            tracing::info!(session = %session.facts.id, "a session runs");
            let facts = session.facts.clone();
            self.say_with(&FromWarden::Opened { ticket, facts }, client);
        }
    }

    /// Tells a keeper to end its session.
    pub(super) fn end_session(&mut self, keeper: u64, cause: &EndCause) {
        if let Some(session) = self.sessions.get_mut(keeper) {
            session.order_end(cause);
        }
    }

    /// Does what deadlines demand: sessions that did not start or end in time, grants whose time is over.
    pub(super) fn keeper_deadlines(&mut self, now: Instant) {
        for keeper in self.sessions.filter(|session| session.deadline().is_some_and(|deadline| deadline <= now)) {
            self.keeper_failed(keeper, "the keeper did not answer in time");
        }
        // the keeper ends it by itself and a little earlier; this is for one that does not
        let wall = clock::now();
        for keeper in self.sessions.filter(|session| wall >= session.facts.end.plus(1000)) {
            self.end_session(keeper, &EndCause::Expired);
        }
    }

    /// Ends a session without its keeper: the keeper is killed, and then what it has left.
    pub(super) fn keeper_failed(&mut self, keeper: u64, why: &str) {
        let Some(mut session) = self.sessions.remove(keeper) else { return };
        tracing::error!(session = %session.facts.id, why, "a session is ended without its keeper");
        let (id, detail) = (session.facts.id.clone(), why.chars().take(1000).collect());
        self.ledger.note(AuditEvent::Alert { session: Some(id), rule: "keeper-failed".to_owned(), detail });
        if let Err(error) = session.keeper.kill() {
            tracing::error!(session = %session.facts.id, %error, "a keeper cannot be killed");
        }
        let cause = session.cause().cloned().unwrap_or_else(|| EndCause::Fault(why.to_owned()));
        let receipt = kill_orphan(&session, cause);
        match session.keeper.wait(REAP_DEADLINE) {
            Ok(Some(_)) => self.sealing.begin(Job::Orphan(Box::new(receipt.clone()), why.to_owned())),
            Ok(None) => tracing::error!(session = %session.facts.id, "a keeper that was killed is still there; its recording stays open"),
            Err(error) => tracing::error!(session = %session.facts.id, %error, "the end of a keeper cannot be waited for; its recording stays open"),
        }
        self.ended(keeper, session, receipt, None);
    }

    fn ended(&mut self, keeper: u64, session: Session, receipt: Receipt, exit: Option<ExitStatus>) {
        let Receipt { session: id, cause, killed, survivors, micros, .. } = &receipt;
        tracing::info!(session = %id, ?cause, killed, survivors = survivors.len(), micros, "a session ended");
        self.ledger.note(AuditEvent::ended(&receipt, exit.clone()));
        match session.ticket() {
            Some(ticket) => self.refuse(ticket, unstarted(&receipt.cause)),
            None => self.say(&FromWarden::Ended { receipt: receipt.clone(), exit }),
        }
        // a revocation is done after its last session
        self.over(keeper, session, Some(&receipt));
    }

    /// A session is over: whoever revokes its grant waits for it no longer, and its keeper's process is left to end: it may
    /// still have output to deliver.
    fn over(&mut self, keeper: u64, session: Session, receipt: Option<&Receipt>) {
        let gone = session.empty.unwrap_or_else(Instant::now);
        self.revocations.ended(&session.facts.grant, keeper, receipt, gone);
        self.leaving.insert(keeper, session.keeper);
        self.tell_revocations();
    }
}

/// What the operator is told of a session that ended before it ran.
fn unstarted(cause: &EndCause) -> String {
    match cause {
        EndCause::Fault(what) => format!("the session did not start: {what}"),
        EndCause::Exit | EndCause::Disconnect | EndCause::Idle | EndCause::Terminated => "the session ended before it ran".to_owned(),
        EndCause::Revoked => "access was revoked".to_owned(),
        EndCause::Closed => "the request was closed".to_owned(),
        EndCause::Expired => "the time of the access is over".to_owned(),
        EndCause::Shutdown => "the node is being stopped".to_owned(),
        EndCause::PolicyWithdrawn => "the policy does not allow this action here any more".to_owned(),
    }
}

/// Kills what a dead keeper has left.
fn kill_orphan(session: &Session, cause: EndCause) -> Receipt {
    let since = Instant::now();
    let (killed, survivors): (u32, Vec<Survivor>) = match &session.jail {
        None => (0, Vec::new()),
        Some(jail) => {
            let report = portcullis_jail::kill::kill_orphan(&jail.init, jail.cgroup.as_deref(), ORPHAN_DEADLINE);
            (report.killed, report.survivors)
        }
    };
    let (id, grant) = (session.facts.id.clone(), session.facts.grant.clone());
    Receipt { session: id, grant, cause, killed, survivors, micros: clock::micros_since(since) }
}
