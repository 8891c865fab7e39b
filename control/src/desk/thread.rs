//! The thread of a request: what its operators and its approvers say to each other. Operators in a session read it there.
//!
//! A request that was shared from another has no thread of its own: all who work under the first talk in one.

use super::{Desk, DeskError, now, sees, view};
use crate::api::types::{MessageView, SessionState};
use crate::domain::act::Forbidden;
use crate::domain::actor::{Actor, UserRole};
use crate::domain::text::{PersonName, Reason, TargetName};
use crate::store::{MESSAGES_MAX, SessionFilter, StoredMessage, StoredRequest, Write};
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::wish::News;

/// Most sessions that are told of one message.
const TOLD: u32 = 200;

/// Whose thread it is.
pub(super) fn root(stored: &StoredRequest) -> RequestId {
    let facts = stored.request.facts();
    facts.shared_from.as_ref().unwrap_or(&facts.id).clone()
}

/// Has a session told something, if it runs.
pub(super) async fn note(write: &mut Write, session: &SessionId, news: &News) -> Result<(), DeskError> {
    if let Some(session) = write.session(session).await?.filter(|session| session.state == SessionState::Running) {
        write.insert_note(&session.facts.id, &session.facts.target, news).await?;
    }
    Ok(())
}

impl Desk {
    /// Takes a message down, and has every session told that works under the request, but the one that it came from. Gives the targets
    /// whose connections are to be woken.
    pub(super) async fn put_message(&self, write: &mut Write, stored: &StoredRequest, message: StoredMessage) -> Result<Vec<TargetName>, DeskError> {
        let root = root(stored);
        if !write.insert_message(&root, &message).await? {
            return Err(DeskError::Limit(format!("{MESSAGES_MAX} messages about one request are enough")));
        }
        let news = News::Message { by: message.by.clone(), text: message.text.clone() };
        let mut targets = Vec::new();
        let shared = write.ever_shared_from(&root).await?.into_iter().map(|shared| shared.request.facts().id.clone());
        for request in std::iter::once(root).chain(shared) {
            let running = SessionFilter { request: Some(request), state: Some(SessionState::Running), ..SessionFilter::default() };
            for session in write.sessions(&running, TOLD).await?.into_iter().filter(|session| Some(&session.facts.id) != message.session.as_ref()) {
                write.insert_note(&session.facts.id, &session.facts.target, &news).await?;
                targets.extend(TargetName::try_from(session.facts.target).ok());
            }
        }
        targets.dedup();
        Ok(targets)
    }

    /// Says something about a request, over the API.
    ///
    /// # Errors
    /// When there is no such request, this person has no say in it, or the thread is full.
    pub async fn say(&self, actor: &Actor, id: &RequestId, text: Reason) -> Result<Vec<MessageView>, DeskError> {
        let mut write = self.store.write().await?;
        let stored = write.request(id).await?.filter(|stored| sees(actor, &stored.request)).ok_or(DeskError::NotFound("request"))?;
        if !matches!(actor.role, UserRole::Operator | UserRole::Approver | UserRole::ProviderSecurity) {
            return Err(Forbidden::Message(actor.role).into());
        }
        let message = StoredMessage { at: now(), by: actor.name.to_string(), role: actor.role, session: None, text: text.to_string() };
        let targets = self.put_message(&mut write, &stored, message).await?;
        let all = write.messages(&root(&stored)).await?;
        write.commit().await?;
        tracing::info!(request = %id, by = %actor.name, "a message about a request");
        self.wake(&targets);
        Ok(all.into_iter().map(view::message).collect())
    }

    /// What was said about a request, in order.
    ///
    /// # Errors
    /// When there is no such request.
    pub async fn messages(&self, actor: &Actor, id: &RequestId) -> Result<Vec<MessageView>, DeskError> {
        let mut read = self.store.read().await?;
        let stored = read.request(id).await?.filter(|stored| sees(actor, &stored.request)).ok_or(DeskError::NotFound("request"))?;
        Ok(read.messages(&root(&stored)).await?.into_iter().map(view::message).collect())
    }

    /// A session has what it was to be told.
    pub(crate) async fn noted(&self, target: &TargetName, session: &SessionId, number: u64) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        write.noted(target.as_str(), session, number).await?;
        Ok(write.commit().await?)
    }
}

/// A message of the operator's, from inside a session.
pub(super) fn of_operator(by: &PersonName, session: &SessionId, text: Reason) -> StoredMessage {
    StoredMessage { at: now(), by: by.to_string(), role: UserRole::Operator, session: Some(session.clone()), text: text.to_string() }
}
