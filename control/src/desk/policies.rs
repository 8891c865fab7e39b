//! What policy admins do with versions of modules, from the push to the retirement. Each is one transaction: the version, the
//! seats, the former version, and what every target is told, signed.

mod assign;
mod push;
mod trial;
mod view;
mod wait;

pub use assign::Change;
pub use push::{NewPolicy, Pushed};

use super::{Desk, DeskError, now};
use crate::domain::act::Author;
use crate::domain::actor::Actor;
use crate::domain::policy::PolicyVersion;
use crate::domain::policy::act::{PolicyAct, Step};
use crate::domain::policy::claim::TestClaim;
use crate::domain::text::{Comment, Reason};
use crate::store::{NewEvent, PolicyEventKind, Seat, Write};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::time::UnixMs;
use std::collections::{BTreeMap, BTreeSet};

/// What a digest is to people, or what stands in the place of one.
fn shown(active: Option<&PolicyDigest>) -> String {
    active.map_or_else(|| "the nodes' own module".to_owned(), |digest| digest.to_string().chars().take(12).collect())
}

/// A reason that names another version.
fn because(what: &str, digest: Option<&PolicyDigest>) -> Comment {
    Comment::try_from(format!("{what} {}", shown(digest))).unwrap_or_default()
}

fn seat_of(seats: &[Seat], action: Action, role: Role) -> Seat {
    let empty = || Seat { action, role, active: None, since: UnixMs(0), by: String::new(), candidate: None };
    seats.iter().find(|seat| seat.action == action && seat.role == role).cloned().unwrap_or_else(empty)
}

async fn load(write: &mut Write, digest: &PolicyDigest) -> Result<PolicyVersion, DeskError> {
    write.policy(digest).await?.ok_or(DeskError::NotFound("policy"))
}

async fn step(write: &mut Write, version: &mut PolicyVersion, step: Step, actor: &Actor, at: UnixMs, why: Comment) -> Result<(), DeskError> {
    let done = version.apply(PolicyAct::step(step, actor, at, why)?)?;
    Ok(write.record_policy(version, &done, None).await?)
}

impl Desk {
    /// Takes down that the tests of a version pass, or why there are none.
    ///
    /// # Errors
    /// When this person may not, or the version is no draft.
    pub async fn test_passed(&self, actor: &Actor, digest: &PolicyDigest, claim: TestClaim) -> Result<Vec<Change>, DeskError> {
        let why = match &claim {
            TestClaim::Passed { count, .. } => Comment::try_from(format!("{count} cases pass")).unwrap_or_default(),
            TestClaim::Untested { reason } => Comment::from(reason.clone()),
        };
        let at = now();
        let mut write = self.store.write().await?;
        let mut version = load(&mut write, digest).await?;
        step(&mut write, &mut version, Step::Pass(claim), actor, at, why).await?;
        self.settle(write, at).await
    }

    /// Tries a version beside what is in force.
    ///
    /// # Errors
    /// When this person may not, its stage does not allow it, or another version is on trial there.
    pub async fn try_out(&self, actor: &Actor, digest: &PolicyDigest, how: Step, why: Comment) -> Result<Vec<Change>, DeskError> {
        let at = now();
        let mut write = self.store.write().await?;
        let mut version = load(&mut write, digest).await?;
        let seats = write.seats().await?;
        step(&mut write, &mut version, how, actor, at, why).await?;
        let action = version.facts().action;
        for role in &version.facts().roles {
            if let Some(other) = seat_of(&seats, action, *role).candidate.filter(|other| other != digest) {
                return Err(DeskError::Conflict(format!("{} is on trial for {action} on {role} already; activate or retire it first", shown(Some(&other)))));
            }
            write.seat_candidate(action, *role, digest, at).await?;
        }
        write.forget_trials(digest).await?;
        self.settle(write, at).await
    }

    /// Puts a version in force for all of its roles, and retires what it replaces. `replaces` is what the caller believes to
    /// be in force.
    ///
    /// # Errors
    /// When this person may not, its stage does not allow it, or something else is in force than the caller believes.
    pub async fn activate(
        &self, actor: &Actor, digest: &PolicyDigest, replaces: &BTreeMap<Role, Option<PolicyDigest>>, why: Comment,
    ) -> Result<Vec<Change>, DeskError> {
        let at = now();
        let mut write = self.store.write().await?;
        let mut version = load(&mut write, digest).await?;
        let (action, roles) = (version.facts().action, version.facts().roles.clone());
        let all = write.seats().await?;
        let seats: Vec<Seat> = roles.iter().map(|role| seat_of(&all, action, *role)).collect();
        for seat in &seats {
            let role = seat.role;
            let invalid = || DeskError::Invalid { field: "replaces", problem: format!("it has to say what is in force for {role}") };
            let believed = replaces.get(&role).ok_or_else(invalid)?;
            if *believed != seat.active {
                let (now, then) = (shown(seat.active.as_ref()), shown(believed.as_ref()));
                return Err(DeskError::Conflict(format!("for {action} on {role}, {now} is in force, not {then}; look again")));
            }
        }
        if seats.iter().all(|seat| seat.active.as_ref() == Some(digest)) {
            return Err(DeskError::Conflict("it is in force already".to_owned()));
        }
        step(&mut write, &mut version, Step::Activate, actor, at, why).await?;
        let mut replaced = BTreeSet::new();
        for seat in seats.iter().filter(|seat| seat.active.as_ref() != Some(digest)) {
            write.seat_active(seat, Some(digest), at, actor.name.as_str()).await?;
            replaced.extend(seat.active);
        }
        for former in replaced {
            self.unseated(&mut write, &former, actor, at, Step::Replace, because("replaced by", Some(digest))).await?;
        }
        self.settle(write, at).await
    }

    /// Puts in force what was in force before. What was put in force together is rolled back together: with the role that is
    /// named, every other role on which the same version is in force. `replaces` is what the caller believes to be in force.
    ///
    /// # Errors
    /// When this person may not, nothing was in force before, or something else is in force than the caller believes.
    pub async fn roll_back(
        &self, actor: &Actor, action: Action, role: Role, replaces: Option<&PolicyDigest>, why: &Reason,
    ) -> Result<(Option<PolicyDigest>, Vec<Change>), DeskError> {
        let at = now();
        let mut write = self.store.write().await?;
        let all = write.seats().await?;
        let named = seat_of(&all, action, role);
        if replaces.is_some() && named.active.as_ref() != replaces {
            let (now, then) = (shown(named.active.as_ref()), shown(replaces));
            return Err(DeskError::Conflict(format!("for {action} on {role}, {now} is in force, not {then}; look again")));
        }
        let nothing = || DeskError::Conflict(format!("nothing was in force for {action} on {role} before"));
        let before = write.former(action, role).await?.ok_or_else(nothing)?;
        let mut restored = BTreeSet::new();
        for seat in all.iter().filter(|seat| seat.action == action && seat.active == named.active) {
            let Some(former) = write.former(action, seat.role).await? else { continue };
            // where nothing of ours is in force, roles have nothing in common but what they go back to
            if named.active.is_some() || former == before {
                write.seat_former(seat, former.as_ref(), at, actor.name.as_str()).await?;
                restored.extend(former);
            }
        }
        for digest in &restored {
            let mut version = load(&mut write, digest).await?;
            let why = because("in the place of", named.active.as_ref());
            step(&mut write, &mut version, Step::Restore, actor, at, why).await?;
            write.end_trial(digest).await?;
        }
        if let Some(digest) = &named.active {
            self.unseated(&mut write, digest, actor, at, Step::RollBack, why.clone().into()).await?;
        }
        Ok((before, self.settle(write, at).await?))
    }

    /// Takes a version out of everything; what it was in force for is judged by the nodes' own modules then.
    ///
    /// # Errors
    /// When this person may not, or its stage does not allow it.
    pub async fn retire(&self, actor: &Actor, digest: &PolicyDigest, why: &Reason) -> Result<Vec<Change>, DeskError> {
        let at = now();
        let mut write = self.store.write().await?;
        let mut version = load(&mut write, digest).await?;
        step(&mut write, &mut version, Step::Retire, actor, at, why.clone().into()).await?;
        write.end_trial(digest).await?;
        for seat in write.seats().await?.iter().filter(|seat| seat.active.as_ref() == Some(digest)) {
            write.seat_active(seat, None, at, actor.name.as_str()).await?;
        }
        self.settle(write, at).await
    }

    /// A version lost a seat: it is retired with its last one, and it is on record in any case.
    async fn unseated(&self, write: &mut Write, digest: &PolicyDigest, actor: &Actor, at: UnixMs, how: Step, why: Comment) -> Result<(), DeskError> {
        if write.seats().await?.iter().any(|seat| seat.active.as_ref() == Some(digest)) {
            let kind = if how == Step::RollBack { PolicyEventKind::Rollback } else { PolicyEventKind::Retire };
            let author = Author::Person(actor.clone());
            let event = NewEvent { at, kind, policy: Some(digest), moved: None, target: None, author: &author, reason: why.as_str() };
            return Ok(write.policy_event(&event).await?);
        }
        let mut version = load(write, digest).await?;
        step(write, &mut version, how, actor, at, why).await
    }

    /// Signs what every target is to be told after this, and makes it so.
    async fn settle(&self, mut write: Write, at: UnixMs) -> Result<Vec<Change>, DeskError> {
        let changes = self.assign(&mut write, at).await?;
        write.commit().await?;
        for change in &changes {
            self.hub.wake(&change.target);
        }
        Ok(changes)
    }
}
