//! What nodes say. A node is believed about its own target only, and about grants that it was given; whatever it says
//! can be said again without harm.

use super::{Desk, DeskError, now};
use crate::api::types::Termination;
use crate::domain::deployment::Report;
use crate::domain::life::State;
use crate::domain::text::TargetName;
use crate::evidence;
use crate::store::{Orders, StoredGrant, View, Write};
use portcullis_model::bytes::printable;
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::receipt::{Receipt, RevokeReceipt};
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_recording::path_of;
use std::collections::BTreeSet;

/// Most characters of a node's error that are kept.
const ERROR_MAX: usize = 500;
/// Most ends that a node is told in one go.
const ORDERS: u32 = 1000;

/// What the books make of a session that a node reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// It is in the books.
    Booked,
    /// It runs under no grant that the node was given: it is to end.
    Unfounded,
}

impl Desk {
    /// The grant, if this node was given it.
    async fn own_grant(&self, view: &mut View, target: &TargetName, id: &GrantId) -> Result<Option<StoredGrant>, DeskError> {
        let grant = view.grant(id).await?.filter(|grant| grant.target == *target);
        if grant.is_none() {
            tracing::warn!(%target, grant = %id, "a node speaks of a grant that it was never given");
        }
        Ok(grant)
    }

    /// What a node has to be told.
    pub(crate) async fn orders(&self, target: &TargetName) -> Result<Orders, DeskError> {
        Ok(self.store.read_inside().await?.orders(target, ORDERS).await?)
    }

    /// A node is here, with these sessions and no others. Gives those that are to end.
    pub(crate) async fn arrived(&self, target: &TargetName, sessions: &[SessionFacts]) -> Result<Vec<SessionId>, DeskError> {
        let mut write = self.store.write().await?;
        let mut unfounded = Vec::new();
        for facts in sessions {
            if self.book(&mut write, target, facts).await? == Standing::Unfounded {
                unfounded.push(facts.id.clone());
            }
        }
        let running: BTreeSet<&SessionId> = sessions.iter().map(|facts| &facts.id).collect();
        for id in write.running_ids(target).await? {
            if !running.contains(&id) {
                write.session_lost(&id, now()).await?;
            }
        }
        write.commit().await?;
        self.hub.answered();
        Ok(unfounded)
    }

    /// What became of a grant.
    pub(crate) async fn deployed(&self, target: &TargetName, id: &GrantId, error: Option<&str>) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let Some(grant) = self.own_grant(&mut write, target, id).await? else { return Ok(()) };
        let (report, error) = match error {
            None => (Report::Accepted, String::new()),
            Some(error) => (Report::Refused, printable(error.as_bytes()).chars().take(ERROR_MAX).collect()),
        };
        let after = write.report(&grant, report, &error).await?;
        write.commit().await?;
        tracing::info!(%target, grant = %id, deployment = %after, error, "grant reported");
        self.hub.answered();
        Ok(())
    }

    /// The end of a grant is done.
    pub(crate) async fn revoked(&self, target: &TargetName, receipt: &RevokeReceipt) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let Some(grant) = self.own_grant(&mut write, target, &receipt.grant).await? else { return Ok(()) };
        if grant.revocation.is_none() {
            tracing::warn!(%target, grant = %grant.id, "a node revoked a grant that nobody had ended");
            return Ok(());
        }
        let survivors = receipt.survivors();
        let error = if survivors == 0 { String::new() } else { format!("{survivors} processes survived") };
        write.answer_revocation(receipt, now()).await?;
        let after = write.report(&grant, Report::Removed { survivors }, &error).await?;
        for session in receipt.sessions.iter().filter(|session| session.grant == grant.id) {
            write.session_ended(session, None, now()).await?;
        }
        write.commit().await?;
        let killed: u64 = receipt.sessions.iter().map(|session| u64::from(session.killed)).sum();
        tracing::info!(%target, grant = %grant.id, deployment = %after, killed, survivors, micros = receipt.micros, "grant removed");
        self.hub.answered();
        Ok(())
    }

    /// A session started.
    pub(crate) async fn session_started(&self, target: &TargetName, facts: &SessionFacts) -> Result<Standing, DeskError> {
        let mut write = self.store.write().await?;
        let standing = self.book(&mut write, target, facts).await?;
        write.commit().await?;
        Ok(standing)
    }

    async fn book(&self, write: &mut Write, target: &TargetName, facts: &SessionFacts) -> Result<Standing, DeskError> {
        let Some(grant) = self.own_grant(write, target, &facts.grant).await? else { return Ok(Standing::Unfounded) };
        let Some(stored) = write.request(&grant.request).await? else { return Ok(Standing::Unfounded) };
        let asked = stored.request.facts();
        let agrees = facts.request == grant.request
            && facts.target == target.as_str()
            && facts.account == grant.account.as_str()
            && facts.operator == asked.operator.as_str()
            && facts.action == asked.action
            && facts.key_fingerprint == asked.key.fingerprint();
        if !agrees || write.session(&facts.id).await?.is_some_and(|known| known.facts.grant != facts.grant) {
            tracing::warn!(%target, session = %facts.id, grant = %grant.id, "a node's session is not what its grant allows");
            return Ok(Standing::Unfounded);
        }
        write.session_started(facts).await?;
        if stored.request.state() != State::Active {
            let order = Termination { at: now(), by: "system".to_owned(), reason: "its grant is not in force".to_owned() };
            write.order_end(&facts.id, &order).await?;
            self.hub.wake(target);
        }
        Ok(Standing::Booked)
    }

    /// A session ended.
    pub(crate) async fn session_ended(&self, target: &TargetName, receipt: &Receipt, exit: Option<&ExitStatus>) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        if self.own_grant(&mut write, target, &receipt.grant).await?.is_none() {
            return Ok(());
        }
        let mut booked = write.session_ended(receipt, exit, now()).await?;
        if !booked {
            // its start was never heard, over a link that was down; its recording may be here
            drop(write);
            let facts = evidence::facts(path_of(&self.evidence, &receipt.session)).await;
            write = self.store.write().await?;
            if let Some(facts) = facts.filter(|facts| facts.id == receipt.session && facts.grant == receipt.grant) {
                booked = self.book(&mut write, target, &facts).await? == Standing::Booked && write.session_ended(receipt, exit, now()).await?;
            }
        }
        write.commit().await?;
        if booked {
            tracing::info!(%target, session = %receipt.session, cause = ?receipt.cause, killed = receipt.killed, "session ended");
        } else {
            tracing::warn!(%target, session = %receipt.session, "the end of a session that is not in the books");
        }
        self.hub.answered();
        Ok(())
    }
}
