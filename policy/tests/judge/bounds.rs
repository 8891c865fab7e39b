//! What a module may call is bounded, and its memo is kept only with an answer.

use crate::facts::{exec, session};
use crate::wat_module::{ALLOW, WatModule};
use portcullis_model::subject::{ARGV_MAX, Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::Counters;
use portcullis_policy::{Evaluator, Fault, Limits, Module, Sitting};

fn load(module: &WatModule) -> Module {
    Evaluator::new(Limits { questions: 4, ..Limits::default() }).unwrap().load(&module.build()).unwrap()
}

fn ask(module: &Module, sitting: &mut Sitting) -> Result<(), Fault> {
    module.judge(sitting, UnixMs(1), Counters::default(), exec("/usr/bin/ls", &[])).map(drop)
}

const LOG: &str = r#"(import "portcullis:policy/log@1.1.0" "write" (func $write (param i32 i32 i32)))"#;
const MEMO: &str = r#"(import "portcullis:policy/memo@1.1.0" "set" (func $set (param i32 i32 i32 i32)))
    (import "portcullis:policy/memo@1.1.0" "get" (func $get (param i32 i32 i32)))"#;
const COUNTER: &str = r#"(import "portcullis:policy/memo@1.1.0" "set" (func $set (param i32 i32 i32 i32)))
    (import "portcullis:policy/memo@1.1.0" "increment" (func $increment (param i32 i32) (result i64)))"#;

#[test]
fn a_chatty_module_still_answers() {
    let judge = "(local $n i32) (loop $l (call $write (i32.const 1) (i32.const 4096) (i32.const 1)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $n) (i32.const 1000)))) i32.const 2048";
    assert_eq!(ask(&load(&WatModule { imports: LOG, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))), Ok(()));
}

#[test]
fn a_huge_log_line_is_a_fault() {
    let judge = "(call $write (i32.const 1) (i32.const 65536) (i32.const 3000000)) i32.const 2048";
    assert!(ask(&load(&WatModule { imports: LOG, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))).is_err());
}

#[test]
fn a_module_that_logs_for_ever_is_late() {
    let judge = "(loop $l (call $write (i32.const 1) (i32.const 4096) (i32.const 1)) (br $l)) i32.const 2048";
    assert!(matches!(ask(&load(&WatModule { imports: LOG, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))), Err(Fault::Late(_))));
}

#[test]
fn a_memo_lasts_for_the_sitting_and_no_longer() {
    // traps when the key is there already, otherwise sets it; the option's tag is at 9000
    let judge = "(call $get (i32.const 4096) (i32.const 1) (i32.const 9000)) (if (i32.load8_u (i32.const 9000)) (then unreachable))
        (call $set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const 1)) i32.const 2048";
    let module = load(&WatModule { imports: MEMO, judge, ..ALLOW });
    let (mut one, mut other) = (Sitting::new(&session("cps")), Sitting::new(&session("cps")));
    assert_eq!(ask(&module, &mut one), Ok(()));
    assert!(ask(&module, &mut one).is_err());
    assert_eq!(ask(&module, &mut other), Ok(()), "a memo belongs to one session");
}

#[test]
fn a_memo_without_an_answer_is_not_kept() {
    let judge = "(call $get (i32.const 4096) (i32.const 1) (i32.const 9000)) (if (i32.load8_u (i32.const 9000)) (then (return (i32.const 2048))))
        (call $set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const 1)) unreachable";
    let module = load(&WatModule { imports: MEMO, judge, ..ALLOW });
    let mut sitting = Sitting::new(&session("cps"));
    assert!(ask(&module, &mut sitting).is_err());
    assert!(ask(&module, &mut sitting).is_err(), "it would answer if the key were there");
}

#[test]
fn a_memo_is_bounded() {
    for (key, value) in [("(i32.const 65)", "(i32.const 1)"), ("(i32.const 0)", "(i32.const 1)"), ("(i32.const 1)", "(i32.const 257)")] {
        let judge: &'static str = format!("(call $set (i32.const 4096) {key} (i32.const 4096) {value}) i32.const 2048").leak();
        assert!(ask(&load(&WatModule { imports: MEMO, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))).is_err(), "{judge}");
    }
    // one key more than there may be: its first byte counts
    let judge = "(local $n i32) (loop $l (i32.store8 (i32.const 9100) (local.get $n)) (call $set (i32.const 9100) (i32.const 1) (i32.const 4096) (i32.const 1))
        (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 65)))) i32.const 2048";
    assert!(ask(&load(&WatModule { imports: MEMO, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))).is_err());
}

#[test]
fn a_counter_counts_in_one_session() {
    // answers three times, then denies: "three reboots at most"
    let judge = "(if (result i32) (i64.gt_u (call $increment (i32.const 4096) (i32.const 1)) (i64.const 3)) (then i32.const 2304) (else i32.const 2048))";
    let module = load(&WatModule { imports: COUNTER, judge, ..ALLOW });
    let mut sitting = Sitting::new(&session("cps"));
    let allowed = |sitting: &mut Sitting| matches!(module.judge(sitting, UnixMs(1), Counters::default(), exec("/usr/bin/ls", &[])), Ok(Verdict::Allow(_)));
    assert_eq!([(); 5].map(|()| allowed(&mut sitting)), [true, true, true, false, false]);
    assert!(allowed(&mut Sitting::new(&session("cps"))), "a counter belongs to one session");
}

#[test]
fn a_counter_is_a_value_of_eight_bytes() {
    // at 9000: the greatest counter but one
    let greatest = r#"(data (i32.const 9000) "\fe\ff\ff\ff\ff\ff\ff\ff")"#;
    let set = |length: u32| format!("(call $set (i32.const 4096) (i32.const 1) (i32.const 9000) (i32.const {length}))");
    let expect = |count: i64| format!("(if (i64.ne (call $increment (i32.const 4096) (i32.const 1)) (i64.const {count})) (then unreachable))");
    for (judge, answers) in [
        (format!("{} {} {} i32.const 2048", set(8), expect(-1), expect(-1)), true),
        (format!("{} {} {} i32.const 2048", expect(1), set(0), expect(1)), true),
        (format!("{} {} i32.const 2048", set(7), expect(1)), false),
        (format!("{} {} i32.const 2048", set(9), expect(1)), false),
    ] {
        let module = WatModule { imports: COUNTER, judge: judge.leak(), extra: greatest, ..ALLOW };
        assert_eq!(ask(&load(&module), &mut Sitting::new(&session("cps"))).is_ok(), answers, "{}", module.judge);
    }
}

#[test]
fn counters_are_bounded_as_the_memo_is() {
    for length in [0, 65] {
        let judge: &'static str = format!("(drop (call $increment (i32.const 4096) (i32.const {length}))) i32.const 2048").leak();
        assert!(ask(&load(&WatModule { imports: COUNTER, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))).is_err(), "{judge}");
    }
    for (keys, answers) in [(64, true), (65, false)] {
        let judge: &'static str = format!(
            "(local $n i32) (loop $l (i32.store8 (i32.const 9100) (local.get $n)) (drop (call $increment (i32.const 9100) (i32.const 1)))
            (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const {keys})))) i32.const 2048"
        )
        .leak();
        assert_eq!(ask(&load(&WatModule { imports: COUNTER, judge, ..ALLOW }), &mut Sitting::new(&session("cps"))).is_ok(), answers, "{keys}");
    }
}

#[test]
fn questions_over_a_bound_are_not_put() {
    let module = load(&ALLOW);
    let Subject::Exec(exec) = exec("/usr/bin/ls", &[]) else { unreachable!() };
    let ask = |argv| module.judge(&mut Sitting::new(&session("cps")), UnixMs(1), Counters::default(), Subject::Exec(Exec { argv, ..exec.clone() })).map(drop);
    assert_eq!(ask(vec![b"x".to_vec(); ARGV_MAX]), Ok(()));
    assert!(matches!(ask(vec![b"x".to_vec(); ARGV_MAX + 1]), Err(Fault::Question(_))));
    assert!(matches!(ask(vec![vec![b'x'; 300 * 1024]]), Err(Fault::Question(_))));
}
