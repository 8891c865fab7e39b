use super::super::act::{Author, Forbidden};
use super::super::actor::{Actor, UserRole};
use super::super::text::Comment;
use super::act::{Percent, Step};
use super::stage::{Event, TABLE};
use super::*;
use proptest::prelude::*;

fn actor(role: UserRole) -> Actor {
    Actor { name: PersonName::try_from("paula".to_owned()).unwrap(), role }
}

fn why() -> Comment {
    Comment::try_from("because".to_owned()).unwrap()
}

fn label(text: &str) -> Label {
    Label::try_from(text.to_owned()).unwrap()
}

fn version() -> PolicyVersion {
    PolicyVersion::push(Facts {
        digest: PolicyDigest([1; 32]),
        name: label("INFRA_DIAG"),
        version: label("2"),
        action: Action::InfraDiag,
        roles: vec![Role::Cps],
        abi: label("portcullis:policy@0.1.0"),
        size: 9,
        author: "SHA256:x".to_owned(),
        author_name: String::new(),
        signature: "x".to_owned(),
        pushed_by: PersonName::try_from("paula".to_owned()).unwrap(),
        pushed: UnixMs(1),
    })
}

fn claim() -> TestClaim {
    TestClaim::Passed { cases: "0".repeat(64).try_into().unwrap(), count: 3 }
}

#[test]
fn only_policy_admins_move_versions() {
    for role in UserRole::ALL {
        let act = PolicyAct::step(Step::Activate, &actor(role), UnixMs(2), why());
        match act {
            Ok(act) => assert_eq!((role, act.author()), (UserRole::PolicyAdmin, &Author::Person(actor(role)))),
            Err(error) => assert_eq!(error, Forbidden::Policies(role)),
        }
    }
}

#[test]
fn a_draft_says_what_it_lacks() {
    let mut draft = version();
    let act = PolicyAct::step(Step::Activate, &actor(UserRole::PolicyAdmin), UnixMs(2), why()).unwrap();
    assert!(draft.apply(act).unwrap_err().to_string().ends_with("first say that its tests pass, or why there are none"));
    assert_eq!(draft, version());
    assert_eq!([Percent::new(0), Percent::new(101)], [None, None]);
}

#[test]
fn a_row_that_contradicts_itself_is_no_version() {
    let facts = version().facts().clone();
    let trial = Some((Trial::Shadow, Bounds::default()));
    for (stage, test, trial) in [(Stage::Draft, Some(claim()), None), (Stage::Active, None, None), (Stage::Shadow, Some(claim()), None), (Stage::Active, Some(claim()), trial)] {
        assert!(PolicyVersion::restore(facts.clone(), stage, test, trial, 1).is_none(), "{stage}");
    }
    assert!(PolicyVersion::restore(facts, Stage::Shadow, Some(claim()), trial, 1).is_some());
}

/// Anything that anybody could try at any time.
#[derive(Debug, Clone)]
enum Try {
    Step(Step, UserRole),
    Fail,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let bounds = Bounds::default();
    let steps = vec![
        Step::Pass(claim()), Step::Shadow(bounds), Step::Canary(Percent::new(10).unwrap(), bounds), Step::Activate, Step::Restore, Step::Replace, Step::RollBack,
        Step::Retire,
    ];
    // mostly by who may: otherwise little happens
    let role = prop_oneof![4 => Just(UserRole::PolicyAdmin), 1 => prop::sample::select(UserRole::ALL.to_vec())];
    let one = prop_oneof![8 => (prop::sample::select(steps), role).prop_map(|(step, role)| Try::Step(step, role)), 1 => Just(Try::Fail)];
    prop::collection::vec(one, 0..48)
}

proptest! {
    #[test]
    fn no_sequence_of_calls_leaves_the_table(tries in tries()) {
        let mut version = version();
        let mut history = vec![];
        for (number, one) in tries.into_iter().enumerate() {
            let at = UnixMs(number as u64);
            let act = match one {
                Try::Step(step, role) => PolicyAct::step(step, &actor(role), at, why()),
                Try::Fail => Ok(PolicyAct::fail(at, why())),
            };
            let Ok(act) = act else { continue };
            let before = version.clone();
            match version.apply(act) {
                Ok(done) => {
                    prop_assert!(TABLE.contains(&(done.from(), done.act().event(), done.to())));
                    prop_assert_eq!((done.from(), done.to()), (before.stage(), version.stage()));
                    prop_assert_eq!((done.entry(), done.act().at()), (before.entries(), at));
                    // only a node's report fails a trial, and only a policy admin does anything else
                    prop_assert_eq!(done.act().event() == Event::Fail, *done.act().author() == Author::System);
                    history.push(done);
                }
                Err(refused) => {
                    prop_assert_eq!(refused.from, before.stage());
                    prop_assert_eq!(&before, &version, "a refused act changed the version");
                }
            }
            prop_assert_eq!(version.test().is_none(), version.stage() == Stage::Draft);
            prop_assert_eq!(version.trial().is_some(), version.stage().is_trial());
            prop_assert_eq!(version.facts(), before.facts());
        }
        let mut stage = Stage::Draft;
        for done in &history {
            prop_assert_eq!(done.from(), stage);
            stage = done.to();
        }
        prop_assert_eq!(stage, version.stage());
        prop_assert_eq!(history.len() as u64 + 1, version.entries());
    }
}
