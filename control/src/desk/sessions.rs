//! What people do with sessions and targets.

use super::{Desk, DeskError, now, sees, view};
use crate::api::types::{Page, RecordingView, SessionDetail, SessionState, SessionView, TargetView, Termination};
use crate::domain::actor::Actor;
use crate::domain::text::Reason;
use crate::evidence;
use crate::store::{Cursor, SessionFilter, StoredSession, View};
use portcullis_model::id::SessionId;
use portcullis_recording::path_of;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

async fn load(read: &mut View, actor: &Actor, id: &SessionId) -> Result<StoredSession, DeskError> {
    let missing = DeskError::NotFound("session");
    let Some(session) = read.session(id).await? else { return Err(missing) };
    let request = read.request(&session.facts.request).await?;
    if request.is_some_and(|stored| sees(actor, &stored.request)) { Ok(session) } else { Err(missing) }
}

impl Desk {
    /// A page of sessions that this person sees.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn sessions(&self, actor: &Actor, mut filter: SessionFilter, limit: u32) -> Result<Page<SessionView>, DeskError> {
        filter.requested_by = (!actor.role.sees_all()).then(|| actor.name.clone());
        let stored = self.store.read().await?.sessions(&filter, limit).await?;
        let place = |last: &StoredSession| Cursor { at: last.facts.start, id: last.facts.id.to_string() }.to_string();
        let next = stored.last().filter(|_| stored.len() >= limit as usize).map(place);
        Ok(Page { items: stored.into_iter().map(view::session).collect(), next })
    }

    /// A session that this person sees.
    ///
    /// # Errors
    /// When there is none.
    pub async fn session(&self, actor: &Actor, id: &SessionId) -> Result<SessionView, DeskError> {
        Ok(view::session(load(&mut self.store.read().await?, actor, id).await?))
    }

    /// A session with what its recording says.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn session_detail(&self, actor: &Actor, id: &SessionId) -> Result<SessionDetail, DeskError> {
        let session = self.session(actor, id).await?;
        let recording = if evidence::may_read(actor.role) { self.recording(id).await } else { None };
        let alerts = self.alerts_of(&mut self.store.read().await?, id).await?;
        Ok(SessionDetail { session, recording, alerts })
    }

    async fn recording(&self, id: &SessionId) -> Option<RecordingView> {
        let path = path_of(&self.evidence, id);
        evidence::view(path).await
    }

    /// Where the recording of a session is that this person may read.
    ///
    /// # Errors
    /// When there is no such session. Whether the recording is there is another matter.
    pub async fn recording_path(&self, actor: &Actor, id: &SessionId) -> Result<PathBuf, DeskError> {
        self.session(actor, id).await?;
        Ok(path_of(&self.evidence, id))
    }

    /// Orders a session to end; the order is written down and on its way to the node when this returns.
    ///
    /// # Errors
    /// When there is no such session, or it does not run.
    pub async fn terminate(&self, actor: &Actor, id: &SessionId, why: &Reason) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let session = load(&mut write, actor, id).await?;
        if session.state != SessionState::Running {
            return Err(DeskError::Conflict(format!("the session is {} already", session.state.name())));
        }
        let order = Termination { at: now(), by: actor.name.to_string(), reason: why.to_string() };
        write.order_end(id, &order).await?;
        write.commit().await?;
        tracing::info!(session = %id, by = %actor.name, "session is to end");
        if let Ok(target) = session.facts.target.try_into() {
            self.wake(&[target]);
        }
        Ok(())
    }

    /// Waits until a session has ended, at most `patience`.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn session_end(&self, actor: &Actor, id: &SessionId, patience: Duration) -> Result<SessionView, DeskError> {
        let deadline = Instant::now() + patience;
        let mut answers = self.hub.answers();
        loop {
            answers.borrow_and_update();
            let session = self.session(actor, id).await?;
            if session.state != SessionState::Running || tokio::time::timeout_at(deadline, answers.changed()).await.is_err() {
                return Ok(session);
            }
        }
    }

    /// All targets, and what their nodes last said.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn target_list(&self) -> Result<Page<TargetView>, DeskError> {
        let mut read = self.store.read().await?;
        let mut items = Vec::with_capacity(self.targets.len());
        for (name, role) in &self.targets {
            let presence = self.hub.look(name);
            items.push(TargetView {
                name: name.to_string(),
                role: *role,
                connected: presence.connected,
                since: presence.since,
                listen: presence.hello.listen,
                host_keys: presence.hello.host_keys,
                layers: presence.hello.layers,
                sessions: read.running_on(name).await?,
                policies: if presence.connected { self.policies_on(&mut read, name).await? } else { None },
            });
        }
        Ok(Page { items, next: None })
    }
}
