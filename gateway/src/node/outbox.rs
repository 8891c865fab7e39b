//! What the controller is still to be told.
//!
//! A message leaves the queue when it was sent, not before, so one that was on its way when the connection broke is sent
//! again; every message may be. The queue is bounded, each kind for itself, so that none is lost behind another: while the controller is
//! away for long, the oldest reports of sessions go, for the next greeting says which sessions run, and the oldest words about questions
//! and notes, which are said again as long as they matter. Alerts never go: who raises them keeps few enough. Nor do receipts of
//! revocations and answers to grants: there is at most one of each for a grant, and one of each kind of what is told of policies.

use portcullis_model::wire::link::FromNode;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Reports of sessions that are kept, and messages about people's questions and wishes.
const REPORTS: usize = 4096;

/// The queue. One value is shared by who fills and who empties it; there is one who empties it at a time.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<VecDeque<(u64, FromNode)>>,
    number: std::sync::atomic::AtomicU64,
    filled: Notify,
    emptied: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, FromNode)>> {
        self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; drops the oldest report of a session when there are too many.
    pub fn push(&self, message: FromNode) {
        let number = self.inner.number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut queue = self.lock();
        queue.retain(|(_, waiting)| !replaces(&message, waiting));
        for is_of in [is_report, is_of_people] {
            if is_of(&message) && queue.iter().filter(|(_, waiting)| is_of(waiting)).count() >= REPORTS {
                let oldest = queue.iter().position(|(_, waiting)| is_of(waiting));
                if oldest.and_then(|oldest| queue.remove(oldest)).is_some() {
                    tracing::warn!("the controller is away for long: the oldest report is dropped");
                }
            }
        }
        queue.push_back((number, message));
        drop(queue);
        self.inner.filled.notify_one();
    }

    /// The oldest message; waits for one. It stays in the queue until [`sent`](Self::sent).
    pub async fn oldest(&self) -> (u64, FromNode) {
        loop {
            let filled = self.inner.filled.notified();
            if let Some(oldest) = self.lock().front() {
                return oldest.clone();
            }
            filled.await;
        }
    }

    /// Takes a message that was sent out of the queue.
    pub fn sent(&self, number: u64) {
        self.lock().retain(|(waiting, _)| *waiting != number);
        self.inner.emptied.notify_waiters();
    }

    /// Returns once nothing is left to be told.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.inner.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

/// What the next greeting says again, in its way.
fn is_report(message: &FromNode) -> bool {
    matches!(message, FromNode::SessionStarted(_) | FromNode::SessionEnded { .. })
}

/// Questions, wishes and notes.
fn is_of_people(message: &FromNode) -> bool {
    matches!(message, FromNode::Asked(_) | FromNode::AskOver { .. } | FromNode::Wish { .. } | FromNode::Noted { .. })
}

/// Whether `new` says all that `old` says, and later.
fn replaces(new: &FromNode, old: &FromNode) -> bool {
    match (new, old) {
        (FromNode::Revoked(new), FromNode::Revoked(old)) => new.grant == old.grant,
        (FromNode::Deployed { grant: new, .. }, FromNode::Deployed { grant: old, .. }) => new == old,
        (FromNode::Policies(_), FromNode::Policies(_)) => true,
        (FromNode::WantModule(new), FromNode::WantModule(old)) => new == old,
        (FromNode::Asked(new), FromNode::Asked(old)) => new.id == old.id,
        (FromNode::Alert(new), FromNode::Alert(old)) => (&new.session, new.number) == (&old.session, old.number),
        (FromNode::Noted { session: new, number }, FromNode::Noted { session: old, number: before }) => (new, number) == (old, before),
        // cumulative: the newer one has all that the older one had
        (FromNode::Trial(new), FromNode::Trial(old)) => (new.action, new.role, new.candidate, new.trial, new.since) == (old.action, old.role, old.candidate, old.trial, old.since),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::id::{GrantId, SessionId};
    use portcullis_model::receipt::{EndCause, Receipt, RevokeReceipt};

    fn revoked(number: u8) -> FromNode {
        FromNode::Revoked(RevokeReceipt { grant: GrantId::from_entropy([number; 10]), sessions: Vec::new(), micros: 1 })
    }

    fn ended() -> FromNode {
        let receipt = Receipt {
            session: SessionId::from_entropy([1; 10]),
            grant: GrantId::from_entropy([1; 10]),
            cause: EndCause::Exit,
            killed: 0,
            survivors: Vec::new(),
            micros: 0,
        };
        FromNode::SessionEnded { receipt, exit: None }
    }

    #[tokio::test]
    async fn a_message_stays_until_it_was_sent() {
        let outbox = Outbox::default();
        outbox.push(revoked(1));
        let (number, first) = outbox.oldest().await;
        assert_eq!(outbox.oldest().await.1, first);
        outbox.push(revoked(2));
        outbox.sent(number);
        assert_eq!(outbox.oldest().await.1, revoked(2));
    }

    #[tokio::test]
    async fn reports_are_bounded_and_receipts_stay() {
        let outbox = Outbox::default();
        outbox.push(ended());
        outbox.push(revoked(1));
        outbox.push(FromNode::Noted { session: SessionId::from_entropy([1; 10]), number: 1 });
        for _ in 0..REPORTS + 10 {
            outbox.push(ended());
        }
        outbox.push(revoked(1));
        let queue = outbox.lock();
        assert!(queue.iter().any(|(_, message)| is_of_people(message)), "a question is not lost behind reports");
        assert_eq!(queue.iter().filter(|(_, message)| is_report(message)).count(), REPORTS);
        assert_eq!(queue.iter().filter(|(_, message)| *message == revoked(1)).count(), 1);
    }
}
