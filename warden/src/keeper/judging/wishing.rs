//! What the operator wants of the request from inside: `request`, `request close`. The wish is recorded and carried to the
//! controller, one at a time; what it says is carried back. No decision about a subject depends on it.

use super::{Judging, Parties};
use crate::charge::Report;
use crate::keeper::fault::Fault;
use portcullis_model::event::EventKind;
use portcullis_model::wish::{Told, Wish};
use std::time::{Duration, Instant};

/// How long the controller has to say something.
const DEADLINE: Duration = Duration::from_secs(15);

/// The wish that waits for what the controller says.
#[derive(Debug, Default)]
pub(super) struct Wishing {
    waits: Option<Waits>,
    /// Numbers of this session's wishes.
    last: u64,
}

#[derive(Debug)]
struct Waits {
    /// The shell's number.
    id: u32,
    /// Ours.
    number: u64,
    deadline: Instant,
}

impl Wishing {
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.waits.as_ref().map(|waits| waits.deadline)
    }
}

impl Judging {
    /// The shell passes a wish on.
    pub(super) fn wish(&mut self, id: u32, wish: Wish, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let refused = |why: &str| Told::Refused(why.to_owned());
        if self.wishing.waits.is_some() {
            return Ok(parties.shell.told(id, refused("another wish waits for the controller's answer"))?);
        }
        if !wish.fits() {
            return Ok(parties.shell.told(id, refused("it is too long"))?);
        }
        parties.evidence.note(EventKind::Wished(wish.clone()))?;
        self.wishing.last += 1;
        let number = self.wishing.last;
        self.wishing.waits = Some(Waits { id, number, deadline: Instant::now() + DEADLINE });
        self.asks.report(Report::Wish { number, wish });
        Ok(())
    }

    /// The controller has said something to a wish. What nobody waits for any more is dropped.
    pub(crate) fn told(&mut self, number: u64, told: Told, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let Some(Waits { id, .. }) = self.wishing.waits.take_if(|waits| waits.number == number) else { return Ok(()) };
        Ok(parties.shell.told(id, told.cut())?)
    }

    pub(super) fn tick_wish(&mut self, now: Instant, parties: &mut Parties<'_>) -> Result<(), Fault> {
        match self.wishing.waits.take_if(|waits| waits.deadline <= now) {
            Some(Waits { id, .. }) => Ok(parties.shell.told(id, Told::Refused("the controller does not answer".to_owned()))?),
            None => Ok(()),
        }
    }

    /// The operator does not wait any longer. What was carried is carried.
    pub(super) fn unwish(&mut self, id: u32) {
        self.wishing.waits.take_if(|waits| waits.id == id);
    }
}
