//! Amendments of requests in force: proposed by operators, from inside a session or over the API, decided by approvers.
//!
//! More time is the same grants with a later end, signed anew. Another operator is a request of that operator's own, which was shared from
//! the first: it has an account, a key, grants and a history like any other, the same action and targets, and ends with the first at
//! the latest.

use super::{Desk, DeskError, entropy, now, sees, thread, view};
use crate::api::types::{AmendmentView, Page};
use crate::domain::act::{Act, Approver, Decided, Step, Tick, Within};
use crate::domain::actor::Actor;
use crate::domain::amendment::{ALL_MAX, Amendment, AmendmentState, OPEN_MAX, SHARES_MAX, Seconds};
use crate::domain::key::PublicKey;
use crate::domain::life::State;
use crate::domain::request::{AccessRequest, Extension, Facts};
use crate::domain::text::{Comment, PersonName, Reason};
use crate::store::{AmendmentFilter, Cursor, StoredAmendment, StoredRequest, View, Write};
use portcullis_model::asking::Choice;
use portcullis_model::id::{AmendmentId, RequestId, SessionId};
use portcullis_model::time::UnixMs;
use portcullis_model::wish::News;

/// What somebody proposes.
#[derive(Debug, Clone)]
pub enum Proposal {
    /// A later end, by so many seconds.
    Extend(u64),
    /// Another operator; without a key, with the one that was approved for that operator last.
    Share(PersonName, Option<PublicKey>),
}

/// Most amendments of a request that its detail lists.
const LISTED: u32 = 100;

impl Desk {
    /// What a proposal comes to, if the request can take it at all.
    async fn amendment(&self, write: &mut Write, request: &AccessRequest, proposal: Proposal, now: UnixMs) -> Result<Amendment, DeskError> {
        match proposal {
            Proposal::Extend(for_s) => {
                if request.facts().shared_from.is_some() {
                    return Err(DeskError::Conflict("this access ends with the one that it was shared from; that one is to be extended".to_owned()));
                }
                // said now rather than when an approver has looked at it
                let _ = request.extended(Extension { by_s: for_s, max_s: self.limits.duration_max_s }, now)?;
                Ok(Amendment::Extend { for_s })
            }
            Proposal::Share(operator, key) => {
                let facts = request.facts();
                if facts.shared_from.is_some() {
                    return Err(DeskError::Conflict("this access was shared itself; only the one that it was shared from can be shared".to_owned()));
                }
                let others = write.shared_from(&facts.id).await?;
                let there = |name: &PersonName| name.is_same_person(&operator);
                if there(&facts.operator) || others.iter().any(|other| there(&other.request.facts().operator)) {
                    return Err(DeskError::Conflict(format!("{operator} has access under this request already")));
                }
                let (key, known_from) = match key {
                    Some(key) => (key, None),
                    None => match write.last_approved_of(&operator, &facts.requested_by).await? {
                        Some(known) => (known.request.facts().key.clone(), Some(known.request.facts().id.clone())),
                        None => {
                            let problem = format!("no key of {operator} was approved before; give it");
                            return Err(DeskError::Invalid { field: "public_key", problem });
                        }
                    },
                };
                if key == facts.key || others.iter().any(|other| other.request.facts().key == key) {
                    return Err(DeskError::Conflict("this key has access under this request already".to_owned()));
                }
                Ok(Amendment::Share { operator, key, known_from })
            }
        }
    }

    /// Takes down a proposal; `act` is of whoever may make it.
    pub(super) async fn propose(
        &self, write: &mut Write, request: &mut AccessRequest, session: Option<&SessionId>, proposal: Proposal, act: Act,
    ) -> Result<StoredAmendment, DeskError> {
        let (open, all) = write.amendments_of(&request.facts().id).await?;
        if open >= OPEN_MAX {
            return Err(DeskError::Limit(format!("{open} amendments of this request wait for an approver already")));
        }
        if all >= ALL_MAX {
            return Err(DeskError::Limit(format!("{all} amendments of one request are enough")));
        }
        let what = self.amendment(write, request, proposal, act.at()).await?;
        let amendment = StoredAmendment {
            id: AmendmentId::from_entropy(entropy()?),
            request: request.facts().id.clone(),
            session: session.cloned(),
            at: act.at(),
            by: act.author().name().to_owned(),
            reason: act.why().to_string(),
            what,
            state: AmendmentState::Open,
            decided: None,
            comment: String::new(),
            shared_as: None,
        };
        let moved = request.apply(act, self.limits.duration_min_s)?;
        write.record(request, &moved).await?;
        write.insert_amendment(&amendment).await?;
        tracing::info!(request = %amendment.request, amendment = %amendment.id, what = %amendment.what, by = amendment.by, "an amendment is proposed");
        Ok(amendment)
    }

    /// Takes back an amendment that is open.
    pub(super) async fn retract(&self, write: &mut Write, request: &mut AccessRequest, amendment: StoredAmendment, act: Act) -> Result<StoredAmendment, DeskError> {
        if amendment.state != AmendmentState::Open {
            return Err(DeskError::Conflict(format!("it is {} already", amendment.state.name())));
        }
        let settled = settled(amendment, AmendmentState::Retracted, &act);
        let moved = request.apply(act, self.limits.duration_min_s)?;
        write.record(request, &moved).await?;
        write.settle_amendment(&settled).await?;
        Ok(settled)
    }

    /// Proposes an amendment over the API.
    ///
    /// # Errors
    /// When this person may not, or the request cannot take it.
    pub async fn amend(&self, actor: &Actor, id: &RequestId, proposal: Proposal, why: Comment) -> Result<AmendmentView, DeskError> {
        let mut write = self.store.write().await?;
        let missing = DeskError::NotFound("request");
        let mut stored = write.request(id).await?.filter(|stored| sees(actor, &stored.request)).ok_or(missing)?;
        let act = Act::step(Step::Propose, stored.request.facts(), actor, now(), why)?;
        let amendment = self.propose(&mut write, &mut stored.request, None, proposal, act).await?;
        write.commit().await?;
        self.hub.answered();
        Ok(view::amendment(amendment, &stored))
    }

    /// Takes an amendment back over the API.
    ///
    /// # Errors
    /// When there is none of this person's, or it is not open.
    pub async fn withdraw_amendment(&self, actor: &Actor, id: &AmendmentId, why: Comment) -> Result<AmendmentView, DeskError> {
        let mut write = self.store.write().await?;
        let (amendment, mut stored) = load(&mut write, actor, id).await?;
        let act = Act::step(Step::Retract, stored.request.facts(), actor, now(), why)?;
        let by = actor.name.clone();
        let settled = self.retract(&mut write, &mut stored.request, amendment, act).await?;
        tell(&mut write, &settled, false, format!("{by} took it back")).await?;
        write.commit().await?;
        self.wake(&stored.request.facts().targets);
        Ok(view::amendment(settled, &stored))
    }

    /// Decides about an amendment, and does what it says when it is approved: that is written down, signed, and on its way to the
    /// nodes when this returns. `for_s` gives less time than was asked for.
    ///
    /// # Errors
    /// When this person may not, it is not open, or the request cannot take it any more.
    pub async fn decide_amendment(&self, actor: &Actor, id: &AmendmentId, choice: Choice, why: Comment, for_s: Option<u64>) -> Result<AmendmentView, DeskError> {
        let mut write = self.store.write().await?;
        let (amendment, mut stored) = load(&mut write, actor, id).await?;
        let request = &mut stored.request;
        // whoever works under the request decides nothing about it, by whichever way they came to
        for shared in write.shared_from(&request.facts().id).await? {
            let _: Approver = Approver::of(shared.request.facts(), actor)?;
        }
        let by = Approver::of(request.facts(), actor)?;
        if amendment.state != AmendmentState::Open {
            return Err(DeskError::Conflict(format!("it is {} already", amendment.state.name())));
        }
        let now = now();
        let decided = match (choice, &amendment.what) {
            (Choice::Reject, _) => Decided::Decline,
            (Choice::Approve, Amendment::Extend { for_s: asked }) => {
                let by_s = for_s.unwrap_or(*asked);
                if by_s > *asked {
                    return Err(DeskError::Invalid { field: "duration_s", problem: format!("at most the {asked} seconds that were asked for") });
                }
                Decided::Extend(Extension { by_s, max_s: self.limits.duration_max_s })
            }
            (Choice::Approve, Amendment::Share { .. }) => Decided::Share,
        };
        if for_s.is_some() && !matches!(decided, Decided::Extend(_)) {
            return Err(DeskError::Invalid { field: "duration_s", problem: "only more time can be shortened".to_owned() });
        }
        let act = Act::decide(by, decided, now, why.clone());
        let state = if choice == Choice::Approve { AmendmentState::Approved } else { AmendmentState::Declined };
        let mut settled = settled(amendment, state, &act);
        let moved = request.apply(act, self.limits.duration_min_s)?;
        write.record(request, &moved).await?;
        let said = if why.as_str().is_empty() { String::new() } else { format!(": {why}") };
        let text = match (&settled.what, decided) {
            (_, Decided::Decline) => format!("{} said no{said}", actor.name),
            (_, Decided::Extend(extension)) => {
                self.prolong(&mut write, request).await?;
                for shared in write.shared_from(&request.facts().id).await? {
                    let mut shared = shared.request;
                    // one that is over by its own clock is not brought back
                    let Ok(moved) = shared.apply(moved.act().follow(), self.limits.duration_min_s) else { continue };
                    write.record(&shared, &moved).await?;
                    self.prolong(&mut write, &shared).await?;
                }
                format!("{} approved {} more{said}", actor.name, Seconds(extension.by_s))
            }
            (Amendment::Share { operator, key, .. }, Decided::Share) => {
                let shared = self.admit(&mut write, request, operator.clone(), key.clone(), actor, now).await?;
                let account = write.grants(&shared).await?.first().map(|grant| grant.account.to_string()).unwrap_or_default();
                let text = format!("{} approved{said}; {operator} logs in as {account}, until the same end (request {shared})", actor.name);
                settled.shared_as = Some(shared);
                text
            }
            (Amendment::Extend { .. }, Decided::Share) => return Err(DeskError::Conflict("it is not about another operator".to_owned())),
        };
        write.settle_amendment(&settled).await?;
        tell(&mut write, &settled, choice == Choice::Approve, text).await?;
        write.commit().await?;
        self.wake(&request.facts().targets);
        tracing::info!(request = %settled.request, amendment = %settled.id, by = %actor.name, ?choice, "an amendment is decided");
        self.hub.answered();
        Ok(view::amendment(settled, &stored))
    }

    /// Another operator's request, beside one that is in force.
    async fn admit(&self, write: &mut Write, of: &AccessRequest, operator: PersonName, key: PublicKey, by: &Actor, now: UnixMs) -> Result<RequestId, DeskError> {
        if write.shared_from(&of.facts().id).await?.len() >= SHARES_MAX {
            return Err(DeskError::Limit(format!("a request is shared with {SHARES_MAX} operators at most")));
        }
        let facts = of.facts();
        let end = of.term().map_or(now, |term| term.not_after);
        let reason: String = format!("shared from {} of {}: {}", facts.id, facts.operator, facts.reason).chars().take(1000).collect();
        let id = RequestId::from_entropy(entropy()?);
        let shared = Facts {
            id: id.clone(),
            operator,
            key,
            reason: Reason::try_from(reason).map_err(|error| DeskError::Conflict(error.to_string()))?,
            // never a moment longer than what it is shared from
            duration_s: end.since(now) / 1000,
            start: None,
            created: now,
            lapses: now.plus(self.limits.unanswered_s.saturating_mul(1000)),
            shared_from: Some(facts.id.clone()),
            ..facts.clone()
        };
        if shared.duration_s == 0 {
            return Err(DeskError::Conflict("the access is as good as over".to_owned()));
        }
        let mut request = AccessRequest::submit(shared);
        write.insert_request(&request).await?;
        // nobody approves an access of their own, by whichever way it comes
        let approver = Approver::of(request.facts(), by)?;
        let because = Comment::try_from(format!("admitted to {}", facts.id)).unwrap_or_default();
        for act in [Act::approve(approver, now, because, None), Act::tick(Tick::Start, now, Comment::default())] {
            let moved = request.apply(act, self.limits.duration_min_s)?;
            write.record(&request, &moved).await?;
        }
        self.issue(write, &request).await?;
        Ok(id)
    }

    /// A page of amendments that this person sees.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn amendments(&self, actor: &Actor, mut filter: AmendmentFilter, limit: u32) -> Result<Page<AmendmentView>, DeskError> {
        filter.requested_by = (!actor.role.sees_all()).then(|| actor.name.clone());
        let mut read = self.store.read().await?;
        let stored = read.amendments(&filter, limit).await?;
        let place = |last: &StoredAmendment| Cursor { at: last.at, id: last.id.to_string() }.to_string();
        let next = stored.last().filter(|_| stored.len() >= limit as usize).map(place);
        let mut items = Vec::with_capacity(stored.len());
        for amendment in stored {
            if let Some(request) = read.request(&amendment.request).await? {
                items.push(view::amendment(amendment, &request));
            }
        }
        Ok(Page { items, next })
    }

    /// An amendment that this person sees.
    ///
    /// # Errors
    /// When there is none.
    pub async fn show_amendment(&self, actor: &Actor, id: &AmendmentId) -> Result<AmendmentView, DeskError> {
        let (amendment, request) = load(&mut self.store.read().await?, actor, id).await?;
        Ok(view::amendment(amendment, &request))
    }

    /// The amendments of a request, newest first.
    pub(super) async fn amendments_of(&self, read: &mut View, of: &StoredRequest) -> Result<Vec<AmendmentView>, DeskError> {
        let filter = AmendmentFilter { request: Some(of.request.facts().id.clone()), ..AmendmentFilter::default() };
        Ok(read.amendments(&filter, LISTED).await?.into_iter().map(|amendment| view::amendment(amendment, of)).collect())
    }

    /// What an operator proposes from inside a session.
    pub(super) async fn propose_within(&self, write: &mut Write, stored: &mut StoredRequest, session: &SessionId, proposal: Proposal, why: Comment) -> Result<StoredAmendment, DeskError> {
        if stored.request.state() != State::Active {
            return Err(DeskError::Conflict(format!("the request is {}", stored.request.state())));
        }
        let act = Act::within(Within::Propose, stored.request.facts(), now(), why);
        self.propose(write, &mut stored.request, Some(session), proposal, act).await
    }
}

async fn load(read: &mut View, actor: &Actor, id: &AmendmentId) -> Result<(StoredAmendment, StoredRequest), DeskError> {
    let missing = DeskError::NotFound("amendment");
    let Some(amendment) = read.amendment(id).await? else { return Err(missing) };
    match read.request(&amendment.request).await?.filter(|stored| sees(actor, &stored.request)) {
        Some(request) => Ok((amendment, request)),
        None => Err(missing),
    }
}

fn settled(amendment: StoredAmendment, state: AmendmentState, act: &Act) -> StoredAmendment {
    StoredAmendment { state, decided: Some((act.author().name().to_owned(), act.at())), comment: act.why().to_string(), ..amendment }
}

/// Tells the session that proposed it what became of an amendment.
async fn tell(write: &mut Write, amendment: &StoredAmendment, approved: bool, text: String) -> Result<(), DeskError> {
    let Some(session) = &amendment.session else { return Ok(()) };
    let news = News::Decided { amendment: amendment.id.clone(), approved, text };
    thread::note(write, session, &news).await
}
