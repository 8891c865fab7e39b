//! Modules that attack: each ends as a fault, in time, and the next question is answered as if nothing had been.

use crate::facts::{exec, session};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Confinement, Verdict};
use portcullis_model::wire::judge::Counters;
use portcullis_policy::{Evaluator, Fault, Limits, LoadError, Module, Sitting};
use std::time::{Duration, Instant};

/// Where `read` of an allow's confinement stands, when the answer is at 8192.
const READ: u32 = 8192 + 8 + 12;

fn evaluator() -> Evaluator {
    Evaluator::new(Limits { questions: 8, ..Limits::default() }).unwrap()
}

fn ask(module: &Module) -> Result<Verdict, Fault> {
    module.judge(&mut Sitting::new(&session("cps")), UnixMs(1), Counters::default(), exec("/usr/bin/ls", &["-l"]))
}

fn fault(judge: &'static str, extra: &'static str) -> Fault {
    let evaluator = evaluator();
    let bad = evaluator.load(&WatModule { judge, extra, ..ALLOW }.build()).unwrap();
    let fault = ask(&bad).unwrap_err();
    let good = evaluator.load(&ALLOW.build()).unwrap();
    assert_eq!(ask(&good), Ok(Verdict::Allow(Confinement::default())), "the engine works after {fault:?}");
    fault
}

#[test]
fn a_loop_is_ended_in_time() {
    let begun = Instant::now();
    assert!(matches!(fault("(loop br 0) unreachable", ""), Fault::Late(_)));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_loop_is_ended_after_the_clock_had_stopped() {
    let evaluator = evaluator();
    let module = evaluator.load(&WatModule { judge: "(loop br 0) unreachable", ..ALLOW }.build()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(matches!(ask(&module), Err(Fault::Late(_))));
}

#[test]
fn a_loop_at_start_is_ended_when_the_module_is_loaded() {
    let module = WatModule { extra: "(func $start (loop br 0)) (start $start)", ..ALLOW }.build();
    assert!(matches!(evaluator().load(&module), Err(LoadError::Describe(Fault::Late(_)))));
}

#[test]
fn what_goes_wrong_in_describe_or_at_start_is_told_when_the_module_is_loaded() {
    let refused = |module: WatModule| match evaluator().load(&module.build()) {
        Err(LoadError::Describe(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(WatModule { describe: "(loop br 0) unreachable", ..ALLOW }), Fault::Late(_)));
    assert!(matches!(refused(WatModule { describe: "unreachable", ..ALLOW }), Fault::Trap(_)));
    assert!(matches!(refused(WatModule { extra: "(func $start unreachable) (start $start)", ..ALLOW }), Fault::Trap(_)));
    assert_eq!(refused(WatModule { extra: "(func $start call $start) (start $start)", ..ALLOW }), Fault::Stack);
    assert_eq!(refused(WatModule { extra: "(func $start (loop (drop (memory.grow (i32.const 16))) br 0)) (start $start)", ..ALLOW }), Fault::Memory);
    // the name: empty, over its bound, with a control character, not UTF-8; rows: over their bound, far over it
    for (extra, kind) in [
        (r#"(data (i32.const 1028) "\00")"#, "answer"),
        (r#"(data (i32.const 1028) "\41")"#, "answer"),
        (r#"(data (i32.const 4096) "\1b")"#, "answer"),
        (r#"(data (i32.const 4096) "\ff")"#, "trap"),
        (r#"(data (i32.const 1060) "\00\40\00\00\01\02\00\00")"#, "answer"),
        (r#"(data (i32.const 1060) "\00\40\00\00\00\80\00\00")"#, "any"),
        (r#"(data (i32.const 1060) "\00\40\00\00\ff\ff\ff\0f")"#, "trap"),
    ] {
        let fault = refused(WatModule { extra, ..ALLOW });
        let fits = match kind {
            "answer" => matches!(fault, Fault::Answer(_)),
            "trap" => matches!(fault, Fault::Trap(_)),
            _ => true,
        };
        assert!(fits, "{extra}: {fault:?}");
    }
}

#[test]
fn a_list_at_its_bound_is_taken_and_over_it_refused() {
    // at 8192 an allow whose read paths are at 9216: each `/`, which is at 9000
    let paths = |count: u32| -> Result<Verdict, Fault> {
        let row = r"\28\23\00\00\01\00\00\00";
        let [a, b, c, d] = count.to_le_bytes();
        let extra: &'static str = format!(
            r#"(data (i32.const 9000) "/") (data (i32.const 9216) "{}")
            (data (i32.const {READ}) "\01\00\00\00\00\24\00\00\{a:02x}\{b:02x}\{c:02x}\{d:02x}")"#,
            row.repeat(65)
        )
        .leak();
        ask(&evaluator().load(&WatModule { judge: "i32.const 8192", extra, ..ALLOW }.build()).unwrap())
    };
    assert!(matches!(paths(64), Ok(Verdict::Allow(confinement)) if confinement.read.as_ref().is_some_and(|paths| paths.len() == 64)));
    assert!(matches!(paths(65), Err(Fault::Answer(_))));
    for count in [100_000, u32::MAX / 8, u32::MAX] {
        assert!(matches!(paths(count), Err(Fault::Trap(_) | Fault::Answer(_))), "{count}");
    }
}

#[test]
fn a_module_that_was_late_holds_one_thread_at_most() {
    let evaluator = evaluator();
    let bad = evaluator.load(&WatModule { judge: "(loop br 0) unreachable", ..ALLOW }.build()).unwrap();
    assert!(matches!(ask(&bad), Err(Fault::Late(_))));
    let faults: Vec<Fault> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| [(); 4].map(|()| ask(&bad).unwrap_err()))).collect();
        asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Late(_) | Fault::Busy)), "{faults:?}");
    assert!(faults.iter().any(|fault| matches!(fault, Fault::Late(_))), "{faults:?}");
    assert!(faults.contains(&Fault::Busy), "{faults:?}");
}

#[test]
fn a_module_that_answers_in_time_again_is_asked_by_all_again() {
    let evaluator = evaluator();
    // never ends at the time 2, which stands at this place of the question
    let judge = "(loop (br_if 0 (i64.eq (i64.load offset=120 (local.get $question)) (i64.const 2)))) i32.const 2048";
    let module = evaluator.load(&WatModule { judge, ..ALLOW }.build()).unwrap();
    let slow = evaluator.load(&WatModule { judge: "(loop br 0) unreachable", ..ALLOW }.build()).unwrap();
    let at = |now| module.judge(&mut Sitting::new(&session("cps")), UnixMs(now), Counters::default(), exec("/usr/bin/ls", &[]));
    assert!(at(1).is_ok());
    assert!(matches!(at(2), Err(Fault::Late(_))));
    assert!(matches!(ask(&slow), Err(Fault::Late(_))));
    (0..32).for_each(|_| assert!(at(1).is_ok()));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| (0..3).for_each(|_| drop(ask(&slow))));
        while !asking.is_finished() {
            assert!(at(1).is_ok(), "what another module owes is nothing to this one");
        }
    });
}

#[test]
fn recursion_runs_out_of_stack() {
    assert_eq!(fault("call $deep unreachable", "(func $deep call $deep)"), Fault::Stack);
}

#[test]
fn memory_is_bounded() {
    assert_eq!(fault("(loop (drop (memory.grow (i32.const 16))) br 0) unreachable", ""), Fault::Memory);
    let large = WatModule { pages: 1024, ..ALLOW }.build();
    assert!(matches!(evaluator().load(&large), Err(LoadError::Compile(_))), "64 MiB from the start");
}

#[test]
fn tables_are_bounded() {
    let large = WatModule { extra: "(table 10000000 funcref)", ..ALLOW }.build();
    assert!(matches!(evaluator().load(&large), Err(LoadError::Compile(_))));
}

#[test]
fn traps_are_faults() {
    for judge in ["unreachable", "(i32.load (i32.const -4))", "(i32.div_u (i32.const 1) (i32.const 0))"] {
        assert!(matches!(fault(judge, ""), Fault::Trap(_)), "{judge}");
    }
}

#[test]
fn answers_that_are_none_are_faults() {
    // at 8192: a verdict that does not exist; texts outside of memory, not UTF-8, over their bound, with a control character
    for (data, kind) in [
        (r#"(data (i32.const 8192) "\07")"#, "trap"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\f0\ff\ff\ff\02\00\00\00\20\11\00\00\02\00\00\00\00\00\00\00\00\00\00\00")"#, "trap"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\20\11\00\00\02\00\00\00\00\30\00\00\02\00\00\00\00\00\00\00\00\00\00\00") (data (i32.const 12288) "\ff\fe")"#, "trap"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\20\11\00\00\02\00\00\00\00\30\00\00\00\00\20\00\00\00\00\00\00\00\00\00")"#, "any"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\20\11\00\00\02\00\00\00\00\30\00\00\02\00\00\00\00\00\00\00\00\00\00\00") (data (i32.const 12288) "\1bx")"#, "answer"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\20\11\00\00\02\00\00\00\20\11\00\00\00\00\00\00\00\00\00\00\00\00\00\00")"#, "answer"),
        (r#"(data (i32.const 8192) "\01\00\00\00\00\00\00\00\20\11\00\00\80\00\00\00\20\11\00\00\02\00\00\00\00\00\00\00\00\00\00\00")"#, "answer"),
    ] {
        let fault = fault("i32.const 8192", data);
        let fits = match kind {
            "trap" => matches!(fault, Fault::Trap(_)),
            "answer" => matches!(fault, Fault::Answer(_)),
            _ => true,
        };
        assert!(fits, "{data}: {fault:?}");
        assert!(fault.line().len() < 300 && !fault.line().chars().any(char::is_control), "{}", fault.line());
    }
}

#[test]
fn a_denial_arrives_whole() {
    let module = evaluator().load(&WatModule { judge: DENY, ..ALLOW }.build()).unwrap();
    assert!(matches!(ask(&module), Ok(Verdict::Deny(denial)) if denial.rule == "no" && denial.reason == "no" && denial.hint.is_empty()));
}

#[test]
fn nothing_is_left_from_one_question_to_the_next() {
    // counts questions in its memory, and traps at the second
    let judge = "(if (i32.load8_u (i32.const 30000)) (then unreachable)) (i32.store8 (i32.const 30000) (i32.const 1)) i32.const 2048";
    let module = evaluator().load(&WatModule { judge, ..ALLOW }.build()).unwrap();
    for question in 0..100 {
        assert!(ask(&module).is_ok(), "{question}");
    }
}

#[test]
fn more_questions_than_the_engine_has_room_for_are_faults_or_answers_and_nothing_else() {
    let evaluator = Evaluator::new(Limits { questions: 2, ..Limits::default() }).unwrap();
    let module = evaluator.load(&ALLOW.build()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| drop(ask(&module))));
        }
    });
    assert!(ask(&module).is_ok());
}
