//! Amendments, notes and alerts, as a node and people with tokens of their own meet them.

use crate::peer::{Peer, session};
use crate::world::{Running, World, act, client, new_request, why};
use portcullis_control::api::types::{AlertView, AmendmentView, Page, RequestDetail};
use portcullis_control::domain::amendment::AmendmentState;
use portcullis_control::domain::actor::UserRole;
use portcullis_model::alert::{Alert, AlertKind};
use portcullis_model::grant::Grant;
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::session::SessionFacts;
use portcullis_model::wire::link::{FromNode, ToNode};
use portcullis_model::wish::{News, Told, Wish};
use serde_json::json;

const BOBS: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUJU6lN9FCt/jEGkQLVaHcST6w+5tfv+E9nwRw/8FY+";

async fn one_session(world: &World, running: &Running) -> (Peer, RequestDetail, Grant, SessionFacts) {
    let (mut node, ..) = Peer::node1(world, running, vec![]).await;
    let request = running.approved(&new_request()).await;
    let grant = node.deploy().await;
    let facts = session(&grant, 1, &request.request.key_fingerprint);
    node.say(&FromNode::SessionStarted(Box::new(facts.clone()))).await;
    running.until(&request.request.id, |d| d.sessions.len() == 1).await;
    (node, request, grant, facts)
}

async fn told(node: &mut Peer, session: &SessionId, wish: Wish) -> Told {
    node.say(&FromNode::Wish { session: session.clone(), number: 7, wish }).await;
    match node.hear().await {
        ToNode::Told { number: 7, told, .. } => told,
        other => panic!("{other:?}"),
    }
}

/// A decision with a token of one's own.
async fn decide(running: &Running, token: &str, id: &str, answer: &str) -> u16 {
    client().post(format!("{}/v1/amendments/{id}/{answer}", running.url)).bearer_auth(token).json(&why("so be it")).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_wish_is_of_a_session_that_runs_on_the_node_that_carries_it() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, request, grant, facts) = one_session(&world, &running).await;
    assert!(matches!(told(&mut node, &SessionId::from_entropy([9; 10]), Wish::Status).await, Told::Refused(_)));
    assert!(matches!(told(&mut node, &facts.id, Wish::Message { text: "a\u{1b}[2Jb".into() }).await, Told::Refused(_)));
    assert!(matches!(told(&mut node, &facts.id, Wish::Extend { for_s: u64::MAX, reason: String::new() }).await, Told::Refused(_)));
    assert!(matches!(told(&mut node, &facts.id, Wish::Share { operator: "../x".into(), key: String::new(), reason: String::new() }).await, Told::Refused(_)));
    let Told::Put { amendment, .. } = told(&mut node, &facts.id, Wish::Extend { for_s: 300, reason: "slow".into() }).await else { panic!("not put") };
    let decided: AmendmentView = running.post("approver", &format!("/v1/amendments/{amendment}/approve"), &why("fine")).await;
    assert_eq!(decided.state, AmendmentState::Approved);
    // the same grant with a later end, and a note for the session that asked, in whichever order
    let (mut later, mut news) = (None, None);
    while later.is_none() || news.is_none() {
        match node.hear().await {
            ToNode::Grant(signed) => later = Some(node.grant(&signed)),
            ToNode::Note { session, note } => {
                assert_eq!(session, facts.id);
                news = Some(note);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(later.unwrap(), Grant { not_after: grant.not_after.plus(300_000), ..grant });
    let note = news.unwrap();
    assert!(matches!(&note.news, News::Decided { amendment: of, approved: true, .. } if *of == amendment));
    // said again to the next connection, until the session has it
    let (mut node, ..) = Peer::node1(&world, &running, vec![facts.clone()]).await;
    loop {
        match node.hear().await {
            ToNode::Note { note: again, .. } => break assert_eq!(again, note),
            ToNode::Grant(_) => {}
            other => panic!("{other:?}"),
        }
    }
    node.say(&FromNode::Noted { session: facts.id.clone(), number: note.number }).await;
    let history = running.show(&request.request.id).await.history;
    let events: Vec<&str> = history.iter().map(|entry| entry.event.as_str()).collect();
    assert!(events.ends_with(&["propose", "extend"]), "{events:?}");
    running.stop().await;
}

#[tokio::test]
async fn nobody_who_works_under_a_request_decides_about_it() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, request, _, facts) = one_session(&world, &running).await;
    let share = |operator: &str, key: &str| Wish::Share { operator: operator.into(), key: key.into(), reason: String::new() };
    let Told::Put { amendment, .. } = told(&mut node, &facts.id, share("bob", BOBS)).await else { panic!("not put") };
    // the requester, the operator and the one who is to be let in each hold an approver's token
    let [alice, bob] = [running.add_holder("Alice", UserRole::Approver).await, running.add_holder("BOB", UserRole::Approver).await];
    for token in [&alice, &bob] {
        assert_eq!(decide(&running, token, amendment.as_str(), "approve").await, 403);
    }
    let shared: AmendmentView = running.post("approver", &format!("/v1/amendments/{amendment}/approve"), &why("fine")).await;
    let of_bob = running.show(&shared.shared_as.unwrap()).await.request;
    assert_eq!((of_bob.operator.as_str(), of_bob.shared_from.as_ref()), ("bob", Some(&request.request.id)));
    assert!(of_bob.not_after <= request.request.not_after && of_bob.account != request.request.account);
    // more time for the first is more time for bob
    let longer: AmendmentView = running.post("operator", &act(&request.request.id, "extend"), &json!({ "duration_s": 60 })).await;
    assert_eq!(decide(&running, &bob, longer.id.as_str(), "approve").await, 403);
    assert_eq!(decide(&running, &bob, longer.id.as_str(), "reject").await, 403);
    let declined: AmendmentView = running.post("approver", &format!("/v1/amendments/{}/reject", longer.id), &why("no")).await;
    assert_eq!(declined.state, AmendmentState::Declined);
    assert_eq!(running.refused("approver", &format!("/v1/amendments/{}/approve", longer.id), &why("yes")).await, (409, "conflict".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn an_alert_is_taken_down_once_and_of_own_grants_only() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, _, grant, facts) = one_session(&world, &running).await;
    let alert = |number, grant: &GrantId| Alert {
        session: facts.id.clone(),
        grant: grant.clone(),
        target: "elsewhere".into(),
        number,
        at: facts.start,
        kind: AlertKind::Killed { difference: "x".repeat(100_000) },
        pid: 5,
        exec: None,
        chain: vec![],
        suppressed: 0,
    };
    for one in [alert(1, &grant.id), alert(1, &grant.id), alert(2, &GrantId::from_entropy([9; 10])), alert(3, &grant.id)] {
        let number = one.number;
        node.say(&FromNode::Alert(Box::new(one))).await;
        match node.hear().await {
            ToNode::AlertTaken { session, number: taken } => assert_eq!((session, taken), (facts.id.clone(), number)),
            other => panic!("{other:?}"),
        }
    }
    let page: Page<AlertView> = running.get("auditor", "/v1/alerts").await;
    let numbers: Vec<u64> = page.items.iter().map(|view| view.alert.number).collect();
    assert_eq!(numbers, [3, 1]);
    assert!(page.items.iter().all(|view| view.alert.target == "node1" && view.text.len() < 1000 && view.operator == "alice"));
    let none: Page<AlertView> = running.get("auditor", "/v1/alerts?since=99999999999999").await;
    assert!(none.items.is_empty());
    running.stop().await;
}
