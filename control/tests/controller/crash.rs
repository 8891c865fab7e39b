//! A process that is killed in the middle of many writes loses nothing that was acknowledged, and leaves nothing half done.

use crate::world::{KEY, World};
use portcullis_control::api::types::RequestDetail;
use portcullis_control::desk::{Desk, NewRequest, Wanted};
use portcullis_control::domain::act::Step;
use portcullis_control::domain::actor::{Actor, UserRole};
use portcullis_control::domain::life::State;
use portcullis_control::domain::text::{Comment, PersonName, Reason, TargetName, Ticket};
use portcullis_control::{Controller, Limits};
use portcullis_model::action::Action;
use portcullis_model::id::RequestId;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "PORTCULLIS_TEST_CRASH_FOLDER";

fn actor(role: UserRole) -> Actor {
    Actor { name: PersonName::try_from(role.name().to_owned()).unwrap(), role }
}

fn world_at(folder: &Path) -> portcullis_control::ControllerConfig {
    let mut config = World::new().config();
    config.data = folder.join("controller");
    config.trust = folder.join("trust");
    config.evidence = folder.join("evidence");
    config.limits = Limits { waiting_max: u32::MAX, hourly_max: u32::MAX, grants_max: u32::MAX, ..Limits::default() };
    config
}

fn say(word: &str, id: &RequestId) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {word} {id}").unwrap();
    out.flush().unwrap();
}

async fn writes(desk: Arc<Desk>) {
    let new = NewRequest {
        operator: PersonName::try_from("alice".to_owned()).unwrap(),
        key: KEY.parse().unwrap(),
        action: Action::InfraDiag,
        targets: ["node1", "node2"].map(|name| TargetName::try_from(name.to_owned()).unwrap()).to_vec(),
        ticket: Ticket::default(),
        reason: Reason::try_from("crash".to_owned()).unwrap(),
        duration_s: None,
        start: None,
        idle_timeout_s: None,
    };
    loop {
        let id = desk.create(&actor(UserRole::Operator), new.clone()).await.unwrap().request.id;
        say("waiting", &id);
        desk.approve(&actor(UserRole::Approver), &id, Comment::default(), None).await.unwrap();
        say("active", &id);
        desk.end(&actor(UserRole::Approver), &id, Step::Revoke, Reason::try_from("enough".to_owned()).unwrap()).await.unwrap();
        say("revoked", &id);
    }
}

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let controller = Controller::start(world_at(Path::new(&folder))).await.unwrap();
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writes(controller.desk()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// What is on the disk is one of the states that a request can have been in, with everything that belongs to it.
fn check(detail: &RequestDetail) {
    let expected: &[&str] = match detail.request.state {
        State::Waiting => &["submit"],
        State::Active => &["submit", "approve", "start"],
        State::Revoked => &["submit", "approve", "start", "revoke"],
        other => panic!("{other} between transactions"),
    };
    assert_eq!(detail.history.iter().map(|h| h.event.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(detail.grants.len(), if detail.request.state == State::Waiting { 0 } else { 2 });
    assert!(detail.grants.iter().all(|g| g.revocation.is_some() == (detail.request.state == State::Revoked)));
}

#[tokio::test]
async fn kill_in_the_middle_of_writes_loses_nothing_and_leaves_nothing_half_done() {
    let world = World::new();
    let mut acknowledged: BTreeMap<RequestId, State> = BTreeMap::new();
    for round in 1..=3usize {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--nocapture", "--test-threads=1"])
            .env(FOLDER, world.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut heard = 0;
        // what it had said when it was killed still comes out of the pipe, and counts
        for line in lines.map_while(Result::ok) {
            let Some((word, id)) = line.find("ack ").and_then(|at| line[at + 4..].split_once(' ')) else { continue };
            let (Some(state), Ok(id)) = (State::from_name(word), id.parse()) else { continue };
            acknowledged.insert(id, state);
            heard += 1;
            if heard == 40 * round {
                victim.kill().unwrap();
            }
        }
        assert!(heard >= 40 * round, "the victim ended by itself after {heard} writes");
        victim.wait().unwrap();
        let controller = Controller::start(world_at(world.folder.path())).await.unwrap();
        let desk = controller.desk();
        let auditor = actor(UserRole::Auditor);
        for (id, state) in &acknowledged {
            let detail = desk.detail(&auditor, id).await.unwrap();
            let later = |s: State| [State::Waiting, State::Active, State::Revoked].iter().position(|o| *o == s);
            assert!(later(detail.request.state) >= later(*state), "{id} was acknowledged as {state} and is {}", detail.request.state);
        }
        let mut uids = BTreeSet::new();
        let mut wanted = Wanted { limit: 100, ..Wanted::default() };
        loop {
            let page = desk.list(&auditor, wanted.clone()).await.unwrap();
            for request in page.items {
                let detail = desk.detail(&auditor, &request.id).await.unwrap();
                check(&detail);
                assert!(detail.grants.iter().all(|g| uids.insert(g.uid)), "a uid was given twice");
            }
            match page.next {
                Some(next) => wanted.after = Some(next.parse().unwrap()),
                None => break,
            }
        }
    }
}
