//! The life of one connection: login grace, sessions, and an end that does not depend on the protocol's good will.
//!
//! Two tokens end it. *closing* is the polite one: no new session opens, the running ones get a moment to say their last
//! line, the client is told, then *kill*: the stream fails, the TCP connection is shut down under it, the channels' tasks
//! end and with them whatever the protocol's loop was waiting for.

use super::Doors;
use super::accept::Startup;
use super::handler::Handler;
use super::stream::{HangUp, Killable, prepare};
use crate::config::Ssh;
use russh::Disconnect;
use russh::server::{Handle, run_stream};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// For the sessions' last lines to be delivered, once the end is decided.
const LAST_LINES: Duration = Duration::from_secs(2);
/// For the client to be told of the end, and again for it to leave.
const FAREWELL: Duration = Duration::from_millis(200);
/// For the protocol's loop and the channels' tasks to be gone after a kill.
const BURIAL: Duration = Duration::from_secs(5);
/// Interval of looking whether the client still holds its end.
const LOOK: Duration = Duration::from_secs(5);

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) protocol: Arc<russh::server::Config>,
    pub(super) settings: Ssh,
    pub(super) doors: Doors,
}

/// What the parts of one connection share.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) peer: SocketAddr,
    /// No new session opens, the connection is about to end.
    pub(super) closing: CancellationToken,
    /// The node is being stopped, which is why it closes.
    pub(super) stopping: CancellationToken,
    /// It has ended.
    pub(super) kill: CancellationToken,
    /// A signature was verified.
    pub(super) authenticated: Arc<AtomicBool>,
    /// Told once `authenticated` is set.
    pub(super) login: Notify,
    /// The channels' tasks.
    pub(super) sessions: TaskTracker,
}

/// Serves one connection to its end.
pub(super) async fn run(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, startup: Startup, stopping: CancellationToken) {
    let closing = stopping.child_token();
    let hang_up = match prepare(&stream).and_then(|()| HangUp::of(&stream)) {
        Ok(hang_up) => hang_up,
        Err(error) => {
            tracing::debug!(%peer, %error, "connection ended before it began");
            return;
        }
    };
    let line = Arc::new(Line {
        peer,
        closing,
        stopping,
        kill: CancellationToken::new(),
        authenticated: Arc::default(),
        login: Notify::new(),
        sessions: TaskTracker::new(),
    });
    let stream = Killable::new(stream, &line.kill, line.authenticated.clone());
    let handler = Handler::new(shared.clone(), line.clone());
    let handle = OnceLock::new();
    let protocol = async {
        let running = run_stream(shared.protocol.clone(), stream, handler).await?;
        let _ = handle.set(running.handle());
        running.await
    };
    tokio::pin!(protocol);
    let ended = tokio::select! {
        ended = &mut protocol => Some(ended),
        () = watch(&line, &hang_up, &handle, startup, shared.settings.login_grace) => None,
    };
    line.kill.cancel();
    hang_up.cut();
    line.sessions.close();
    let buried = async {
        line.sessions.wait().await;
        match ended {
            Some(ended) => ended,
            None => protocol.await,
        }
    };
    match tokio::time::timeout(BURIAL, buried).await {
        // clients leave in many ways, few of them polite
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
        Ok(Ok(())) => tracing::debug!(%peer, "connection ended"),
        Err(_) => tracing::error!(%peer, "a connection that was cut is still being worked on"),
    }
}

/// Returns when the connection is to be cut.
async fn watch(line: &Line, hang_up: &HangUp, handle: &OnceLock<Handle>, startup: Startup, grace: Duration) {
    let login = async {
        tokio::select! {
            () = logged_in(line) => { drop(startup); std::future::pending().await }
            () = tokio::time::sleep(grace) => tracing::info!(peer = %line.peer, "not logged in within the grace time"),
        }
    };
    tokio::select! {
        () = login => {}
        () = line.kill.cancelled() => {}
        () = client_gone(line, hang_up) => {}
        () = line.closing.cancelled() => farewell(line, handle).await,
    }
}

async fn logged_in(line: &Line) {
    while !line.authenticated.load(Ordering::Acquire) {
        line.login.notified().await;
    }
}

/// A loop that is stuck behind a program that does not read notices nothing, so this looks at the connection itself.
async fn client_gone(line: &Line, hang_up: &HangUp) {
    let mut seen = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let gone = hang_up.client_is_gone();
        if seen && gone {
            tracing::debug!(peer = %line.peer, "the client has gone without being noticed");
            return;
        }
        seen = gone;
    }
}

async fn farewell(line: &Line, handle: &OnceLock<Handle>) {
    line.sessions.close();
    let _ = tokio::time::timeout(LAST_LINES, line.sessions.wait()).await;
    // a message to the client overtakes what its channels have still to send; most clients leave by themselves once they have it
    tokio::time::sleep(FAREWELL).await;
    if let Some(handle) = handle.get() {
        let why = if line.stopping.is_cancelled() { "the node is being stopped" } else { "access has ended" };
        let told = handle.disconnect(Disconnect::ByApplication, why.into(), String::new());
        let _ = tokio::time::timeout(FAREWELL, told).await;
        tokio::time::sleep(FAREWELL).await;
    }
}
