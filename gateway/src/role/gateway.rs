//! The gateway as a process: bind, meet the warden, link to the controller, serve, drain.

use crate::access::Access;
use crate::config::Config;
use crate::layout::Layout;
use crate::link;
use crate::node::{Event, Identity, Node, Outbox};
use crate::session::warden::Warden;
use crate::ssh::hostkeys::HostKeys;
use crate::ssh::{Doors, Server};
use crate::trust;
use anyhow::Context as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// For the warden to be met at start.
const MEETING: Duration = Duration::from_secs(20);
/// For the last reports to reach the controller, once no connection is left.
const LAST_REPORTS: Duration = Duration::from_secs(3);

/// Runs the gateway.
///
/// # Errors
/// When it cannot start, or when what it depends on turns out to be another node's.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let signals = super::stop_on_signal(&stop)?;
    let layout = Layout::of(config);
    let controller = trust::read(&layout.controller_key())?;
    let keys = HostKeys::load_or_make(&layout.host_keys(), config.ssh.profile)?;
    let host_keys = keys.shown().into_iter().map(|key| key.public_key).collect();

    // what outlives the connections, so that their ends are still reported
    let office = CancellationToken::new();
    let tasks = TaskTracker::new();
    let access = Access::default();
    let (said, from_warden) = tokio::sync::mpsc::channel(1024);
    let (warden, warden_client) = Warden::new(layout.warden_socket(), said, office.clone());
    let server = Server::bind(&config.ssh, keys, Doors { access: access.clone(), warden: warden.clone() }).await?;
    let addresses = server.addresses();

    let identity = Identity {
        target: config.node.target.clone(),
        role: config.node.role,
        controller,
        listen: addresses.iter().map(ToString::to_string).collect(),
        host_keys,
    };
    let outbox = Outbox::default();
    let (node, events, received) = Node::new(identity, access, warden, outbox.clone());
    let state = node.state();
    tasks.spawn(warden_client);
    let mut books = tasks.spawn(node.keep(received, from_warden, office.clone()));
    tasks.close();

    tokio::select! {
        ended = &mut books => return Ok(ended??),
        met = tokio::time::timeout(MEETING, state.warden_met()) => met.with_context(|| format!("no warden answers at {}", layout.warden_socket().display()))?,
    }
    let books_events = events.clone();
    let controller = link::Controller { address: config.api.listen, token: layout.node_token() };
    let link = tasks.spawn(link::keep(controller, events, outbox.clone(), office.clone()));
    let listening = addresses.iter().map(|address| format!("ssh on {address}")).collect::<Vec<_>>().join(", ");
    tracing::info!(%listening, "gateway serves");
    super::ready(&listening);

    let failed = tokio::select! {
        ((), ()) = async {
            let told = async {
                signals.await;
                // books that are not kept any more have ended everything
                let _ = books_events.send(Event::Stopping).await;
            };
            tokio::join!(server.serve(stop.clone()), told)
        } => None,
        ended = &mut books => Some(ended),
    };
    if let Some(ended) = failed {
        return Ok(ended??);
    }
    let _ = tokio::time::timeout(LAST_REPORTS, state.settled(&outbox)).await;
    office.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(1), async { link.await.ok(); tasks.wait().await }).await;
    tracing::info!("gateway ended");
    Ok(())
}
