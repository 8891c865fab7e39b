//! The engines: how modules are compiled, what they may use, and what they may call.
//!
//! There is one for each size of component, because memory is laid out for the largest module that an engine may meet.

use crate::abi::{Policy, log, memo, types};
use crate::host::State;
use crate::limits::Limits;
use crate::ticker::{TICK, Ticker};
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, StoreLimits, StoreLimitsBuilder, WasmFeatures};

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the settings, or the system does not give what they need.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// The clock's thread cannot be started.
    #[error("cannot start the clock of the WebAssembly engine")]
    Ticker(#[source] std::io::Error),
}

/// Compiles modules and gives them what they may use. Cheap to clone; clones share the engines.
#[derive(Clone)]
pub struct Evaluator {
    standard: Arc<Room>,
    large: Arc<Room>,
}

/// One engine, and the limits of the modules in it.
pub(crate) struct Room {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) limits: Limits,
    pub(crate) ticker: Arc<Ticker>,
    /// Held while a module that was late is asked; one for all engines.
    pub(crate) slow: Arc<Mutex<()>>,
    /// Instances that answer nothing: those that wait for a question and those that wait to be dropped, of all modules together.
    idle: AtomicUsize,
}

/// Most instances of one engine that answer nothing. There is room for them beside the open questions.
fn most_idle(limits: &Limits) -> usize {
    limits.questions as usize / 2
}

impl Evaluator {
    /// Engines that give modules of the standard size what `limits` say, and large ones what [`Limits::large`] says.
    ///
    /// # Errors
    /// [`EngineError`] when the system does not give what they need.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        Self::with(limits, Limits { time: limits.time, ..Limits::large() })
    }

    /// Engines that give modules of the standard size what `standard` says, and larger ones what `large` says.
    ///
    /// # Errors
    /// [`EngineError`] when the system does not give what they need.
    pub fn with(standard: Limits, large: Limits) -> Result<Self, EngineError> {
        let engine = |limits: &Limits, features| Engine::new(&config(limits, features)).map_err(said);
        let engines = [engine(&standard, NEVER | WasmFeatures::EXTENDED_CONST)?, engine(&large, NEVER)?];
        let ticker = Arc::new(Ticker::start(&engines).map_err(EngineError::Ticker)?);
        let (slow, [one, other]) = (Arc::default(), engines);
        Ok(Self { standard: Room::new(one, standard, &ticker, &slow)?, large: Room::new(other, large, &ticker, &slow)? })
    }

    /// What modules of the standard size may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.standard.limits
    }

    /// What large modules may use: those of more bytes than the standard size.
    #[must_use]
    pub fn large_limits(&self) -> &Limits {
        &self.large.limits
    }

    /// Where a component of so many bytes is compiled and run; none when it is larger than any may be.
    pub(crate) fn room(&self, bytes: usize) -> Option<&Arc<Room>> {
        [&self.standard, &self.large].into_iter().find(|room| bytes <= room.limits.component)
    }
}

impl Room {
    fn new(engine: Engine, limits: Limits, ticker: &Arc<Ticker>, slow: &Arc<Mutex<()>>) -> Result<Arc<Self>, EngineError> {
        let mut linker = Linker::new(&engine);
        Policy::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).map_err(said)?;
        Ok(Arc::new(Self { engine, linker, limits, ticker: Arc::clone(ticker), slow: Arc::clone(slow), idle: AtomicUsize::new(0) }))
    }

    /// Whether one more instance may be idle; it is counted when it may.
    pub(crate) fn claim_idle(&self) -> bool {
        let most = most_idle(&self.limits);
        self.idle.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |idle| (idle < most).then_some(idle + 1)).is_ok()
    }

    /// So many fewer are idle.
    pub(crate) fn release_idle(&self, count: usize) {
        self.idle.fetch_sub(count, Ordering::SeqCst);
    }

    /// Ticks after which an answer is late; a tick is under way already when a question begins.
    pub(crate) fn ticks(&self) -> u64 {
        u64::try_from(self.limits.time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(crate) fn store_limits(&self) -> StoreLimits {
        let Limits { memory, table, parts, .. } = self.limits;
        StoreLimitsBuilder::new()
            .memory_size(memory)
            .table_elements(table)
            .instances(parts.instances as usize)
            .memories(parts.memories as usize)
            .tables(parts.tables as usize)
            .trap_on_grow_failure(true)
            .build()
    }
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("limits", self.limits()).field("large", self.large_limits()).finish_non_exhaustive()
    }
}

fn said(error: wasmtime::Error) -> EngineError {
    EngineError::Engine(format!("{error:#}"))
}

/// What the shipped modules do not need is not there to be attacked.
const NEVER: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY);

fn config(limits: &Limits, without: WasmFeatures) -> Config {
    let Limits { questions, parts, memory, table, stack, .. } = *limits;
    let places = questions.saturating_add(most_idle(limits) as u32);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(places)
        .total_core_instances(places * parts.instances)
        .total_memories(places * parts.memories)
        .total_tables(places * parts.tables)
        .max_core_instances_per_component(parts.instances)
        .max_memories_per_component(parts.memories)
        .max_tables_per_component(parts.tables)
        .max_memory_size(memory)
        .table_elements(table)
        // a fresh instance finds the pages of the last one already there, cleaned; pagemap_scan finds out which need cleaning
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .strategy(wasmtime::Strategy::Cranelift)
        // one module on the thread that wants it: no thread is started for it, and a thread that gives way to others does so here too
        .parallel_compilation(false)
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .memory_reservation(memory as u64)
        // a trap's cause is enough: its trace would be looked up while the questions wait
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .wasm_features(without, false);
    config
}

// named so that a change of the ABI's imports does not go unnoticed here
const _: fn() = || {
    fn offers<T: types::Host + log::Host + memo::Host>() {}
    offers::<State>();
};
