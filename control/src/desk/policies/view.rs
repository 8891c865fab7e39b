//! What people see of versions.

use super::super::{Desk, DeskError};
use super::seat_of;
use crate::api::types::{
    Activated, EnforcedView, Page, PolicyChange, PolicyDetail, PolicyEventView, PolicyView, SeatView, TargetChange, TargetPolicies, TrialSetting,
};
use crate::domain::policy::PolicyVersion;
use crate::domain::policy::module_id::ModuleId;
use crate::domain::text::TargetName;
use crate::store::{Cursor, PolicyEvent, PolicyFilter, Seat, View};
use portcullis_model::id::PolicyDigest;

/// Most lines of a version's history that are told.
const HISTORY: u32 = 1000;

pub(super) fn view(version: &PolicyVersion, seats: &[Seat]) -> PolicyView {
    let facts = version.facts();
    let mut own: Vec<&Seat> = seats.iter().filter(|seat| seat.active == Some(facts.digest)).collect();
    own.sort_by_key(|seat| seat.role);
    PolicyView {
        digest: ModuleId(facts.digest),
        name: facts.name.to_string(),
        version: facts.version.to_string(),
        action: facts.action,
        roles: facts.roles.clone(),
        abi: facts.abi.to_string(),
        size: facts.size,
        stage: version.stage(),
        active_for: own.iter().map(|seat| seat.role).collect(),
        activated: own.iter().max_by_key(|seat| seat.since).map(|seat| Activated { at: seat.since, by: seat.by.clone() }),
        trial: version.trial().map(|(kind, bounds)| TrialSetting { kind, bounds }),
        test: version.test().cloned(),
        author: facts.author.clone(),
        author_name: facts.author_name.clone(),
        pushed_by: facts.pushed_by.to_string(),
        pushed: facts.pushed,
    }
}

fn event(event: PolicyEvent) -> PolicyEventView {
    PolicyEventView {
        number: event.number,
        at: event.at,
        kind: event.kind,
        policy: event.policy.map(ModuleId),
        from: event.from,
        to: event.to,
        target: event.target,
        by: event.actor,
        role: event.role,
        reason: event.reason,
    }
}

async fn load(read: &mut View, digest: &PolicyDigest) -> Result<PolicyVersion, DeskError> {
    read.policy(digest).await?.ok_or(DeskError::NotFound("policy"))
}

impl Desk {
    /// A version.
    ///
    /// # Errors
    /// When there is none.
    pub async fn policy(&self, digest: &PolicyDigest) -> Result<PolicyView, DeskError> {
        let mut read = self.store.read().await?;
        let version = load(&mut read, digest).await?;
        Ok(view(&version, &read.seats().await?))
    }

    /// The answer to a change.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn policy_change(&self, digest: Option<&PolicyDigest>, targets: Vec<TargetChange>) -> Result<PolicyChange, DeskError> {
        let policy = match digest {
            Some(digest) => Some(self.policy(digest).await?),
            None => None,
        };
        Ok(PolicyChange { policy, targets })
    }

    /// A version with everything about it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn policy_detail(&self, digest: &PolicyDigest) -> Result<PolicyDetail, DeskError> {
        let (version, seats, description, history) = {
            let mut read = self.store.read().await?;
            let version = load(&mut read, digest).await?;
            let description = read.description(digest).await?.ok_or(DeskError::NotFound("policy"))?;
            (version, read.seats().await?, description, read.policy_events(Some(digest), 0, HISTORY).await?)
        };
        let facts = version.facts();
        let seat = |role| {
            let seat = seat_of(&seats, facts.action, role);
            SeatView { action: facts.action, role, active: seat.active.map(ModuleId), candidate: seat.candidate.map(ModuleId) }
        };
        Ok(PolicyDetail {
            policy: view(&version, &seats),
            pure: description.pure,
            allowed: description.allowed,
            signature: facts.signature.clone(),
            seats: facts.roles.iter().copied().map(seat).collect(),
            history: history.into_iter().map(event).collect(),
            targets: self.standing(&facts.roles).await?,
        })
    }

    /// A page of versions.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn policy_list(&self, filter: &PolicyFilter, limit: u32) -> Result<Page<PolicyView>, DeskError> {
        let mut read = self.store.read().await?;
        let (versions, seats) = (read.policies(filter, limit).await?, read.seats().await?);
        let place = |last: &PolicyVersion| Cursor { at: last.facts().pushed, id: last.facts().digest.to_string() }.to_string();
        let next = versions.last().filter(|_| versions.len() >= limit as usize).map(place);
        Ok(Page { items: versions.iter().map(|version| view(version, &seats)).collect(), next })
    }

    /// What happened to policies after the event of this number, oldest first.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn policy_events(&self, after: u64, limit: u32) -> Result<Page<PolicyEventView>, DeskError> {
        let events = self.store.read().await?.policy_events(None, after, limit).await?;
        let next = events.last().filter(|_| events.len() >= limit as usize).map(|last| last.number.to_string());
        Ok(Page { items: events.into_iter().map(event).collect(), next })
    }

    /// What judges on a target, as it last said; none when it is not here or said nothing.
    pub(in crate::desk) async fn policies_on(&self, read: &mut View, target: &TargetName) -> Result<Option<TargetPolicies>, DeskError> {
        let Some(reported) = self.hub.look(target).policies else { return Ok(None) };
        let assigned = read.assignment(target).await?.map_or(0, |told| told.sequence);
        let enforced = reported.state.enforced.into_iter();
        Ok(Some(TargetPolicies {
            sequence: reported.state.sequence,
            assigned,
            enforced: enforced.map(|one| EnforcedView { action: one.action, role: one.role, digest: ModuleId(one.digest) }).collect(),
            error: reported.state.error,
        }))
    }
}
