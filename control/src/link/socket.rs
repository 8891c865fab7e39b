//! One connection of a node, from its Hello to its end.

use super::supply::Supply;
use super::told::Told;
use super::{Attachment, NodeHello};
use crate::desk::{Desk, DeskError, Standing, now};
use crate::domain::text::TargetName;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use portcullis_model::asking::Asked;
use portcullis_model::bytes::printable;
use portcullis_model::id::SessionId;
use portcullis_model::session::SessionFacts;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::link::{FromNode, MESSAGE_MAX, ToNode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long a node may take to say Hello.
const HELLO: Duration = Duration::from_secs(10);
/// How long a message may take to be sent: a node that does not read is dropped.
const SEND: Duration = Duration::from_secs(10);
/// How often the books are looked into though nobody woke the connection.
const LOOK: Duration = Duration::from_secs(2);
/// How often a node is asked for a sign of life.
const PING: Duration = Duration::from_secs(10);
/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// Most sessions that a node may report in its Hello, most addresses and host keys, most layers.
const SESSIONS_MAX: usize = 10_000;
const ADDRESSES_MAX: usize = 32;
const LAYERS_MAX: usize = 64;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the node went away")]
    Gone,
    #[error("the node is silent")]
    Silent,
    #[error("a newer connection of this target replaced it")]
    Replaced,
    #[error("the controller is shutting down")]
    Shutdown,
    #[error("{0}")]
    Refused(String),
    #[error("the books failed")]
    Books(#[from] DeskError),
    #[error("a message does not write as JSON")]
    Json(#[from] serde_json::Error),
}

impl End {
    fn close_code(&self) -> u16 {
        match self {
            Self::Gone | Self::Shutdown => close_code::AWAY,
            Self::Silent | Self::Replaced | Self::Refused(_) => close_code::POLICY,
            Self::Books(_) | Self::Json(_) => close_code::ERROR,
        }
    }
}

/// A node that has said Hello.
struct Node {
    target: TargetName,
    hello: NodeHello,
    sessions: Vec<SessionFacts>,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(mut socket: WebSocket, desk: Arc<Desk>, shutdown: CancellationToken) {
    let end = match converse(&mut socket, &desk, &shutdown).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    tracing::info!(reason = %end, "link closed");
    let reason: String = end.to_string().chars().take(100).collect();
    let frame = CloseFrame { code: end.close_code(), reason: Utf8Bytes::from(reason) };
    // best effort: the node may be gone
    let _ = timeout(SEND, socket.send(Message::Close(Some(frame)))).await;
}

async fn converse(socket: &mut WebSocket, desk: &Arc<Desk>, shutdown: &CancellationToken) -> Result<Infallible, End> {
    let node = tokio::select! {
        hello = timeout(HELLO, hear(socket)) => introduce(desk, hello.map_err(|_| End::Silent)??)?,
        () = shutdown.cancelled() => return Err(End::Shutdown),
    };
    let attachment = desk.hub.attach(&node.target, node.hello.clone(), now()).ok_or_else(|| End::Refused("unknown target".to_owned()))?;
    tracing::info!(target = %node.target, sessions = node.sessions.len(), "link is up");
    let end = attend(socket, desk, &node, &attachment, shutdown).await;
    desk.hub.detach(&node.target, &attachment, now());
    end
}

/// The node's next message; anything that is not one ends the connection.
async fn hear(socket: &mut WebSocket) -> Result<FromNode, End> {
    loop {
        if let Some(message) = next(socket).await? {
            return Ok(message);
        }
    }
}

/// The next frame: a message, or a sign of life.
async fn next(socket: &mut WebSocket) -> Result<Option<FromNode>, End> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) if text.len() <= MESSAGE_MAX => match serde_json::from_str(&text) {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(End::Refused(format!("a message does not parse: {error}"))),
        },
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err(End::Gone),
        Some(Ok(Message::Text(_) | Message::Binary(_))) => Err(End::Refused("a frame that is no message".to_owned())),
        Some(Err(_)) => Err(End::Gone),
    }
}

async fn say(socket: &mut WebSocket, message: &ToNode) -> Result<(), End> {
    let text = serde_json::to_string(message)?;
    send(socket, Message::Text(text.into())).await
}

async fn send(socket: &mut WebSocket, frame: Message) -> Result<(), End> {
    match timeout(SEND, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Silent),
    }
}

fn introduce(desk: &Desk, message: FromNode) -> Result<Node, End> {
    let refuse = |why: String| Err(End::Refused(why));
    let FromNode::Hello { protocol, target, role, listen, host_keys, layers, sessions } = message else {
        return refuse("the first message is not Hello".to_owned());
    };
    if protocol != PROTOCOL {
        return refuse(format!("protocol {protocol}, this controller speaks {PROTOCOL}"));
    }
    let shown: String = printable(target.as_bytes()).chars().take(63).collect();
    let Some((target, known)) = TargetName::try_from(target).ok().and_then(|name| desk.targets.get_key_value(&name)) else {
        return refuse(format!("target {shown} is not configured"));
    };
    if *known != role {
        return refuse(format!("target {target} is a {known}, the node says {role}"));
    }
    if listen.len() > ADDRESSES_MAX || host_keys.len() > ADDRESSES_MAX || layers.len() > LAYERS_MAX || sessions.len() > SESSIONS_MAX {
        return refuse("the Hello lists too much".to_owned());
    }
    Ok(Node { target: target.clone(), hello: NodeHello { listen, host_keys, layers }, sessions })
}

/// Tells and hears until the connection ends. What was heard is written down before anything can end it.
async fn attend(
    socket: &mut WebSocket, desk: &Desk, node: &Node, attachment: &Attachment, shutdown: &CancellationToken,
) -> Result<Infallible, End> {
    let target = &node.target;
    let unfounded = desk.arrived(target, &node.sessions).await?;
    let mut told = Told::default();
    let mut supply = Supply::default();
    let state = told.state(&desk.orders(target).await?, Instant::now());
    say(socket, &state).await?;
    for id in unfounded {
        say(socket, &ToNode::EndSession(id)).await?;
    }
    let mut heard = Instant::now();
    let mut look = interval(LOOK);
    let mut ping = interval(PING);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let tell = tokio::select! {
            message = next(socket) => {
                heard = Instant::now();
                match message? {
                    None => {}
                    Some(FromNode::WantModule(digest)) => supply.want(digest),
                    Some(FromNode::Policies(state)) => {
                        told.enforces(state.sequence);
                        desk.policies_reported(target, attachment, state).await?;
                    }
                    Some(message) => record(socket, desk, target, message).await?,
                }
                false
            }
            () = std::future::ready(()), if supply.is_open() => {
                if let Some(part) = supply.part(desk, target).await? {
                    say(socket, &part).await?;
                }
                false
            }
            () = attachment.replaced.cancelled() => return Err(End::Replaced),
            () = shutdown.cancelled() => return Err(End::Shutdown),
            () = desk.hub.woken(target) => true,
            _ = look.tick() => true,
            _ = ping.tick() => {
                if heard.elapsed() >= SILENCE {
                    return Err(End::Silent);
                }
                send(socket, Message::Ping(Vec::new().into())).await?;
                false
            }
        };
        if tell {
            for message in told.news(desk.orders(target).await?, Instant::now()) {
                say(socket, &message).await?;
            }
        }
    }
}

async fn record(socket: &mut WebSocket, desk: &Desk, target: &TargetName, message: FromNode) -> Result<(), End> {
    match message {
        FromNode::Hello { .. } => return Err(End::Refused("a second Hello".to_owned())),
        FromNode::Deployed { grant, error } => desk.deployed(target, &grant, error.as_deref()).await?,
        FromNode::Revoked(receipt) => desk.revoked(target, &receipt).await?,
        FromNode::SessionStarted(facts) => {
            let id: SessionId = facts.id.clone();
            if desk.session_started(target, &facts).await? == Standing::Unfounded {
                say(socket, &ToNode::EndSession(id)).await?;
            }
        }
        FromNode::Asked(asked) => {
            if let Some(why) = desk.asked(target, &asked).await? {
                let Asked { session, id: question, .. } = *asked;
                say(socket, &ToNode::NotPut { session, question, why }).await?;
            }
        }
        FromNode::Wish { session, number, wish } => {
            let told = desk.wish(target, &session, wish).await?;
            say(socket, &ToNode::Told { session, number, told }).await?;
        }
        FromNode::Alert(alert) => {
            let (session, number) = (alert.session.clone(), alert.number);
            desk.alerted(target, *alert).await?;
            say(socket, &ToNode::AlertTaken { session, number }).await?;
        }
        FromNode::Noted { session, number } => desk.noted(target, &session, number).await?,
        FromNode::AskOver { session, question, end } => desk.ask_over(target, &session, &question, end).await?,
        FromNode::Trial(report) => desk.trial_reported(target, *report).await?,
        // these two are about the connection itself, which has dealt with them
        FromNode::WantModule(_) | FromNode::Policies(_) => {}
        FromNode::SessionEnded { receipt, exit } => desk.session_ended(target, &receipt, exit.as_ref()).await?,
    }
    Ok(())
}
