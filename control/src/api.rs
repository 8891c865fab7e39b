//! The API: HTTP and JSON, versioned, on a loopback address. Every endpoint is a row of [`routes`]; who may call it is
//! part of the row, checked before the body is read.
//!
//! Limits: no TLS, so no other address; tokens do not expire; no rate limit but the bounds on what can be held.

mod alerts;
mod amendments;
mod extract;
mod guard;
mod health;
mod policies;
mod problem;
mod questions;
mod requests;
pub mod routes;
mod sessions;
pub mod types;

pub use problem::Failure;
pub(crate) use routes::router;

use crate::desk::Desk;
use portcullis_model::policy::MODULE_MAX;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls that are served at the same time; more wait for their turn, in the order in which they came.
const CALLS: usize = 64;
/// Calls of one holder that are served or wait at the same time; more are refused, so that nobody keeps others out.
const CALLS_OF_ONE: usize = 32;
/// Calls with a module that are served at the same time: each may be large.
const MODULES: usize = 2;
/// Most bytes of a body, and of one with a module.
const BODY_MAX: usize = 32 * 1024;
const BODY_WITH_MODULE_MAX: usize = MODULE_MAX / 3 * 4 + (1 << 20);

/// What every handler has.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) desk: Arc<Desk>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    calls: Arc<Semaphore>,
    modules: Arc<Semaphore>,
    holders: guard::Holders,
}

impl App {
    pub(crate) fn new(desk: Arc<Desk>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { desk, tasks, shutdown, calls: Arc::new(Semaphore::new(CALLS)), modules: Arc::new(Semaphore::new(MODULES)), holders: guard::Holders::default() }
    }

    /// Does something to its end, even when the client goes away in the middle.
    async fn finish<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, crate::desk::DeskError>> + Send + 'static,
    {
        match self.tasks.spawn(work).await {
            Ok(done) => Ok(done?),
            Err(error) => Err(Failure::internal(&error)),
        }
    }
}
