//! A candidate over recorded subjects: what flips, and when one instance is not enough.

use crate::facts::{exec, session};
use crate::wat_module::{ALLOW, DENY, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Confinement;
use portcullis_policy::replay::{Change, Counts, Group, Instances, Recorded, Replay, Stateful};
use portcullis_policy::{Evaluator, Limits, Module};

fn load(module: &WatModule) -> Module {
    Evaluator::new(Limits { questions: 4, ..Limits::default() }).unwrap().load(&module.build()).unwrap()
}

fn allowed() -> Recorded {
    Recorded::Allowed(Confinement::default())
}

/// One session that asked about so many different commands, all of which were allowed.
fn allowed_all(module: &Module, instances: Instances, questions: u64) -> Result<(Counts, Vec<Group>, u64), Stateful> {
    let mut replay = Replay::new(module, instances);
    replay.session(&session("cps"));
    for n in 0..questions {
        replay.decision(UnixMs(n), n, exec("/usr/bin/ls", &[&n.to_string()]), &allowed())?;
    }
    Ok(replay.finish())
}

#[test]
fn every_flip_is_listed_and_what_is_the_same_is_not() {
    let module = load(&WatModule { judge: DENY, ..ALLOW });
    let mut replay = Replay::new(&module, Instances::Reused);
    replay.session(&session("cps"));
    for seq in 0..3 {
        replay.decision(UnixMs(seq), seq, exec("/usr/bin/ls", &["-l"]), &allowed()).unwrap();
    }
    replay.decision(UnixMs(3), 3, exec("/usr/bin/id", &[]), &Recorded::Denied { rule: "other".into() }).unwrap();
    replay.decision(UnixMs(4), 4, exec("/usr/bin/id", &["x"]), &Recorded::Denied { rule: "no".into() }).unwrap();
    replay.unasked(&exec("/bin/bash", &[]), true);
    let (counts, groups, more) = replay.finish();
    assert_eq!((counts.subjects, counts.flips, counts.same, counts.other_rule, counts.unasked, counts.remembered, more), (5, 3, 2, 1, 1, 2, 0));
    let [group] = groups.as_slice() else { panic!("{groups:?}") };
    assert_eq!((group.change, group.rule.as_str(), group.command.as_str(), group.count, group.seq), (Change::NowDenied, "no", "/usr/bin/ls -l", 3, 0));

    let module = load(&ALLOW);
    let mut replay = Replay::new(&module, Instances::Reused);
    replay.session(&session("cps"));
    replay.decision(UnixMs(0), 7, exec("/usr/bin/ls", &["\u{1b}[2J"]), &Recorded::Denied { rule: "old".into() }).unwrap();
    replay.decision(UnixMs(0), 8, exec("/usr/bin/ls", &[]), &Recorded::Allowed(Confinement { run_as: Some("root".into()), ..Confinement::default() })).unwrap();
    let (counts, groups, _) = replay.finish();
    assert_eq!((counts.flips, counts.other_confinement), (1, 1));
    assert_eq!((groups[0].change, groups[0].rule.as_str(), groups[0].command.as_str()), (Change::NowAllowed, "old", "/usr/bin/ls \\x1b[2J"));
}

#[test]
fn a_module_that_keeps_state_in_its_instance_is_found_out() {
    // allows the first three questions of an instance: on a node, all
    let judge = "(global.set $n (i32.add (global.get $n) (i32.const 1))) (if (i32.gt_u (global.get $n) (i32.const 3)) (then (return (i32.const 2304)))) i32.const 2048";
    let module = load(&WatModule { judge, extra: "(global $n (mut i32) (i32.const 0))", ..ALLOW });
    assert_eq!(allowed_all(&module, Instances::Reused, 10).map(|found| found.0.flips), Err(Stateful));
    assert_eq!(allowed_all(&module, Instances::Fresh, 10).map(|found| (found.0.flips, found.0.same)), Ok((0, 10)));
}

#[test]
fn what_a_module_does_not_free_is_not_held_against_it() {
    // the heap of these modules only grows: one instance has room for some hundred questions
    let module = load(&WatModule { pages: 2, ..ALLOW });
    let (counts, groups, _) = allowed_all(&module, Instances::Reused, 5000).unwrap();
    assert_eq!((counts.same, counts.faults, groups.len()), (5000, 0, 0));
}

#[test]
fn a_memo_is_a_sessions_own_and_goes_on_from_question_to_question() {
    const MEMO: &str = r#"(import "portcullis:policy/memo@1.1.0" "set" (func $set (param i32 i32 i32 i32)))
        (import "portcullis:policy/memo@1.1.0" "get" (func $get (param i32 i32 i32)))"#;
    // allows the first question of a session and denies the others
    let judge = "(call $get (i32.const 4096) (i32.const 1) (i32.const 9000)) (if (i32.load8_u (i32.const 9000)) (then (return (i32.const 2304))))
        (call $set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const 1)) i32.const 2048";
    let module = load(&WatModule { imports: MEMO, judge, ..ALLOW });
    for instances in [Instances::Reused, Instances::Fresh] {
        let mut replay = Replay::new(&module, instances);
        for _ in 0..2 {
            replay.session(&session("cps"));
            for n in 0..100 {
                replay.decision(UnixMs(n), n, exec("/usr/bin/ls", &[&n.to_string()]), &allowed()).unwrap();
            }
        }
        let (counts, ..) = replay.finish();
        assert_eq!((counts.sessions, counts.same, counts.flips, counts.faults), (2, 2, 198, 0), "{instances:?}");
    }
}

#[test]
fn a_fault_is_a_denial() {
    let module = load(&WatModule { judge: "unreachable", ..ALLOW });
    let (counts, groups, _) = allowed_all(&module, Instances::Reused, 3).unwrap();
    assert_eq!((counts.flips, counts.faults, groups.len()), (3, 3, 3));
    assert!(groups.iter().all(|group| group.rule == "module-fault" && group.reason.contains("trapped")), "{groups:?}");
}
