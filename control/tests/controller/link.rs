//! The link with a real WebSocket client as node: what it is told, what it may say, and what survives its absence.

use crate::peer::{Peer, hello, receipt, revoked, session};
use crate::world::{World, act, new_request, why};
use portcullis_control::api::types::{Ended, Page, SessionState, SessionView, TargetView};
use portcullis_control::domain::deployment::Deployment;
use portcullis_control::domain::life::State;
use portcullis_model::action::Role;
use portcullis_model::id::GrantId;
use portcullis_model::receipt::{EndCause, Survivor};
use portcullis_model::wire::link::{FromNode, ToNode};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_grant_is_told_at_once_and_a_revoke_waits_for_the_receipt() {
    let mut world = World::new();
    world.limits.receipt_wait_ms = 10_000;
    let running = world.start().await;
    let (mut node, grants, revocations) = Peer::node1(&world, &running, vec![]).await;
    assert!(grants.is_empty() && revocations.is_empty());
    let request = running.approved(&new_request()).await.request;
    let grant = node.deploy().await;
    assert_eq!((grant.operator.as_str(), grant.ticket.as_str(), grant.role), ("alice", "OPS-1", Role::Cps));
    assert_eq!((Some(&grant.account), grant.request.clone()), (request.account.as_ref(), request.id.clone()));
    running.until(&request.id, |d| d.grants[0].deployment == Deployment::Deployed).await;
    let facts = session(&grant, 1, &request.key_fingerprint);
    node.say(&FromNode::SessionStarted(Box::new(facts.clone()))).await;
    let detail = running.until(&request.id, |d| d.sessions.len() == 1).await;
    assert_eq!(detail.sessions[0].state, SessionState::Running);
    let (path, body) = (act(&request.id, "revoke"), why("enough"));
    let (ended, ()) = tokio::join!(running.post::<Ended>("approver", &path, &body), async {
        let revocation = node.revoke().await;
        assert_eq!((revocation.by.as_str(), revocation.reason.as_str(), &revocation.grant), ("approver", "enough", &grant.id));
        node.say(&revoked(&grant, vec![receipt(&facts, EndCause::Revoked, 7)])).await;
    });
    assert!(ended.complete);
    let result = ended.targets[0].result.as_ref().unwrap();
    assert_eq!((result.sessions, result.killed, result.survivors, result.micros), (1, 7, 0, 2500));
    let detail = running.show(&request.id).await;
    assert_eq!(detail.grants[0].deployment, Deployment::Removed);
    assert_eq!(detail.sessions[0].state, SessionState::Ended);
    assert_eq!(detail.sessions[0].receipt.as_ref().unwrap().killed, 7);
    // all of it once more changes nothing
    node.say(&FromNode::Deployed { grant: grant.id.clone(), error: None }).await;
    node.say(&revoked(&grant, vec![])).await;
    node.say(&FromNode::SessionEnded { receipt: receipt(&facts, EndCause::Exit, 0), exit: None }).await;
    node.say(&FromNode::SessionStarted(Box::new(facts.clone()))).await;
    let next = running.approved(&new_request()).await.request;
    node.deploy().await;
    running.until(&next.id, |d| d.grants[0].deployment == Deployment::Deployed).await;
    assert_eq!(running.show(&request.id).await, detail);
    running.stop().await;
}

#[tokio::test]
async fn what_was_not_answered_is_told_again_on_the_next_connection_and_after_a_restart() {
    let world = World::new();
    let running = world.start().await;
    let (kept, gone) = (running.approved(&new_request()).await, running.approved(&new_request()).await);
    let ended: Ended = running.post("approver", &act(&gone.request.id, "revoke"), &why("enough")).await;
    assert!(!ended.complete);
    running.stop().await;
    let running = world.start().await;
    let (mut node, grants, revocations) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!(grants.iter().map(|g| &g.request).collect::<Vec<_>>(), [&kept.request.id]);
    assert_eq!(revocations.iter().map(|r| &r.request).collect::<Vec<_>>(), [&gone.request.id]);
    assert_eq!(node.deploy().await, grants[0], "what was never confirmed is told once more, to be answered");
    drop(node);
    let (mut node, grants, revocations) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!((grants.len(), revocations.len()), (1, 1));
    let ended = portcullis_model::receipt::RevokeReceipt { grant: revocations[0].grant.clone(), sessions: vec![], micros: 9 };
    node.say(&FromNode::Revoked(ended)).await;
    running.until(&gone.request.id, |d| d.grants[0].deployment == Deployment::Removed).await;
    running.until(&kept.request.id, |d| d.grants[0].deployment == Deployment::Deployed).await;
    drop(node);
    let (_node, grants, revocations) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!((grants.len(), revocations.len()), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn survivors_are_shown_and_told_again_and_the_uid_rests() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    let request = running.approved(&new_request()).await.request;
    let grant = node.deploy().await;
    let facts = session(&grant, 1, &request.key_fingerprint);
    node.say(&FromNode::SessionStarted(Box::new(facts.clone()))).await;
    running.post::<Ended>("approver", &act(&request.id, "revoke"), &why("enough")).await;
    node.revoke().await;
    let mut stuck = receipt(&facts, EndCause::Revoked, 2);
    stuck.survivors.push(Survivor { pid: 9, state: 'D', waits_in: "nfs_wait".into() });
    node.say(&revoked(&grant, vec![stuck])).await;
    let detail = running.until(&request.id, |d| d.grants[0].deployment == Deployment::RemoveFailed).await;
    assert_eq!(detail.grants[0].error, "1 processes survived");
    drop(node);
    let (mut node, _, revocations) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!(revocations.len(), 1, "it is told again");
    node.say(&revoked(&grant, vec![])).await;
    let detail = running.until(&request.id, |d| d.grants[0].deployment == Deployment::Removed).await;
    let first = detail.grants[0].revocation.as_ref().unwrap().receipt.as_ref().unwrap();
    assert_eq!(first.survivors(), 1, "the first receipt stays");
    running.stop().await;
}

#[tokio::test]
async fn a_node_is_believed_about_its_own_grants_only() {
    let world = World::new();
    let running = world.start().await;
    let mut elsewhere = new_request();
    elsewhere.targets = vec!["node2".into()];
    let other = running.approved(&elsewhere).await;
    let own = running.approved(&new_request()).await;
    let (mut node, grants, _) = Peer::node1(&world, &running, vec![]).await;
    node.deploy().await;
    running.post::<Ended>("approver", &act(&other.request.id, "revoke"), &why("x")).await;
    // another target's grant, a grant that is nobody's, and a session that its grant does not allow
    node.say(&FromNode::Deployed { grant: other.grants[0].id.clone(), error: None }).await;
    let mut foreign = grants[0].clone();
    foreign.id = other.grants[0].id.clone();
    node.say(&revoked(&foreign, vec![])).await;
    foreign.id = GrantId::from_entropy([9; 10]);
    node.say(&revoked(&foreign, vec![])).await;
    let lie = session(&foreign, 3, &own.request.key_fingerprint);
    node.say(&FromNode::SessionStarted(Box::new(lie.clone()))).await;
    assert_eq!(node.hear().await, ToNode::EndSession(lie.id));
    let mut lie = session(&grants[0], 4, &own.request.key_fingerprint);
    lie.operator = "root".into();
    node.say(&FromNode::SessionStarted(Box::new(lie.clone()))).await;
    assert_eq!(node.hear().await, ToNode::EndSession(lie.id));
    // a receipt for a grant that nobody ended
    node.say(&revoked(&grants[0], vec![])).await;
    node.say(&FromNode::Deployed { grant: grants[0].id.clone(), error: Some("no room\u{1b}[2J".into()) }).await;
    let detail = running.until(&own.request.id, |d| d.grants[0].deployment == Deployment::Failed).await;
    assert_eq!((detail.grants[0].error.as_str(), detail.sessions.len()), ("no room\\x1b[2J", 0));
    let detail = running.show(&other.request.id).await;
    assert_eq!(detail.grants[0].deployment, Deployment::Pending);
    assert_eq!(detail.grants[0].revocation.as_ref().unwrap().receipt, None);
    running.stop().await;
}

#[tokio::test]
async fn sessions_are_kept_in_step_with_the_node() {
    let world = World::new();
    let running = world.start().await;
    let request = running.approved(&new_request()).await.request;
    let (mut node, grants, _) = Peer::node1(&world, &running, vec![]).await;
    node.deploy().await;
    let facts: Vec<_> = (1..=2).map(|n| session(&grants[0], n, &request.key_fingerprint)).collect();
    for one in &facts {
        node.say(&FromNode::SessionStarted(Box::new(one.clone()))).await;
    }
    running.until(&request.id, |d| d.sessions.len() == 2).await;
    drop(node);
    // it comes back with one of them, and then has the end of the other to tell
    let (mut node, ..) = Peer::node1(&world, &running, vec![facts[0].clone()]).await;
    let lost: Page<SessionView> = running.get("auditor", "/v1/sessions?state=lost").await;
    assert_eq!(lost.items.iter().map(|s| &s.facts.id).collect::<Vec<_>>(), [&facts[1].id]);
    node.say(&FromNode::SessionEnded { receipt: receipt(&facts[1], EndCause::Disconnect, 1), exit: None }).await;
    running.until(&request.id, |d| d.sessions.iter().any(|s| s.state == SessionState::Ended)).await;
    // a session that still runs though its request has ended while the node was away
    drop(node);
    running.post::<Ended>("operator", &act(&request.id, "close"), &why("done")).await;
    let (mut node, grants, revocations) = Peer::node1(&world, &running, vec![facts[0].clone()]).await;
    assert_eq!((grants.len(), revocations.len()), (0, 1));
    assert_eq!(node.hear().await, ToNode::EndSession(facts[0].id.clone()));
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_does_not_fit_is_told_why_and_let_go() {
    let world = World::new();
    let running = world.start().await;
    let cases = [
        (hello("nowhere", Role::Cps, vec![]), "target nowhere is not configured"),
        (hello("no\u{1b}[2Jwhere", Role::Cps, vec![]), "target no\\x1b[2Jwhere is not configured"),
        (hello("node1", Role::Cell, vec![]), "target node1 is a cps, the node says cell"),
        (FromNode::Deployed { grant: GrantId::from_entropy([1; 10]), error: None }, "the first message is not Hello"),
    ];
    for (message, reason) in cases {
        let mut node = Peer::connect(&world, &running, "node1").await;
        node.say(&message).await;
        assert_eq!(node.closed().await, (1008, reason.to_owned()));
    }
    for message in [Message::text("{}"), Message::text("not json"), Message::binary(vec![1, 2, 3])] {
        let mut node = Peer::connect(&world, &running, "node1").await;
        node.send(message).await;
        assert_eq!(node.closed().await.0, 1008);
    }
    let targets: Page<TargetView> = running.get("operator", "/v1/targets").await;
    assert!(targets.items.iter().all(|target| !target.connected && target.since.is_none()));
    running.stop().await;
}

#[tokio::test]
async fn the_newer_connection_of_a_target_replaces_the_older() {
    let world = World::new();
    let running = world.start().await;
    let (mut old, ..) = Peer::node1(&world, &running, vec![]).await;
    let (mut new, ..) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!(old.closed().await, (1008, "a newer connection of this target replaced it".to_owned()));
    let targets: Page<TargetView> = running.get("auditor", "/v1/targets").await;
    let node1 = targets.items.iter().find(|t| t.name == "node1").unwrap();
    assert!(node1.connected && node1.layers[0].name == "exec-guard" && node1.listen == ["127.0.0.1:2222"]);
    running.approved(&new_request()).await;
    new.deploy().await;
    running.stop().await;
    assert_eq!(new.closed().await.0, 1001);
}

#[tokio::test]
async fn an_expiry_is_told_to_the_node_after_its_own_end() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    let mut short = new_request();
    short.duration_s = Some(1);
    let request = running.approved(&short).await.request;
    let grant = node.deploy().await;
    let revocation = node.revoke().await;
    assert_eq!((revocation.by.as_str(), revocation.reason.as_str()), ("system", "the time is over"));
    assert!(revocation.at >= grant.not_after.plus(1000), "the node has had its own time to end it");
    node.say(&revoked(&grant, vec![])).await;
    let detail = running.until(&request.id, |d| d.grants[0].deployment == Deployment::Removed).await;
    assert_eq!(detail.request.state, State::Expired);
    running.stop().await;
}
