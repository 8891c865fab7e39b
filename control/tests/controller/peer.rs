//! A node, as the controller sees one: a WebSocket client that speaks the link's protocol. What it answers is up to the test.

use crate::world::{Running, World};
use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_model::action::Role;
use portcullis_model::grant::{Grant, Revocation, SignedGrant, SignedRevocation};
use portcullis_model::id::SessionId;
use portcullis_model::layer::{Layer, LayerState};
use portcullis_model::policy::{PolicyAssignment, SignedPolicyAssignment};
use portcullis_model::receipt::{EndCause, Receipt, RevokeReceipt};
use portcullis_model::session::SessionFacts;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::link::{FromNode, ToNode};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    key: ed25519_dalek::VerifyingKey,
    target: String,
}

pub(crate) fn hello(target: &str, role: Role, sessions: Vec<SessionFacts>) -> FromNode {
    FromNode::Hello {
        protocol: PROTOCOL,
        target: target.to_owned(),
        role,
        listen: vec!["127.0.0.1:2222".to_owned()],
        host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
        layers: vec![Layer { name: "exec-guard".to_owned(), state: LayerState::Live, detail: "tried".to_owned() }],
        sessions,
    }
}

impl Peer {
    /// A connection that has not said anything.
    pub(crate) async fn connect(world: &World, running: &Running, target: &str) -> Self {
        let mut request = format!("ws://{}/v1/link", running.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", world.node_token()).parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        Self { socket, key: world.controller_key(), target: target.to_owned() }
    }

    /// node1, after its Hello and the State that it was told.
    pub(crate) async fn node1(world: &World, running: &Running, sessions: Vec<SessionFacts>) -> (Self, Vec<Grant>, Vec<Revocation>) {
        let mut peer = Self::connect(world, running, "node1").await;
        peer.say(&hello("node1", Role::Cps, sessions)).await;
        match peer.hear().await {
            ToNode::State { grants, revocations } => {
                let grants = grants.iter().map(|grant| peer.grant(grant)).collect();
                let revocations = revocations.iter().map(|revocation| peer.revocation(revocation)).collect();
                (peer, grants, revocations)
            }
            other => panic!("State comes first, not {other:?}"),
        }
    }

    pub(crate) fn grant(&self, signed: &SignedGrant) -> Grant {
        signed.verify(&self.key, &self.target).unwrap()
    }

    pub(crate) fn revocation(&self, signed: &SignedRevocation) -> Revocation {
        signed.verify(&self.key, &self.target).unwrap()
    }

    pub(crate) fn assignment(&self, signed: &SignedPolicyAssignment) -> PolicyAssignment {
        let told = signed.verify(&self.key, &self.target).unwrap();
        told.check().unwrap();
        told
    }

    pub(crate) async fn say(&mut self, message: &FromNode) {
        self.send(Message::text(serde_json::to_string(message).unwrap())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.socket.next()).await.expect("the controller says something");
            match next {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                Some(Err(_)) | None => return Message::Close(None),
            }
        }
    }

    /// The controller's next message.
    pub(crate) async fn hear(&mut self) -> ToNode {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message, not {other:?}"),
        }
    }

    /// The code and reason with which the controller closes; messages before that are passed over.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.map_or((0, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
            }
        }
    }

    /// Hears a grant and says that it is in force.
    pub(crate) async fn deploy(&mut self) -> Grant {
        let grant = match self.hear().await {
            ToNode::Grant(signed) => self.grant(&signed),
            other => panic!("a grant, not {other:?}"),
        };
        self.say(&FromNode::Deployed { grant: grant.id.clone(), error: None }).await;
        grant
    }

    /// Hears a revocation, without answering.
    pub(crate) async fn revoke(&mut self) -> Revocation {
        match self.hear().await {
            ToNode::Revoke(signed) => self.revocation(&signed),
            other => panic!("a revocation, not {other:?}"),
        }
    }
}

/// The facts of a session under a grant.
pub(crate) fn session(grant: &Grant, number: u8, fingerprint: &str) -> SessionFacts {
    let id = SessionId::from_entropy([number; 10]);
    let start = UnixMs::from_system(SystemTime::now());
    SessionFacts::new(id, grant, grant.uid.get(), "127.0.0.1:40000".to_owned(), fingerprint.to_owned(), start, true)
}

pub(crate) fn receipt(facts: &SessionFacts, cause: EndCause, killed: u32) -> Receipt {
    Receipt { session: facts.id.clone(), grant: facts.grant.clone(), cause, killed, survivors: vec![], micros: 1500 }
}

pub(crate) fn revoked(grant: &Grant, sessions: Vec<Receipt>) -> FromNode {
    FromNode::Revoked(RevokeReceipt { grant: grant.id.clone(), sessions, micros: 2500 })
}
