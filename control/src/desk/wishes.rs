//! What operators want of their request from inside a session. The node vouches for the session, whose key is the one that the
//! request names; it can ask for what an operator may do with this request, and for nothing else.

use super::{Desk, DeskError, now};
use crate::api::types::{QuestionState, SessionState};
use crate::domain::act::Act;
use crate::domain::life::State;
use crate::domain::text::{Reason, TargetName};
use crate::store::{QuestionFilter, SessionFilter, StoredRequest};
use portcullis_model::id::SessionId;
use portcullis_model::wish::{Told, Wish};

/// Most sessions and questions that are counted.
const COUNTED: u32 = 200;

impl Desk {
    /// Does what is wanted, or says why not.
    pub(crate) async fn wish(&self, target: &TargetName, session: &SessionId, wish: &Wish) -> Result<Told, DeskError> {
        let mut write = self.store.write().await?;
        let session = write.session(session).await?.filter(|session| session.facts.target == target.as_str() && session.state == SessionState::Running);
        let Some(session) = session else { return Ok(Told::Refused("the controller does not know this session".to_owned())) };
        let Some(stored) = write.request(&session.facts.request).await? else { return Ok(Told::Refused("there is no such request".to_owned())) };
        if !wish.fits() {
            return Ok(Told::Refused("it is too long".to_owned()));
        }
        match wish {
            Wish::Status => {
                drop(write);
                Ok(Told::Done(self.status(&stored).await?))
            }
            Wish::Close { reason } => {
                let Ok(why) = Reason::try_from(reason.clone()) else {
                    return Ok(Told::Refused("the reason: 1 to 1000 characters on one line".to_owned()));
                };
                let mut request = stored.request;
                if request.state() != State::Active {
                    return Ok(Told::Refused(format!("the request is {} already", request.state())));
                }
                let act = Act::close_within(request.facts(), now(), why);
                let moved = match request.apply(act, self.limits.duration_min_s) {
                    Ok(moved) => moved,
                    Err(refused) => return Ok(Told::Refused(refused.to_string())),
                };
                write.record(&request, &moved).await?;
                self.recall(&mut write, &request, &moved).await?;
                write.commit().await?;
                self.wake(&request.facts().targets);
                tracing::info!(request = %request.facts().id, session = %session.facts.id, "request closed from inside");
                Ok(Told::Done("the request is closed; every session under it ends now".to_owned()))
            }
        }
    }

    async fn status(&self, stored: &StoredRequest) -> Result<String, DeskError> {
        let facts = stored.request.facts();
        let mut read = self.store.read_inside().await?;
        let sessions = SessionFilter { request: Some(facts.id.clone()), state: Some(SessionState::Running), ..SessionFilter::default() };
        let sessions = read.sessions(&sessions, COUNTED).await?.len();
        let open = QuestionFilter { request: Some(facts.id.clone()), state: Some(QuestionState::Open), ..QuestionFilter::default() };
        let questions = read.questions(&open, now(), COUNTED).await?.len();
        let minutes = stored.request.term().map_or(0, |term| term.not_after.since(now()) / 60_000);
        let targets = facts.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok(format!(
            "request   {}\nstate     {}, {minutes} min left\naction    {} on {targets}\noperator  {}\nticket    {}\nsessions  {sessions} running\nquestions {questions} open",
            facts.id,
            stored.request.state(),
            facts.action,
            facts.operator,
            facts.ticket,
        ))
    }
}
