//! The connection to the controller. The node dials, so that nothing has to be open towards it, and dials again, ever
//! more patiently, for as long as it runs. What the node holds goes on being enforced meanwhile.

use crate::node::{Event, Outbox};
use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_model::wire::link::{FromNode, MESSAGE_MAX, ToNode};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_util::sync::CancellationToken;

const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// The controller pings more often than this; a link without a word for so long is none.
const SILENCE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Most bytes of the token's file.
const TOKEN_MAX: usize = 1024;

/// Where the controller is, and what proves that this is the node.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Its address.
    pub address: SocketAddr,
    /// The file with the node's token; read anew for each connection.
    pub token: PathBuf,
}

/// Why a connection ended, or did not begin.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("the node's token cannot be read from {}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error("the node's token in {} is not one line of letters, digits and signs", .0.display())]
    TokenText(PathBuf),
    #[error("nobody answers at {0}")]
    Dial(SocketAddr, #[source] std::io::Error),
    #[error("{0} does not talk to this node")]
    Refused(SocketAddr, #[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("{0} did not answer in time")]
    Late(SocketAddr),
    #[error("the connection broke")]
    Broken(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("the controller closed the connection: {0}")]
    Closed(String),
    #[error("the controller is silent")]
    Silent,
    #[error("the controller said what this version does not know")]
    Unknown(#[source] serde_json::Error),
    #[error("the node is going down")]
    Down,
}

type Socket = WebSocketStream<TcpStream>;

/// Keeps the connection until `stop`.
pub async fn keep(controller: Controller, events: mpsc::Sender<Event>, outbox: Outbox, stop: CancellationToken) {
    let mut pause = PAUSE_MIN;
    loop {
        let started = tokio::time::Instant::now();
        let ended = tokio::select! {
            ended = connect_and_talk(&controller, &events, &outbox) => ended,
            () = stop.cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::warn!(error = %crate::chain(&error), "no link to the controller");
        }
        if events.send(Event::Unlinked).await.is_err() {
            return;
        }
        // a link that held for a while was not the fault of dialling too often
        pause = if started.elapsed() > PAUSE_MAX { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Half of the pause to all of it: nodes that lost one controller together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut entropy = [0; 1];
    // without entropy the pause is merely not spread
    let _ = getrandom::fill(&mut entropy);
    let [byte] = entropy;
    pause / 2 + pause.mul_f64(f64::from(byte) / 512.0)
}

async fn connect_and_talk(controller: &Controller, events: &mpsc::Sender<Event>, outbox: &Outbox) -> Result<(), LinkError> {
    let mut socket = tokio::time::timeout(DIAL_DEADLINE, dial(controller)).await.map_err(|_| LinkError::Late(controller.address))??;
    let (reply, greeting) = oneshot::channel();
    events.send(Event::Greet(reply)).await.map_err(|_| LinkError::Down)?;
    let greeting = greeting.await.map_err(|_| LinkError::Down)?;
    send(&mut socket, &greeting).await?;
    tracing::info!(controller = %controller.address, "linked to the controller");
    talk(socket, events, outbox).await
}

async fn dial(controller: &Controller) -> Result<Socket, LinkError> {
    let address = controller.address;
    let token = read_token(&controller.token)?;
    let refused = |error| LinkError::Refused(address, Box::new(error));
    let mut request = format!("ws://{address}/v1/link").into_client_request().map_err(refused)?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| LinkError::TokenText(controller.token.clone()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let stream = TcpStream::connect(address).await.map_err(|source| LinkError::Dial(address, source))?;
    stream.set_nodelay(true).map_err(|source| LinkError::Dial(address, source))?;
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await.map_err(refused)?;
    Ok(socket)
}

fn read_token(path: &Path) -> Result<String, LinkError> {
    let text = std::fs::read_to_string(path).map_err(|source| LinkError::Token { path: path.to_owned(), source })?;
    let token = text.trim_end();
    let plain = !token.is_empty() && token.len() <= TOKEN_MAX && token.bytes().all(|b| b.is_ascii_graphic());
    if plain { Ok(token.to_owned()) } else { Err(LinkError::TokenText(path.to_owned())) }
}

async fn talk(socket: Socket, events: &mpsc::Sender<Event>, outbox: &Outbox) -> Result<(), LinkError> {
    let (mut sink, mut stream) = socket.split();
    let mut ping = tokio::time::interval(PING);
    let mut heard_at = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(heard_at + SILENCE) => return Err(LinkError::Silent),
            heard = stream.next() => {
                heard_at = tokio::time::Instant::now();
                let message = match heard {
                    None => return Err(LinkError::Closed("without a word".to_owned())),
                    Some(Err(error)) => return Err(LinkError::Broken(Box::new(error))),
                    Some(Ok(message)) => message,
                };
                match message {
                    Message::Text(text) => {
                        let said: ToNode = serde_json::from_str(&text).map_err(LinkError::Unknown)?;
                        events.send(Event::Controller(Box::new(said))).await.map_err(|_| LinkError::Down)?;
                    }
                    Message::Close(frame) => {
                        let reason = frame.map(|frame| portcullis_model::bytes::printable(frame.reason.as_bytes()));
                        return Err(LinkError::Closed(reason.unwrap_or_else(|| "without a reason".to_owned())));
                    }
                    // pings are answered by the library at the next flush, which the select's other arms do
                    Message::Ping(_) => sink.flush().await.map_err(|error| LinkError::Broken(Box::new(error)))?,
                    Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
                }
            }
            (number, message) = outbox.oldest() => {
                let text = serde_json::to_string(&message).map_err(LinkError::Unknown)?;
                sink.send(Message::text(text)).await.map_err(|error| LinkError::Broken(Box::new(error)))?;
                outbox.sent(number);
            }
            _ = ping.tick() => sink.send(Message::Ping(Bytes::new())).await.map_err(|error| LinkError::Broken(Box::new(error)))?,
        }
    }
}

async fn send(socket: &mut Socket, message: &FromNode) -> Result<(), LinkError> {
    let text = serde_json::to_string(message).map_err(LinkError::Unknown)?;
    socket.send(Message::text(text)).await.map_err(|error| LinkError::Broken(Box::new(error)))
}
