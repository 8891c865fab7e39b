//! Modules that misbehave, hammered through the judge: a session of a good module gets each of its answers meanwhile.

use crate::facts::exec;
use crate::running::{DEADLINE, Judge};
use crate::wat_module::{ALLOW, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Each misbehaves in its own way whatever it is asked.
const BAD: [WatModule; 4] = [
    WatModule { action: "INFRA_FULL", judge: "(loop br 0) unreachable", ..ALLOW },
    WatModule { action: "INFRA_HYPERVISOR", judge: "(loop (drop (memory.grow (i32.const 16))) br 0) unreachable", ..ALLOW },
    WatModule { action: "INFRA_UPDATE_RESTART", judge: "call $deep unreachable", extra: "(func $deep call $deep)", ..ALLOW },
    WatModule { action: "INFRA_CPS_ONLY", judge: "(loop (call $write (i32.const 3) (i32.const 4096) (i32.const 1)) (br 0)) unreachable", imports: LOG, ..ALLOW },
];
const LOG: &str = r#"(import "portcullis:policy/log@1.1.0" "write" (func $write (param i32 i32 i32)))"#;
/// Questions of the good module's session.
const QUESTIONS: u64 = 400;

fn judge() -> Judge {
    let mut modules: Vec<(String, Vec<u8>)> = BAD.iter().map(|module| (format!("{}.cps.wasm", module.action), module.build())).collect();
    modules.push(("INFRA_DIAG.cps.wasm".to_owned(), ALLOW.build()));
    let named: Vec<(&str, Vec<u8>)> = modules.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    Judge::start(&named)
}

/// Sessions of a bad module, one after the other, until told to end: each is asked until the judge asks its module no more.
fn hammer(judge: &Judge, action: &str, stop: &AtomicBool, faults: &AtomicUsize) {
    while !stop.load(Ordering::SeqCst) {
        let mut peer = judge.connect();
        assert!(matches!(peer.hello_under(action, "cps"), FromJudge::Ready { .. }));
        for id in 0..20 {
            peer.ask(id);
            match peer.next() {
                Some(FromJudge::Fault { id: answered, .. }) if answered == id => faults.fetch_add(1, Ordering::SeqCst),
                other => panic!("{action}: {other:?}"),
            };
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
    }
}

#[test]
fn a_good_modules_session_gets_its_answers_while_bad_ones_are_hammered() {
    let judge = judge();
    let (stop, faults) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; BAD.len()]);
    std::thread::scope(|scope| {
        for (module, faults) in BAD.iter().zip(&faults) {
            // two of each: more than the judge has threads on a small machine
            for _ in 0..2 {
                scope.spawn(|| hammer(&judge, module.action, &stop, faults));
            }
        }
        let outcome = std::panic::catch_unwind(|| {
            let mut peer = judge.connect();
            assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
            let end = Instant::now() + DEADLINE;
            for id in 0..QUESTIONS {
                peer.send(&ToJudge::Ask { id, now: UnixMs(1), counters: Counters::default(), subject: exec("/usr/bin/ls", &["-l"]) });
                let Some(FromJudge::Answer { id: answered, verdict: Verdict::Allow(_), .. }) = peer.next() else { panic!("{id} was not answered") };
                assert_eq!(answered, id);
                assert!(Instant::now() < end, "{id} of {QUESTIONS} answers, while the others had {faults:?} faults");
            }
        });
        stop.store(true, Ordering::SeqCst);
        outcome.unwrap();
    });
    assert!(faults.iter().all(|count| count.load(Ordering::SeqCst) > 0), "{faults:?}");
    // each fault is in the judge's log with its session and module; a module's own lines are bounded
    let log = judge.log();
    for kind in ["no answer within", "ran out of memory", "ran out of stack"] {
        assert!(log.lines().any(|line| line.contains("no answer") && line.contains("session=s-") && line.contains(kind)), "{kind}");
    }
    let chatter = log.lines().filter(|line| line.contains("ERROR")).count();
    let asked = faults[3].load(Ordering::SeqCst);
    assert!(chatter <= 16 * (asked + 1), "{chatter} lines of {asked} questions");
}

#[test]
fn thousands_of_lines_are_sixteen_and_none_steers_a_terminal() {
    let judge = "(local $n i32) (loop $l (call $write (i32.const 3) (i32.const 9000) (i32.const 4)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $n) (i32.const 5000)))) i32.const 2048";
    let module = WatModule { judge, imports: LOG, extra: r#"(data (i32.const 9000) "\1b[2J")"#, ..ALLOW };
    let judge = Judge::start(&[("INFRA_DIAG.cps.wasm", module.build())]);
    let mut peer = judge.connect();
    assert!(matches!(peer.hello("cps"), FromJudge::Ready { .. }));
    peer.ask(1);
    assert!(matches!(peer.next(), Some(FromJudge::Answer { .. })));
    let log = judge.log();
    assert_eq!(log.lines().filter(|line| line.contains("[2J")).count(), 16, "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}
