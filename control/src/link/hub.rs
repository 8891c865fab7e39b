//! Which nodes are here: one seat a target, at most one connection in it, the newest.

use crate::domain::text::TargetName;
use portcullis_model::layer::Layer;
use portcullis_model::policy::PolicyState;
use portcullis_model::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What a node said about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeHello {
    /// Addresses on which its SSH server listens.
    pub listen: Vec<String>,
    /// Its host keys.
    pub host_keys: Vec<String>,
    /// Its layers of enforcement.
    pub layers: Vec<Layer>,
}

/// Whether a node is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whether it is here now.
    pub connected: bool,
    /// Since when it is here, or away; none when it was never here.
    pub since: Option<UnixMs>,
    /// What it last said about itself.
    pub hello: NodeHello,
    /// What it last said about policies, on this connection.
    pub policies: Option<Reported>,
}

/// What a node said about policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// What.
    pub state: PolicyState,
    /// When it said so.
    pub at: UnixMs,
    /// When it first named that assignment.
    pub since: UnixMs,
}

#[derive(Debug, Default)]
struct Seat {
    wake: Notify,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Number of the newest connection.
    number: u64,
    replaced: CancellationToken,
    presence: Presence,
}

/// The seats of all targets.
#[derive(Debug)]
pub struct Hub {
    seats: BTreeMap<TargetName, Seat>,
    answers: watch::Sender<u64>,
}

/// A connection's hold on its seat; let go by [`Hub::detach`].
#[derive(Debug)]
#[must_use]
pub struct Attachment {
    number: u64,
    /// Cancelled when a newer connection takes the seat.
    pub replaced: CancellationToken,
}

fn lock(seat: &Seat) -> MutexGuard<'_, Taken> {
    // nothing that holds this lock can leave it half changed
    seat.taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Empty seats for these targets.
    #[must_use]
    pub fn new(targets: impl Iterator<Item = TargetName>) -> Self {
        Self { seats: targets.map(|target| (target, Seat::default())).collect(), answers: watch::Sender::new(0) }
    }

    /// Takes the seat of a target; who had it is told to go. None when there is no such target.
    pub fn attach(&self, target: &TargetName, hello: NodeHello, now: UnixMs) -> Option<Attachment> {
        let mut taken = lock(self.seats.get(target)?);
        taken.replaced.cancel();
        taken.number += 1;
        taken.replaced = CancellationToken::new();
        taken.presence = Presence { connected: true, since: Some(now), hello, policies: None };
        Some(Attachment { number: taken.number, replaced: taken.replaced.clone() })
    }

    /// Leaves the seat, unless a newer connection has it.
    pub fn detach(&self, target: &TargetName, attachment: &Attachment, now: UnixMs) {
        let Some(seat) = self.seats.get(target) else { return };
        let mut taken = lock(seat);
        if taken.number == attachment.number {
            taken.presence.connected = false;
            taken.presence.since = Some(now);
        }
    }

    /// What a node says about policies; not heard when a newer connection has the seat.
    pub fn report(&self, target: &TargetName, attachment: &Attachment, state: PolicyState, now: UnixMs) {
        let Some(seat) = self.seats.get(target) else { return };
        let mut taken = lock(seat);
        if taken.number == attachment.number {
            let before = taken.presence.policies.as_ref().filter(|before| before.state.sequence == state.sequence);
            let since = before.map_or(now, |before| before.since);
            taken.presence.policies = Some(Reported { state, at: now, since });
        }
    }

    /// Whether a target's node is here.
    #[must_use]
    pub fn look(&self, target: &TargetName) -> Presence {
        self.seats.get(target).map(|seat| lock(seat).presence.clone()).unwrap_or_default()
    }

    /// Has a target's connection look into the books.
    pub fn wake(&self, target: &TargetName) {
        if let Some(seat) = self.seats.get(target) {
            seat.wake.notify_one();
        }
    }

    /// Until somebody wakes the target's connection; for ever when there is no such target.
    pub async fn woken(&self, target: &TargetName) {
        match self.seats.get(target) {
            Some(seat) => seat.wake.notified().await,
            None => std::future::pending().await,
        }
    }

    /// A node said something that people may be waiting for.
    pub fn answered(&self) {
        self.answers.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever a node said something that people may be waiting for.
    #[must_use]
    pub fn answers(&self) -> watch::Receiver<u64> {
        self.answers.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_connection_has_the_seat() {
        let target = TargetName::try_from("node1".to_owned()).unwrap();
        let hub = Hub::new([target.clone()].into_iter());
        assert_eq!(hub.look(&target), Presence::default());
        let first = hub.attach(&target, NodeHello::default(), UnixMs(1)).unwrap();
        hub.report(&target, &first, PolicyState { sequence: 4, ..PolicyState::default() }, UnixMs(1));
        assert_eq!(hub.look(&target).policies.map(|reported| reported.state.sequence), Some(4));
        let second = hub.attach(&target, NodeHello::default(), UnixMs(2)).unwrap();
        hub.report(&target, &first, PolicyState::default(), UnixMs(2));
        assert_eq!(hub.look(&target).policies, None, "the old connection is not heard any more");
        assert!(first.replaced.is_cancelled() && !second.replaced.is_cancelled());
        hub.detach(&target, &first, UnixMs(3));
        assert!(hub.look(&target).connected);
        hub.detach(&target, &second, UnixMs(4));
        assert_eq!((hub.look(&target).connected, hub.look(&target).since), (false, Some(UnixMs(4))));
        assert!(hub.attach(&TargetName::try_from("other".to_owned()).unwrap(), NodeHello::default(), UnixMs(5)).is_none());
    }
}
