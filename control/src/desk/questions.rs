//! Questions that sessions put to people: taken down as nodes say them, answered by approvers, and the answers signed.
//!
//! What is signed is an answer to the digest of exactly what the approver could see: a node that asked something else does
//! not act on it.

use super::{Desk, DeskError, now, sees, view};
use crate::api::types::{Page, QuestionView, SessionState};
use crate::domain::act::{Approver, Forbidden};
use crate::domain::actor::Actor;
use crate::domain::text::{Comment, PersonName, TargetName};
use crate::store::{Cursor, QuestionFilter, StoredAnswer, StoredQuestion, Taken, View};
use portcullis_model::asking::{Answer, AskEnd, Asked, Choice, NotPut};
use portcullis_model::grant::Signed;
use portcullis_model::id::{QuestionId, SessionId};
use std::time::Duration;
use tokio::time::Instant;

/// Most questions of one session, so that a program that asks without end does not fill the books.
const OF_SESSION: u64 = 1000;

async fn load(read: &mut View, actor: &Actor, id: &QuestionId) -> Result<(StoredQuestion, crate::store::StoredRequest), DeskError> {
    let missing = DeskError::NotFound("question");
    let Some(question) = read.question(id).await? else { return Err(missing) };
    match read.request(&question.request).await?.filter(|stored| sees(actor, &stored.request)) {
        Some(request) => Ok((question, request)),
        None => Err(missing),
    }
}

impl Desk {
    /// A node's session has people asked. Gives why nobody is, if so.
    pub(crate) async fn asked(&self, target: &TargetName, asked: &Asked) -> Result<Option<NotPut>, DeskError> {
        let refused = |why: &str| Ok(Some(NotPut::Refused(why.to_owned())));
        let mut write = self.store.write().await?;
        if let Some(known) = write.question(&asked.id).await? {
            return if known.asked == *asked { Ok(None) } else { refused("there is another question of this number") };
        }
        let session = write.session(&asked.session).await?.filter(|session| session.facts.target == target.as_str() && session.facts.grant == asked.grant);
        let Some(session) = session.filter(|session| session.state == SessionState::Running) else {
            tracing::warn!(%target, session = %asked.session, question = %asked.id, "a question of a session that does not run");
            return refused("the controller does not know this session as one that runs");
        };
        if asked.target != target.as_str() || asked.check().is_err() {
            return refused("it is not a question that can be shown");
        }
        if write.questions_of(&asked.session).await? >= OF_SESSION {
            return refused("this session has asked too much");
        }
        write.insert_question(asked, &session.facts.request).await?;
        write.commit().await?;
        tracing::info!(%target, session = %asked.session, question = %asked.id, "people are asked");
        self.hub.answered();
        Ok(None)
    }

    /// A question is over, as its node says.
    pub(crate) async fn ask_over(&self, target: &TargetName, session: &SessionId, id: &QuestionId, end: AskEnd) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let known = write.question(id).await?.filter(|question| question.asked.target == target.as_str() && question.asked.session == *session);
        if known.is_some() {
            write.end_question(session, id, end, now()).await?;
            write.commit().await?;
            tracing::info!(%target, %session, question = %id, end = end.name(), "a question is over");
            self.hub.answered();
        }
        Ok(())
    }

    /// A page of questions that this person sees.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn questions(&self, actor: &Actor, mut filter: QuestionFilter, limit: u32) -> Result<Page<QuestionView>, DeskError> {
        filter.requested_by = (!actor.role.sees_all()).then(|| actor.name.clone());
        let now = now();
        let mut read = self.store.read().await?;
        let stored = read.questions(&filter, now, limit).await?;
        let place = |last: &StoredQuestion| Cursor { at: last.asked.at, id: last.asked.id.to_string() }.to_string();
        let next = stored.last().filter(|_| stored.len() >= limit as usize).map(place);
        let mut items = Vec::with_capacity(stored.len());
        for question in stored {
            if let Some(request) = read.request(&question.request).await? {
                items.push(view::question(question, &request, now));
            }
        }
        Ok(Page { items, next })
    }

    /// A question that this person sees.
    ///
    /// # Errors
    /// When there is none.
    pub async fn question(&self, actor: &Actor, id: &QuestionId) -> Result<QuestionView, DeskError> {
        let (question, request) = load(&mut self.store.read().await?, actor, id).await?;
        Ok(view::question(question, &request, now()))
    }

    /// Answers a question; the answer is written down, signed, and on its way to the node when this returns.
    ///
    /// # Errors
    /// When there is no such question, this person may not answer it, or it is not open.
    pub async fn answer_question(&self, actor: &Actor, id: &QuestionId, choice: Choice, why: &Comment) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let (question, request) = load(&mut write, actor, id).await?;
        // whoever works under a request does not answer for it, either way
        let _: Approver = Approver::of(request.request.facts(), actor)?;
        // nor does whoever works beside them, by a share of theirs
        let shared = request.request.facts().shared_from.clone();
        if let Some(root) = &shared && let Some(root) = write.request(root).await? {
            let _: Approver = Approver::of(root.request.facts(), actor)?;
        }
        for beside in write.shared_from(shared.as_ref().unwrap_or(&request.request.facts().id)).await? {
            let _: Approver = Approver::of(beside.request.facts(), actor)?;
        }
        let StoredQuestion { asked, answer, end, .. } = question;
        let named = |name: &String| PersonName::try_from(name.clone()).is_ok_and(|name| actor.name.is_same_person(&name));
        if !asked.ask.approvers.is_empty() && !asked.ask.approvers.iter().any(named) {
            return Err(Forbidden::NotAsked.into());
        }
        let now = now();
        if let Some(answer) = answer {
            return Err(DeskError::Conflict(format!("{} has answered it already", answer.by)));
        }
        if let Some((end, _)) = end {
            return Err(DeskError::Conflict(format!("the question is over: {}", end.name())));
        }
        if now >= asked.ask.expiry {
            return Err(DeskError::Conflict("the question has lapsed".to_owned()));
        }
        let answer = Answer {
            question: asked.id.clone(),
            session: asked.session.clone(),
            target: asked.target.clone(),
            asked: asked.digest(),
            policy: asked.policy,
            expiry: asked.ask.expiry,
            choice,
            by: actor.name.to_string(),
            at: now,
            comment: why.to_string(),
        };
        let signed = Signed::sign(&answer, &self.key)?;
        let stored = StoredAnswer { choice, by: answer.by, at: now, comment: answer.comment };
        if write.answer_question(id, &stored, &signed).await? == Taken::Late {
            return Err(DeskError::Conflict("the question is not open any more".to_owned()));
        }
        write.commit().await?;
        tracing::info!(question = %id, by = %actor.name, ?choice, "question answered");
        self.hub.answered();
        if let Ok(target) = asked.target.try_into() {
            self.wake(&[target]);
        }
        Ok(())
    }

    /// Waits until the node has said what came of an answer, at most `patience`.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn question_end(&self, actor: &Actor, id: &QuestionId, patience: Duration) -> Result<QuestionView, DeskError> {
        let deadline = Instant::now() + patience;
        let mut answers = self.hub.answers();
        loop {
            answers.borrow_and_update();
            let question = self.question(actor, id).await?;
            if question.end.is_some() || tokio::time::timeout_at(deadline, answers.changed()).await.is_err() {
                return Ok(question);
            }
        }
    }
}
