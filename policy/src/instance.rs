//! Instances of one module: fresh for each question, and made ready before there is one.
//!
//! ```text
//! start --> [spare] --question--> run --answer--> [spent] --after the answer was sent--> dropped, and the next spare started
//! ```
//!
//! An instance answers one question and is dropped. Starting one, and cleaning the memory of the last one, takes longer than most
//! answers, so both are done when nobody waits: [`Instances::prepare`] is called when an answer is on its way. Without it nothing
//! else changes but the time of an answer: a question that finds no spare starts an instance for itself.
//!
//! A module whose answers were late is slow until it has answered in time again, some times in a row. Slow modules are asked one
//! question at a time, all of them together: who would be the second gets a fault at once. So modules that never end hold one
//! thread of the judge at most, and the sessions of others find the rest free.
//!
//! A spare has not seen a question, nor anything of a session: what it runs before it gets one is the module's own start, under the
//! same limits. What went wrong there is found out again, and told, by the question that finds no spare.

use crate::abi::{Policy, PolicyPre};
use crate::evaluator::Room;
use crate::fault::Fault;
use crate::host::{Memo, State};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::Store;

/// Bytes that a module may hand to the host in one call.
const HOST_CALL_BYTES: usize = 1 << 20;
/// Most spares of one module, and most spent instances that wait to be dropped: as many as workers that usually ask it at once.
const READY: usize = 2;
/// Answers in time, in a row, after which a module that was late is asked by all again.
const REDEEMED: u32 = 32;

/// The instances of one module.
pub(crate) struct Instances {
    room: Arc<Room>,
    pre: PolicyPre<State>,
    spares: Mutex<Vec<Instance>>,
    spent: Mutex<Vec<Instance>>,
    /// Answers in time that the module owes since it was late.
    owes: AtomicU32,
}

/// A started instance.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) policy: Policy,
}

impl Instances {
    /// No instances yet.
    pub(crate) fn new(room: Arc<Room>, pre: PolicyPre<State>) -> Self {
        Self { room, pre, spares: Mutex::default(), spent: Mutex::default(), owes: AtomicU32::new(0) }
    }

    /// Calls one export in an instance of its own, under all limits, and returns the memo as the module left it.
    pub(crate) fn ask<T>(&self, memo: Memo, call: impl FnOnce(&Policy, &mut Store<State>) -> wasmtime::Result<T>) -> Result<(T, Memo), Fault> {
        let owes = self.owes.load(Ordering::Relaxed);
        let _alone = match owes {
            0 => None,
            _ => Some(self.room.slow.try_lock().map_err(|_| Fault::Busy)?),
        };
        let answer = self.answer(memo, call);
        match &answer {
            Err(Fault::Late(_)) => self.owes.store(REDEEMED, Ordering::Relaxed),
            // alone here while something is owed
            _ if owes > 0 => self.owes.store(owes - 1, Ordering::Relaxed),
            _ => {}
        }
        answer
    }

    fn answer<T>(&self, memo: Memo, call: impl FnOnce(&Policy, &mut Store<State>) -> wasmtime::Result<T>) -> Result<(T, Memo), Fault> {
        let _ticking = self.room.ticker.question();
        let mut instance = self.take_spare().map_or_else(|| self.start(), Ok)?;
        instance.store.data_mut().memo = memo;
        // it counts from here, however long the instance waited
        instance.store.set_epoch_deadline(self.room.ticks());
        let answer = call(&instance.policy, &mut instance.store).map_err(|error| Fault::of(&error, self.room.limits.time))?;
        let memo = std::mem::take(&mut instance.store.data_mut().memo);
        self.put_aside(instance);
        Ok((answer, memo))
    }

    /// Calls an export of an instance that answered before, under the limits of one question. For replays alone: on a node nothing of
    /// one question is there for the next. After a fault the instance is not to be used again.
    pub(crate) fn ask_again<T>(&self, instance: &mut Instance, memo: Memo, call: impl FnOnce(&Policy, &mut Store<State>) -> wasmtime::Result<T>) -> Result<(T, Memo), Fault> {
        let _ticking = self.room.ticker.question();
        let Instance { store, policy } = instance;
        store.data_mut().renew(memo);
        store.set_epoch_deadline(self.room.ticks());
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        let answer = call(policy, store).map_err(|error| Fault::of(&error, self.room.limits.time))?;
        Ok((answer, std::mem::take(&mut store.data_mut().memo)))
    }

    /// Drops what has answered, and starts an instance for the next question. To be called when nobody waits for it.
    pub(crate) fn prepare(&self) {
        let spent = lock(&self.spent).pop();
        if let Some(instance) = spent {
            drop(instance);
            self.room.release_idle(1);
        }
        if lock(&self.spares).len() >= READY || !self.room.claim_idle() {
            return;
        }
        let _ticking = self.room.ticker.question();
        match self.start() {
            Ok(instance) => lock(&self.spares).push(instance),
            Err(_) => self.room.release_idle(1),
        }
    }

    fn take_spare(&self) -> Option<Instance> {
        let spare = lock(&self.spares).pop()?;
        self.room.release_idle(1);
        Some(spare)
    }

    /// Keeps a spent instance for [`Self::prepare`] to drop; drops it here when too many are kept already.
    fn put_aside(&self, instance: Instance) {
        let mut spent = lock(&self.spent);
        let over = if spent.len() < READY && self.room.claim_idle() {
            spent.push(instance);
            None
        } else {
            Some(instance)
        };
        // cleaning up takes a while
        drop(spent);
        drop(over);
    }

    /// The deadline is set before the instance starts: starting runs code too.
    pub(crate) fn start(&self) -> Result<Instance, Fault> {
        let mut store = Store::new(&self.room.engine, State::new(self.room.store_limits()));
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(self.room.ticks());
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        let policy = self.pre.instantiate(&mut store).map_err(|error| Fault::of(&error, self.room.limits.time))?;
        Ok(Instance { store, policy })
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        self.room.release_idle(lock(&self.spares).len() + lock(&self.spent).len());
    }
}

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
