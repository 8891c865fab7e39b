use super::*;
use crate::api::types::SessionState;
use crate::domain::act::{Act, Approver, Step, Tick};
use crate::domain::actor::{Actor, UserRole};
use crate::domain::deployment::{Deployment, Report};
use crate::domain::life::State;
use crate::domain::request::{AccessRequest, Facts};
use crate::domain::text::{Comment, PersonName, Reason, TargetName, Ticket};
use portcullis_model::account::{AccountName, AccountUid, UID_FIRST, UID_LAST};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::{Grant, Signed};
use portcullis_model::id::{GrantId, RequestId};
use portcullis_model::receipt::RevokeReceipt;
use portcullis_model::time::UnixMs;

fn name(text: &str) -> PersonName {
    PersonName::try_from(text.to_owned()).unwrap()
}

fn target() -> TargetName {
    TargetName::try_from("node1".to_owned()).unwrap()
}

fn request(number: u8) -> AccessRequest {
    let key = ed25519_dalek::SigningKey::from_bytes(&[number; 32]).verifying_key();
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], key.as_bytes()].concat();
    AccessRequest::submit(Facts {
        id: RequestId::from_entropy([number; 5]),
        operator: name("alice"),
        requested_by: name("operator"),
        key: format!("ssh-ed25519 {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob)).parse().unwrap(),
        action: Action::InfraDiag,
        targets: vec![target()],
        ticket: Ticket::default(),
        reason: Reason::try_from("it\u{2019}s broken".to_owned()).unwrap(),
        duration_s: 600,
        start: Some(UnixMs(7)),
        idle_timeout_s: 60,
        created: UnixMs(1000),
        lapses: UnixMs(100_000),
        shared_from: None,
    })
}

fn grant(request: &AccessRequest, number: u8, uid: u32) -> (Grant, portcullis_model::grant::SignedGrant) {
    let facts = request.facts();
    let grant = Grant {
        id: GrantId::from_entropy([number; 10]),
        request: facts.id.clone(),
        ticket: String::new(),
        operator: facts.operator.to_string(),
        public_key: facts.key.as_str().to_owned(),
        account: AccountName::try_from("op-1".to_owned()).unwrap(),
        uid: AccountUid::try_from(uid).unwrap(),
        action: facts.action,
        target: "node1".to_owned(),
        role: Role::Cps,
        not_before: UnixMs(2000),
        not_after: UnixMs(602_000),
        idle_timeout_s: 60,
    };
    let signed = Signed::sign(&grant, &ed25519_dalek::SigningKey::from_bytes(&[9; 32])).unwrap();
    (grant, signed)
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("books.sqlite")).await.unwrap();
    (folder, store)
}

/// Takes a request to active, in one transaction, without its grants.
async fn activate(write: &mut Write, request: &mut AccessRequest) {
    let carol = Actor { name: name("carol"), role: UserRole::Approver };
    let by = Approver::of(request.facts(), &carol).unwrap();
    let approved = request.apply(Act::approve(by, UnixMs(2000), Comment::default(), None), 1).unwrap();
    write.record(request, &approved).await.unwrap();
    let started = request.apply(Act::tick(Tick::Start, UnixMs(2000), Comment::default()), 1).unwrap();
    write.record(request, &started).await.unwrap();
}

#[tokio::test]
async fn what_is_written_reads_back_the_same() {
    let (_folder, store) = store().await;
    let mut made = request(1);
    let mut write = store.write().await.unwrap();
    write.insert_request(&made).await.unwrap();
    activate(&mut write, &mut made).await;
    let (granted, signed) = grant(&made, 1, UID_FIRST);
    write.insert_grant(&granted, &signed).await.unwrap();
    write.commit().await.unwrap();
    let mut read = store.read().await.unwrap();
    let stored = read.request(&made.facts().id).await.unwrap().unwrap();
    assert_eq!((stored.request, stored.account), (made.clone(), Some(granted.account.clone())));
    let back = read.grant(&granted.id).await.unwrap().unwrap();
    assert_eq!((back.signed, back.uid, back.deployment), (signed.clone(), granted.uid, Deployment::Pending));
    let orders = read.orders(&target(), 10).await.unwrap();
    assert_eq!(orders.grants, [(granted.id, Deployment::Pending, signed)]);
    let events: Vec<_> = read.history(&made.facts().id).await.unwrap().into_iter().map(|line| line.event).collect();
    assert_eq!(events, ["submit", "approve", "start"]);
}

#[tokio::test]
async fn a_writing_that_is_dropped_did_not_happen() {
    let (_folder, store) = store().await;
    let mut made = request(1);
    let mut write = store.write().await.unwrap();
    write.insert_request(&made).await.unwrap();
    write.commit().await.unwrap();
    let mut write = store.write().await.unwrap();
    activate(&mut write, &mut made).await;
    drop(write);
    let mut read = store.read().await.unwrap();
    assert_eq!(read.request(&made.facts().id).await.unwrap().unwrap().request.state(), State::Waiting);
    assert_eq!(read.history(&made.facts().id).await.unwrap().len(), 1);
    drop(read);
    // and the next one gets its turn
    store.write().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_request_that_moved_in_between_is_not_moved_again() {
    let (_folder, store) = store().await;
    let made = request(1);
    let operator = Actor { name: name("operator"), role: UserRole::Operator };
    let mut write = store.write().await.unwrap();
    write.insert_request(&made).await.unwrap();
    // two that read the same state
    let withdraw = |request: &mut AccessRequest| {
        let act = Act::step(Step::Withdraw, request.facts(), &operator, UnixMs(3000), Comment::default()).unwrap();
        request.apply(act, 1).unwrap()
    };
    let (mut one, mut two) = (made.clone(), made);
    let (first, second) = (withdraw(&mut one), withdraw(&mut two));
    write.record(&one, &first).await.unwrap();
    assert!(matches!(write.record(&two, &second).await, Err(StoreError::Moved)));
}

#[tokio::test]
async fn ids_and_live_accounts_and_uids_are_unique_by_the_store() {
    let (_folder, store) = store().await;
    let mut write = store.write().await.unwrap();
    let (one, two) = (request(1), request(2));
    write.insert_request(&one).await.unwrap();
    write.insert_request(&two).await.unwrap();
    assert!(write.insert_request(&one).await.unwrap_err().is_repeated());
    let (granted, signed) = grant(&one, 1, UID_FIRST);
    write.insert_grant(&granted, &signed).await.unwrap();
    let repeated = [
        ("id", grant(&two, 1, UID_FIRST + 1).0),
        ("request and target", Grant { account: AccountName::try_from("op-2".to_owned()).unwrap(), ..grant(&one, 2, UID_FIRST + 1).0 }),
        ("account", grant(&two, 2, UID_FIRST + 1).0),
        ("uid", Grant { account: AccountName::try_from("op-2".to_owned()).unwrap(), ..grant(&two, 2, UID_FIRST).0 }),
    ];
    for (what, other) in repeated {
        assert!(write.insert_grant(&other, &signed).await.unwrap_err().is_repeated(), "{what}");
    }
    // once it is gone from its target, both are free
    let stored = write.grant(&granted.id).await.unwrap().unwrap();
    write.report(&stored, Report::Removed { survivors: 0 }, "").await.unwrap();
    let (other, signed) = grant(&two, 2, UID_FIRST);
    write.insert_grant(&other, &signed).await.unwrap();
}

#[tokio::test]
async fn uids_are_counted_on_over_restarts_and_around_and_never_doubled() {
    let (folder, store) = store().await;
    let mut write = store.write().await.unwrap();
    let made = request(1);
    write.insert_request(&made).await.unwrap();
    let anywhere = write.take_uid().await.unwrap().get();
    assert!((UID_FIRST..=UID_LAST).contains(&anywhere));
    sqlx::query("UPDATE counters SET value = $1 WHERE name = 'uid'").bind(i64::from(UID_FIRST)).execute(write.connection()).await.unwrap();
    assert_eq!(write.take_uid().await.unwrap().get(), UID_FIRST);
    let (granted, signed) = grant(&made, 1, UID_FIRST);
    write.insert_grant(&granted, &signed).await.unwrap();
    assert_eq!(write.take_uid().await.unwrap().get(), UID_FIRST + 1);
    write.commit().await.unwrap();
    store.close().await;
    let store = Store::open(&folder.path().join("books.sqlite")).await.unwrap();
    let mut write = store.write().await.unwrap();
    assert_eq!(write.take_uid().await.unwrap().get(), UID_FIRST + 2);
    sqlx::query("UPDATE counters SET value = $1 WHERE name = 'uid'").bind(i64::from(UID_LAST)).execute(write.connection()).await.unwrap();
    assert_eq!(write.take_uid().await.unwrap().get(), UID_LAST);
    assert_eq!(write.take_uid().await.unwrap().get(), UID_FIRST + 1, "the first one is still in use");
}

#[tokio::test]
async fn the_first_receipt_stays_and_only_a_clean_one_settles() {
    let (_folder, store) = store().await;
    let mut write = store.write().await.unwrap();
    let made = request(1);
    write.insert_request(&made).await.unwrap();
    let (granted, signed) = grant(&made, 1, UID_FIRST);
    write.insert_grant(&granted, &signed).await.unwrap();
    let stored = write.grant(&granted.id).await.unwrap().unwrap();
    let revocation = portcullis_model::grant::Revocation {
        grant: granted.id.clone(),
        request: granted.request.clone(),
        target: "node1".to_owned(),
        at: UnixMs(5),
        by: "carol".to_owned(),
        reason: "enough".to_owned(),
        ending: Default::default(),
    };
    let signed = Signed::sign(&revocation, &ed25519_dalek::SigningKey::from_bytes(&[9; 32])).unwrap();
    write.insert_revocation(&stored, &signed, UnixMs(5)).await.unwrap();
    assert!(write.insert_revocation(&stored, &signed, UnixMs(6)).await.unwrap_err().is_repeated());
    for (micros, at) in [(1, 10), (2, 20)] {
        let receipt = RevokeReceipt { grant: granted.id.clone(), sessions: vec![], micros };
        write.answer_revocation(&receipt, UnixMs(at)).await.unwrap();
        let (answered, kept) = write.grant(&granted.id).await.unwrap().unwrap().revocation.unwrap().answer.unwrap();
        assert_eq!((answered, kept.micros), (UnixMs(10), 1));
        assert!(write.orders(&target(), 10).await.unwrap().revocations.is_empty());
    }
}

#[tokio::test]
async fn a_row_that_no_version_wrote_is_named_and_refused() {
    let (_folder, store) = store().await;
    let mut write = store.write().await.unwrap();
    let made = request(1);
    write.insert_request(&made).await.unwrap();
    sqlx::query("UPDATE requests SET operator = 'a b'").execute(write.connection()).await.unwrap();
    let error = write.request(&made.facts().id).await.unwrap_err();
    assert_eq!(error.to_string(), format!("request {}: column operator does not read", made.facts().id));
    // and the table itself refuses a state that there is not
    assert!(sqlx::query("UPDATE requests SET state = 'granted'").execute(write.connection()).await.is_err());
    assert!(SessionState::from_name("granted").is_none());
}
