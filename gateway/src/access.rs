//! Who may connect: the live grants of this node, and the connections that were made under them.
//!
//! The table answers for the gateway's own door only. A grant is put into it after its signature was checked under the
//! controller's key *and* the warden said that it keeps the same grant, and the warden checks again before it opens
//! anything: a mistake here can lock people out, it can let nobody in.

use portcullis_model::grant::Grant;
use portcullis_model::id::GrantId;
use portcullis_model::time::UnixMs;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;

/// The live grants and the connections under them; one value is shared by the SSH server, the link and the warden's client.
#[derive(Debug, Default, Clone)]
pub struct Access {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    grants: HashMap<GrantId, Arc<Grant>>,
    connections: HashMap<u64, (GrantId, CancellationToken)>,
    next: u64,
}

/// A connection's place in the table; leaving it is dropping this.
#[derive(Debug)]
#[must_use = "a connection that is not in the table is not cut by a revoke"]
pub struct Connected {
    access: Access,
    number: u64,
}

/// The grant is not live: it ended between the signature and this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("grant {0} is not in force any more")]
pub struct NotLive(GrantId);

impl Access {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // every change under the lock is one call on one map: a poisoned table is a whole table
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a grant in force. Repeating it changes nothing.
    pub fn admit(&self, grant: Grant) {
        self.lock().grants.insert(grant.id.clone(), Arc::new(grant));
    }

    /// Ends a grant: nobody gets in under it from now on. The connections under it stay until [`cut`](Self::cut).
    pub fn bar(&self, grant: &GrantId) {
        self.lock().grants.remove(grant);
    }

    /// Drops the TCP connections that were made under a grant, and says how many there were.
    pub fn cut(&self, grant: &GrantId) -> usize {
        let cut: Vec<_> = self.lock().connections.values().filter(|(of, _)| of == grant).map(|(_, token)| token.clone()).collect();
        cut.iter().for_each(CancellationToken::cancel);
        cut.len()
    }

    /// The grants of an account that are in force now.
    #[must_use]
    pub fn of_account(&self, account: &str) -> Vec<Arc<Grant>> {
        let now = UnixMs::from_system(SystemTime::now());
        self.lock().grants.values().filter(|grant| grant.account.as_str() == account && grant.is_live(now)).cloned().collect()
    }

    /// All grants in the table, expired ones included.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Grant>> {
        self.lock().grants.values().cloned().collect()
    }

    /// Whether a grant is in force now.
    #[must_use]
    pub fn is_live(&self, grant: &GrantId) -> bool {
        let now = UnixMs::from_system(SystemTime::now());
        self.lock().grants.get(grant).is_some_and(|grant| grant.is_live(now))
    }

    /// Enters a connection under a grant, in the same moment in which the grant is seen to be in force: a revoke either
    /// finds the connection or prevents it.
    ///
    /// # Errors
    /// [`NotLive`].
    pub fn connect(&self, grant: &GrantId, kill: CancellationToken) -> Result<Connected, NotLive> {
        let now = UnixMs::from_system(SystemTime::now());
        let mut inner = self.lock();
        if !inner.grants.get(grant).is_some_and(|grant| grant.is_live(now)) {
            return Err(NotLive(grant.clone()));
        }
        inner.next += 1;
        let number = inner.next;
        inner.connections.insert(number, (grant.clone(), kill));
        Ok(Connected { access: self.clone(), number })
    }

    /// Grants whose time is over: they are barred here, and returned so that their connections can be cut.
    pub fn expire(&self) -> Vec<GrantId> {
        let now = UnixMs::from_system(SystemTime::now());
        let mut inner = self.lock();
        let over: Vec<_> = inner.grants.values().filter(|grant| grant.not_after <= now).map(|grant| grant.id.clone()).collect();
        for grant in &over {
            inner.grants.remove(grant);
        }
        over
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.access.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use portcullis_model::action::{Action, Role};
    use portcullis_model::id::RequestId;

    pub(crate) fn grant(number: u8, account: &str, public_key: &str) -> Grant {
        let now = UnixMs::from_system(SystemTime::now());
        Grant {
            id: GrantId::from_entropy([number; 10]),
            request: RequestId::from_entropy([number; 5]),
            ticket: String::new(),
            operator: "alice".into(),
            public_key: public_key.into(),
            account: account.to_owned().try_into().unwrap(),
            uid: 70_001.try_into().unwrap(),
            action: Action::InfraDiag,
            target: "node1".into(),
            role: Role::Cps,
            not_before: UnixMs(now.0 - 1000),
            not_after: now.plus(60_000),
            idle_timeout_s: 0,
        }
    }

    #[test]
    fn only_live_grants_answer() {
        let access = Access::default();
        access.admit(grant(1, "op-one", "k"));
        let mut early = grant(2, "op-two", "k");
        early.not_before = early.not_after;
        access.admit(early);
        assert_eq!(access.of_account("op-one").len(), 1);
        assert!(access.of_account("op-two").is_empty());
        assert!(access.of_account("root").is_empty());
        access.bar(&GrantId::from_entropy([1; 10]));
        assert!(access.of_account("op-one").is_empty());
    }

    #[test]
    fn a_revoke_finds_the_connection_or_prevents_it() {
        let access = Access::default();
        let id = GrantId::from_entropy([1; 10]);
        access.admit(grant(1, "op-one", "k"));
        let token = CancellationToken::new();
        let place = access.connect(&id, token.clone()).unwrap();
        access.bar(&id);
        assert!(access.connect(&id, CancellationToken::new()).is_err());
        assert_eq!(access.cut(&id), 1);
        assert!(token.is_cancelled());
        drop(place);
        assert_eq!(access.cut(&id), 0);
    }

    #[test]
    fn a_grant_whose_time_is_over_leaves() {
        let access = Access::default();
        let mut over = grant(3, "op-three", "k");
        over.not_after = UnixMs::from_system(SystemTime::now());
        access.admit(over);
        assert_eq!(access.expire(), [GrantId::from_entropy([3; 10])]);
        assert!(access.all().is_empty());
    }
}
