//! What operators want of their request from inside a session. The node vouches for the session, whose key is the one that the
//! request names; it can ask for what an operator may do with this request, and for nothing else.

use super::{Desk, DeskError, Proposal, now, thread};
use crate::api::types::{QuestionState, SessionState};
use crate::domain::act::{Act, Within};
use crate::domain::amendment::{AmendmentState, Seconds};
use crate::domain::key::PublicKey;
use crate::domain::life::State;
use crate::domain::text::{Comment, PersonName, Reason, TargetName};
use crate::store::{AmendmentFilter, QuestionFilter, SessionFilter, StoredRequest, StoredSession};
use portcullis_model::id::{AmendmentId, SessionId};
use portcullis_model::wish::{Told, Wish};
use std::fmt::Write as _;

/// Most sessions and questions that are counted.
const COUNTED: u32 = 200;
/// Most messages that a session is shown at once: they fit what it can be told.
const SHOWN: usize = 20;
/// Most bytes of them together.
const SHOWN_BYTES: usize = 3500;

/// Why a wish is not granted, in words for the operator; what is wrong with the books is not.
fn refusal(error: DeskError) -> Result<Told, DeskError> {
    match error {
        DeskError::Forbidden(_) | DeskError::Invalid { .. } | DeskError::Conflict(_) | DeskError::Limit(_) | DeskError::NotFound(_) => Ok(Told::Refused(error.to_string())),
        other => Err(other),
    }
}

impl Desk {
    /// Does what is wanted, or says why not.
    pub(crate) async fn wish(&self, target: &TargetName, session: &SessionId, wish: Wish) -> Result<Told, DeskError> {
        let (stored, session) = {
            let mut read = self.store.read_inside().await?;
            let session = read.session(session).await?.filter(|session| session.facts.target == target.as_str() && session.state == SessionState::Running);
            let Some(session) = session else { return Ok(Told::Refused("the controller does not know this session".to_owned())) };
            let Some(stored) = read.request(&session.facts.request).await? else { return Ok(Told::Refused("there is no such request".to_owned())) };
            (stored, session)
        };
        if !wish.fits() {
            return Ok(Told::Refused("it is too long".to_owned()));
        }
        self.granted(stored, &session, wish).await.or_else(refusal)
    }

    async fn granted(&self, mut stored: StoredRequest, session: &StoredSession, wish: Wish) -> Result<Told, DeskError> {
        match wish {
            Wish::Status => Ok(Told::Done(self.status(&stored).await?)),
            Wish::Messages => Ok(Told::Done(self.last_said(&stored).await?)),
            Wish::Close { reason } => self.close_within(stored, session, reason).await,
            Wish::Extend { for_s, reason } => self.put(&mut stored, session, Proposal::Extend(for_s), reason).await,
            Wish::Share { operator, key, reason } => {
                let operator = PersonName::try_from(operator).map_err(|error| DeskError::Invalid { field: "operator", problem: error.to_string() })?;
                let key = if key.is_empty() { None } else { Some(key.parse::<PublicKey>().map_err(|error| DeskError::Invalid { field: "key", problem: error.to_string() })?) };
                self.put(&mut stored, session, Proposal::Share(operator, key), reason).await
            }
            Wish::Withdraw { amendment } => self.withdraw_within(&mut stored, session, &amendment).await,
            Wish::Message { text } => {
                let text = Reason::try_from(text).map_err(|error| DeskError::Invalid { field: "message", problem: error.to_string() })?;
                let mut write = self.store.write().await?;
                let message = thread::of_operator(&stored.request.facts().operator, &session.facts.id, text);
                let targets = self.put_message(&mut write, &stored, message).await?;
                write.commit().await?;
                self.wake(&targets);
                self.hub.answered();
                Ok(Told::Done("the request's approvers can read it; what they answer is shown here".to_owned()))
            }
        }
    }

    async fn close_within(&self, stored: StoredRequest, session: &StoredSession, reason: String) -> Result<Told, DeskError> {
        let why = Reason::try_from(reason).map_err(|error| DeskError::Invalid { field: "reason", problem: error.to_string() })?;
        let mut request = stored.request;
        if request.state() != State::Active {
            return Ok(Told::Refused(format!("the request is {} already", request.state())));
        }
        let act = Act::within(Within::Close, request.facts(), now(), why.into());
        let moved = request.apply(act, self.limits.duration_min_s)?;
        let mut write = self.store.write().await?;
        write.record(&request, &moved).await?;
        self.recall(&mut write, &request, &moved).await?;
        self.end_shared(&mut write, &request, &moved).await?;
        write.commit().await?;
        self.wake(&request.facts().targets);
        tracing::info!(request = %request.facts().id, session = %session.facts.id, "request closed from inside");
        Ok(Told::Done("the request is closed; every session under it ends now".to_owned()))
    }

    /// Puts a proposal to the approvers.
    async fn put(&self, stored: &mut StoredRequest, session: &StoredSession, proposal: Proposal, reason: String) -> Result<Told, DeskError> {
        let why = Comment::try_from(reason).map_err(|error| DeskError::Invalid { field: "reason", problem: error.to_string() })?;
        let mut write = self.store.write().await?;
        let amendment = self.propose_within(&mut write, stored, &session.facts.id, proposal, why).await?;
        write.commit().await?;
        self.hub.answered();
        Ok(Told::Put { text: amendment.what.to_string(), amendment: amendment.id })
    }

    async fn withdraw_within(&self, stored: &mut StoredRequest, session: &StoredSession, id: &AmendmentId) -> Result<Told, DeskError> {
        let mut write = self.store.write().await?;
        let known = write.amendment(id).await?.filter(|amendment| amendment.session.as_ref() == Some(&session.facts.id));
        let amendment = known.ok_or(DeskError::NotFound("amendment"))?;
        let act = Act::within(Within::Retract, stored.request.facts(), now(), Comment::default());
        self.retract(&mut write, &mut stored.request, amendment, act).await?;
        write.commit().await?;
        Ok(Told::Done("it is withdrawn".to_owned()))
    }

    async fn status(&self, stored: &StoredRequest) -> Result<String, DeskError> {
        let facts = stored.request.facts();
        let mut read = self.store.read_inside().await?;
        let sessions = SessionFilter { request: Some(facts.id.clone()), state: Some(SessionState::Running), ..SessionFilter::default() };
        let sessions = read.sessions(&sessions, COUNTED).await?.len();
        let open = QuestionFilter { request: Some(facts.id.clone()), state: Some(QuestionState::Open), ..QuestionFilter::default() };
        let questions = read.questions(&open, now(), COUNTED).await?.len();
        let open = AmendmentFilter { request: Some(facts.id.clone()), state: Some(AmendmentState::Open), ..AmendmentFilter::default() };
        let amendments = read.amendments(&open, COUNTED).await?;
        let shared = read.shared_from(&facts.id).await?;
        let minutes = stored.request.term().map_or(0, |term| term.not_after.since(now()) / 60_000);
        let targets = facts.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "request   {}\nstate     {}, {minutes} min left\naction    {} on {targets}\noperator  {}\nticket    {}\nsessions  {sessions} running\nquestions {questions} open",
            facts.id,
            stored.request.state(),
            facts.action,
            facts.operator,
            facts.ticket,
        );
        for amendment in amendments {
            // a String takes all that is written to it
            let _ = write!(text, "\nproposed  {} ({}), waits for an approver", amendment.what, amendment.id);
        }
        if let Some(from) = &facts.shared_from {
            let _ = write!(text, "\nshared    from {from}");
        }
        for other in shared {
            let _ = write!(text, "\nshared    with {} ({})", other.request.facts().operator, other.request.facts().id);
        }
        Ok(text)
    }

    /// The last messages of the thread.
    async fn last_said(&self, stored: &StoredRequest) -> Result<String, DeskError> {
        let messages = self.store.read_inside().await?.messages(&thread::root(stored)).await?;
        let mut lines = Vec::new();
        let mut bytes = 0;
        for message in messages.iter().rev().take(SHOWN) {
            let ago = Seconds(now().since(message.at) / 1000 / 60 * 60);
            let line = format!("{} ({}), {ago} ago: {}", message.by, message.role, message.text);
            bytes += line.len() + 1;
            if bytes > SHOWN_BYTES && !lines.is_empty() {
                break;
            }
            lines.push(line);
        }
        let more = messages.len() - lines.len();
        if more > 0 {
            lines.push(format!("({more} earlier)"));
        }
        lines.reverse();
        Ok(if lines.is_empty() { "nothing was said about this request".to_owned() } else { lines.join("\n") })
    }
}
