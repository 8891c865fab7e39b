//! Revocations under way: which keepers are waited for, and who is to be told.

use crate::clock;
use portcullis_model::id::GrantId;
use portcullis_model::receipt::{Receipt, RevokeReceipt};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// One revocation under way.
#[derive(Debug)]
struct Revoking {
    since: Instant,
    waiting: HashSet<u64>,
    receipts: Vec<Receipt>,
    /// When the last process so far was gone.
    gone: Option<Instant>,
    tickets: Vec<u64>,
}

/// A revocation that is done.
#[derive(Debug)]
pub(crate) struct Done {
    /// What it did.
    pub(crate) receipt: RevokeReceipt,
    /// The gateway's numbers that are to be answered.
    pub(crate) tickets: Vec<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    open: HashMap<GrantId, Revoking>,
}

impl Revocations {
    /// Whether one is under way for the grant; then `ticket` is answered with it.
    pub(crate) fn join(&mut self, grant: &GrantId, ticket: u64) -> bool {
        let Some(revoking) = self.open.get_mut(grant) else { return false };
        if revoking.tickets.len() < 64 {
            revoking.tickets.push(ticket);
        }
        true
    }

    /// Begins one that was heard of at `since` and waits for these keepers.
    pub(crate) fn begin(&mut self, grant: GrantId, since: Instant, keepers: &[u64], ticket: Option<u64>) {
        let revoking = Revoking { since, waiting: keepers.iter().copied().collect(), receipts: Vec::new(), gone: None, tickets: ticket.into_iter().collect() };
        self.open.insert(grant, revoking);
    }

    /// Takes note that a keeper's session is over, with a receipt when there was something to kill, and when its last process
    /// was gone.
    pub(crate) fn ended(&mut self, grant: &GrantId, keeper: u64, receipt: Option<&Receipt>, gone: Instant) {
        if let Some(revoking) = self.open.get_mut(grant)
            && revoking.waiting.remove(&keeper)
        {
            revoking.receipts.extend(receipt.cloned());
            revoking.gone = revoking.gone.max(Some(gone));
        }
    }

    /// Takes one that waits for nobody any more.
    pub(crate) fn done(&mut self) -> Option<Done> {
        let grant = self.open.iter().find(|(_, revoking)| revoking.waiting.is_empty()).map(|(grant, _)| grant.clone())?;
        let revoking = self.open.remove(&grant)?;
        let gone = revoking.gone.unwrap_or_else(Instant::now);
        let receipt = RevokeReceipt { grant, sessions: revoking.receipts, micros: clock::micros_between(revoking.since, gone) };
        Some(Done { receipt, tickets: revoking.tickets })
    }

    /// The gateway that gave these numbers has gone.
    pub(crate) fn forget_tickets(&mut self) {
        self.open.values_mut().for_each(|revoking| revoking.tickets.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::id::SessionId;
    use portcullis_model::receipt::EndCause;

    fn grant(n: u8) -> GrantId {
        GrantId::from_entropy([n; 10])
    }

    fn receipt(n: u8, killed: u32) -> Receipt {
        Receipt { session: SessionId::from_entropy([n; 10]), grant: grant(1), cause: EndCause::Revoked, killed, survivors: vec![], micros: 5 }
    }

    #[test]
    fn a_revocation_is_done_when_its_last_keeper_has_reported() {
        let mut all = Revocations::default();
        assert!(!all.join(&grant(1), 1));
        all.begin(grant(1), Instant::now(), &[4, 5], Some(1));
        assert!(all.join(&grant(1), 2), "repeated while it is under way");
        assert!(all.done().is_none());
        let gone = Instant::now();
        all.ended(&grant(1), 4, Some(&receipt(4, 3)), gone);
        all.ended(&grant(1), 4, Some(&receipt(4, 3)), gone);
        all.ended(&grant(2), 5, None, gone);
        assert!(all.done().is_none());
        all.ended(&grant(1), 5, Some(&receipt(5, 2)), gone + std::time::Duration::from_micros(70));
        let done = all.done().unwrap();
        assert_eq!((done.receipt.killed(), done.receipt.survivors(), done.receipt.sessions.len()), (5, 0, 2));
        assert_eq!(done.tickets, [1, 2]);
        assert!(done.receipt.micros >= 70, "until the last is gone");
        assert!(all.done().is_none());
    }

    #[test]
    fn without_sessions_it_is_done_at_once() {
        let mut all = Revocations::default();
        all.begin(grant(1), Instant::now(), &[], Some(7));
        assert_eq!(all.done().unwrap().tickets, [7]);
    }
}
