//! What each target is to be told: computed from the seats inside the transaction that changed them, signed when it differs.

use super::super::{Desk, DeskError};
use crate::domain::policy::PolicyVersion;
use crate::domain::policy::stage::Stage;
use crate::domain::text::TargetName;
use crate::store::{Assignment, Content, PolicyFilter, Seat, Write};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::Signed;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, Candidate, HELD_BYTES_MAX, PolicyAssignment, STAGED_MAX};
use portcullis_model::time::UnixMs;
use std::collections::{BTreeMap, BTreeSet};

/// Tested versions of one action and role that are held ready, the newest ones.
const TESTED: usize = 2;
/// Versions that are looked at for that.
const LOOKED_AT: u32 = 200;

/// A target is to be told something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The target.
    pub target: TargetName,
    /// Number of what it is to be told.
    pub sequence: u64,
    /// When that was decided.
    pub at: UnixMs,
}

/// What is to be told, for one role.
async fn content(write: &mut Write, seats: &[Seat], tested: &[PolicyVersion], role: Role) -> Result<Content, DeskError> {
    let mut modules = Vec::new();
    let mut ready: Vec<PolicyDigest> = Vec::new();
    let mut bytes = 0u64;
    for seat in seats.iter().filter(|seat| seat.role == role) {
        let candidate = match &seat.candidate {
            Some(digest) => write.policy(digest).await?.and_then(|version| version.trial()).map(|(trial, bounds)| Candidate { digest: *digest, trial, bounds }),
            None => None,
        };
        // a roll-back is to be a swap
        ready.extend(write.former(seat.action, role).await?.flatten());
        if seat.active.is_some() || candidate.is_some() {
            modules.push(Assigned { action: seat.action, role, active: seat.active, candidate });
        }
    }
    let mut count: BTreeMap<Action, usize> = BTreeMap::new();
    for version in tested.iter().filter(|version| version.facts().roles.contains(&role)) {
        let count = count.entry(version.facts().action).or_default();
        *count += 1;
        if *count <= TESTED {
            ready.push(version.facts().digest);
        }
    }
    let mut named: BTreeSet<PolicyDigest> =
        modules.iter().flat_map(|assigned| assigned.active.into_iter().chain(assigned.candidate.as_ref().map(|c| c.digest))).collect();
    for digest in &named {
        bytes = bytes.saturating_add(write.policy(digest).await?.map_or(0, |version| version.facts().size));
    }
    let mut staged = Vec::new();
    for digest in ready {
        let size = write.policy(&digest).await?.map_or(0, |version| version.facts().size);
        if staged.len() < STAGED_MAX && bytes.saturating_add(size) <= HELD_BYTES_MAX && named.insert(digest) {
            bytes += size;
            staged.push(digest);
        }
    }
    Ok(Content { modules, staged })
}

impl Desk {
    /// Signs what targets are to be told, where it differs from what they were told. The number is the clock's, unless the
    /// last one is ahead of it: so it grows although the books were restored from an older copy.
    pub(super) async fn assign(&self, write: &mut Write, now: UnixMs) -> Result<Vec<Change>, DeskError> {
        let seats = write.seats().await?;
        let tested = write.policies(&PolicyFilter { stage: Some(Stage::Tested), ..PolicyFilter::default() }, LOOKED_AT).await?;
        let mut by_role: BTreeMap<Role, Content> = BTreeMap::new();
        let mut changes = Vec::new();
        for (target, role) in &self.targets {
            let content = match by_role.get(role) {
                Some(content) => content.clone(),
                None => {
                    let made = content(write, &seats, &tested, *role).await?;
                    by_role.insert(*role, made.clone());
                    made
                }
            };
            let last = write.assignment(target).await?;
            if last.as_ref().map_or_else(|| content == Content::default(), |last| last.content == content) {
                continue;
            }
            let sequence = last.map_or(1, |last| last.sequence.saturating_add(1)).max(now.0);
            self.tell(write, target, content, sequence, now).await?;
            changes.push(Change { target: target.clone(), sequence, at: now });
        }
        Ok(changes)
    }

    /// A target enforces what these books do not know: they were restored from an older copy. It is told anew what they say,
    /// under a number that is ahead of its own.
    pub(super) async fn renew(&self, target: &TargetName, ahead_of: u64, at: UnixMs) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let last = write.assignment(target).await?;
        if at.0 <= ahead_of || last.as_ref().is_some_and(|last| last.sequence >= ahead_of) {
            return Ok(());
        }
        let content = last.map(|last| last.content).unwrap_or_default();
        self.tell(&mut write, target, content, at.0, at).await?;
        write.commit().await?;
        self.hub.wake(target);
        tracing::warn!(%target, sequence = ahead_of, "the target enforces policies that these books do not know; it is told anew");
        Ok(())
    }

    async fn tell(&self, write: &mut Write, target: &TargetName, content: Content, sequence: u64, now: UnixMs) -> Result<(), DeskError> {
        let told = PolicyAssignment {
            target: target.to_string(),
            sequence,
            at: now,
            modules: content.modules.clone(),
            staged: content.staged.clone(),
        };
        told.check().map_err(|error| DeskError::Conflict(error.to_string()))?;
        let signed = Signed::sign(&told, &self.key)?;
        Ok(write.put_assignment(target, &Assignment { sequence, at: now, content, signed }).await?)
    }

    /// Brings what targets are told in line with the configuration: new ones, and ones in another role.
    ///
    /// # Errors
    /// When the books fail.
    pub(crate) async fn assign_all(&self) -> Result<(), DeskError> {
        let at = super::now();
        let write = self.store.write().await?;
        self.settle(write, at).await.map(|_| ())
    }
}
