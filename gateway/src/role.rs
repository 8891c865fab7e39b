//! The roles that this program plays as a process of its own. Each runs until it is told to end by SIGTERM or SIGINT.

pub mod controller;
pub mod gateway;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Says to whoever started this process that it is up, and what it has to say about itself.
pub(crate) fn ready(status: &str) {
    // without a supervisor there is nobody to tell
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Status(status), sd_notify::NotifyState::Ready]);
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
pub(crate) fn stop_on_signal(stop: &CancellationToken) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
    })
}
