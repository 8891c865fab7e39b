//! What people do with requests.

use super::{Desk, DeskError, entropy, now, sees, thread, view};
use crate::api::types::{Ended, Page, RequestDetail, RequestView};
use crate::domain::act::{Act, Approver, Forbidden, Step, Tick};
use crate::domain::actor::{Actor, UserRole};
use crate::domain::key::PublicKey;
use crate::domain::life::{Event, State};
use crate::domain::request::{AccessRequest, Facts};
use crate::domain::text::{Comment, PersonName, Reason, TargetName, Ticket};
use crate::store::{Cursor, RequestFilter, SessionFilter, StoredRequest, Write};
use portcullis_model::action::Action;
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const HOUR_MS: u64 = 3600 * 1000;
/// Most sessions that the detail of a request lists.
const SESSIONS: u32 = 100;

/// What an operator asks for: each field checked by its type, all of them together by [`Desk::create`].
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// The operator that it is for.
    pub operator: PersonName,
    /// The operator's key.
    pub key: PublicKey,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub targets: Vec<TargetName>,
    /// The ticket.
    pub ticket: Ticket,
    /// Why.
    pub reason: Reason,
    /// For how long, in seconds; the default when none.
    pub duration_s: Option<u64>,
    /// When it shall start.
    pub start: Option<UnixMs>,
    /// Idle timeout in seconds; the default when none.
    pub idle_timeout_s: Option<u32>,
}

/// Which requests a person wants to see.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In this state only.
    pub state: Option<State>,
    /// Behind this place only.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: u32,
}

impl Desk {
    fn facts(&self, actor: &Actor, new: NewRequest, id: RequestId, now: UnixMs) -> Result<Facts, DeskError> {
        let limits = &self.limits;
        let invalid = |field, problem| DeskError::Invalid { field, problem };
        let distinct: BTreeSet<_> = new.targets.iter().collect();
        if new.targets.is_empty() || distinct.len() != new.targets.len() || new.targets.len() > limits.targets_max {
            return Err(invalid("targets", format!("1 to {} targets, no two the same", limits.targets_max)));
        }
        if let Some(unknown) = new.targets.iter().find(|target| !self.targets.contains_key(*target)) {
            return Err(invalid("targets", format!("there is no target {unknown}")));
        }
        let duration_s = new.duration_s.unwrap_or(limits.duration_default_s);
        if !(limits.duration_min_s..=limits.duration_max_s).contains(&duration_s) {
            return Err(invalid("duration_s", format!("{} to {} seconds", limits.duration_min_s, limits.duration_max_s)));
        }
        if new.start.is_some_and(|start| start.since(now) > limits.start_ahead_max_s.saturating_mul(1000)) {
            return Err(invalid("start", format!("at most {} seconds ahead", limits.start_ahead_max_s)));
        }
        if new.start.is_some_and(|start| now.since(start) > HOUR_MS) {
            return Err(invalid("start", "it is long over".to_owned()));
        }
        let idle_timeout_s = new.idle_timeout_s.unwrap_or(limits.idle_timeout_s);
        // an operator shortens what the customer has set, and never takes it away
        if limits.idle_timeout_s > 0 && !(1..=limits.idle_timeout_s).contains(&idle_timeout_s) {
            return Err(invalid("idle_timeout_s", format!("1 to {} seconds", limits.idle_timeout_s)));
        }
        Ok(Facts {
            id,
            operator: new.operator,
            requested_by: actor.name.clone(),
            key: new.key,
            action: new.action,
            targets: new.targets,
            ticket: new.ticket,
            reason: new.reason,
            duration_s,
            start: new.start,
            idle_timeout_s,
            created: now,
            lapses: now.plus(limits.unanswered_s.saturating_mul(1000)),
            shared_from: None,
        })
    }

    /// Whether something would judge it, as far as the nodes have said: without a module everything is denied, and nobody is
    /// served by an approval of that.
    fn judged(&self, facts: &Facts) -> Result<(), DeskError> {
        for target in &facts.targets {
            let (Some(role), presence) = (self.targets.get(target), self.hub.look(target)) else { continue };
            let Some(reported) = presence.policies.filter(|_| presence.connected) else { continue };
            // a node that has just started does not know it yet
            let known = !reported.state.enforced.is_empty();
            if known && !reported.state.enforced.iter().any(|one| one.action == facts.action && one.role == *role) {
                let action = facts.action;
                return Err(DeskError::Conflict(format!("no policy module judges {action} on {target} ({role}): everything would be denied there")));
            }
        }
        Ok(())
    }

    /// Takes down a new request.
    ///
    /// # Errors
    /// When a field is not right, or the requester has too many.
    pub async fn create(&self, actor: &Actor, new: NewRequest) -> Result<RequestDetail, DeskError> {
        if actor.role != UserRole::Operator {
            return Err(Forbidden::Submit(actor.role).into());
        }
        for _ in 0..4 {
            let now = now();
            let facts = self.facts(actor, new.clone(), RequestId::from_entropy(entropy()?), now)?;
            let id = facts.id.clone();
            let request = AccessRequest::submit(facts);
            self.judged(request.facts())?;
            let mut write = self.store.write().await?;
            let (waiting, recent) = write.load_of(&actor.name, UnixMs(now.0.saturating_sub(HOUR_MS))).await?;
            if waiting >= u64::from(self.limits.waiting_max) {
                return Err(DeskError::Limit(format!("{waiting} requests of yours wait for an answer already")));
            }
            if recent >= u64::from(self.limits.hourly_max) {
                return Err(DeskError::Limit(format!("{recent} requests in an hour are enough")));
            }
            match write.insert_request(&request).await {
                Ok(()) => {
                    write.commit().await?;
                    tracing::info!(request = %id, by = %actor.name, "request submitted");
                    return self.detail(actor, &id).await;
                }
                // the id is in use: 40 bits repeat one day
                Err(error) if error.is_repeated() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeskError::Conflict("no free request id was found".to_owned()))
    }

    async fn load(&self, write: &mut Write, actor: &Actor, id: &RequestId) -> Result<AccessRequest, DeskError> {
        let stored = write.request(id).await?.filter(|stored| sees(actor, &stored.request));
        stored.map(|stored| stored.request).ok_or(DeskError::NotFound("request"))
    }

    /// Approves a request, and puts it in force when its time has come.
    ///
    /// # Errors
    /// When this person may not, or the request is not waiting, or a target has too many grants.
    pub async fn approve(&self, actor: &Actor, id: &RequestId, why: Comment, duration_s: Option<u64>) -> Result<RequestDetail, DeskError> {
        let mut write = self.store.write().await?;
        let mut request = self.load(&mut write, actor, id).await?;
        let now = now();
        let by = Approver::of(request.facts(), actor)?;
        let approved = request.apply(Act::approve(by, now, why, duration_s), self.limits.duration_min_s)?;
        write.record(&request, &approved).await?;
        if request.term().is_some_and(|term| term.not_before <= now) {
            let started = request.apply(Act::tick(Tick::Start, now, Comment::default()), self.limits.duration_min_s)?;
            write.record(&request, &started).await?;
            self.issue(&mut write, &request).await?;
        }
        write.commit().await?;
        self.wake(&request.facts().targets);
        tracing::info!(request = %id, by = %actor.name, state = %request.state(), "request approved");
        self.detail(actor, id).await
    }

    /// Rejects or takes back a request.
    ///
    /// # Errors
    /// When this person may not, or the request is not waiting.
    pub async fn answer(&self, actor: &Actor, id: &RequestId, step: Step, why: Comment) -> Result<RequestDetail, DeskError> {
        self.step(actor, id, step, why).await?;
        self.detail(actor, id).await
    }

    /// Closes or revokes a request: when this returns it is written down, signed, and on its way to the nodes. What they
    /// did comes by [`Desk::receipts`].
    ///
    /// # Errors
    /// When this person may not, or the request is not in force.
    pub async fn end(&self, actor: &Actor, id: &RequestId, step: Step, why: Reason) -> Result<(), DeskError> {
        self.step(actor, id, step, why.into()).await
    }

    async fn step(&self, actor: &Actor, id: &RequestId, step: Step, why: Comment) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let mut request = self.load(&mut write, actor, id).await?;
        let act = Act::step(step, request.facts(), actor, now(), why)?;
        let event: Event = act.event();
        let moved = request.apply(act, self.limits.duration_min_s)?;
        write.record(&request, &moved).await?;
        self.recall(&mut write, &request, &moved).await?;
        self.end_shared(&mut write, &request, &moved).await?;
        write.commit().await?;
        self.wake(&request.facts().targets);
        tracing::info!(request = %id, by = %actor.name, %event, state = %request.state(), "request moved");
        Ok(())
    }

    /// Waits until every target has answered for the end of a request, at most `patience`, and tells what they said.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn receipts(&self, actor: &Actor, id: &RequestId, patience: Duration) -> Result<Ended, DeskError> {
        let deadline = Instant::now() + patience;
        let mut answers = self.hub.answers();
        loop {
            answers.borrow_and_update();
            let ended = {
                let mut read = self.store.read().await?;
                let stored = read.request(id).await?.filter(|stored| sees(actor, &stored.request)).ok_or(DeskError::NotFound("request"))?;
                let mut grants = read.grants(id).await?;
                for shared in read.ever_shared_from(id).await? {
                    grants.extend(read.grants(&shared.request.facts().id).await?);
                }
                view::ended(&stored, grants)
            };
            if ended.complete || tokio::time::timeout_at(deadline, answers.changed()).await.is_err() {
                return Ok(ended);
            }
        }
    }

    /// A request with everything about it.
    ///
    /// # Errors
    /// When there is none that this person sees.
    pub async fn detail(&self, actor: &Actor, id: &RequestId) -> Result<RequestDetail, DeskError> {
        let mut read = self.store.read().await?;
        let stored = read.request(id).await?.filter(|stored| sees(actor, &stored.request)).ok_or(DeskError::NotFound("request"))?;
        let filter = SessionFilter { request: Some(id.clone()), ..SessionFilter::default() };
        Ok(RequestDetail {
            request: view::request(&stored),
            public_key: stored.request.facts().key.as_str().to_owned(),
            history: read.history(id).await?.into_iter().map(view::history).collect(),
            grants: read.grants(id).await?.into_iter().map(view::grant).collect(),
            sessions: read.sessions(&filter, SESSIONS).await?.into_iter().map(view::session).collect(),
            shared: read.ever_shared_from(id).await?.iter().map(view::request).collect(),
            amendments: self.amendments_of(&mut read, &stored).await?,
            messages: read.messages(&thread::root(&stored)).await?.into_iter().map(view::message).collect(),
        })
    }

    /// A page of requests that this person sees.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn list(&self, actor: &Actor, wanted: Wanted) -> Result<Page<RequestView>, DeskError> {
        let filter = RequestFilter {
            state: wanted.state,
            requested_by: (!actor.role.sees_all()).then(|| actor.name.clone()),
            after: wanted.after,
        };
        let stored = self.store.read().await?.requests(&filter, wanted.limit).await?;
        let place = |last: &StoredRequest| {
            let facts = last.request.facts();
            Cursor { at: facts.created, id: facts.id.to_string() }.to_string()
        };
        let next = stored.last().filter(|_| stored.len() >= wanted.limit as usize).map(place);
        Ok(Page { items: stored.iter().map(view::request).collect(), next })
    }
}
