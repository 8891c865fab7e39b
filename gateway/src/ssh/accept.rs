//! The accept loop: how many strangers there may be at a time, in all and from one address.

use super::connection::{self, Shared};
use super::hostkeys::HostKeys;
use super::{Doors, profile};
use crate::config::Ssh;
use russh::{MethodKind, MethodSet, SshId};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after an accept that failed: for want of descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Messages of one channel that wait for its task. Bounds what a client can have waiting to about 2 MiB a channel.
const CHANNEL_QUEUE: usize = 64;
/// Messages of all channels that wait to be sent: while a channel's input is stuck, this much output still leaves programs,
/// so that one that answers while it reads goes on reading.
const SEND_QUEUE: usize = 64;
/// Bytes that a client may send on a channel before it is told of room for more. The library gives room when bytes arrive,
/// not when they are used, so this is what a client can have on its way while the connection is stuck behind a program that
/// does not read. It has to fit into the kernel's buffer (see [`super::stream::prepare`]): otherwise the end of a client
/// that dies meanwhile would wait behind its own bytes.
const WINDOW: u32 = 128 * 1024;
/// Bytes in one direction after which the keys are changed, and the time after which they are anyway.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_AFTER: Duration = Duration::from_secs(3600);

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("ssh.listen {address}: cannot listen there")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A server that listens and does not accept yet.
pub struct Server {
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    startups: Startups,
    connections: Arc<Semaphore>,
}

impl Server {
    /// Binds every address; none is served before all are bound.
    ///
    /// # Errors
    /// [`BindError`] for the first address that cannot be had.
    pub async fn bind(settings: &Ssh, keys: HostKeys, doors: Doors) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listener = TcpListener::bind(address).await.map_err(|source| BindError { address: *address, source })?;
            listeners.push(listener);
        }
        let shared = Arc::new(Shared { protocol: Arc::new(protocol(settings, keys)), settings: settings.clone(), doors });
        let startups = Startups::new(settings.max_startups, settings.max_startups_per_source);
        Ok(Self { listeners, shared, startups, connections: Arc::new(Semaphore::new(settings.max_connections)) })
    }

    /// The addresses that it listens on, port numbers as they really are.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop`; returns when every connection is closed.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listeners, shared, startups, connections } = self;
        let tasks = TaskTracker::new();
        for listener in listeners {
            let (shared, startups, connections, stop) = (shared.clone(), startups.clone(), connections.clone(), stop.clone());
            let inner = tasks.clone();
            tasks.spawn(async move {
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted,
                        () = stop.cancelled() => return,
                    };
                    match accepted {
                        Ok((stream, peer)) => admit(&inner, &shared, &startups, &connections, &stop, stream, peer),
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            });
        }
        stop.cancelled().await;
        tasks.close();
        tasks.wait().await;
    }
}

/// Either the connection has its places, or it is closed here, unread.
fn admit(
    tasks: &TaskTracker,
    shared: &Arc<Shared>,
    startups: &Startups,
    connections: &Arc<Semaphore>,
    stop: &CancellationToken,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let Ok(place) = connections.clone().try_acquire_owned() else {
        tracing::warn!(%peer, "refused: too many connections");
        return;
    };
    let Some(startup) = startups.enter(peer.ip()) else {
        tracing::warn!(%peer, "refused: too many connections that have not logged in");
        return;
    };
    let (shared, stop) = (shared.clone(), stop.child_token());
    tasks.spawn(async move {
        connection::run(shared, stream, peer, startup, stop).await;
        drop(place);
    });
}

fn protocol(settings: &Ssh, keys: HostKeys) -> russh::server::Config {
    russh::server::Config {
        server_id: SshId::Standard("SSH-2.0-Portcullis".into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // all refusals look alike; a client with several keys should not wait for each
        auth_rejection_time: Duration::from_millis(50),
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 10,
        keys: keys.into_keys(),
        preferred: profile::preferred(settings.profile),
        limits: russh::Limits::new(REKEY_BYTES, REKEY_BYTES, REKEY_AFTER),
        window_size: WINDOW,
        channel_buffer_size: CHANNEL_QUEUE,
        event_buffer_size: SEND_QUEUE,
        keepalive_interval: Some(settings.keepalive),
        keepalive_max: 3,
        // idle time is the grant's and counted by the keeper; any packet, even an answer to a keepalive, resets this one
        inactivity_timeout: None,
        ..russh::server::Config::default()
    }
}

/// Connections that have not logged in.
#[derive(Debug, Clone)]
struct Startups {
    all: Arc<Semaphore>,
    sources: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_source: usize,
}

/// A place among those that have not logged in, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it is leaving"]
pub(super) struct Startup {
    _place: OwnedSemaphorePermit,
    sources: Arc<Mutex<HashMap<IpAddr, usize>>>,
    source: IpAddr,
}

impl Startups {
    fn new(all: usize, per_source: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), sources: Arc::default(), per_source }
    }

    fn enter(&self, address: IpAddr) -> Option<Startup> {
        let source = source_of(address);
        let place = self.all.clone().try_acquire_owned().ok()?;
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source).or_default();
        if *count >= self.per_source {
            return None;
        }
        *count += 1;
        Some(Startup { _place: place, sources: self.sources.clone(), source })
    }
}

impl Drop for Startup {
    fn drop(&mut self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

/// One host has a whole /64 of IPv6 addresses to choose from.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_source() {
        let startups = Startups::new(3, 2);
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = startups.enter(one).unwrap();
        let _second = startups.enter(one).unwrap();
        assert!(startups.enter(one).is_none(), "two of one source");
        let _third = startups.enter(two).unwrap();
        assert!(startups.enter(two).is_none(), "three in all");
        drop(first);
        let _again = startups.enter(two).unwrap();
        assert_eq!(startups.sources.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_network_of_addresses_is_one_source() {
        let of = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
