//! Policies: from the push to the retirement, who may, and what a version goes through.

use crate::signer::{Signer, component, digest_of, in_place_of, none, of, untested};
use crate::world::{World, client, new_request, why};
use portcullis_control::api::types::{ChangeState, Page, PolicyChange, PolicyEventView, PolicyView, PushPolicy};
use portcullis_control::domain::policy::stage::Stage;
use portcullis_model::action::{Action, Role};
use portcullis_model::policy::MODULE_MAX;
use reqwest::Method;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn a_push_needs_a_policy_admins_signature_and_is_on_the_disk_once() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let push = admin.push(1);
    let made = running.call(Some("policy-admin"), Method::POST, "/v1/policies", Some(&push)).await;
    assert_eq!(made.status(), 201);
    let made: PolicyView = made.json().await.unwrap();
    assert_eq!((made.digest, made.stage, made.author_name.as_str()), (digest_of(&push.component), Stage::Draft, "paula@example"));
    assert_eq!((made.pushed_by.as_str(), made.version.as_str(), made.size), ("policy-admin", "1", 1012));
    assert!(made.author.starts_with("SHA256:"));
    let file = world.config().data.join("modules").join(made.digest.to_string());
    assert_eq!(std::fs::read(&file).unwrap(), push.component);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    // the same bytes again, said to be something else: what is here stays
    let again = PushPolicy { version: "9".into(), action: Action::InfraFull, ..push.clone() };
    let again = running.call(Some("policy-admin"), Method::POST, "/v1/policies", Some(&again)).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<PolicyView>().await.unwrap(), made);
    let events: Page<PolicyEventView> = running.get("auditor", "/v1/policies/events").await;
    assert_eq!(events.items.len(), 1);
    assert_eq!(serde_json::to_value(events.items[0].kind).unwrap(), "Policy.Push");

    let refused = async |push: PushPolicy| running.refused("policy-admin", "/v1/policies", &push).await;
    let other = component(2);
    let stranger = PushPolicy { signature: Signer::new(2).sign(&other), component: other.clone(), ..push.clone() };
    assert_eq!(refused(stranger).await, (403, "forbidden".into()));
    let moved = PushPolicy { component: other.clone(), ..push.clone() };
    assert_eq!(refused(moved).await, (422, "invalid".into()), "a signature over another module");
    for signature in ["", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"] {
        assert_eq!(refused(PushPolicy { signature: signature.into(), ..push.clone() }).await.0, 422);
    }
    let core = b"\0asm\x01\0\0\0".to_vec();
    assert_eq!(refused(PushPolicy { signature: admin.sign(&core), component: core, ..push.clone() }).await.0, 422, "a core module");
    assert_eq!(refused(PushPolicy { roles: vec![], ..push.clone() }).await.0, 422);
    assert_eq!(refused(PushPolicy { name: "a\u{1b}[2J".into(), ..push.clone() }).await.0, 422);
    let list: Page<PolicyView> = running.get("policy-admin", "/v1/policies").await;
    assert_eq!(list.items, std::slice::from_ref(&made));
    // what was here before a restart is here after it
    running.stop().await;
    let running = world.start().await;
    assert_eq!(running.policy(&made.digest).await.policy, made);
    running.stop().await;
}

#[tokio::test]
async fn a_module_over_the_bound_is_refused_and_one_within_it_is_taken() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let mut large = component(1);
    large.resize(MODULE_MAX, 0);
    let push = PushPolicy { signature: admin.sign(&large), component: large.clone(), ..admin.push(1) };
    let made: PolicyView = running.post("policy-admin", "/v1/policies", &push).await;
    assert_eq!(made.size, MODULE_MAX as u64);
    large.push(0);
    let over = PushPolicy { signature: admin.sign(&large), component: large, ..admin.push(1) };
    assert_eq!(running.refused("policy-admin", "/v1/policies", &over).await, (422, "invalid".into()));
    let far_over = vec![b'x'; 2 * MODULE_MAX];
    let call = client().post(format!("{}/v1/policies", running.url)).bearer_auth(running.token("policy-admin"));
    let call = call.header("content-type", "application/json").body(far_over).send().await;
    // the answer may come before all of the body was read
    assert!(call.map_or(true, |answer| answer.status() == 413), "a body over the bound");
    assert_eq!(running.get::<Page<PolicyView>>("auditor", "/v1/policies").await.items.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn without_a_file_of_admins_that_can_be_trusted_nobody_pushes() {
    let admin = Signer::new(1);
    let world = World::new();
    let running = world.start().await;
    let file = world.config().policy_admins;
    let detail = async || {
        let answer = running.call(Some("policy-admin"), Method::POST, "/v1/policies", Some(&admin.push(1))).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let expect = async |part: &str| {
        let (status, text) = detail().await;
        assert!(status == 409 && text.contains(part), "{part}: {status} {text}");
    };
    expect("there is no file of policy admins").await;
    std::fs::write(&file, "# nobody yet\n").unwrap();
    expect("there is no key in it").await;
    std::fs::write(&file, format!("{}ssh-rsa AAAA\n", admin.line())).unwrap();
    expect("line 2").await;
    std::fs::write(&file, admin.line()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    expect("must not be able to write to it").await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    // it is read at each push: nothing has to be started again
    assert_eq!(detail().await.0, 201);
    running.stop().await;
}

#[tokio::test]
async fn stages_follow_the_table_and_each_step_is_on_record() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let pushed: PolicyView = running.post("policy-admin", "/v1/policies", &admin.push(1)).await;
    let digest = pushed.digest;
    // a draft goes nowhere before somebody answers for its tests
    for (what, body) in [("shadow", none()), ("canary", json!({ "percent": 10 })), ("retire", why("x")), ("activate", serde_json::to_value(in_place_of(None)).unwrap())] {
        assert_eq!(running.refused("policy-admin", &of(&digest, what), &body).await, (409, "conflict".into()), "{what}");
    }
    for claim in [json!({}), json!({ "claim": { "untested": { "reason": " " } } }), json!({ "claim": { "passed": { "cases": "xyz", "count": 3 } } }),
        json!({ "claim": { "passed": { "cases": "0".repeat(64), "count": 0 } } })] {
        assert_eq!(running.refused("policy-admin", &of(&digest, "test-passed"), &claim).await.0, 422, "{claim}");
    }
    let claim = json!({ "claim": { "passed": { "cases": "a".repeat(64), "count": 3 } } });
    running.post::<PolicyChange>("policy-admin", &of(&digest, "test-passed"), &claim).await;
    assert_eq!(running.refused("policy-admin", &of(&digest, "test-passed"), &claim).await.0, 409, "once");
    for percent in [0, 101] {
        assert_eq!(running.refused("policy-admin", &of(&digest, "canary"), &json!({ "percent": percent })).await.0, 422);
    }
    let bounds = json!({ "bounds": { "faults": 2, "extra_denials_percent": 5, "after": 100 }, "reason": "let us see" });
    let change: PolicyChange = running.post("policy-admin", &of(&digest, "shadow"), &bounds).await;
    assert_eq!(change.targets.iter().map(|t| (t.target.as_str(), &t.state)).collect::<Vec<_>>(), [("node1", &ChangeState::NotConnected)]);
    let trial = change.policy.unwrap().trial.unwrap();
    assert_eq!((trial.bounds.faults, trial.bounds.extra_denials_percent, trial.bounds.after), (2, 5, 100));
    // another one for the same action and role has to wait
    let second = admin.tested(&running, 2).await;
    assert_eq!(running.refused("policy-admin", &of(&second, "shadow"), &none()).await.0, 409);
    assert_eq!(running.stage(&second).await, "tested");
    running.post::<PolicyChange>("policy-admin", &of(&digest, "canary"), &json!({ "percent": 10 })).await;
    running.post::<PolicyChange>("policy-admin", &of(&digest, "canary"), &json!({ "percent": 50 })).await;
    let active = running.activate(&digest, None).await.policy.unwrap();
    assert_eq!((active.stage, active.active_for, active.trial), (Stage::Active, vec![Role::Cps], None));
    assert_eq!(active.activated.unwrap().by, "policy-admin");
    assert_eq!(running.refused("policy-admin", &of(&digest, "retire"), &why(" ")).await.0, 422, "a reason is needed");
    running.post::<PolicyChange>("policy-admin", &of(&digest, "retire"), &why("no good")).await;
    // a retired one has been tested: it may be tried and put in force again
    running.post::<PolicyChange>("policy-admin", &of(&digest, "shadow"), &none()).await;
    running.activate(&digest, None).await;
    let detail = running.policy(&digest).await;
    let history: Vec<_> = detail.history.iter().map(|line| (serde_json::to_value(line.kind).unwrap(), line.to.unwrap().name(), line.by.clone(), line.reason.clone())).collect();
    let expected = [
        ("Policy.Push", "draft", ""), ("Policy.Test", "tested", "3 cases pass"), ("Policy.Shadow", "shadow", "let us see"), ("Policy.Canary", "canary", ""),
        ("Policy.Canary", "canary", ""), ("Policy.Activate", "active", ""), ("Policy.Retire", "retired", "no good"), ("Policy.Shadow", "shadow", ""),
        ("Policy.Activate", "active", ""),
    ];
    assert_eq!(history, expected.map(|(kind, stage, reason)| (kind.into(), stage, "policy-admin".to_owned(), reason.to_owned())));
    running.stop().await;
}

#[tokio::test]
async fn one_version_is_in_force_and_a_roll_back_goes_to_the_one_before() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let (one, two) = (admin.tested(&running, 1).await, admin.tested(&running, 2).await);
    let back = json!({ "action": "INFRA_DIAG", "role": "cps", "reason": "it denies too much" });
    assert_eq!(running.refused("policy-admin", "/v1/policies/rollback", &back).await.0, 409, "nothing was before");
    running.activate(&one, None).await;
    running.activate(&two, Some(one)).await;
    assert_eq!((running.stage(&one).await, running.stage(&two).await), ("retired".into(), "active".into()));
    let seat = running.policy(&one).await.seats.remove(0);
    assert_eq!((seat.active, seat.candidate), (Some(two), None));
    // who believes something else to be in force does nothing
    let mut stale = back.clone();
    stale["replaces"] = json!(one);
    assert_eq!(running.refused("policy-admin", "/v1/policies/rollback", &stale).await.0, 409);
    let change: PolicyChange = running.post("policy-admin", "/v1/policies/rollback", &back).await;
    assert_eq!(change.policy.unwrap().digest, one);
    assert_eq!((running.stage(&one).await, running.stage(&two).await), ("active".into(), "retired".into()));
    let rolled_back = running.policy(&two).await.history.pop().unwrap();
    assert_eq!((serde_json::to_value(rolled_back.kind).unwrap(), rolled_back.reason.as_str()), ("Policy.Rollback".into(), "it denies too much"));
    // and once more: to the nodes' own module
    let change: PolicyChange = running.post("policy-admin", "/v1/policies/rollback", &back).await;
    assert_eq!((change.policy, running.stage(&one).await), (None, "retired".into()));
    assert_eq!(running.refused("policy-admin", "/v1/policies/rollback", &back).await.0, 409);
    // what was retired by hand comes back by a roll-back as well
    running.activate(&one, None).await;
    running.post::<PolicyChange>("policy-admin", &of(&one, "retire"), &why("oops")).await;
    running.post::<PolicyChange>("policy-admin", "/v1/policies/rollback", &back).await;
    assert_eq!(running.stage(&one).await, "active");
    running.stop().await;
}

#[tokio::test]
async fn a_version_for_several_roles_stays_active_until_it_has_lost_the_last() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let both = admin.tested_for(&running, 1, vec![Role::Host, Role::Cps, Role::Cps]).await;
    let cps = admin.tested(&running, 2).await;
    assert_eq!(running.refused("policy-admin", &of(&both, "activate"), &in_place_of(None)).await.0, 422, "host is not spoken of");
    let change: PolicyChange = running.post("policy-admin", &of(&both, "activate"), &json!({ "replaces": { "cps": null, "host": null } })).await;
    assert_eq!(change.targets.len(), 2);
    running.activate(&cps, Some(both)).await;
    let view = running.policy(&both).await.policy;
    assert_eq!((view.stage, view.roles, view.active_for), (Stage::Active, vec![Role::Cps, Role::Host], vec![Role::Host]));
    // its loss of one role is on record though its stage stays
    assert_eq!(serde_json::to_value(running.policy(&both).await.history.pop().unwrap().kind).unwrap(), "Policy.Retire");
    running.post::<PolicyChange>("policy-admin", &of(&both, "activate"), &json!({ "replaces": { "cps": cps, "host": both } })).await;
    assert_eq!(running.stage(&cps).await, "retired");
    let again = running.refused("policy-admin", &of(&both, "activate"), &json!({ "replaces": { "cps": both, "host": both } })).await;
    assert_eq!(again.0, 409, "it is in force already");
    // what is in force on both roles is rolled back on both, each to what it had before
    let back = json!({ "action": "INFRA_DIAG", "role": "host", "reason": "no good" });
    let next = admin.tested_for(&running, 3, vec![Role::Host, Role::Cps]).await;
    running.post::<PolicyChange>("policy-admin", &of(&next, "activate"), &json!({ "replaces": { "cps": both, "host": both } })).await;
    running.post::<PolicyChange>("policy-admin", "/v1/policies/rollback", &back).await;
    assert_eq!((running.stage(&next).await, running.policy(&both).await.policy.active_for), ("retired".into(), vec![Role::Cps, Role::Host]));
    running.post::<PolicyChange>("policy-admin", "/v1/policies/rollback", &back).await;
    assert_eq!((running.policy(&both).await.policy.active_for, running.policy(&cps).await.policy.active_for), (vec![], vec![Role::Cps]));
    running.post::<PolicyChange>("policy-admin", &of(&cps, "retire"), &why("no good")).await;
    assert_eq!(running.policy(&cps).await.policy.active_for, []);
    running.stop().await;
}

#[tokio::test]
async fn two_admins_at_once_do_not_overwrite_each_other_unknowingly() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let base = admin.tested(&running, 1).await;
    running.activate(&base, None).await;
    let mut rivals = vec![];
    for number in 2..10 {
        rivals.push(admin.tested(&running, number).await);
    }
    let body = in_place_of(Some(base));
    let calls = rivals.iter().map(|digest| {
        let (path, body, running) = (of(digest, "activate"), body.clone(), &running);
        async move { running.call(Some("policy-admin"), Method::POST, &path, Some(&body)).await.status().as_u16() }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 7, "{answers:?}");
    let active: Page<PolicyView> = running.get("auditor", "/v1/policies?stage=active").await;
    assert_eq!(active.items.len(), 1);
    assert_eq!(answers[rivals.iter().position(|digest| *digest == active.items[0].digest).unwrap()], 200);
    running.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged_and_operators_see_nothing() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let mut digests = vec![];
    for number in 0..5 {
        digests.push(admin.tested(&running, number).await);
    }
    let page = |query: String| running.get::<Page<PolicyView>>("auditor", query.leak());
    assert_eq!(page("/v1/policies?stage=tested&action=INFRA_DIAG&role=cps".into()).await.items.len(), 5);
    for empty in ["stage=draft", "action=INFRA_FULL", "role=host", "digest=0000000000"] {
        assert_eq!(page(format!("/v1/policies?{empty}")).await.items.len(), 0, "{empty}");
    }
    let prefix: String = digests[3].to_string().chars().take(12).collect();
    assert_eq!(page(format!("/v1/policies?digest={prefix}")).await.items[0].digest, digests[3]);
    let (mut seen, mut next) = (vec![], Some(String::new()));
    while let Some(after) = next {
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let page = page(format!("/v1/policies?limit=2{after}")).await;
        seen.extend(page.items.into_iter().map(|item| item.digest));
        next = page.next;
    }
    assert_eq!(seen.len(), 5);
    assert!(digests.iter().all(|digest| seen.contains(digest)));
    let events: Page<PolicyEventView> = running.get("auditor", "/v1/policies/events?limit=4").await;
    let rest: Page<PolicyEventView> = running.get("auditor", &format!("/v1/policies/events?after={}", events.next.unwrap())).await;
    assert_eq!((events.items.len(), rest.items.len(), rest.items[0].number), (4, 6, 5));
    for bad in ["digest=xyz", "stage=gone", "role=cpu", "limit=0"] {
        let answer = running.call(Some("auditor"), Method::GET, &format!("/v1/policies?{bad}"), None::<&()>).await;
        assert_eq!(answer.status(), 422, "{bad}");
    }
    for unknown in ["/v1/policies/xyz", &format!("/v1/policies/{}", digest_of(b"x")), &of(&digest_of(b"x"), "trial")] {
        assert_eq!(running.call(Some("auditor"), Method::GET, unknown, None::<&()>).await.status(), 404, "{unknown}");
    }
    assert_eq!(running.call(Some("operator"), Method::GET, "/v1/policies", None::<&()>).await.status(), 403);
    assert_eq!(running.refused("auditor", &of(&digests[0], "test-passed"), &untested()).await.0, 403);
    // and a policy admin has no part in requests
    assert_eq!(running.refused("policy-admin", "/v1/requests", &new_request()).await.0, 403);
    running.stop().await;
}
