//! The books, event by event. The warden is away in most: what it would say is said here.

use super::*;
use crate::access::tests::grant;
use ed25519_dalek::SigningKey;
use portcullis_model::grant::{Ending, Revocation, Signed};
use portcullis_model::receipt::Receipt;

struct Desk {
    node: Node,
    access: Access,
    outbox: Outbox,
    key: SigningKey,
    received: mpsc::Receiver<Event>,
}

fn desk() -> Desk {
    let key = SigningKey::from_bytes(&[7; 32]);
    let identity = Identity { target: "node1".into(), role: Role::Cps, controller: key.verifying_key(), listen: vec![], host_keys: vec![] };
    let (events, _) = mpsc::channel(8);
    let (warden, client) = Warden::new("/nonexistent/warden.sock".into(), events, CancellationToken::new());
    tokio::spawn(client);
    let (access, outbox) = (Access::default(), Outbox::default());
    let (node, _, received) = Node::new(identity, access.clone(), warden, outbox.clone());
    Desk { node, access, outbox, key, received }
}

impl Desk {
    fn signed(&self, number: u8) -> SignedGrant {
        Signed::sign(&grant(number, "op-one", "k"), &self.key).unwrap()
    }

    fn revocation(&self, number: u8) -> SignedRevocation {
        let Grant { id, request, target, not_before: at, .. } = grant(number, "op-one", "k");
        Signed::sign(&Revocation { grant: id, request, target, at, by: "carol".into(), reason: "enough".into(), ending: Ending::Revoke }, &self.key).unwrap()
    }

    fn up(&mut self, grants: Vec<SignedGrant>) {
        let about = warden::About { target: "node1".into(), role: Role::Cps, layers: vec![], grants };
        self.node.on_warden(warden::Event::Up(Box::new(about))).unwrap();
    }

    fn say(&mut self, said: ToNode) {
        self.node.on_event(Event::Controller(Box::new(said)));
    }

    async fn told(&self) -> FromNode {
        let (number, message) = self.outbox.oldest().await;
        self.outbox.sent(number);
        message
    }
}

fn id(number: u8) -> GrantId {
    GrantId::from_entropy([number; 10])
}

fn receipt(number: u8) -> RevokeReceipt {
    RevokeReceipt { grant: id(number), sessions: vec![], micros: 5 }
}

#[tokio::test]
async fn what_the_warden_keeps_is_in_force_without_a_controller() {
    let mut desk = desk();
    let signed = desk.signed(1);
    let foreign = Signed::sign(&grant(2, "op-one", "k"), &SigningKey::from_bytes(&[8; 32])).unwrap();
    desk.up(vec![signed, foreign]);
    assert!(desk.access.is_live(&id(1)));
    assert!(!desk.access.is_live(&id(2)), "signed by somebody else");
}

#[tokio::test]
async fn a_grant_is_in_force_only_once_the_warden_has_it() {
    let mut desk = desk();
    let signed = desk.signed(1);
    desk.say(ToNode::Grant(signed));
    assert!(!desk.access.is_live(&id(1)));
    // the warden is away: that is the answer, and the controller hears it
    let event = desk.received.recv().await.unwrap();
    desk.node.on_event(event);
    assert!(!desk.access.is_live(&id(1)));
    assert!(matches!(desk.told().await, FromNode::Deployed { grant, error: Some(_) } if grant == id(1)));
    desk.node.on_event(Event::Installed { grant: Box::new(grant(1, "op-one", "k")), error: None });
    assert!(desk.access.is_live(&id(1)));
    assert!(matches!(desk.told().await, FromNode::Deployed { error: None, .. }));
}

#[tokio::test]
async fn a_revoke_bars_at_once_and_its_receipt_is_told_as_often_as_asked() {
    let mut desk = desk();
    let signed = desk.signed(1);
    desk.up(vec![signed.clone()]);
    let revocation = desk.revocation(1);
    desk.say(ToNode::Revoke(revocation.clone()));
    assert!(!desk.access.is_live(&id(1)), "barred before the warden has answered");
    // a grant that overtakes its own revocation does not come back
    desk.say(ToNode::Grant(signed.clone()));
    assert!(matches!(desk.told().await, FromNode::Deployed { error: Some(_), .. }));
    desk.up(vec![signed]);
    desk.node.on_event(Event::Installed { grant: Box::new(grant(1, "op-one", "k")), error: None });
    assert!(!desk.access.is_live(&id(1)));
    let _ = desk.told().await;

    desk.node.on_warden(warden::Event::Revoked(receipt(1))).unwrap();
    assert_eq!(desk.told().await, FromNode::Revoked(receipt(1)));
    desk.say(ToNode::Revoke(revocation));
    assert_eq!(desk.told().await, FromNode::Revoked(receipt(1)), "told again, the same");
}

#[tokio::test]
async fn a_revocation_that_nobody_signed_changes_nothing() {
    let mut desk = desk();
    let signed = desk.signed(1);
    desk.up(vec![signed]);
    let forged = Desk { key: SigningKey::from_bytes(&[8; 32]), ..self::desk() }.revocation(1);
    desk.say(ToNode::Revoke(forged));
    assert!(desk.access.is_live(&id(1)));
}

#[tokio::test]
async fn what_the_controller_does_not_state_has_ended() {
    let mut desk = desk();
    let (one, two) = (desk.signed(1), desk.signed(2));
    desk.up(vec![one, two.clone()]);
    desk.say(ToNode::State { grants: vec![two], revocations: vec![] });
    assert!(!desk.access.is_live(&id(1)));
    assert!(desk.access.is_live(&id(2)));
}

#[tokio::test]
async fn a_session_that_ended_by_revoke_cuts_the_connections_of_its_grant() {
    let mut desk = desk();
    let signed = desk.signed(1);
    desk.up(vec![signed]);
    let token = CancellationToken::new();
    let _place = desk.access.connect(&id(1), token.clone()).unwrap();
    let ended = |cause| warden::Event::Ended {
        receipt: Receipt { session: SessionId::from_entropy([9; 10]), grant: id(1), cause, killed: 1, survivors: vec![], micros: 1 },
        exit: None,
    };
    desk.node.on_warden(ended(EndCause::Exit)).unwrap();
    assert!(!token.is_cancelled(), "other sessions of the connection go on");
    desk.node.on_warden(ended(EndCause::Expired)).unwrap();
    assert!(token.is_cancelled());
    assert!(!desk.access.is_live(&id(1)));
}

#[tokio::test]
async fn a_warden_of_another_node_is_an_error() {
    let mut desk = desk();
    let about = warden::About { target: "node2".into(), role: Role::Cps, layers: vec![], grants: vec![] };
    let error = desk.node.on_warden(warden::Event::Up(Box::new(about))).unwrap_err();
    assert!(error.to_string().contains("node2"), "{error}");
}
