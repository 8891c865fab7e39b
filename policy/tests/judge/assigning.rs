//! Which module judges, as the warden says it: what is believed, what is refused, and what sessions notice.

use crate::running::spawn;
use crate::warden::{Warden, admin, assignment, judge, key, sign};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, Enforced};
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::FromJudge;
use portcullis_model::wire::policies::ToJudge;
use std::io::ErrorKind;

const BASELINE: &str = "INFRA_DIAG.cps.wasm";

fn deny() -> Vec<u8> {
    WatModule { judge: DENY, ..ALLOW }.build()
}

fn enforced(digest: PolicyDigest) -> Vec<Enforced> {
    vec![Enforced { action: Action::InfraDiag, role: Role::Cps, digest }]
}

fn ready(message: Option<FromJudge>) -> PolicyDigest {
    match message {
        Some(FromJudge::Ready { module }) => module.digest,
        other => panic!("a module, not {other:?}"),
    }
}

#[test]
fn nobody_is_answered_before_the_warden_has_spoken() {
    let baseline = ALLOW.build();
    let judge = judge(&[(BASELINE, baseline.clone())]);
    let mut peer = judge.connect();
    peer.send_hello("cps");
    peer.stream.set_nonblocking(true).unwrap();
    assert_eq!(std::io::Read::read(&mut &peer.stream, &mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    peer.stream.set_nonblocking(false).unwrap();
    let warden = Warden::of(&judge);
    warden.assign(None, vec![]);
    assert_eq!(ready(peer.next()), PolicyDigest::of(&baseline));
    assert_eq!(warden.decided(0).enforced, enforced(PolicyDigest::of(&baseline)));
}

#[test]
fn a_running_session_is_judged_by_the_new_module_from_the_next_question_on() {
    let baseline = ALLOW.build();
    let judge = judge(&[(BASELINE, baseline.clone())]);
    let warden = Warden::of(&judge);
    warden.assign(None, vec![]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 1, verdict: Verdict::Allow(_), .. })));
    let digest = warden.push(&deny());
    warden.assign(Some(assignment(1, Some(digest), None, &[])), vec![]);
    let state = warden.decided(1);
    assert_eq!((state.sequence, state.enforced, state.held, state.error), (1, enforced(digest), vec![digest], None));
    // told without having asked
    assert_eq!(ready(peer.next()), digest);
    peer.ask(2);
    let Some(FromJudge::Answer { id: 2, digest: by, verdict: Verdict::Deny(_) }) = peer.next() else { panic!("a denial") };
    assert_eq!(by, digest);
    // and back to the baseline, by an assignment that names none
    warden.assign(Some(assignment(2, None, None, &[])), vec![]);
    assert!(warden.decided(2).held.is_empty(), "what nobody names is not held");
    assert_eq!(ready(peer.next()), PolicyDigest::of(&baseline));
}

#[test]
fn a_session_without_a_module_is_told_so() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    let withdrawal = warden.push(&WatModule { roles: 0, ..ALLOW }.build());
    warden.assign(Some(assignment(1, None, None, &[withdrawal])), vec![]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    warden.assign(Some(assignment(2, Some(withdrawal), None, &[])), vec![]);
    assert_eq!(warden.decided(2).enforced, vec![]);
    assert_eq!(peer.next(), Some(FromJudge::NoModule));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Fault { id: 1, .. })));
}

#[test]
fn what_is_not_believed_leaves_the_module_before_in_force() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    let good = warden.push(&deny());
    warden.assign(Some(assignment(5, Some(good), None, &[])), vec![]);
    assert_eq!(warden.decided(5).enforced, enforced(good));
    let mut peer = judge.connect();
    assert_eq!(ready(Some(peer.hello("cps"))), good);

    // signed by a stranger; signed by the admin, but another component; not what its name says; no module at all
    let other = WatModule { extra: "(func)", ..ALLOW }.build();
    let digest = PolicyDigest::of(&other);
    let garbage = b"\0asm garbage".to_vec();
    let attacks = [
        (digest, other.clone(), sign(&key(8), &other), "is not a policy admin's"),
        (digest, other.clone(), sign(&admin(), &deny()), "not over these bytes"),
        (digest, deny(), sign(&admin(), &deny()), "does not have the digest"),
        (PolicyDigest::of(&garbage), garbage.clone(), sign(&admin(), &garbage), "not a WebAssembly component"),
    ];
    for (sequence, (digest, bytes, signature, words)) in (6..).zip(attacks) {
        warden.give(digest, &bytes, signature);
        let (rejected, reason) = warden.rejected();
        assert_eq!(rejected, digest);
        assert!(reason.contains(words), "{reason}");
        warden.give(digest, &bytes, "no signature".to_owned());
        assert_eq!(warden.rejected().0, digest);
        warden.assign(Some(assignment(sequence, Some(digest), None, &[])), vec![]);
        // held until it is needed: the assignment finds it useless and is refused as a whole
        let state = warden.decided(sequence);
        assert_eq!((state.sequence, &state.enforced), (5, &enforced(good)), "{words}");
        assert!(state.error.unwrap().contains(&digest.to_string()), "{words}");
    }

    // for another action, and for another role
    let update = warden.push(&WatModule { action: "INFRA_FULL", ..ALLOW }.build());
    warden.assign(Some(assignment(20, Some(update), None, &[])), vec![]);
    assert!(warden.decided(20).error.unwrap().contains("is for INFRA_FULL on cps, it cannot judge INFRA_DIAG on cps"));
    let mut elsewhere = assignment(21, None, None, &[]);
    elsewhere.modules = vec![Assigned { action: Action::InfraDiag, role: Role::Host, active: Some(good), candidate: None }];
    warden.assign(Some(elsewhere), vec![]);
    let state = warden.decided(21);
    assert!(state.error.unwrap().contains("cannot judge INFRA_DIAG on host"));
    assert_eq!((state.sequence, state.enforced), (5, enforced(good)));

    // older ones, and the same again
    for sequence in [1, 4, 5] {
        warden.assign(Some(assignment(sequence, None, None, &[])), vec![]);
        assert_eq!(warden.state(|_| true).enforced, enforced(good), "{sequence}");
    }
    // a warden that has lost what it kept
    warden.assign(None, vec![]);
    assert_eq!(warden.state(|_| true).enforced, enforced(good));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 1, digest, .. }) if digest == good), "the session has noticed nothing");
}

#[test]
fn an_assignment_waits_for_its_modules_and_a_newer_one_does_not_wait_for_it() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    let (one, two) = (deny(), WatModule { extra: "(func)", judge: DENY, ..ALLOW }.build());
    warden.assign(Some(assignment(1, Some(PolicyDigest::of(&one)), None, &[])), vec![]);
    assert_eq!(warden.state(|_| true).sequence, 0, "its module is not there");
    let digest = warden.push(&two);
    warden.assign(Some(assignment(2, Some(digest), None, &[])), vec![]);
    assert_eq!(warden.decided(2).enforced, enforced(digest));
    warden.push(&one);
    assert_eq!(warden.state(|state| state.state.held.len() == 2).enforced, enforced(digest), "too late");
}

#[test]
fn a_warden_that_breaks_the_protocol_changes_nothing_and_the_next_one_is_served() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    let digest = warden.push(&deny());
    warden.assign(Some(assignment(1, Some(digest), None, &[])), vec![]);
    warden.decided(1);
    warden.send(&ToJudge::Module { digest: PolicyDigest([1; 32]), signature: String::new() }, None);
    assert_eq!(warden.next(), None, "a module without its file");
    drop(warden);
    let rude = Warden::connect(&judge);
    rude.assign(None, vec![]);
    assert_eq!(rude.next(), None, "not greeted");
    drop(rude);
    let next = Warden::of(&judge);
    next.assign(None, vec![]);
    assert_eq!(next.state(|_| true).enforced, enforced(digest), "what was in force has stayed");
}

#[test]
fn a_new_judge_is_told_everything_again() {
    let mut judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    let digest = warden.push(&deny());
    warden.assign(Some(assignment(9, Some(digest), None, &[])), vec![]);
    warden.decided(9);
    judge.child.kill().unwrap();
    judge.child.wait().unwrap();
    assert_eq!(warden.next(), None);
    judge.child = spawn(&judge.folder);
    let mut peer = judge.connect();
    peer.send_hello("cps");
    let warden = Warden::of(&judge);
    warden.assign(Some(assignment(9, Some(digest), None, &[])), vec![]);
    assert!(warden.state(|_| true).enforced.is_empty(), "nobody is answered by the baseline meanwhile");
    warden.push(&deny());
    assert_eq!(warden.decided(9).enforced, enforced(digest));
    assert_eq!(ready(peer.next()), digest);
}

#[test]
fn the_keepers_socket_takes_no_orders() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let warden = Warden::of(&judge);
    warden.assign(None, vec![]);
    let order = portcullis_model::wire::frame::encode(&ToJudge::Assign { assignment: None, ended: vec![] }).unwrap();
    let mut peer = judge.connect();
    std::io::Write::write_all(&mut peer.stream, &order).unwrap();
    assert_eq!(peer.next(), None);
}

/// The priority of the judge's thread of this name, by proc_pid_stat(5).
fn niceness(pid: u32, thread: &str) -> i32 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
    let named = stats.filter(|stat| stat.contains(&format!("({thread})"))).collect::<Vec<_>>();
    assert_eq!(named.len(), 1, "threads called {thread}");
    named[0].rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
}

#[test]
fn what_compiles_gives_way_once_sessions_are_answered() {
    let judge = judge(&[(BASELINE, ALLOW.build())]);
    let own = rustix::process::getpriority_process(None).unwrap();
    let warden = Warden::of(&judge);
    assert_eq!(niceness(judge.child.id(), "compiler"), own, "everybody waits for it");
    let digest = warden.push(&deny());
    warden.assign(Some(assignment(1, Some(digest), None, &[])), vec![]);
    assert_eq!(warden.decided(1).sequence, 1);
    assert_eq!(niceness(judge.child.id(), "compiler"), 19);
    assert_eq!(niceness(judge.child.id(), "beside"), 19);
}
