//! Every endpoint refuses without a token, with a token that nobody holds, and in every role that may not.

use crate::world::{World, act, client, new_request, why};
use portcullis_control::api::routes::{Access, Endpoint};
use portcullis_control::api::types::Problem;
use portcullis_control::domain::actor::UserRole;
use portcullis_control::token::Token;
use reqwest::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

fn example(endpoint: Endpoint) -> String {
    let id = if endpoint.path().contains("requests") { "r-00000000" } else { "s-0000000000000000" };
    endpoint.path().replace("{id}", id)
}

async fn status(url: &str, endpoint: Endpoint, token: Option<&str>) -> u16 {
    let mut call = client().request(endpoint.method(), format!("{url}{}", example(endpoint)));
    if let Some(token) = token {
        call = call.bearer_auth(token);
    }
    let response = call.send().await.unwrap();
    let status = response.status().as_u16();
    if status == 401 || status == 403 {
        let problem: Problem = response.json().await.unwrap();
        assert_eq!(problem.status, status);
    }
    status
}

#[tokio::test]
async fn every_endpoint_refuses_who_has_no_right() {
    let world = World::new();
    let running = world.start().await;
    let (url, node) = (running.url.as_str(), world.node_token());
    let stranger = Token::generate().unwrap();
    let holders = [UserRole::Operator, UserRole::Approver, UserRole::PolicyAdmin, UserRole::Auditor];
    let mut refusals = 0;
    for endpoint in Endpoint::ALL {
        let Access::Roles(roles) = endpoint.access() else {
            if endpoint.access() == Access::Node {
                assert_eq!(status(url, endpoint, None).await, 401);
                assert_eq!(status(url, endpoint, Some(stranger.expose())).await, 401);
                for role in holders {
                    assert_eq!(status(url, endpoint, Some(&running.token(role.name()))).await, 403, "{endpoint:?} {role}");
                }
            } else {
                assert_eq!(status(url, endpoint, None).await, 200, "{endpoint:?}");
            }
            continue;
        };
        for bad in [None, Some(stranger.expose()), Some(""), Some("pct_x"), Some("é")] {
            assert_eq!(status(url, endpoint, bad).await, 401, "{endpoint:?} {bad:?}");
        }
        assert_eq!(status(url, endpoint, Some(&node)).await, 403, "{endpoint:?} node");
        for role in holders {
            let got = status(url, endpoint, Some(&running.token(role.name()))).await;
            if roles.contains(&role) {
                assert!(got != 401 && got != 403 && got < 500, "{endpoint:?} {role} {got}");
            } else {
                assert_eq!(got, 403, "{endpoint:?} {role}");
                refusals += 1;
            }
        }
    }
    assert!(refusals >= 15, "the table of rights has become too generous: {refusals}");
    running.stop().await;
}

#[tokio::test]
async fn two_tokens_and_odd_schemes_are_no_token() {
    let world = World::new();
    let running = world.start().await;
    let token = running.token("auditor");
    let url = format!("{}/v1/requests", running.url);
    let bearer = format!("Bearer {token}");
    for headers in [vec![bearer.clone(); 2], vec![format!("Basic {token}")], vec![token.clone()], vec![format!("{bearer} x")]] {
        let call = headers.iter().fold(client().get(&url), |call, value| call.header("authorization", value));
        assert_eq!(call.send().await.unwrap().status(), 401, "{headers:?}");
    }
    let fine = client().get(&url).header("authorization", format!("bearer {token}")).send().await.unwrap();
    assert_eq!(fine.status(), 200);
    assert_eq!(fine.headers()["cache-control"], "no-store");
    assert_eq!(running.call(None, Method::GET, "/v1/nothing", None::<&()>).await.status(), 404);
    assert_eq!(running.call(None, Method::DELETE, "/v1/requests", None::<&()>).await.status(), 405);
    running.stop().await;
}

#[tokio::test]
async fn an_operator_sees_and_touches_own_requests_only() {
    let world = World::new();
    let running = world.start().await;
    let mine = running.create(&new_request()).await;
    // another operator's token, as an administrator would add one
    let other = running.add_holder("mallory", UserRole::Operator).await;
    let call = |method: Method, path: String| {
        let (url, other) = (running.url.clone(), other.clone());
        async move {
            let call = client().request(method, format!("{url}{path}")).bearer_auth(other).json(&why("mine now"));
            let response = call.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        }
    };
    let unknown = call(Method::GET, "/v1/requests/r-zzzzzzzz".into()).await;
    assert_eq!(unknown.0, 404);
    assert_eq!(call(Method::GET, format!("/v1/requests/{}", mine.id)).await, unknown, "unknown and forbidden look alike");
    for what in ["withdraw", "close"] {
        assert_eq!(call(Method::POST, act(&mine.id, what)).await.0, 404);
    }
    let (_, list) = call(Method::GET, "/v1/requests".into()).await;
    assert!(!list.contains(mine.id.as_str()), "{list}");
    running.stop().await;
}

#[tokio::test]
async fn nobody_approves_an_own_request() {
    let world = World::new();
    let running = world.start().await;
    // the same person holds an approver's token
    let both = running.add_holder("alice", UserRole::Approver).await;
    let mine = running.create(&new_request()).await;
    let call = client().post(format!("{}{}", running.url, act(&mine.id, "approve"))).bearer_auth(both).json(&why("sure"));
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.text().await.unwrap().contains("cannot be approved by the person"));
    assert_eq!(running.show(&mine.id).await.history.len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_floods_does_not_keep_a_revoke_out() {
    let world = World::new();
    let running = world.start().await;
    for _ in 0..50 {
        running.create(&new_request()).await;
    }
    let request = running.approved(&new_request()).await.request;
    let (url, token) = (format!("{}/v1/requests?limit=200", running.url), running.token("operator"));
    let answers = Arc::new(AtomicU32::new(0));
    let flood: Vec<_> = (0..100)
        .map(|_| {
            let (url, token, client, answers) = (url.clone(), token.clone(), client(), Arc::clone(&answers));
            tokio::spawn(async move {
                loop {
                    match client.get(&url).bearer_auth(&token).send().await.map(|r| r.status().as_u16()) {
                        Ok(200 | 429 | 503) => answers.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}"),
                    };
                }
            })
        })
        .collect();
    let under_way = async {
        while answers.load(Ordering::Relaxed) < 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), under_way).await.expect("the flood is under way");
    let begun = Instant::now();
    let ended: portcullis_control::api::types::Ended = running.post("approver", &act(&request.id, "revoke"), &why("enough")).await;
    assert_eq!(ended.request.state.name(), "revoked");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for task in flood {
        task.abort();
        let Err(error) = task.await;
        assert!(error.is_cancelled(), "{error}");
    }
    running.stop().await;
}
