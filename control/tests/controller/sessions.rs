//! Sessions over HTTP: their recordings, and ending one of them.

use crate::peer::{Peer, receipt, session};
use crate::world::{Running, World, act, new_request, why};
use portcullis_control::api::types::{Ended, RequestDetail, SessionDetail, SessionState, SessionView};
use portcullis_control::domain::policy::module_id::ModuleId;
use portcullis_model::boot::BootId;
use portcullis_model::decision::{Authority, Journal as _};
use portcullis_model::event::{Event, EventKind};
use portcullis_model::id::PolicyDigest;
use portcullis_model::receipt::EndCause;
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::verdict::{Confinement, Denial};
use portcullis_model::wire::link::{FromNode, ToNode};
use portcullis_recording::{Writer, path_of};
use reqwest::Method;
use std::path::Path;

fn exec(argv: &[&str]) -> Subject {
    Subject::Exec(Exec {
        path: format!("/usr/bin/{}", argv[0]).into_bytes(),
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        scripts: vec![],
        cwd: b"/".to_vec(),
        uid: 70_000,
        tty: true,
        parents: vec![],
        line: None,
    })
}

/// A recording as the keeper makes one, with one exec allowed and one denied.
fn record(evidence: &Path, facts: &SessionFacts) -> Writer {
    let mut writer = Writer::create(evidence, &facts.id, BootId::UNKNOWN, None).unwrap();
    let start = EventKind::Started { facts: Box::new(facts.clone()), purpose: Purpose::Shell, window: None, layers: vec![], policy: Some(PolicyDigest::of(b"a module")) };
    let subject = exec(&["ls", "a b\u{1b}[2J"]);
    let allowed = EventKind::Allowed { pid: 5, subject, confinement: Confinement::default(), authority: Authority::Portcullis };
    let denial = Denial { rule: "docker-mounts".into(), reason: "mounts of /".into(), hint: String::new() };
    let denied = EventKind::Denied { pid: 6, subject: exec(&["docker", "run"]), denial, authority: Authority::Portcullis };
    for kind in [start, allowed, denied] {
        writer.append(&Event { at: facts.start, kind }).unwrap();
    }
    writer
}

async fn one_session(world: &World, running: &Running) -> (Peer, RequestDetail, SessionFacts) {
    let (mut node, ..) = Peer::node1(world, running, vec![]).await;
    let request = running.approved(&new_request()).await;
    let grant = node.deploy().await;
    let facts = session(&grant, 1, &request.request.key_fingerprint);
    node.say(&FromNode::SessionStarted(Box::new(facts.clone()))).await;
    running.until(&request.request.id, |d| d.sessions.len() == 1).await;
    (node, request, facts)
}

#[tokio::test]
async fn a_session_is_told_with_the_commands_of_its_recording() {
    let world = World::new();
    let running = world.start().await;
    let (mut node, _, facts) = one_session(&world, &running).await;
    let path = format!("/v1/sessions/{}", facts.id);
    let none: SessionDetail = running.get("auditor", &path).await;
    assert_eq!(none.recording, None);
    assert_eq!(running.call(Some("auditor"), Method::GET, &format!("{path}/recording"), None::<&()>).await.status(), 404);
    let evidence = world.config().evidence;
    let writer = record(&evidence, &facts);
    let open: SessionDetail = running.get("auditor", &path).await;
    let recording = open.recording.unwrap();
    assert_eq!((recording.state.as_str(), recording.truncated, recording.commands.len()), ("open", false, 2));
    assert_eq!(recording.policies.iter().map(|one| one.digest).collect::<Vec<_>>(), [Some(ModuleId(PolicyDigest::of(b"a module")))]);
    assert_eq!(recording.commands[0].text, "/usr/bin/ls a b\\x1b[2J");
    assert_eq!((recording.commands[1].allowed, recording.commands[1].rule.as_str()), (false, "docker-mounts"));
    let end = receipt(&facts, EndCause::Exit, 0);
    writer.finish(facts.start, end.clone()).unwrap();
    node.say(&FromNode::SessionEnded { receipt: end, exit: None }).await;
    let file = path_of(&evidence, &facts.id);
    let bytes = std::fs::read(&file).unwrap();
    let sent = running.call(Some("approver"), Method::GET, &format!("{path}/recording"), None::<&()>).await;
    assert_eq!(sent.headers()["content-type"], "application/octet-stream");
    assert_eq!(sent.bytes().await.unwrap(), bytes);
    assert_eq!(running.get::<SessionDetail>("auditor", &path).await.recording.unwrap().state, "complete");
    // the operator sees the session, not the recording
    assert_eq!(running.get::<SessionDetail>("operator", &path).await.recording, None);
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&file, changed).unwrap();
    let damaged = running.get::<SessionDetail>("auditor", &path).await.recording.unwrap();
    assert!(damaged.state.starts_with("damaged: "), "{}", damaged.state);
    // a link in its place is not followed
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(world.folder.path().join("controller/signing.key"), &file).unwrap();
    assert_eq!(running.call(Some("auditor"), Method::GET, &format!("{path}/recording"), None::<&()>).await.status(), 500);
    assert!(running.get::<SessionDetail>("auditor", &path).await.recording.unwrap().state.starts_with("unreadable"));
    running.stop().await;
}

#[tokio::test]
async fn one_session_is_ended_and_its_grant_goes_on() {
    let mut world = World::new();
    world.limits.receipt_wait_ms = 10_000;
    let running = world.start().await;
    let (mut node, request, facts) = one_session(&world, &running).await;
    let path = format!("/v1/sessions/{}/terminate", facts.id);
    assert_eq!(running.refused("auditor", &path, &why("x")).await.0, 403);
    assert_eq!(running.refused("approver", &path, &why("")).await.0, 422);
    let body = why("wrong machine");
    let (ended, ()) = tokio::join!(running.post::<SessionView>("approver", &path, &body), async {
        assert_eq!(node.hear().await, ToNode::EndSession(facts.id.clone()));
        node.say(&FromNode::SessionEnded { receipt: receipt(&facts, EndCause::Terminated, 3), exit: None }).await;
    });
    assert_eq!((ended.state, ended.receipt.unwrap().killed), (SessionState::Ended, 3));
    let order = ended.termination.unwrap();
    assert_eq!((order.by.as_str(), order.reason.as_str()), ("approver", "wrong machine"));
    assert_eq!(running.refused("approver", &path, &why("again")).await, (409, "conflict".into()));
    assert_eq!(running.show(&request.request.id).await.request.state.name(), "active");
    running.stop().await;
}

#[tokio::test]
async fn a_session_whose_start_was_never_heard_is_taken_from_its_recording() {
    let world = World::new();
    let running = world.start().await;
    let request = running.approved(&new_request()).await;
    let (mut node, grants, _) = Peer::node1(&world, &running, vec![]).await;
    let facts = session(&grants[0], 1, &request.request.key_fingerprint);
    let end = receipt(&facts, EndCause::Disconnect, 2);
    record(&world.config().evidence, &facts).finish(facts.start, end.clone()).unwrap();
    node.deploy().await;
    node.say(&FromNode::SessionEnded { receipt: end.clone(), exit: None }).await;
    let detail = running.until(&request.request.id, |d| d.sessions.len() == 1).await;
    assert_eq!(detail.sessions[0].receipt, Some(end));
    running.post::<Ended>("operator", &act(&request.request.id, "close"), &why("done")).await;
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_a_lost_session_is_taken_from_its_recording() {
    let world = World::new();
    let running = world.start().await;
    let (node, request, facts) = one_session(&world, &running).await;
    let writer = record(&world.config().evidence, &facts);
    drop(node);
    // it ended while the link was down, and nobody said so
    let end = receipt(&facts, EndCause::Disconnect, 4);
    writer.finish(facts.start, end.clone()).unwrap();
    let _node = Peer::node1(&world, &running, vec![]).await;
    let detail = running.until(&request.request.id, |d| d.sessions[0].state == SessionState::Ended).await;
    assert_eq!(detail.sessions[0].receipt, Some(end));
    running.stop().await;
}
