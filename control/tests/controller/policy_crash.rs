//! A controller that is killed in the middle of pushes, activations and roll-backs: what was acknowledged is there, with the
//! module's bytes, and what is in force, what is on record and what nodes are told say the same.

use crate::peer::Peer;
use crate::signer::{Signer, component};
use crate::world::World;
use portcullis_control::Controller;
use portcullis_control::api::types::{Page, PolicyView};
use portcullis_control::desk::{Desk, NewPolicy, Pushed};
use portcullis_control::domain::actor::{Actor, UserRole};
use portcullis_control::domain::policy::claim::TestClaim;
use portcullis_control::domain::policy::module_id::ModuleId;
use portcullis_control::domain::policy::stage::Stage;
use portcullis_control::domain::text::{Comment, PersonName, Reason};
use portcullis_control::store::{Description, PolicyFilter};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::wire::link::ToNode;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "PORTCULLIS_TEST_POLICY_CRASH_FOLDER";

fn say(word: &str, digest: &PolicyDigest) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {word} {digest}").unwrap();
    out.flush().unwrap();
}

async fn active(desk: &Desk) -> Option<PolicyDigest> {
    let filter = PolicyFilter { stage: Some(Stage::Active), ..PolicyFilter::default() };
    desk.policy_list(&filter, 2).await.unwrap().items.first().map(|policy| policy.digest.0)
}

async fn writes(desk: Arc<Desk>) {
    let admin = Signer::new(1);
    let actor = Actor { name: PersonName::try_from("paula".to_owned()).unwrap(), role: UserRole::PolicyAdmin };
    let first = desk.policy_list(&PolicyFilter::default(), 200).await.unwrap().items.len() as u32;
    for number in first.. {
        let component = component(number);
        let label = |text: String| text.try_into().unwrap();
        let new = NewPolicy {
            signature: admin.sign(&component),
            component,
            name: label("INFRA_DIAG".into()),
            version: label(number.to_string()),
            action: Action::InfraDiag,
            roles: vec![Role::Cps],
            abi: label("x".into()),
            description: Description { pure: true, allowed: vec![] },
        };
        let Pushed::New(digest) = desk.push(&actor, new).await.unwrap() else { panic!("it is new") };
        say("draft", &digest);
        let reason = Reason::try_from("crash".to_owned()).unwrap();
        desk.test_passed(&actor, &digest, TestClaim::Untested { reason: reason.clone() }).await.unwrap();
        say("tested", &digest);
        let replaces = BTreeMap::from([(Role::Cps, active(&desk).await)]);
        desk.activate(&actor, &digest, &replaces, Comment::default()).await.unwrap();
        say("active", &digest);
        if number % 3 == 2 {
            desk.roll_back(&actor, Action::InfraDiag, Role::Cps, Some(&digest), &reason).await.unwrap();
            say("retired", &digest);
        }
    }
}

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut config = World::new().config();
    config.data = folder.join("controller");
    config.trust = folder.join("trust");
    config.evidence = folder.join("evidence");
    config.policy_admins = folder.join("policy-admins");
    writes(Controller::start(config).await.unwrap().desk()).await;
}

#[tokio::test]
async fn kill_in_the_middle_leaves_books_modules_and_assignments_that_agree() {
    let world = Signer::new(1).world();
    let mut acknowledged: BTreeMap<String, Stage> = BTreeMap::new();
    for round in 1..=3usize {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "policy_crash::victim", "--nocapture", "--test-threads=1"])
            .env(FOLDER, world.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines.map_while(Result::ok) {
            let Some((word, digest)) = line.find("ack ").and_then(|at| line[at + 4..].split_once(' ')) else { continue };
            acknowledged.insert(digest.to_owned(), Stage::from_name(word).unwrap());
            heard += 1;
            // at another step of the round each time
            if heard == 20 + round {
                victim.kill().unwrap();
            }
        }
        assert!(heard >= 20 + round, "the victim ended by itself after {heard} writes");
        victim.wait().unwrap();
        let running = world.start().await;
        for (digest, stage) in &acknowledged {
            let digest: ModuleId = digest.parse().unwrap();
            let detail = running.policy(&digest).await;
            assert!(detail.policy.stage >= *stage, "{digest} was acknowledged as {stage} and is {}", detail.policy.stage);
        }
        let all: Page<PolicyView> = running.get("auditor", "/v1/policies?limit=200").await;
        for policy in &all.items {
            let detail = running.policy(&policy.digest).await;
            assert_eq!(detail.history.last().unwrap().to, Some(policy.stage), "the record ends where the version is");
            assert_eq!(policy.stage == Stage::Active, policy.active_for == [Role::Cps]);
            let bytes = std::fs::read(world.config().data.join("modules").join(policy.digest.to_string())).unwrap();
            assert_eq!(ModuleId(PolicyDigest::of(&bytes)), policy.digest);
        }
        let active: Vec<_> = all.items.iter().filter(|policy| policy.stage == Stage::Active).map(|policy| policy.digest.0).collect();
        assert!(active.len() <= 1, "{active:?}");
        let (mut node, ..) = Peer::node1(&world, &running, vec![]).await;
        let ToNode::Policies(told) = node.hear().await else { panic!("an assignment") };
        let told = node.assignment(&told);
        assert_eq!(told.modules.iter().filter_map(|assigned| assigned.active).collect::<Vec<_>>(), active);
        running.stop().await;
    }
}
