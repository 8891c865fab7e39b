//! A swap storm: sessions that ask without a pause while the modules alternate.

use crate::warden::{Warden, assignment, judge};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::FromJudge;
use std::sync::atomic::{AtomicBool, Ordering};

const SESSIONS: usize = 50;
const ACTIVATIONS: u64 = 1000;
/// At least so many a session.
const QUESTIONS: u64 = 100;

#[test]
fn every_question_is_answered_by_exactly_one_of_two_modules_that_alternate() {
    let judge = judge(&[]);
    let warden = Warden::of(&judge);
    let (allows, denies) = (warden.push(&ALLOW.build()), warden.push(&WatModule { judge: DENY, ..ALLOW }.build()));
    let both = [allows, denies];
    warden.assign(Some(assignment(1, Some(allows), None, &both)), vec![]);
    warden.state(|state| state.decided == 1 && state.state.held.len() == 2);
    let over = AtomicBool::new(false);
    let run = |number: usize| {
        let mut peer = judge.connect();
        let FromJudge::Ready { module } = peer.hello("cps") else { panic!("session {number}: no module") };
        let (mut told, mut by, mut id) = (module.digest, [0u64; 2], 0);
        while !over.load(Ordering::Relaxed) || id < QUESTIONS {
            id += 1;
            peer.ask(id);
            loop {
                match peer.next() {
                    Some(FromJudge::Ready { module }) => told = module.digest,
                    Some(FromJudge::Answer { id: answered, digest, verdict }) => {
                        assert_eq!((answered, digest), (id, told), "session {number}: by the module that was named");
                        let allowed = matches!(verdict, Verdict::Allow(_));
                        assert_eq!(digest, if allowed { allows } else { denies }, "session {number}: the answer is that module's");
                        by[usize::from(!allowed)] += 1;
                        break;
                    }
                    other => panic!("session {number}, question {id}: {other:?}"),
                }
            }
        }
        by
    };
    let by = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS).map(|number| scope.spawn(move || run(number))).collect();
        for sequence in 2..ACTIVATIONS + 2 {
            let active = both[usize::try_from(sequence % 2).unwrap()];
            warden.assign(Some(assignment(sequence, Some(active), None, &both)), vec![]);
            let state = warden.decided(sequence);
            assert_eq!((state.sequence, state.enforced[0].digest, state.error), (sequence, active, None));
        }
        over.store(true, Ordering::Relaxed);
        sessions.into_iter().map(|session| session.join().unwrap()).fold([0, 0], |all, one| [all[0] + one[0], all[1] + one[1]])
    });
    assert!(by.iter().all(|count| *count > 0), "{by:?}");
    eprintln!("{} questions: {} answered by one module, {} by the other, {ACTIVATIONS} activations", by[0] + by[1], by[0], by[1]);
}
