//! What the operator wants of the request from inside: the built-in `request`. A wish is recorded and carried to the controller, one at a
//! time; what it says is carried back. Where an approver is to decide first, the shell waits until a note says what was decided, or until
//! the operator takes it back. No decision about a subject depends on any of it.
//!
//! Notes come by way of the gateway and are not signed: what they say is shown to the operator, with who is said to have said it, and
//! written down. What a decision changes, a later end, comes as a grant, which is.

use super::{Judging, Parties};
use crate::charge::Report;
use crate::keeper::fault::Fault;
use portcullis_model::event::EventKind;
use portcullis_model::id::AmendmentId;
use portcullis_model::wish::{News, Note, Told, Wish};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long the controller has to say something.
const DEADLINE: Duration = Duration::from_secs(15);
/// Wishes of one session, and notes to it, in all: each takes room in the recording.
const WISHES_MAX: u64 = 1000;
const NOTES_MAX: usize = 2000;

/// What is wanted of the request, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Wishing {
    waits: Option<Waits>,
    /// A wish that the operator gave up before the controller had said anything.
    given_up: Option<u64>,
    /// Numbers of this session's wishes.
    last: u64,
    /// Numbers of the notes that came: each may come more than once.
    noted: BTreeSet<u64>,
}

#[derive(Debug)]
struct Waits {
    /// The shell's number.
    id: u32,
    /// Ours.
    number: u64,
    on: On,
}

/// What is waited for.
#[derive(Debug)]
enum On {
    /// The controller, until then.
    Controller(Instant),
    /// An approver.
    Approver(AmendmentId),
}

impl Wishing {
    pub(super) fn next_tick(&self) -> Option<Instant> {
        match self.waits.as_ref()?.on {
            On::Controller(deadline) => Some(deadline),
            On::Approver(_) => None,
        }
    }

    /// Whether the operator waits for an approver.
    pub(super) fn waits_for_people(&self) -> bool {
        matches!(self.waits, Some(Waits { on: On::Approver(_), .. }))
    }
}

fn refused(why: &str) -> Told {
    Told::Refused(why.to_owned())
}

impl Judging {
    /// The shell passes a wish on.
    pub(super) fn wish(&mut self, id: u32, wish: Wish, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.wishing.waits.is_some() {
            return Ok(parties.shell.told(id, refused("another wish waits for its answer"))?);
        }
        if !wish.fits() {
            return Ok(parties.shell.told(id, refused("it is too long"))?);
        }
        if self.wishing.last >= WISHES_MAX {
            return Ok(parties.shell.told(id, refused("this session has wanted enough"))?);
        }
        let number = self.carry(wish, parties)?;
        self.wishing.waits = Some(Waits { id, number, on: On::Controller(Instant::now() + DEADLINE) });
        Ok(())
    }

    fn carry(&mut self, wish: Wish, parties: &mut Parties<'_>) -> Result<u64, Fault> {
        parties.evidence.note(EventKind::Wished(wish.clone()))?;
        self.wishing.last += 1;
        self.asks.report(Report::Wish { number: self.wishing.last, wish });
        Ok(self.wishing.last)
    }

    /// The controller has said something to a wish. What nobody waits for any more is dropped, and taken back where that can be done.
    pub(crate) fn told(&mut self, number: u64, told: Told, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.wishing.given_up.take_if(|given_up| *given_up == number).is_some() {
            return match told {
                Told::Put { amendment, .. } => self.carry(Wish::Withdraw { amendment }, parties).map(drop),
                Told::Done(_) | Told::Refused(_) => Ok(()),
            };
        }
        let Some(waits) = self.wishing.waits.take_if(|waits| waits.number == number) else { return Ok(()) };
        let id = waits.id;
        if let Told::Put { amendment, .. } = &told {
            self.wishing.waits = Some(Waits { on: On::Approver(amendment.clone()), ..waits });
        }
        Ok(parties.shell.told(id, told.cut())?)
    }

    /// The session is told something: the shell that waits for it, or the operator.
    pub(crate) fn note(&mut self, note: Note, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let Note { number, news } = note;
        if self.wishing.noted.len() >= NOTES_MAX {
            return Ok(());
        }
        self.asks.report(Report::Noted { number });
        if !self.wishing.noted.insert(number) {
            return Ok(());
        }
        let news = news.cut();
        parties.evidence.note(EventKind::Noted(news.clone()))?;
        match news {
            News::Message { by, text } => Ok(parties.shell.message(format!("{by} says: {text}"))?),
            News::Decided { amendment, approved, text } => {
                let is_it = |waits: &mut Waits| matches!(&waits.on, On::Approver(waited) if *waited == amendment);
                match self.wishing.waits.take_if(is_it) {
                    Some(Waits { id, .. }) => Ok(parties.shell.told(id, if approved { Told::Done(text) } else { Told::Refused(text) })?),
                    None => Ok(parties.shell.message(format!("{amendment}: {text}"))?),
                }
            }
        }
    }

    pub(super) fn tick_wish(&mut self, now: Instant, parties: &mut Parties<'_>) -> Result<(), Fault> {
        match self.wishing.waits.take_if(|waits| matches!(waits.on, On::Controller(deadline) if deadline <= now)) {
            Some(Waits { id, number, .. }) => {
                self.wishing.given_up = Some(number);
                Ok(parties.shell.told(id, refused("the controller does not answer"))?)
            }
            None => Ok(()),
        }
    }

    /// The operator does not wait any longer: what an approver could still decide is taken back.
    pub(super) fn unwish(&mut self, id: u32, parties: &mut Parties<'_>) -> Result<(), Fault> {
        match self.wishing.waits.take_if(|waits| waits.id == id) {
            Some(Waits { number, on: On::Controller(_), .. }) => self.wishing.given_up = Some(number),
            Some(Waits { on: On::Approver(amendment), .. }) => drop(self.carry(Wish::Withdraw { amendment }, parties)?),
            None => {}
        }
        Ok(())
    }
}
