//! Modules on trial: what sessions notice of them, what is counted, and what ends them.

use crate::facts::session;
use crate::warden::{Warden, assignment, judge};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Bounds, Candidate, Difference, Outcome, OutcomeKind, Trial};
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::FromJudge;
use portcullis_model::wire::policies::EndedTrial;

const TRAP: &str = "unreachable";

fn module(judge: &'static str) -> Vec<u8> {
    WatModule { judge, ..ALLOW }.build()
}

fn on_trial(digest: PolicyDigest, trial: Trial, bounds: Bounds) -> Option<Candidate> {
    Some(Candidate { digest, trial, bounds })
}

/// Whatever it answers.
const ANY: Bounds = Bounds { faults: u32::MAX, extra_denials_percent: 100, after: 0 };

fn outcome(verdict: OutcomeKind, rule: &str) -> Outcome {
    Outcome { verdict, rule: rule.to_owned() }
}

#[test]
fn a_shadow_is_asked_and_decides_nothing() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (active, candidate) = (warden.push(&ALLOW.build()), warden.push(&module(DENY)));
    warden.assign(Some(assignment(1, Some(active), on_trial(candidate, Trial::Shadow, ANY), &[])), vec![]);
    assert!(warden.decided(1).error.is_none());
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { module } if module.digest == active));
    for id in 0..40 {
        peer.ask(id);
        assert!(matches!(peer.next(), Some(FromJudge::Answer { digest, verdict: Verdict::Allow(_), .. }) if digest == active));
    }
    let report = warden.report(|report| report.questions == 40);
    assert_eq!((report.action, report.role, report.candidate, report.trial), (Action::InfraDiag, Role::Cps, candidate, Trial::Shadow));
    assert_eq!((report.agreed, report.faults, report.dropped, report.more, report.ended), (0, 0, 0, 0, None));
    let difference = Difference {
        operator: session("cps").operator,
        command: "/usr/bin/ls -l".into(),
        active: outcome(OutcomeKind::Allow, ""),
        candidate: outcome(OutcomeKind::Deny, "no"),
        count: 40,
    };
    assert_eq!(report.rows, [difference]);
}

#[test]
fn a_canary_decides_and_is_compared() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (active, candidate) = (warden.push(&ALLOW.build()), warden.push(&module(DENY)));
    warden.assign(Some(assignment(1, Some(active), on_trial(candidate, Trial::Canary { percent: 100 }, ANY), &[])), vec![]);
    assert!(warden.decided(1).error.is_none());
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { module } if module.digest == candidate));
    for id in 0..10 {
        peer.ask(id);
        assert!(matches!(peer.next(), Some(FromJudge::Answer { digest, verdict: Verdict::Deny(_), .. }) if digest == candidate));
    }
    let report = warden.report(|report| report.questions == 10);
    assert_eq!(report.rows.iter().map(|row| (row.active.verdict, row.candidate.verdict, row.count)).collect::<Vec<_>>(), [(OutcomeKind::Allow, OutcomeKind::Deny, 10)]);
}

#[test]
fn a_canary_that_traps_is_taken_back_at_once() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (active, candidate) = (warden.push(&ALLOW.build()), warden.push(&module(TRAP)));
    warden.assign(Some(assignment(1, Some(active), on_trial(candidate, Trial::Canary { percent: 100 }, Bounds::default()), &[])), vec![]);
    assert!(warden.decided(1).error.is_none());
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { module } if module.digest == candidate));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Fault { id: 1, .. })), "no answer is a denial");
    assert!(matches!(peer.next(), Some(FromJudge::Ready { module }) if module.digest == active), "told without having asked");
    peer.ask(2);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 2, digest, .. }) if digest == active));
    let report = warden.report(|report| report.ended.is_some());
    assert_eq!((report.candidate, report.faults), (candidate, 1));
    assert!(report.ended.unwrap().contains("without an answer, the last: it trapped"));
    // it stays over, also for a warden that comes later and for sessions that begin later
    drop(warden);
    let warden = Warden::of(&judge);
    assert!(warden.report(|_| true).ended.is_some());
    assert!(matches!(judge.connect().hello("cps"), FromJudge::Ready { module } if module.digest == active));
}

#[test]
fn a_shadow_that_denies_too_much_ends_and_sessions_notice_nothing() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (active, candidate) = (warden.push(&ALLOW.build()), warden.push(&module(DENY)));
    let bounds = Bounds { faults: 0, extra_denials_percent: 10, after: 20 };
    warden.assign(Some(assignment(1, Some(active), on_trial(candidate, Trial::Shadow, bounds), &[])), vec![]);
    warden.decided(1);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { module } if module.digest == active));
    for id in 0..30 {
        peer.ask(id);
        assert!(matches!(peer.next(), Some(FromJudge::Answer { digest, .. }) if digest == active), "{id}");
    }
    let report = warden.report(|report| report.ended.is_some());
    assert_eq!(report.questions, 20, "not before, and not after");
    assert_eq!(report.ended.as_deref(), Some("20 of 20 questions denied that the module in force does not deny, at most 10 percent may be"));
}

#[test]
fn a_trial_goes_on_over_an_assignment_that_leaves_it_alone_and_not_over_its_end() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (active, candidate, staged) = (warden.push(&ALLOW.build()), warden.push(&module(DENY)), warden.push(&WatModule { extra: "(func)", ..ALLOW }.build()));
    let trial = || on_trial(candidate, Trial::Shadow, ANY);
    warden.assign(Some(assignment(1, Some(active), trial(), &[])), vec![]);
    warden.decided(1);
    let mut peer = judge.connect();
    peer.hello("cps");
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 1, .. })));
    warden.report(|report| report.questions == 1);
    warden.push(&WatModule { extra: "(func)", ..ALLOW }.build());
    warden.assign(Some(assignment(2, Some(active), trial(), &[staged])), vec![]);
    warden.decided(2);
    peer.ask(2);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 2, .. })), "nothing has changed for the session");
    assert_eq!(warden.report(|report| report.questions > 1).questions, 2);
    // one that was ended before this judge is not begun again
    let ended = EndedTrial { action: Action::InfraDiag, role: Role::Cps, candidate };
    warden.assign(Some(assignment(3, Some(active), on_trial(candidate, Trial::Canary { percent: 100 }, ANY), &[])), vec![ended]);
    warden.decided(3);
    assert!(matches!(peer.next(), Some(FromJudge::Ready { module }) if module.digest == active));
    peer.ask(3);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { id: 3, digest, .. }) if digest == active));
}
