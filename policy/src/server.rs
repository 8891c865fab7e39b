//! Answers the keepers of a node: one connection a session, one task a connection, one question of it at a time.
//!
//! A question takes some tens of microseconds, so it is answered where it is read. One that runs into its deadline holds a worker
//! for as long; a session whose module fails again and again is not asked about any more, so that it cannot hold one for good.
//!
//! Bounded: connections, the time to say hello and to take an answer, bytes of a message (the frame's limit), questions (those of
//! a connection wait in its socket).

mod connection;
mod socket;

pub use socket::{Others, SocketError, listen};

use crate::modules::Modules;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most connections at a time; one more is closed at once, and its keeper denies.
pub const CONNECTIONS: usize = 4096;

/// What is shared by all connections.
#[derive(Debug)]
pub struct Judge {
    modules: ArcSwap<Modules>,
    peers: Vec<u32>,
}

impl Judge {
    /// A judge with these modules, for peers with these uids.
    #[must_use]
    pub fn new(modules: Modules, peers: Vec<u32>) -> Self {
        Self { modules: ArcSwap::from_pointee(modules), peers }
    }

    /// Answers until `stop` is cancelled; then connections are closed as soon as the question that they are at is answered.
    pub async fn serve(self: Arc<Self>, listener: UnixListener, stop: CancellationToken) {
        let (connections, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // out of descriptors, most likely: let some of them come back
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    continue;
                }
            };
            if !self.welcomes(&stream) {
                continue;
            }
            let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                tracing::warn!(limit = CONNECTIONS, "too many connections");
                continue;
            };
            let (judge, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    outcome = connection::run(&judge.modules, stream) => match outcome {
                        Ok(()) => {}
                        Err(error) => tracing::warn!(error = %connection::chain(&error), "connection given up"),
                    },
                }
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    fn welcomes(&self, stream: &UnixStream) -> bool {
        match stream.peer_cred() {
            Ok(peer) if self.peers.contains(&peer.uid()) => true,
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), "a stranger connected");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "a peer that cannot be identified connected");
                false
            }
        }
    }
}
