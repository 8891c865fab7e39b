//! Policies and nodes: what they are told, what they say, and what a trial brings.

use crate::peer::{Peer, hello};
use crate::signer::{Signer, component, digest_of, none, of};
use crate::world::{World, act, new_request, why};
use portcullis_control::api::types::{ChangeState, Page, PolicyChange, PolicyEventView, PolicyView, PushPolicy, RequestDetail, TargetView, TrialView};
use portcullis_control::domain::policy::module_id::ModuleId;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Difference, Enforced, Outcome, OutcomeKind, PolicyAssignment, PolicyState, Trial, TrialReport};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::link::{FromNode, MODULE_CHUNK_MAX, ToNode};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

fn enforced(digest: PolicyDigest) -> Enforced {
    Enforced { action: Action::InfraDiag, role: Role::Cps, digest }
}

fn state(sequence: u64, digest: ModuleId, error: Option<&str>) -> FromNode {
    FromNode::Policies(PolicyState { sequence, enforced: vec![enforced(digest.0)], held: vec![], error: error.map(str::to_owned) })
}

fn report(candidate: ModuleId, trial: Trial, count: u64) -> TrialReport {
    let outcome = |verdict, rule: &str| Outcome { verdict, rule: rule.to_owned() };
    let row = Difference {
        operator: "alice".into(),
        command: "docker run".into(),
        active: outcome(OutcomeKind::Allow, ""),
        candidate: outcome(OutcomeKind::Deny, "docker-run"),
        count,
    };
    TrialReport {
        action: Action::InfraDiag, role: Role::Cps, candidate: candidate.0, trial, since: UnixMs(1), questions: 100, agreed: 100 - count, faults: 0,
        dropped: 0, ended: None, rows: vec![row], more: 0,
    }
}

impl Peer {
    /// Hears which modules are to judge.
    async fn policies(&mut self) -> PolicyAssignment {
        match self.hear().await {
            ToNode::Policies(signed) => self.assignment(&signed),
            other => panic!("an assignment, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_activation_waits_for_the_nodes_word_and_says_how_long_it_took() {
    let admin = Signer::new(1);
    let mut world = admin.world();
    world.limits.policy_wait_ms = 10_000;
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    let tell = async {
        let staged = node.policies().await;
        assert_eq!((staged.modules.len(), staged.staged.as_slice()), (0, [digest_of(&component(1)).0].as_slice()), "held ready before it is in force");
        node.say(&FromNode::Policies(PolicyState { sequence: staged.sequence, ..PolicyState::default() })).await;
    };
    let (one, ()) = tokio::join!(admin.tested(&running, 1), tell);
    let answer = async {
        let told = node.policies().await;
        assert_eq!((told.modules[0].active, told.modules[0].role, told.staged.len()), (Some(one.0), Role::Cps, 0));
        node.say(&state(told.sequence, one, None)).await;
        told
    };
    let (change, told) = tokio::join!(running.activate(&one, None), answer);
    let [target] = change.targets.as_slice() else { panic!("{change:?}") };
    assert_eq!((target.target.as_str(), target.sequence), ("node1", told.sequence));
    assert!(matches!(target.state, ChangeState::Enforced { ms, note: None } if ms < 10_000), "{target:?}");
    // a node that cannot says why, and that is an event
    let (two, _) = tokio::join!(admin.tested(&running, 2), async {
        let staged = node.policies().await;
        node.say(&state(staged.sequence, one, None)).await;
    });
    let refuse = async {
        let told = node.policies().await;
        // a complaint about something else is no answer to this
        node.say(&state(told.sequence - 1, one, Some("it is an old one"))).await;
        let error = format!("assignment {} is not enforced: module is for\u{1b}[2J another action", told.sequence);
        node.say(&state(told.sequence - 1, one, Some(&error))).await;
    };
    let (change, ()) = tokio::join!(running.activate(&two, Some(one)), refuse);
    let ChangeState::Refused { error } = &change.targets[0].state else { panic!("{change:?}") };
    assert!(error.ends_with("is not enforced: module is for\\x1b[2J another action"), "{error}");
    let events: Page<PolicyEventView> = running.get("auditor", "/v1/policies/events").await;
    let fault = events.items.iter().find(|event| event.target.is_some()).unwrap();
    assert_eq!((serde_json::to_value(fault.kind).unwrap(), fault.target.as_deref(), fault.by.as_str()), ("Policy.Fault".into(), Some("node1"), "system"));
    // doctor's list says what judges there
    let targets: Page<TargetView> = running.get("auditor", "/v1/targets").await;
    let policies = targets.items.into_iter().find(|target| target.name == "node1").unwrap().policies.unwrap();
    assert!(policies.assigned > policies.sequence && policies.enforced[0].digest == one && policies.error.is_some());
    drop(node);
    running.stop().await;
}

#[tokio::test]
async fn what_judges_is_told_again_on_the_next_connection_and_only_when_it_differs() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let one = admin.tested(&running, 1).await;
    assert_eq!(running.activate(&one, None).await.targets[0].state, ChangeState::NotConnected);
    running.stop().await;
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    let told = node.policies().await;
    assert_eq!(told.modules[0].active, Some(one.0));
    drop(node);
    // a start changes nothing that is told
    running.stop().await;
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!(node.policies().await, told);
    // a target of another role has nothing to do with it
    let mut other = Peer::connect(&world, &running, "node2").await;
    other.say(&hello("node2", Role::Host, vec![])).await;
    assert!(matches!(other.hear().await, ToNode::State { .. }));
    let mut request = new_request();
    request.targets = vec!["node2".into()];
    running.approved(&request).await;
    assert!(matches!(other.hear().await, ToNode::Grant(_)), "no assignment comes in between");
    // a node that is ahead of the books, restored from an older copy, is told anew
    node.say(&state(told.sequence + 1, one, None)).await;
    let anew = node.policies().await;
    assert!(anew.sequence > told.sequence + 1 && anew.modules == told.modules);
    running.stop().await;
}

#[tokio::test]
async fn a_module_comes_in_parts_to_who_was_told_of_it() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let mut large = component(1);
    large.resize(2 * MODULE_CHUNK_MAX + 5, b'x');
    let push = PushPolicy { signature: admin.sign(&large), component: large.clone(), ..admin.push(1) };
    let digest = digest_of(&large);
    running.post::<PolicyView>("policy-admin", "/v1/policies", &push).await;
    let draft: PolicyView = running.post("policy-admin", "/v1/policies", &admin.push(3)).await;
    let unheard_of = admin.tested_for(&running, 2, vec![Role::Host]).await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    // a draft, another role's module, and one that is nobody's are not for this node
    for none in [draft.digest, unheard_of, digest_of(b"nothing")] {
        node.say(&FromNode::WantModule(none.0)).await;
    }
    running.post::<PolicyChange>("policy-admin", &of(&digest, "test-passed"), &crate::signer::untested()).await;
    node.policies().await;
    for _ in 0..3 {
        // asked for twice it comes once
        node.say(&FromNode::WantModule(digest.0)).await;
    }
    let mut bytes = vec![];
    while bytes.len() < large.len() {
        let ToNode::Module(chunk) = node.hear().await else { panic!("a part of the module") };
        assert_eq!((chunk.digest, chunk.size, chunk.offset), (digest.0, large.len() as u64, bytes.len() as u64));
        assert_eq!(chunk.signature, push.signature);
        assert!(chunk.bytes.len() <= MODULE_CHUNK_MAX);
        bytes.extend(chunk.bytes);
    }
    assert_eq!(digest_of(&bytes), digest);
    // a module whose file was changed on the disk is not sent
    std::fs::write(world.config().data.join("modules").join(digest.to_string()), &large[1..]).unwrap();
    node.say(&FromNode::WantModule(digest.0)).await;
    running.approved(&new_request()).await;
    loop {
        match node.hear().await {
            // what was on its way already
            ToNode::Module(chunk) => assert!(chunk.bytes.iter().all(|byte| large.contains(byte)) && chunk.size == large.len() as u64),
            ToNode::Grant(_) => break,
            other => panic!("{other:?}"),
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_trial_is_counted_per_rule_and_user_and_summed_over_targets() {
    let admin = Signer::new(1);
    let mut world = admin.world();
    world.more_targets = vec![("node3".to_owned(), Role::Cps)];
    let running = world.start().await;
    let digest = admin.tested(&running, 1).await;
    running.post::<PolicyChange>("policy-admin", &of(&digest, "shadow"), &none()).await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    let told = node.policies().await;
    let candidate = told.modules[0].candidate.as_ref().unwrap();
    assert_eq!((told.modules[0].active, candidate.digest, candidate.trial), (None, digest.0, Trial::Shadow));
    let mut third = Peer::connect(&world, &running, "node3").await;
    third.say(&hello("node3", Role::Cps, vec![])).await;
    // each report stands for all before it
    for count in [1, 3] {
        node.say(&FromNode::Trial(Box::new(report(digest, Trial::Shadow, count)))).await;
    }
    let mut more = report(digest, Trial::Shadow, 4);
    more.rows.push(Difference { operator: "bob\u{1b}[2J".repeat(50), ..more.rows[0].clone() });
    more.rows.extend(vec![more.rows[0].clone(); 600]);
    third.say(&FromNode::Trial(Box::new(more))).await;
    let view = running.trial_until(&digest, |view| view.targets.len() == 2 && view.agreed == 193).await;
    assert_eq!((view.questions, view.faults), (200, 0));
    let alice = view.differences.iter().find(|row| row.operator == "alice").unwrap();
    assert_eq!((alice.rule.as_str(), alice.command.as_str(), alice.count), ("docker-run", "docker run", 3 + 4 * 511));
    let bob = view.differences.iter().find(|row| row.operator.starts_with("bob")).unwrap();
    assert!(bob.operator.chars().count() <= 64 && !bob.operator.contains('\u{1b}'));
    assert_eq!(view.more, 90, "what is over the rows is counted");
    // what nobody is trying, or tries otherwise, is not believed
    node.say(&FromNode::Trial(Box::new(TrialReport { ended: Some("a lie".into()), ..report(digest, Trial::Canary { percent: 1 }, 9) }))).await;
    node.say(&FromNode::Trial(Box::new(TrialReport { role: Role::Host, ended: Some("a lie".into()), ..report(digest, Trial::Shadow, 9) }))).await;
    node.say(&FromNode::Trial(Box::new(TrialReport { ended: Some("a lie".into()), ..report(digest_of(b"x"), Trial::Shadow, 9) }))).await;
    node.say(&FromNode::Trial(Box::new(TrialReport { questions: 101, ..report(digest, Trial::Shadow, 3) }))).await;
    running.trial_until(&digest, |view| view.questions == 201).await;
    assert_eq!(running.stage(&digest).await, "shadow");
    running.stop().await;
}

#[tokio::test]
async fn a_trial_over_its_bounds_is_taken_out_everywhere_by_itself() {
    let admin = Signer::new(1);
    let world = admin.world();
    let running = world.start().await;
    let (base, digest) = (admin.tested(&running, 1).await, admin.tested(&running, 2).await);
    running.activate(&base, None).await;
    running.post::<PolicyChange>("policy-admin", &of(&digest, "canary"), &json!({ "percent": 25 })).await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    assert_eq!(node.policies().await.modules[0].candidate.as_ref().unwrap().trial, Trial::Canary { percent: 25 });
    let over = TrialReport { faults: 1, ended: Some("1 fault, 0 are allowed".into()), ..report(digest, Trial::Canary { percent: 25 }, 3) };
    // it is told twice, over a link that broke in between
    for _ in 0..2 {
        node.say(&FromNode::Trial(Box::new(over.clone()))).await;
    }
    let after = node.policies().await;
    assert_eq!((after.modules[0].active, after.modules[0].candidate.as_ref()), (Some(base.0), None));
    let detail = running.policy(&digest).await;
    assert_eq!(detail.policy.stage.name(), "retired");
    let tail: Vec<_> = detail.history.iter().rev().take(2).map(|line| (serde_json::to_value(line.kind).unwrap(), line.target.clone(), line.by.as_str(), line.reason.as_str())).collect();
    assert_eq!(tail, [
        ("Policy.Rollback".into(), Some("node1".into()), "system", "1 fault, 0 are allowed"),
        ("Policy.Fault".into(), Some("node1".into()), "system", "1 of 100 questions had no answer"),
    ]);
    // what it showed can still be read, and the module in force was not touched
    let view: TrialView = running.get("auditor", &of(&digest, "trial")).await;
    assert_eq!((view.differences[0].count, view.targets[0].ended.as_deref()), (3, Some("1 fault, 0 are allowed")));
    assert_eq!(running.stage(&base).await, "active");
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_nothing_would_judge_is_refused_where_that_is_known() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
    // as long as the node has not spoken, nothing is known
    running.create(&new_request()).await;
    node.say(&state(0, digest_of(b"baseline"), None)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    let mut full = new_request();
    full.action = Action::InfraFull;
    let text = loop {
        let answer = running.call(Some("operator"), Method::POST, "/v1/requests", Some(&full)).await;
        if answer.status() == 409 {
            break answer.text().await.unwrap();
        }
        assert!(answer.status() == 201 && tokio::time::Instant::now() < deadline);
    };
    assert!(text.contains("no policy module judges INFRA_FULL on node1 (cps)"), "{text}");
    let fine = running.create(&new_request()).await;
    running.post::<RequestDetail>("approver", &act(&fine.id, "approve"), &why("go on")).await;
    drop(node);
    running.stop().await;
}
