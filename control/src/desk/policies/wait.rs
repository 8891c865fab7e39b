//! What came of a change on the targets: waited for, and told as it is.

use super::super::{Desk, DeskError};
use super::Change;
use crate::api::types::{ChangeState, TargetChange};
use crate::domain::text::TargetName;
use portcullis_model::action::Role;
use portcullis_model::time::UnixMs;
use std::time::Duration;
use tokio::time::Instant;

/// Whether nothing else is to be expected. A complaint that does not name this assignment may be about the one before, whose
/// successor is under way: it counts when nothing else has come.
fn is_settled(target: &TargetChange) -> bool {
    match &target.state {
        ChangeState::Waiting => false,
        ChangeState::Refused { error } => error.contains(&target.sequence.to_string()),
        ChangeState::Enforced { .. } | ChangeState::NotConnected => true,
    }
}

impl Desk {
    /// Waits until every linked target enforces its change or says why it does not, at most `patience`.
    pub async fn enforced(&self, changes: &[Change], patience: Duration) -> Vec<TargetChange> {
        let deadline = Instant::now() + patience;
        let mut answers = self.hub.answers();
        loop {
            answers.borrow_and_update();
            let targets: Vec<_> = changes.iter().map(|change| self.change_on(change)).collect();
            let open = targets.iter().any(|target| !is_settled(target));
            if !open || tokio::time::timeout_at(deadline, answers.changed()).await.is_err() {
                return targets;
            }
        }
    }

    fn change_on(&self, change: &Change) -> TargetChange {
        let role = self.targets.get(&change.target).copied().unwrap_or(Role::Generic);
        TargetChange { target: change.target.to_string(), role, sequence: change.sequence, state: self.state_of(&change.target, change.sequence, change.at) }
    }

    fn state_of(&self, target: &TargetName, sequence: u64, at: UnixMs) -> ChangeState {
        let presence = self.hub.look(target);
        if !presence.connected {
            return ChangeState::NotConnected;
        }
        match presence.policies {
            Some(reported) if reported.state.sequence >= sequence => ChangeState::Enforced { ms: reported.since.since(at), note: reported.state.error },
            // what it says about an earlier one is no answer to this one
            Some(reported) if reported.at >= at => match reported.state.error {
                Some(error) => ChangeState::Refused { error },
                None => ChangeState::Waiting,
            },
            _ => ChangeState::Waiting,
        }
    }

    /// What the targets of these roles say about what they were last told.
    pub(super) async fn standing(&self, roles: &[Role]) -> Result<Vec<TargetChange>, DeskError> {
        let mut read = self.store.read().await?;
        let mut standing = Vec::new();
        for (target, _) in self.targets.iter().filter(|(_, role)| roles.contains(role)) {
            if let Some(told) = read.assignment(target).await? {
                standing.push(self.change_on(&Change { target: target.clone(), sequence: told.sequence, at: told.at }));
            }
        }
        Ok(standing)
    }
}
