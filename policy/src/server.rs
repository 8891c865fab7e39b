//! Answers the keepers of a node: one connection a session, one task a connection, one question of it at a time.
//!
//! A question takes some tens of microseconds, so it is answered where it is read. One that runs into its deadline holds a worker
//! for as long; a session whose module fails again and again is not asked about any more, so that it cannot hold one for good.
//!
//! Bounded: connections, the time to say hello and to take an answer, bytes of a message (the frame's limit), questions (those of
//! a connection wait in its socket).

mod connection;
mod orders;
mod packets;
mod socket;

pub use packets::listen_for_warden;
pub use socket::{Others, SocketError, listen};

use crate::beside::Asides;
use crate::evaluator::Evaluator;
use crate::library::Library;
use crate::modules::Modules;
use crate::posts::{Posts, Table};
use orders::Orders;
use packets::Packets;
use portcullis_model::admins::PolicyAdmins;
use std::os::fd::OwnedFd;
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
    posts: Arc<Posts>,
    asides: Asides,
    peers: Vec<u32>,
}

/// The warden's side of a judge that has one.
#[derive(Debug)]
pub struct Assignable {
    orders: Orders,
    listener: OwnedFd,
    peers: Vec<u32>,
}

impl Judge {
    /// A judge whose modules stay what they are, for peers with these uids. Starts a thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn fixed(modules: &Modules, peers: Vec<u32>) -> std::io::Result<Self> {
        Self::with(Posts::new(Some(Table::baseline(modules))), peers)
    }

    /// A judge that answers nobody until a warden has said which modules judge: what it does not name is judged by `baseline`, and
    /// what it names has to be signed by one of `admins`. The second is to be [served](Assignable::serve) beside the first. Starts
    /// two threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn assignable(evaluator: &Evaluator, baseline: Modules, admins: Option<PolicyAdmins>, listener: OwnedFd, peers: Vec<u32>) -> std::io::Result<(Self, Assignable)> {
        let judge = Self::with(Posts::new(None), peers)?;
        let (library, checked) = Library::start(evaluator.clone(), admins)?;
        let orders = Orders::new(Arc::clone(&judge.posts), baseline, library, checked);
        let own = rustix::process::geteuid().as_raw();
        Ok((judge, Assignable { orders, listener, peers: vec![0, own] }))
    }

    fn with(posts: Posts, peers: Vec<u32>) -> std::io::Result<Self> {
        let posts = Arc::new(posts);
        Ok(Self { asides: Asides::start(Arc::clone(&posts))?, posts, peers })
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
                    outcome = connection::run(&judge.posts, &judge.asides, stream) => match outcome {
                        Ok(()) => {}
                        Err(error) => tracing::warn!(error = %chain(&error), "connection given up"),
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

impl Assignable {
    /// Does what the warden says until `stop` is cancelled.
    ///
    /// # Errors
    /// When its socket cannot be waited for.
    pub async fn serve(self, stop: CancellationToken) -> std::io::Result<()> {
        self.orders.serve(Packets::new(self.listener)?, self.peers, stop).await;
        Ok(())
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
