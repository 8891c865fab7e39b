//! Requests over HTTP: their life, their bounds, their history.

use crate::world::{World, act, new_request, why};
use portcullis_control::api::types::{Approval, Ended, Page, RequestDetail, RequestView};
use portcullis_control::domain::deployment::Deployment;
use portcullis_control::domain::life::State;
use portcullis_model::time::UnixMs;
use std::time::SystemTime;

fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

#[tokio::test]
async fn a_request_is_approved_and_revoked_with_a_full_history() {
    let world = World::new();
    let running = world.start().await;
    let mut new = new_request();
    new.targets.push("node2".into());
    let request = running.create(&new).await;
    assert_eq!((request.state, request.requested_by.as_str(), request.account.as_ref()), (State::Waiting, "operator", None));
    let detail = running.show(&request.id).await;
    assert!(!detail.public_key.contains("laptop"), "the comment is dropped");
    let active: RequestDetail = running.post("approver", &act(&request.id, "approve"), &why("go ahead")).await;
    assert_eq!(active.request.state, State::Active);
    assert_eq!(active.request.account.as_ref().unwrap().as_str(), format!("op-{}", &request.id.as_str()[2..]));
    assert_eq!(active.grants.iter().map(|g| g.target.as_str()).collect::<Vec<_>>(), ["node1", "node2"]);
    assert_ne!(active.grants[0].uid, active.grants[1].uid);
    assert!(active.grants.iter().all(|g| g.deployment == Deployment::Pending && g.not_after.since(g.not_before) == 600_000));
    // no node is here: the answer comes after the bounded wait, and says so
    let ended: Ended = running.post("approver", &act(&request.id, "revoke"), &why("enough")).await;
    assert_eq!((ended.request.state, ended.complete, ended.targets.len()), (State::Revoked, false, 2));
    let detail = running.show(&request.id).await;
    let story: Vec<_> = detail.history.iter().map(|h| (h.event.as_str(), h.to.name(), h.by.as_str(), h.reason.as_str())).collect();
    assert_eq!(
        story,
        [
            ("submit", "waiting", "operator", "fan fails"),
            ("approve", "approved", "approver", "go ahead"),
            ("start", "active", "system", ""),
            ("revoke", "revoked", "approver", "enough"),
        ]
    );
    assert!(detail.grants.iter().all(|g| g.revocation.is_some()));
    for what in ["revoke", "approve", "reject"] {
        assert_eq!(running.refused("approver", &act(&request.id, what), &why("again")).await, (409, "conflict".into()));
    }
    assert_eq!(running.refused("operator", &act(&request.id, "close"), &why("done")).await.0, 409);
    assert_eq!(running.show(&request.id).await.history.len(), 4, "a refused call leaves no trace in the history");
    running.stop().await;
}

#[tokio::test]
async fn the_other_ends_of_a_waiting_request() {
    let world = World::new();
    let running = world.start().await;
    let (one, two) = (running.create(&new_request()).await, running.create(&new_request()).await);
    assert_eq!(running.refused("approver", &act(&one.id, "reject"), &why(" ")).await, (422, "invalid".into()));
    let rejected: RequestDetail = running.post("approver", &act(&one.id, "reject"), &why("not today")).await;
    assert_eq!(rejected.request.state, State::Rejected);
    let withdrawn: RequestDetail = running.post("operator", &act(&two.id, "withdraw"), &serde_json::json!({})).await;
    assert_eq!(withdrawn.request.state, State::Withdrawn);
    assert_eq!(running.refused("approver", &act(&two.id, "revoke"), &why("x")).await.0, 409);
    assert!(withdrawn.grants.is_empty() && rejected.grants.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn the_clock_starts_expires_and_lapses() {
    let mut world = World::new();
    world.limits.unanswered_s = 2;
    let running = world.start().await;
    let mut later = new_request();
    later.start = Some(now().plus(1500));
    later.duration_s = Some(1);
    let later = running.approved(&later).await;
    assert_eq!((later.request.state, later.grants.len()), (State::Approved, 0));
    let unanswered = running.create(&new_request()).await;
    let done = running.until(&later.request.id, |d| d.request.state == State::Expired).await;
    let story: Vec<_> = done.history.iter().map(|h| h.event.as_str()).collect();
    assert_eq!(story, ["submit", "approve", "start", "expire"]);
    let at = |event: &str| done.history.iter().find(|h| h.event == event).unwrap().at;
    assert!(at("start") >= done.request.not_before.unwrap() && at("expire") >= done.request.not_after.unwrap());
    assert!(done.grants[0].revocation.is_some(), "the end is told to the node");
    let lapsed = running.until(&unanswered.id, |d| d.request.state == State::Lapsed).await;
    assert_eq!((lapsed.history[1].by.as_str(), lapsed.history[1].role), ("system", None));
    running.stop().await;
}

#[tokio::test]
async fn an_approver_shortens_but_never_lengthens() {
    let world = World::new();
    let running = world.start().await;
    let id = running.create(&new_request()).await.id;
    let approve = |s| Approval { reason: String::new(), duration_s: Some(s) };
    assert_eq!(running.refused("approver", &act(&id, "approve"), &approve(601)).await, (422, "invalid".into()));
    assert_eq!(running.refused("approver", &act(&id, "approve"), &approve(0)).await, (422, "invalid".into()));
    let active: RequestDetail = running.post("approver", &act(&id, "approve"), &approve(120)).await;
    assert_eq!((active.request.duration_s, active.grants[0].not_after.since(active.grants[0].not_before)), (120, 120_000));
    running.stop().await;
}

#[tokio::test]
async fn input_over_any_bound_is_refused_by_name() {
    let world = World::new();
    let running = world.start().await;
    type Change = fn(&mut portcullis_control::api::types::CreateRequest);
    let changes: [(&str, Change); 17] = [
        ("operator", |n| n.operator = String::new()),
        ("operator", |n| n.operator = "a b".into()),
        ("operator", |n| n.operator = "x".repeat(65)),
        ("public_key", |n| n.public_key = "ssh-dss AAAA".into()),
        ("public_key", |n| n.public_key = format!("{}\n{}", n.public_key, n.public_key)),
        ("targets", |n| n.targets.clear()),
        ("targets", |n| n.targets = vec!["node1".into(); 2]),
        ("targets", |n| n.targets = vec!["nowhere".into()]),
        ("targets", |n| n.targets = vec!["../node1".into()]),
        ("ticket", |n| n.ticket = "x".repeat(65)),
        ("reason", |n| n.reason = "x\u{1b}[2J".into()),
        ("reason", |n| n.reason = "x".repeat(1001)),
        ("duration_s", |n| n.duration_s = Some(0)),
        ("duration_s", |n| n.duration_s = Some(24 * 3600 + 1)),
        ("start", |n| n.start = Some(UnixMs(u64::MAX))),
        ("idle_timeout_s", |n| n.idle_timeout_s = Some(u32::MAX)),
        ("idle_timeout_s", |n| n.idle_timeout_s = Some(0)),
    ];
    for (field, change) in changes {
        let mut new = new_request();
        change(&mut new);
        let response = running.call(Some("operator"), reqwest::Method::POST, "/v1/requests", Some(&new)).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 422, "{text}");
        assert!(text.contains(&format!("\"detail\":\"{field}: ")), "{field}: {text}");
    }
    let mut unknown = serde_json::to_value(new_request()).unwrap();
    unknown["state"] = "active".into();
    assert_eq!(running.refused("operator", "/v1/requests", &unknown).await, (422, "invalid".into()));
    let mut large = new_request();
    large.reason = "x".repeat(40_000);
    assert_eq!(running.refused("operator", "/v1/requests", &large).await, (413, "too-large".into()));
    assert!(running.get::<Page<RequestView>>("auditor", "/v1/requests").await.items.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn one_requester_cannot_fill_the_queue() {
    let mut world = World::new();
    world.limits.waiting_max = 3;
    world.limits.hourly_max = 5;
    let running = world.start().await;
    let mut ids = vec![];
    for _ in 0..3 {
        ids.push(running.create(&new_request()).await.id);
    }
    assert_eq!(running.refused("operator", "/v1/requests", &new_request()).await, (429, "limit".into()));
    for id in &ids {
        running.post::<RequestDetail>("operator", &act(id, "withdraw"), &why("")).await;
    }
    running.create(&new_request()).await;
    running.create(&new_request()).await;
    assert_eq!(running.refused("operator", "/v1/requests", &new_request()).await, (429, "limit".into()));
    running.stop().await;
}

#[tokio::test]
async fn a_target_takes_a_bounded_number_of_grants() {
    let mut world = World::new();
    world.limits.grants_max = 1;
    let running = world.start().await;
    let first = running.approved(&new_request()).await.request;
    let second = running.create(&new_request()).await;
    assert_eq!(running.refused("approver", &act(&second.id, "approve"), &why("")).await, (429, "limit".into()));
    assert_eq!(running.show(&second.id).await.request.state, State::Waiting, "nothing of it happened");
    running.post::<Ended>("approver", &act(&first.id, "revoke"), &why("make room")).await;
    running.post::<RequestDetail>("approver", &act(&second.id, "approve"), &why("")).await;
    running.stop().await;
}

#[tokio::test]
async fn lists_are_paged_newest_first_and_filtered() {
    let world = World::new();
    let running = world.start().await;
    let mut made = vec![];
    for _ in 0..5 {
        made.push(running.create(&new_request()).await.id);
    }
    running.post::<RequestDetail>("approver", &act(&made[2], "reject"), &why("no")).await;
    let (mut seen, mut path) = (vec![], "/v1/requests?limit=2".to_owned());
    loop {
        let page: Page<RequestView> = running.get("auditor", &path).await;
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|r| r.id));
        match page.next {
            Some(next) => path = format!("/v1/requests?limit=2&after={next}"),
            None => break,
        }
    }
    let mut all = seen.clone();
    all.sort();
    made.sort();
    assert_eq!(all, made);
    let rejected: Page<RequestView> = running.get("auditor", "/v1/requests?state=rejected").await;
    assert_eq!(rejected.items.len(), 1);
    for bad in ["limit=0", "limit=201", "state=nothing", "after=x", "after=1.'", "unknown=1"] {
        let response = running.call(Some("auditor"), reqwest::Method::GET, &format!("/v1/requests?{bad}"), None::<&()>).await;
        assert_eq!(response.status(), 422, "{bad}");
    }
    running.stop().await;
}

#[tokio::test]
async fn two_approvals_at_once_make_one_grant() {
    let world = World::new();
    let running = world.start().await;
    let id = running.create(&new_request()).await.id;
    let path = act(&id, "approve");
    let body = why("me first");
    let calls = (0..8).map(|_| running.call(Some("approver"), reqwest::Method::POST, &path, Some(&body)));
    let answers = futures_util::future::join_all(calls).await;
    let mut codes: Vec<_> = answers.iter().map(|r| r.status().as_u16()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 409, 409, 409, 409, 409, 409, 409]);
    let detail = running.show(&id).await;
    assert_eq!((detail.grants.len(), detail.history.len()), (1, 3));
    running.stop().await;
}
