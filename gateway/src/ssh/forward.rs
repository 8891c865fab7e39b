//! A channel of type `direct-tcpip`: a session of its own, whose program connects. The channel is opened when the connection stands, and
//! refused when it does not; what went wrong is in the session's recording and in the log, because an open that fails carries a number only.

use super::channel::{Incoming, Opening};
use crate::session::keeper::Keeper;
use crate::session::packet::Buffer;
use crate::session::relay::{self, Client, ClientGone, End};
use portcullis_model::bytes::printable;
use portcullis_model::session::{ExitStatus, Purpose};
use portcullis_model::subject::Forward;
use portcullis_model::wire::keeper::FromKeeper;
use portcullis_model::wire::warden::OpenSession;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure, ChannelWriteHalf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The forwarder's status when it was refused, as a shell has it.
const REFUSED: u8 = 126;
/// For a name to be looked up and its addresses to be tried; the session ends after it.
const CONNECT_DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of a failure that are kept for the log.
const REASON_MAX: usize = 1000;

/// Serves a forwarded connection to its end, or until `gone`.
pub(super) async fn run(channel: Channel<Msg>, opening: Opening, wanted: Forward, reply: ChannelOpenHandle, gone: &CancellationToken) {
    let to = format!("{}:{}", printable(wanted.host.as_bytes()), wanted.port);
    let Opening { warden, authenticated, source, client, .. } = opening;
    let open = OpenSession {
        grant: authenticated.grant().clone(),
        source,
        key_fingerprint: authenticated.fingerprint().to_owned(),
        client,
        purpose: Purpose::Forward(wanted),
        pty: None,
        environment: Vec::new(),
    };
    let connected = async {
        let opened = warden.open(open).await.map_err(|error| (ChannelOpenFailure::AdministrativelyProhibited, error.to_string()))?;
        let session = opened.facts.id.clone();
        let stands = tokio::time::timeout(CONNECT_DEADLINE, await_connection(&opened.keeper)).await;
        let stands = stands.unwrap_or_else(|_| Err((ChannelOpenFailure::ConnectFailed, "it took too long".to_owned())));
        stands.map(|()| (opened.keeper, session))
    };
    let connected = tokio::select! {
        connected = connected => connected,
        () = gone.cancelled() => return,
    };
    let (keeper, session) = match connected {
        Ok(connected) => connected,
        Err((failure, reason)) => {
            tracing::info!(grant = %authenticated.grant(), to, reason, "not forwarded");
            reply.reject(failure).await;
            return;
        }
    };
    reply.accept().await;
    let (incoming, outgoing) = channel.split();
    let relayed = async {
        match relay::relay(keeper, &mut Incoming(incoming), &Bytes(&outgoing)).await {
            End::Session => drop(outgoing.eof().await),
            End::Client => tracing::debug!(%session, "the client closed a forwarded connection"),
            End::Fault(fault) => tracing::error!(%session, %fault, "a keeper is not understood: its session ends"),
        }
    };
    tokio::select! {
        () = relayed => {}
        () = gone.cancelled() => {}
    }
    let _ = outgoing.close().await;
}

/// Waits until the connection stands; otherwise what to answer, and what went wrong.
async fn await_connection(keeper: &Keeper) -> Result<(), (ChannelOpenFailure, String)> {
    let (mut buffer, mut reason) = (Buffer::default(), String::new());
    loop {
        match keeper.receive(&mut buffer).await {
            Ok(Some(FromKeeper::Connected)) => return Ok(()),
            Ok(Some(FromKeeper::ErrorOutput(bytes))) if reason.len() < REASON_MAX => reason.push_str(&printable(&bytes)),
            Ok(Some(FromKeeper::ErrorOutput(_) | FromKeeper::Output(_))) => {}
            Ok(Some(FromKeeper::Exit(ExitStatus::Code(REFUSED)))) => return Err((ChannelOpenFailure::AdministrativelyProhibited, reason)),
            Ok(Some(FromKeeper::Ending(text))) => return Err((ChannelOpenFailure::AdministrativelyProhibited, text)),
            Ok(Some(FromKeeper::Exit(_)) | None) => return Err((ChannelOpenFailure::ConnectFailed, reason)),
            Err(fault) => return Err((ChannelOpenFailure::ConnectFailed, fault.to_string())),
        }
    }
}

/// A client that takes bytes and nothing else: such a channel has neither an error stream nor a status.
struct Bytes<'a>(&'a ChannelWriteHalf<Msg>);

impl Client for Bytes<'_> {
    async fn output(&self, bytes: Vec<u8>) -> Result<(), ClientGone> {
        self.0.data_bytes(bytes).await.map_err(|_| ClientGone)
    }

    async fn error_output(&self, _: Vec<u8>) -> Result<(), ClientGone> {
        Ok(())
    }

    async fn exit(&self, _: ExitStatus) -> Result<(), ClientGone> {
        Ok(())
    }

    async fn notice(&self, _: &str) -> Result<(), ClientGone> {
        Ok(())
    }
}
