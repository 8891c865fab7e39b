//! The engine: how modules are compiled, what they may use, and what they may call.

use crate::abi::{Policy, log, memo, types};
use crate::host::State;
use crate::limits::Limits;
use crate::ticker::{TICK, Ticker};
use std::sync::Arc;
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

/// Compiles modules and gives them what they may use. Cheap to clone; clones share the engine.
#[derive(Clone)]
pub struct Evaluator {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    limits: Limits,
}

/// Memories, tables and core instances that one component may be made of: what componentising makes, and no more.
const CORE_INSTANCES: u32 = 6;
const MEMORIES: u32 = 1;
const TABLES: u32 = 4;

impl Evaluator {
    /// An engine that gives modules what `limits` say.
    ///
    /// # Errors
    /// [`EngineError`] when the system does not give what it needs.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let said = |error: wasmtime::Error| EngineError::Engine(format!("{error:#}"));
        let engine = Engine::new(&config(&limits)).map_err(said)?;
        let mut linker = Linker::new(&engine);
        Policy::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).map_err(said)?;
        let ticker = Ticker::start(&engine).map_err(EngineError::Ticker)?;
        Ok(Self { inner: Arc::new(Inner { engine, linker, ticker, limits }) })
    }

    /// What modules may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.inner.ticker
    }

    /// Ticks after which an answer is late; a tick is under way already when a question begins.
    pub(crate) fn ticks(&self) -> u64 {
        u64::try_from(self.inner.limits.time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(crate) fn store_limits(&self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.inner.limits.memory)
            .table_elements(self.inner.limits.table)
            .instances(CORE_INSTANCES as usize)
            .memories(MEMORIES as usize)
            .tables(TABLES as usize)
            .trap_on_grow_failure(true)
            .build()
    }
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

fn config(limits: &Limits) -> Config {
    let questions = limits.questions;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(questions)
        .total_core_instances(questions * CORE_INSTANCES)
        .total_memories(questions * MEMORIES)
        .total_tables(questions * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(limits.memory)
        .table_elements(limits.table)
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
        .max_wasm_stack(limits.stack)
        .memory_reservation(limits.memory as u64)
        // a trap's cause is enough: its trace would be looked up while the questions wait
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // what the shipped modules do not need is not there to be attacked
        .wasm_features(
            WasmFeatures::THREADS
                | WasmFeatures::SIMD
                | WasmFeatures::RELAXED_SIMD
                | WasmFeatures::MEMORY64
                | WasmFeatures::EXCEPTIONS
                | WasmFeatures::TAIL_CALL
                | WasmFeatures::MULTI_MEMORY
                | WasmFeatures::EXTENDED_CONST,
            false,
        );
    config
}

// named so that a change of the ABI's imports does not go unnoticed here
const _: fn() = || {
    fn offers<T: types::Host + log::Host + memo::Host>() {}
    offers::<State>();
};
