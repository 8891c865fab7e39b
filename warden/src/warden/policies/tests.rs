//! The judge is played by its messages; the real one is asked in the tests of the process.

use super::*;
use ed25519_dalek::SigningKey;
use portcullis_model::action::{Action, Role};
use portcullis_model::policy::{Bounds, Candidate, Trial};
use portcullis_model::time::UnixMs;
use std::fs;

fn controller() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn load(folder: &Path) -> Policies {
    Policies::load(folder, controller().verifying_key(), "node1".into(), None).unwrap()
}

fn assignment(sequence: u64, active: &[u8]) -> PolicyAssignment {
    let active = (!active.is_empty()).then(|| PolicyDigest::of(active));
    let modules = vec![Assigned { action: Action::InfraDiag, role: Role::Cps, active, candidate: None }];
    PolicyAssignment { target: "node1".into(), sequence, at: UnixMs(1), modules, staged: vec![] }
}

fn signed(assignment: &PolicyAssignment) -> SignedPolicyAssignment {
    SignedPolicyAssignment::sign(assignment, &controller()).unwrap()
}

fn chunk(bytes: &[u8]) -> ModuleChunk {
    ModuleChunk { digest: PolicyDigest::of(bytes), signature: "signed".into(), size: bytes.len() as u64, offset: 0, bytes: bytes.to_vec() }
}

fn in_force(policies: &mut Policies, sequence: u64) {
    policies.decided(JudgeState { decided: sequence, state: PolicyState { sequence, ..PolicyState::default() } });
}

fn news(policies: &mut Policies) -> Vec<FromWarden> {
    std::iter::from_fn(|| policies.news()).collect()
}

fn error(policies: &mut Policies) -> Option<String> {
    news(policies).into_iter().rev().find_map(|message| match message {
        FromWarden::Policies(state) => Some(state.error),
        _ => None,
    })?
}

fn names(folder: &Path, below: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.join(below)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_assignment_is_kept_its_modules_wanted_and_what_nobody_names_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    policies.assign(signed(&assignment(1, b"one")));
    assert_eq!(news(&mut policies), [FromWarden::WantModule(PolicyDigest::of(b"one"))]);
    policies.module(&chunk(b"not wanted"));
    policies.module(&chunk(b"one"));
    assert!(policies.shelf.has(&PolicyDigest::of(b"one")) && !policies.shelf.has(&PolicyDigest::of(b"not wanted")));
    in_force(&mut policies, 1);
    assert_eq!(names(folder.path(), "assignments"), ["in-force-00000000000000000001.json"]);

    // until the next one is in force both are kept, over a restart as well
    policies.assign(signed(&assignment(2, b"two")));
    policies.module(&chunk(b"two"));
    let mut policies = load(folder.path());
    assert_eq!(policies.in_force.as_ref().unwrap().assignment.sequence, 1);
    assert_eq!(policies.wanted.as_ref().unwrap().assignment.sequence, 2);
    assert_eq!(names(folder.path(), "modules").len(), 4);
    in_force(&mut policies, 2);
    assert_eq!(names(folder.path(), "assignments"), ["in-force-00000000000000000002.json"]);
    assert_eq!(names(folder.path(), "modules"), [format!("{}.json", PolicyDigest::of(b"two")), format!("{}.wasm", PolicyDigest::of(b"two"))]);
}

#[test]
fn what_is_not_the_controllers_newest_for_this_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    policies.assign(signed(&assignment(5, b"")));
    in_force(&mut policies, 5);
    policies.assign(signed(&assignment(7, b"")));
    let twice = PolicyAssignment { modules: [assignment(8, b"").modules, assignment(8, b"").modules].concat(), ..assignment(8, b"") };
    let attacks = [
        ("older than what is in force", signed(&assignment(4, b"x")), "not newer than 7"),
        ("what is in force", signed(&assignment(5, b"")), "not newer than 7"),
        ("older than what is wanted", signed(&assignment(6, b"x")), "not newer than 7"),
        ("another of the same number", signed(&assignment(7, b"x")), "not newer than 7"),
        ("no number", signed(&assignment(0, b"x")), "sequence number is 0"),
        ("for another node", signed(&PolicyAssignment { target: "node2".into(), ..assignment(9, b"x") }), "node2"),
        ("of a stranger", SignedPolicyAssignment::sign(&assignment(9, b"x"), &SigningKey::from_bytes(&[8; 32])).unwrap(), "signature of the policy assignment"),
        ("saying two things", signed(&twice), "assigned twice"),
    ];
    for (what, attack, words) in attacks {
        news(&mut policies);
        policies.assign(attack);
        let error = error(&mut policies).unwrap_or_default();
        assert!(error.contains(words), "{what}: {error}");
        assert_eq!(policies.wanted.as_ref().unwrap().assignment.sequence, 7, "{what}");
        assert_eq!(policies.asked, None, "{what}");
    }
    // the very same again is answered, and nothing else
    policies.assign(signed(&assignment(7, b"")));
    assert!(matches!(news(&mut policies).as_slice(), [FromWarden::Policies(PolicyState { sequence: 5, error: None, .. })]));
}

#[test]
fn a_kept_assignment_that_cannot_be_read_is_named_and_keeps_older_ones_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    policies.assign(signed(&assignment(5, b"")));
    in_force(&mut policies, 5);
    fs::write(folder.path().join("assignments/in-force-00000000000000000005.json"), "{").unwrap();
    let mut policies = load(folder.path());
    policies.gateway_came();
    assert!(error(&mut policies).unwrap().contains("policy assignment 5 cannot be read: everything is denied"));
    policies.assign(signed(&assignment(4, b"")));
    assert!(error(&mut policies).unwrap().contains("not newer"));
    // the controller sends it again, as it does on each connection
    policies.assign(signed(&assignment(5, b"")));
    in_force(&mut policies, 5);
    assert_eq!((policies.lost, error(&mut policies)), (None, None));
    assert_eq!(load(folder.path()).in_force.unwrap().assignment.sequence, 5);

    // one of another name, or of another key, is no better
    let other = folder.path().join("assignments/in-force-00000000000000000009.json");
    fs::copy(folder.path().join("assignments/in-force-00000000000000000005.json"), &other).unwrap();
    assert_eq!(load(folder.path()).lost, Some(9));
    let forged = SignedPolicyAssignment::sign(&assignment(9, b""), &SigningKey::from_bytes(&[8; 32])).unwrap();
    fs::write(&other, serde_json::to_vec(&File { signed: forged, ended: vec![] }).unwrap()).unwrap();
    assert_eq!(load(folder.path()).lost, Some(9));
}

#[test]
fn a_module_that_is_of_no_use_is_asked_for_again_when_the_controller_speaks_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    policies.assign(signed(&assignment(1, b"one")));
    let mut out_of_order = chunk(b"one");
    out_of_order.offset = 7;
    policies.module(&out_of_order);
    assert!(error(&mut policies).unwrap().contains("does not come as it should"));
    policies.module(&chunk(b"one"));
    assert!(!policies.shelf.has(&PolicyDigest::of(b"one")), "a gateway is not asked without end");
    policies.assign(signed(&assignment(1, b"one")));
    assert!(news(&mut policies).contains(&FromWarden::WantModule(PolicyDigest::of(b"one"))));
    policies.module(&chunk(b"one"));
    assert!(policies.shelf.has(&PolicyDigest::of(b"one")));
    policies.rejected(PolicyDigest::of(b"one"), "it cannot be loaded");
    assert!(error(&mut policies).unwrap().contains("it cannot be loaded"));
    assert!(names(folder.path(), "modules").is_empty());
    policies.gateway_came();
    assert!(news(&mut policies).contains(&FromWarden::WantModule(PolicyDigest::of(b"one"))));
}

#[test]
fn the_judge_gets_first_what_it_does_not_judge_without() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    let staged: Vec<_> = (0..8_u8).map(|n| PolicyDigest::of(&[n])).collect();
    policies.assign(signed(&PolicyAssignment { staged: staged.clone(), ..assignment(1, b"in force") }));
    in_force(&mut policies, 1);
    policies.assign(signed(&PolicyAssignment { staged: staged.clone(), ..assignment(2, b"wanted") }));
    let given = policies.by_need();
    assert_eq!(given[..2], [PolicyDigest::of(b"in force"), PolicyDigest::of(b"wanted")]);
    assert_eq!(given.iter().skip(2).copied().collect::<BTreeSet<_>>(), staged.into_iter().collect());
    assert_eq!(given.len(), 10);
}

#[test]
fn a_full_disk_refuses_an_assignment_and_the_one_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    policies.assign(signed(&assignment(1, b"")));
    in_force(&mut policies, 1);
    std::os::unix::fs::symlink("/dev/full", folder.path().join("assignments/wanted-00000000000000000002.new")).unwrap();
    policies.assign(signed(&assignment(2, b"one")));
    assert!(error(&mut policies).unwrap().contains("policy assignment 2 cannot be kept"));
    assert!(policies.wanted.is_none() && policies.asked.is_none());
    assert_eq!(load(folder.path()).in_force.unwrap().assignment.sequence, 1);
}

#[test]
fn a_trial_that_is_over_is_remembered_as_long_as_it_is_that_trial() {
    let folder = tempfile::tempdir().unwrap();
    let mut policies = load(folder.path());
    let on_trial = |sequence, trial| {
        let mut assignment = assignment(sequence, b"one");
        assignment.modules[0].candidate = Some(Candidate { digest: PolicyDigest::of(b"two"), trial, bounds: Bounds::default() });
        assignment
    };
    policies.assign(signed(&on_trial(1, Trial::Shadow)));
    in_force(&mut policies, 1);
    let report = TrialReport {
        action: Action::InfraDiag,
        role: Role::Cps,
        candidate: PolicyDigest::of(b"two"),
        trial: Trial::Shadow,
        since: UnixMs(1),
        questions: 1,
        agreed: 0,
        faults: 1,
        dropped: 0,
        ended: Some("it trapped".into()),
        rows: vec![],
        more: 0,
    };
    policies.trial(Box::new(report));
    assert!(matches!(news(&mut policies).last(), Some(FromWarden::Trial(_))));
    let mut policies = load(folder.path());
    assert_eq!(policies.in_force.as_ref().unwrap().file.ended.len(), 1);
    policies.assign(signed(&on_trial(2, Trial::Shadow)));
    assert_eq!(policies.wanted.as_ref().unwrap().file.ended.len(), 1, "nothing has changed for the trial");
    policies.assign(signed(&on_trial(3, Trial::Canary { percent: 10 })));
    assert!(policies.wanted.as_ref().unwrap().file.ended.is_empty(), "another trial");
}
