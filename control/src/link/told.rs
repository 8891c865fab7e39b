//! What one connection has told its node already, so that only what is new is said.

use crate::domain::deployment::Deployment;
use crate::store::Orders;
use portcullis_model::grant::{SignedGrant, SignedRevocation};
use portcullis_model::id::{GrantId, QuestionId, SessionId};
use portcullis_model::wire::link::ToNode;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Revocations in the first message; more follow one by one, so that the message stays within its bound.
const IN_STATE: usize = 100;
/// How long a node may leave an order unanswered before it is told again.
const AGAIN: Duration = Duration::from_secs(30);

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Told {
    grants: HashMap<GrantId, SignedGrant>,
    revocations: HashMap<GrantId, Instant>,
    ends: HashMap<SessionId, Instant>,
    answers: HashMap<QuestionId, Instant>,
    notes: HashMap<u64, Instant>,
    policies: HashMap<u64, Instant>,
    enforced: u64,
}

/// Whether `id` has to be told now; notes that it is.
fn is_due<K: std::hash::Hash + Eq + Clone>(told: &mut HashMap<K, Instant>, id: &K, now: Instant) -> bool {
    let due = told.get(id).is_none_or(|at| now.duration_since(*at) >= AGAIN);
    if due {
        told.insert(id.clone(), now);
    }
    due
}

impl Told {
    /// The first message, after which grants that the node has not confirmed are told once more, since it answers those.
    pub(super) fn state(&mut self, orders: &Orders, now: Instant) -> ToNode {
        self.grants = orders.grants.iter().filter(|(_, deployment, _)| *deployment == Deployment::Deployed).map(|(id, _, grant)| (id.clone(), grant.clone())).collect();
        let first = orders.revocations.iter().take(IN_STATE);
        self.revocations = first.clone().map(|(id, _)| (id.clone(), now)).collect();
        ToNode::State {
            grants: orders.grants.iter().map(|(_, _, grant)| grant.clone()).collect(),
            revocations: first.map(|(_, revocation): &(GrantId, SignedRevocation)| revocation.clone()).collect(),
        }
    }

    /// The node enforces this assignment: it need not be told again.
    pub(super) fn enforces(&mut self, sequence: u64) {
        self.enforced = sequence;
    }

    /// What is new. Ends come first: they must not wait behind anything.
    pub(super) fn news(&mut self, orders: Orders, now: Instant) -> Vec<ToNode> {
        let mut news = Vec::new();
        // what the books have settled need not be remembered
        let open: HashSet<_> = orders.revocations.iter().map(|(id, _)| id.clone()).collect();
        self.revocations.retain(|id, _| open.contains(id));
        let open: HashSet<_> = orders.ends.iter().cloned().collect();
        self.ends.retain(|id, _| open.contains(id));
        let open: HashSet<_> = orders.grants.iter().map(|(id, _, _)| id.clone()).collect();
        self.grants.retain(|id, _| open.contains(id));
        for (id, revocation) in orders.revocations {
            if is_due(&mut self.revocations, &id, now) {
                news.push(ToNode::Revoke(revocation));
            }
        }
        for id in orders.ends {
            if is_due(&mut self.ends, &id, now) {
                news.push(ToNode::EndSession(id));
            }
        }
        // somebody waits for these
        let open: HashSet<_> = orders.answers.iter().map(|(id, _)| id.clone()).collect();
        self.answers.retain(|id, _| open.contains(id));
        for (id, answer) in orders.answers {
            if is_due(&mut self.answers, &id, now) {
                news.push(ToNode::Answer(answer));
            }
        }
        if let Some((sequence, assignment)) = orders.policies {
            self.policies.retain(|told, _| *told == sequence);
            if self.enforced < sequence && is_due(&mut self.policies, &sequence, now) {
                news.push(ToNode::Policies(assignment));
            }
        }
        for (id, _, grant) in orders.grants {
            // one that was told and ends later now is told anew
            if self.grants.get(&id) != Some(&grant) {
                self.grants.insert(id, grant.clone());
                news.push(ToNode::Grant(grant));
            }
        }
        let open: HashSet<_> = orders.notes.iter().map(|(_, note)| note.number).collect();
        self.notes.retain(|number, _| open.contains(number));
        for (session, note) in orders.notes {
            if is_due(&mut self.notes, &note.number, now) {
                news.push(ToNode::Note { session, note });
            }
        }
        news
    }
}

#[cfg(test)]
mod tests;
