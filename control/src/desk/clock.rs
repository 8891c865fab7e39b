//! What the clock does: requests lapse, start and expire; the ends of lost sessions are looked for in the evidence.

use super::{Desk, DeskError, now};
use crate::domain::act::{Act, Tick};
use crate::domain::life::State;
use crate::domain::text::Comment;
use crate::evidence;
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::time::UnixMs;
use portcullis_recording::path_of;

/// Milliseconds after the end of a request's time at which the controller writes it down: the nodes have ended it
/// themselves by then, and their sessions' records say why.
pub(crate) const GRACE_MS: u64 = 1000;
/// Most requests that are looked at in one go.
const BATCH: u32 = 500;
/// Most lost sessions that are looked for in one go.
const LOST: u32 = 50;

impl Desk {
    /// The requests on which the clock has something to do.
    pub(crate) async fn due(&self) -> Result<Vec<RequestId>, DeskError> {
        Ok(self.store.read_inside().await?.due(now(), GRACE_MS, BATCH).await?)
    }

    /// Sessions that are lost: their nodes came back without them, and without a receipt.
    pub(crate) async fn lost(&self) -> Result<Vec<SessionId>, DeskError> {
        Ok(self.store.read_inside().await?.lost(LOST).await?)
    }

    /// Looks for the end of a lost session in its recording. Says whether it was found.
    pub(crate) async fn find_end(&self, id: &SessionId) -> Result<bool, DeskError> {
        let Some((receipt, exit)) = evidence::end(path_of(&self.evidence, id)).await.filter(|(receipt, _)| receipt.session == *id) else {
            return Ok(false);
        };
        let mut write = self.store.write().await?;
        let found = write.session_ended(&receipt, exit.as_ref(), now()).await?;
        write.commit().await?;
        self.hub.answered();
        Ok(found)
    }

    /// Does what the clock has to do to one request; nothing when somebody did something else to it in between.
    pub(crate) async fn tick(&self, id: &RequestId) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        let Some(stored) = write.request(id).await? else { return Ok(()) };
        let mut request = stored.request;
        let now = now();
        let over = |at: UnixMs| now >= at;
        let tick = match (request.state(), request.term()) {
            (State::Waiting, _) if over(request.facts().lapses) => Tick::Lapse,
            (State::Approved | State::Active, Some(term)) if over(term.not_after) => Tick::Expire,
            (State::Approved, Some(term)) if over(term.not_before) => Tick::Start,
            _ => return Ok(()),
        };
        let why = match tick {
            Tick::Lapse => "nobody answered in time",
            Tick::Expire => "the time is over",
            Tick::Start => "the time has come",
        };
        let why = Comment::try_from(why.to_owned()).unwrap_or_default();
        let moved = request.apply(Act::tick(tick, now, why), self.limits.duration_min_s)?;
        write.record(&request, &moved).await?;
        match tick {
            Tick::Start => self.issue(&mut write, &request).await?,
            Tick::Expire => {
                self.recall(&mut write, &request, &moved).await?;
                self.end_shared(&mut write, &request, &moved).await?;
            }
            Tick::Lapse => {}
        }
        write.commit().await?;
        self.wake(&request.facts().targets);
        tracing::info!(request = %id, state = %request.state(), "the clock moved a request");
        Ok(())
    }
}
