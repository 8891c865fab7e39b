//! The clock: looks every half second for requests that lapse, start or expire. Late is possible, early is not; a node
//! ends a grant at its time whether or not anybody is here to write it down.

use crate::desk::Desk;
use portcullis_model::id::{RequestId, SessionId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

const BEAT: Duration = Duration::from_millis(500);
/// How often lost sessions are looked for.
const SEARCH: Duration = Duration::from_secs(1);
/// How long a request is left alone that could not be moved, or a session that was not found.
const PAUSE: Duration = Duration::from_secs(30);

/// Runs until `shutdown`.
pub(crate) async fn run(desk: Arc<Desk>, shutdown: CancellationToken) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed: HashMap<RequestId, Instant> = HashMap::new();
    let mut quiet_until = Instant::now();
    while shutdown.run_until_cancelled(beat.tick()).await.is_some() {
        failed.retain(|_, until| *until > Instant::now());
        let due = match desk.due().await {
            Ok(due) => due,
            Err(error) => {
                if Instant::now() >= quiet_until {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot look for requests that are due");
                    quiet_until = Instant::now() + PAUSE;
                }
                continue;
            }
        };
        for id in due.into_iter().filter(|id| !failed.contains_key(id)).collect::<Vec<_>>() {
            if let Err(error) = desk.tick(&id).await {
                tracing::warn!(request = %id, error = &error as &dyn std::error::Error, "the clock cannot move a request");
                failed.insert(id, Instant::now() + PAUSE);
            }
        }
    }
}

/// Looks for the ends of lost sessions in the evidence, until `shutdown`. A task of its own: recordings can be long, and
/// the clock must not wait for them.
pub(crate) async fn search(desk: Arc<Desk>, shutdown: CancellationToken) {
    let mut beat = interval(SEARCH);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing: HashMap<SessionId, Instant> = HashMap::new();
    while shutdown.run_until_cancelled(beat.tick()).await.is_some() {
        missing.retain(|_, until| *until > Instant::now());
        // when the store fails, the clock says so
        for id in desk.lost().await.unwrap_or_default() {
            if shutdown.is_cancelled() {
                return;
            }
            if !missing.contains_key(&id) && !desk.find_end(&id).await.unwrap_or(false) {
                missing.insert(id, Instant::now() + PAUSE);
            }
        }
    }
}
