//! What russh calls. Each function answers from memory and returns at once: while one runs, the whole connection stands
//! still. What takes time happens in the channel's task, which sees the same requests in the same order.

use super::auth::{self, Authenticated};
use super::channel::{self, COMMAND_MAX, SFTP};
use super::connection::{Line, Shared};
use super::forward;
use portcullis_model::bytes::printable;
use portcullis_model::subject::Forward;
use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// One connection's answers.
pub(super) struct Handler {
    shared: Arc<Shared>,
    line: Arc<Line>,
    authenticated: Option<Arc<Authenticated>>,
    places: Arc<Semaphore>,
    channels: HashMap<ChannelId, State>,
}

/// What the answers to a channel's requests depend on.
struct State {
    /// Cancelled when the client closes the channel, or its task has ended.
    gone: CancellationToken,
    started: bool,
}

/// A channel that is admitted.
struct Begun {
    opening: channel::Opening,
    /// Cancelled when the client closes the channel, or its connection has ended.
    gone: CancellationToken,
    /// Its place on the connection, kept until it has ended.
    place: OwnedSemaphorePermit,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>, line: Arc<Line>) -> Self {
        let places = Arc::new(Semaphore::new(shared.settings.max_sessions));
        Self { shared, line, authenticated: None, places, channels: HashMap::new() }
    }

    /// Whether the channel may be started now; once only.
    fn start(&mut self, id: ChannelId) -> bool {
        self.channels.get_mut(&id).is_some_and(|state| !std::mem::replace(&mut state.started, true))
    }

    /// Admits a channel: one of a client that is logged in, on a connection that has room for it.
    fn begin(&mut self, what: &str, id: ChannelId, session: &Session) -> Result<Begun, ChannelOpenFailure> {
        let Some(authenticated) = self.authenticated.clone().filter(|_| !self.line.closing.is_cancelled()) else {
            return Err(ChannelOpenFailure::AdministrativelyProhibited);
        };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.refuse_channel(what, "too many on one connection");
            return Err(ChannelOpenFailure::ResourceShortage);
        };
        // a close that comes from here is not told to this handler: what has ended is swept when something begins
        self.channels.retain(|_, state| !state.gone.is_cancelled());
        let gone = self.line.kill.child_token();
        self.channels.insert(id, State { gone: gone.clone(), started: false });
        let opening = channel::Opening {
            warden: self.shared.doors.warden.clone(),
            authenticated,
            source: self.line.peer.to_string(),
            client: printable(session.remote_sshid()),
            handle: session.handle(),
        };
        Ok(Begun { opening, gone, place })
    }

    fn refuse_channel(&self, what: &str, detail: &str) {
        tracing::info!(peer = %self.line.peer, %what, detail = %printable(detail.as_bytes()), "refused");
    }
}

/// Refuses a request of a channel, with a reason on the client's standard error.
fn refuse(session: &mut Session, id: ChannelId, reason: &str) -> Result<(), russh::Error> {
    session.extended_data(id, 1, format!("portcullis: {reason}\r\n").into_bytes())?;
    session.channel_failure(id)
}

fn answer(session: &mut Session, id: ChannelId, yes: bool) -> Result<(), russh::Error> {
    if yes { session.channel_success(id) } else { session.channel_failure(id) }
}

impl russh::server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        let chance = auth::has_a_chance(&self.shared.doors.access, self.shared.settings.profile, user, offer);
        tracing::debug!(peer = %self.line.peer, account = %printable(user.as_bytes()), key = %auth::fingerprint(offer.public_key), chance, "key offered");
        Ok(if chance { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let (access, profile) = (&self.shared.doors.access, self.shared.settings.profile);
        let Some(authenticated) = Authenticated::mint(access, profile, user, key, &self.line.closing) else {
            return Ok(Auth::reject());
        };
        tracing::info!(
            peer = %self.line.peer, account = %authenticated.account(), grant = %authenticated.grant(), key = %authenticated.fingerprint(),
            "logged in"
        );
        self.authenticated = Some(Arc::new(authenticated));
        self.line.authenticated.store(true, Ordering::Release);
        self.line.login.notify_one();
        Ok(Auth::Accept)
    }

    async fn auth_openssh_certificate(&mut self, user: &str, _: &Certificate) -> Result<Auth, russh::Error> {
        tracing::info!(peer = %self.line.peer, account = %printable(user.as_bytes()), "refused: a certificate");
        Ok(Auth::reject())
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, session: &mut Session) -> Result<(), russh::Error> {
        match self.begin("session", channel.id(), session) {
            Err(failure) => reply.reject(failure).await,
            Ok(Begun { opening, gone, place }) => {
                reply.accept().await;
                self.line.sessions.spawn(async move {
                    channel::run(channel, opening, &gone).await;
                    gone.cancel();
                    drop(place);
                });
            }
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        if let Some(state) = self.channels.remove(&id) {
            state.gone.cancel();
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _cols: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let early = self.channels.get(&id).is_some_and(|state| !state.started);
        answer(session, id, early)
    }

    async fn env_request(&mut self, id: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), russh::Error> {
        answer(session, id, channel::takes_variable(name, value))
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let first = self.start(id);
        answer(session, id, first)
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        if command.len() > COMMAND_MAX {
            self.refuse_channel("command", "too long");
            return refuse(session, id, &format!("a command takes at most {COMMAND_MAX} bytes"));
        }
        let first = self.start(id);
        answer(session, id, first)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), russh::Error> {
        if name != SFTP {
            self.refuse_channel("subsystem", name);
            return refuse(session, id, "the only subsystem of this node is sftp");
        }
        let first = self.start(id);
        answer(session, id, first)
    }

    async fn x11_request(&mut self, id: ChannelId, _: bool, _: &str, _: &str, _: u32, session: &mut Session) -> Result<(), russh::Error> {
        self.refuse_channel("X11 forwarding", "");
        session.channel_failure(id)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Result<bool, russh::Error> {
        self.refuse_channel("agent forwarding", "");
        Ok(false)
    }

    async fn signal(&mut self, _: ChannelId, _: Sig, _: &mut Session) -> Result<(), russh::Error> {
        // the channel's task sees it in its order
        Ok(())
    }

    async fn channel_open_x11(&mut self, _: Channel<Msg>, _: &str, _: u32, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), russh::Error> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Ok(port) = u16::try_from(port) else {
            self.refuse_channel("port forwarding", &format!("to {host}:{port}"));
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        };
        match self.begin("port forwarding", channel.id(), session) {
            Err(failure) => reply.reject(failure).await,
            Ok(Begun { opening, gone, place }) => {
                let wanted = Forward { host: host.to_owned(), port };
                self.line.sessions.spawn(async move {
                    forward::run(channel, opening, wanted, reply, &gone).await;
                    gone.cancel();
                    drop(place);
                });
            }
        }
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(&mut self, _: Channel<Msg>, path: &str, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), russh::Error> {
        self.refuse_channel("socket forwarding", path);
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Session) -> Result<bool, russh::Error> {
        self.refuse_channel("port forwarding", &format!("from {address}:{port}"));
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Result<bool, russh::Error> {
        self.refuse_channel("socket forwarding", path);
        Ok(false)
    }
}
