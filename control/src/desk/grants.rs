//! Grants as a request begins, and their ends as it ends; both inside the transaction that moves the request.

use super::{Desk, DeskError, entropy};
use crate::domain::life::Event;
use crate::domain::request::{AccessRequest, Transition};
use crate::domain::text::TargetName;
use crate::store::Write;
use portcullis_model::account::AccountName;
use portcullis_model::grant::{Ending, Grant, Revocation, Signed};
use portcullis_model::id::{GrantId, RequestId};

/// The account of a request's grants: `op-` and the characters of the request's id.
fn account_of(id: &RequestId) -> Result<AccountName, DeskError> {
    let name = format!("op-{}", id.as_str().trim_start_matches("r-"));
    AccountName::try_from(name).map_err(|error| DeskError::Conflict(error.to_string()))
}

impl Desk {
    /// One grant a target, for a request that has just become active.
    pub(super) async fn issue(&self, write: &mut Write, request: &AccessRequest) -> Result<(), DeskError> {
        let facts = request.facts();
        let term = request.term().ok_or_else(|| DeskError::Conflict("the request has no term".to_owned()))?;
        for target in &facts.targets {
            let role = *self.targets.get(target).ok_or_else(|| DeskError::Conflict(format!("target {target} is not configured any more")))?;
            if write.grants_in_force(target).await? >= u64::from(self.limits.grants_max) {
                return Err(DeskError::Limit(format!("{} grants are in force on {target} already", self.limits.grants_max)));
            }
            let grant = Grant {
                id: GrantId::from_entropy(entropy()?),
                request: facts.id.clone(),
                ticket: facts.ticket.to_string(),
                operator: facts.operator.to_string(),
                public_key: facts.key.as_str().to_owned(),
                account: account_of(&facts.id)?,
                uid: write.take_uid().await?,
                action: facts.action,
                target: target.to_string(),
                role,
                not_before: term.not_before,
                not_after: term.not_after,
                idle_timeout_s: facts.idle_timeout_s,
            };
            let signed = Signed::sign(&grant, &self.key)?;
            write.insert_grant(&grant, &signed).await?;
        }
        Ok(())
    }

    /// The end of every grant of a request that has just ended; none when it had no grants.
    pub(super) async fn recall(&self, write: &mut Write, request: &AccessRequest, transition: &Transition) -> Result<(), DeskError> {
        let act = transition.act();
        for grant in write.grants(&request.facts().id).await? {
            let revocation = Revocation {
                grant: grant.id.clone(),
                request: grant.request.clone(),
                target: grant.target.to_string(),
                at: act.at(),
                by: act.author().name().to_owned(),
                reason: act.why().to_string(),
                ending: match act.event() {
                    Event::Close => Ending::Close,
                    Event::Expire => Ending::Expire,
                    _ => Ending::Revoke,
                },
            };
            let signed = Signed::sign(&revocation, &self.key)?;
            write.insert_revocation(&grant, &signed, act.at()).await?;
        }
        Ok(())
    }

    /// A later end for every grant of a request whose term was extended: the same grants, signed anew.
    pub(super) async fn prolong(&self, write: &mut Write, request: &AccessRequest) -> Result<(), DeskError> {
        let term = request.term().ok_or_else(|| DeskError::Conflict("the request has no term".to_owned()))?;
        for stored in write.grants(&request.facts().id).await?.into_iter().filter(|stored| stored.revocation.is_none()) {
            // what was signed before is the source: nothing but the end changes
            let known = stored.signed.verify(&self.key.verifying_key(), stored.target.as_str())?;
            let grant = Grant { not_after: term.not_after, ..known };
            let signed = Signed::sign(&grant, &self.key)?;
            write.extend_grant(&grant, &signed).await?;
        }
        Ok(())
    }

    /// Ends what was shared from a request that has just ended, in the same way. What has ended by itself stays as it is.
    pub(super) async fn end_shared(&self, write: &mut Write, request: &AccessRequest, transition: &Transition) -> Result<(), DeskError> {
        if !transition.to().is_terminal() {
            return Ok(());
        }
        for shared in write.shared_from(&request.facts().id).await? {
            let mut shared = shared.request;
            // one that is not to end yet by its own clock, or not in this way, ends by itself: its time is never longer
            let Ok(moved) = shared.apply(transition.act().follow(), self.limits.duration_min_s) else { continue };
            write.record(&shared, &moved).await?;
            self.recall(write, &shared, &moved).await?;
        }
        Ok(())
    }

    /// Tells the nodes' connections to look into the books.
    pub(super) fn wake(&self, targets: &[TargetName]) {
        for target in targets {
            self.hub.wake(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_after_its_request() {
        let id = RequestId::from_entropy([0, 1, 2, 3, 4]);
        assert_eq!(account_of(&id).unwrap().as_str(), "op-000g40r4");
    }
}
