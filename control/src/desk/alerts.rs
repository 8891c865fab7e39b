//! Alerts: taken down as nodes say them, once each, and listed.

use super::{Desk, DeskError, now};
use crate::api::types::{AlertView, Page};
use crate::domain::actor::Actor;
use crate::domain::text::TargetName;
use crate::store::{AlertFilter, StoredAlert, View};
use portcullis_model::alert::Alert;
use portcullis_model::id::SessionId;

/// Most alerts of one session: its node lets it raise a few a minute.
const OF_SESSION: u64 = 10_000;
/// Most alerts that the detail of a session lists.
const LISTED: u32 = 200;

impl Desk {
    /// A node's session raised an alert. When this returns the node need not say it again: it is in the books, or never will be.
    pub(crate) async fn alerted(&self, target: &TargetName, alert: Alert) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        // a node is believed about grants that it was given
        let Some(grant) = write.grant(&alert.grant).await?.filter(|grant| grant.target == *target) else {
            tracing::warn!(%target, session = %alert.session, grant = %alert.grant, "an alert under a grant that the node was never given");
            return Ok(());
        };
        if write.session(&alert.session).await?.is_some_and(|session| session.facts.grant != grant.id) || write.alerts_of(&alert.session).await? >= OF_SESSION {
            tracing::warn!(%target, session = %alert.session, "an alert that is not taken down");
            return Ok(());
        }
        let alert = Alert { target: target.to_string(), ..alert.cut() };
        write.insert_alert(&alert, &grant.request, now()).await?;
        write.commit().await?;
        tracing::warn!(%target, session = %alert.session, request = %grant.request, kind = alert.kind.name(), "alert");
        self.hub.answered();
        Ok(())
    }

    /// Alerts that this person sees, newest first.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn alerts(&self, actor: &Actor, mut filter: AlertFilter, limit: u32) -> Result<Page<AlertView>, DeskError> {
        filter.requested_by = (!actor.role.sees_all()).then(|| actor.name.clone());
        let stored = self.store.read().await?.alerts(&filter, limit).await?;
        Ok(Page { items: stored.into_iter().map(view).collect(), next: None })
    }

    /// The alerts of a session, newest first.
    pub(super) async fn alerts_of(&self, read: &mut View, session: &SessionId) -> Result<Vec<AlertView>, DeskError> {
        let filter = AlertFilter { session: Some(session.clone()), ..AlertFilter::default() };
        Ok(read.alerts(&filter, LISTED).await?.into_iter().map(view).collect())
    }
}

fn view(stored: StoredAlert) -> AlertView {
    let StoredAlert { alert, request, operator, heard } = stored;
    AlertView { text: alert.kind.text(), alert, request, operator, heard }
}
