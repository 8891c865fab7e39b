use super::*;
use crate::config::Limits;
use crate::domain::key::RSA_BITS_MAX;
use ed25519_dalek::SigningKey;
use portcullis_model::account::{AccountName, AccountUid};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::{Grant, Revocation, Signed};
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::link::MESSAGE_MAX;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A grant with every field as long as it can be.
fn grant(number: u16) -> (GrantId, Deployment, portcullis_model::grant::SignedGrant) {
    let mut entropy = [0; 10];
    entropy[..2].copy_from_slice(&number.to_be_bytes());
    let id = GrantId::from_entropy(entropy);
    let grant = Grant {
        id: id.clone(),
        request: RequestId::from_entropy([1; 5]),
        ticket: "\"".repeat(64),
        operator: "x".repeat(64),
        public_key: format!("ssh-rsa {}", "A".repeat((RSA_BITS_MAX / 8 + 64) * 4 / 3)),
        account: AccountName::try_from("op-00000000".to_owned()).unwrap(),
        uid: AccountUid::try_from(70_000).unwrap(),
        action: Action::InfraUpdateRestart,
        target: "x".repeat(63),
        role: Role::Generic,
        not_before: UnixMs(u64::MAX),
        not_after: UnixMs(u64::MAX),
        idle_timeout_s: u32::MAX,
    };
    (id, Deployment::Pending, Signed::sign(&grant, &key()).unwrap())
}

fn revocation(number: u16, reason: &str) -> (GrantId, SignedRevocation) {
    let (id, ..) = grant(number);
    let revocation = Revocation {
        grant: id.clone(),
        request: RequestId::from_entropy([1; 5]),
        target: "x".repeat(63),
        at: UnixMs(1),
        by: "x".repeat(64),
        reason: reason.repeat(1000),
        ending: Default::default(),
    };
    (id, Signed::sign(&revocation, &key()).unwrap())
}

#[test]
fn the_largest_state_fits_into_a_message() {
    let limits = Limits::default();
    for reason in ["\"", "\\", "\u{1f600}"] {
        let orders = Orders {
            grants: (0..u16::try_from(limits.grants_max).unwrap()).map(grant).collect(),
            revocations: (0..1000).map(|number| revocation(number, reason)).collect(),
            ends: vec![],
            policies: None,
            answers: vec![],
            notes: vec![],
        };
        let state = Told::default().state(&orders, Instant::now());
        let length = serde_json::to_string(&state).unwrap().len();
        assert!(length < MESSAGE_MAX, "{length} bytes");
    }
}

#[test]
fn everything_is_told_once_ends_first_and_again_when_unanswered() {
    let orders = || Orders {
        grants: vec![grant(1)],
        revocations: (2..150).map(|number| revocation(number, "x")).collect(),
        ends: vec![SessionId::from_entropy([1; 10])],
        policies: None,
        answers: vec![],
        notes: vec![],
    };
    let now = Instant::now();
    let mut told = Told::default();
    let ToNode::State { grants, revocations } = told.state(&orders(), now) else { panic!("a State") };
    assert_eq!((grants.len(), revocations.len()), (1, IN_STATE));
    let news = told.news(orders(), now);
    assert_eq!(news.len(), 148 - IN_STATE + 2);
    assert!(matches!(news[0], ToNode::Revoke(_)) && matches!(news[news.len() - 1], ToNode::Grant(_)));
    assert!(told.news(orders(), now + AGAIN / 2).is_empty());
    let again = told.news(orders(), now + AGAIN);
    assert_eq!(again.len(), 149, "all but the grant: it is in the State, and was told for an answer");
    let none = Orders { grants: vec![], revocations: vec![], ends: vec![], policies: None, answers: vec![], notes: vec![] };
    assert!(told.news(none, now).is_empty());
    assert!(told.grants.is_empty() && told.revocations.is_empty() && told.ends.is_empty(), "what is settled is not remembered");
}
