//! The clock that ends late answers: a thread that advances the engines' epoch while questions are open.
//!
//! It sleeps for good when nothing was asked for a while, so that an idle judge does not wake the machine, and it goes on ticking
//! in between, so that a question does not pay for waking a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use wasmtime::Engine;

/// Length of one tick.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// Ticks without a question after which the clock stops.
const LINGER: u32 = 500;

#[derive(Default)]
struct Shared {
    /// Questions begun, and questions ended.
    begun: AtomicU64,
    ended: AtomicU64,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// The running clock of some engines; stops when it is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

/// An open question: while it lives, the clock ticks.
#[must_use]
pub(crate) struct Ticking<'a>(&'a Shared);

impl Ticker {
    /// Starts the clock of `engines`.
    pub(crate) fn start(engines: &[Engine]) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engines, ours) = (engines.to_vec(), Arc::clone(&shared));
        let handle = std::thread::Builder::new().name("epoch".into()).stack_size(64 << 10).spawn(move || run(&engines, &ours))?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// Makes sure that the clock ticks until the result is dropped.
    pub(crate) fn question(&self) -> Ticking<'_> {
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

fn run(engines: &[Engine], shared: &Shared) {
    let (mut seen, mut quiet) = (0, 0);
    while !shared.stop.load(Ordering::SeqCst) {
        std::thread::sleep(TICK);
        engines.iter().for_each(Engine::increment_epoch);
        // `ended` first: read the other way round, a question that ends in between could hide one that begins
        let ended = shared.ended.load(Ordering::SeqCst);
        let begun = shared.begun.load(Ordering::SeqCst);
        quiet = if begun == ended && begun == seen { quiet + 1 } else { 0 };
        seen = begun;
        if quiet < LINGER {
            continue;
        }
        quiet = 0;
        shared.parked.store(true, Ordering::SeqCst);
        // whoever asks from here on sees `parked` and unparks; whoever asked before is seen here
        while shared.parked.load(Ordering::SeqCst) && shared.begun.load(Ordering::SeqCst) == seen && !shared.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
        shared.parked.store(false, Ordering::SeqCst);
    }
}
