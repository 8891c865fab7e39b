use super::super::act::{Approver, Forbidden, Step, Tick};
use super::super::actor::{Actor, UserRole};
use super::super::text::Comment;
use super::*;
use proptest::prelude::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJFNQwNQEPTZIEpOYK7cC+jgv5vSvkU/PyhsCoVlCXJb";

fn name(text: &str) -> PersonName {
    PersonName::try_from(text.to_owned()).unwrap()
}

fn actor(text: &str, role: UserRole) -> Actor {
    Actor { name: name(text), role }
}

fn comment() -> Comment {
    Comment::try_from("because".to_owned()).unwrap()
}

fn request() -> AccessRequest {
    AccessRequest::submit(Facts {
        id: RequestId::from_entropy([1; 5]),
        operator: name("alice"),
        requested_by: name("desk"),
        key: KEY.parse().unwrap(),
        action: Action::InfraDiag,
        targets: vec![TargetName::try_from("node1".to_owned()).unwrap()],
        ticket: Ticket::try_from(String::new()).unwrap(),
        reason: Reason::try_from("fan".to_owned()).unwrap(),
        duration_s: 600,
        start: None,
        idle_timeout_s: 0,
        created: UnixMs(1000),
        lapses: UnixMs(100_000),
    })
}

#[test]
fn nobody_approves_an_own_request() {
    let request = request();
    for (who, role) in [("desk", UserRole::Approver), ("Alice", UserRole::Approver), ("ALICE", UserRole::Approver)] {
        assert_eq!(Approver::of(request.facts(), &actor(who, role)).unwrap_err(), Forbidden::OwnRequest);
    }
    for role in UserRole::ALL.into_iter().filter(|r| *r != UserRole::Approver) {
        assert!(matches!(Approver::of(request.facts(), &actor("carol", role)), Err(Forbidden::Role { .. })), "{role}");
    }
    assert!(Approver::of(request.facts(), &actor("carol", UserRole::Approver)).is_ok());
}

#[test]
fn an_operator_touches_own_requests_only() {
    let request = request();
    for step in [Step::Withdraw, Step::Close] {
        let other = Act::step(step, request.facts(), &actor("mallory", UserRole::Operator), UnixMs(0), comment());
        assert!(matches!(other, Err(Forbidden::NotRequester(_))));
        assert!(Act::step(step, request.facts(), &actor("desk", UserRole::Operator), UnixMs(0), comment()).is_ok());
    }
    for step in [Step::Reject, Step::Revoke] {
        let own = Act::step(step, request.facts(), &actor("desk", UserRole::Operator), UnixMs(0), comment());
        assert!(matches!(own, Err(Forbidden::Role { .. })));
    }
}

#[test]
fn an_approval_shortens_but_never_lengthens() {
    let approve = |duration| {
        let mut request = request();
        let by = Approver::of(request.facts(), &actor("carol", UserRole::Approver)).unwrap();
        request.apply(Act::approve(by, UnixMs(5000), comment(), duration), 60).map(|_| request.term().unwrap())
    };
    assert_eq!(approve(None).unwrap(), Term { not_before: UnixMs(5000), not_after: UnixMs(605_000) });
    assert_eq!(approve(Some(60)).unwrap().not_after, UnixMs(65_000));
    assert!(matches!(approve(Some(601)), Err(Refused::Duration { .. })));
    assert!(matches!(approve(Some(59)), Err(Refused::Duration { .. })));
    assert!(matches!(approve(Some(0)), Err(Refused::Duration { .. })));
}

#[test]
fn what_has_lapsed_cannot_be_approved_though_the_clock_was_not_here() {
    let mut request = request();
    let by = Approver::of(request.facts(), &actor("carol", UserRole::Approver)).unwrap();
    assert!(matches!(request.apply(Act::approve(by, UnixMs(100_000), comment(), None), 60), Err(Refused::Time("late", _))));
    assert_eq!(request.state(), State::Waiting);
}

/// Anything that anybody could try at any time.
#[derive(Debug, Clone)]
enum Try {
    Approve(&'static str, UserRole, Option<u64>),
    Step(Step, &'static str, UserRole),
    Tick(Tick),
}

fn tries() -> impl Strategy<Value = Vec<(Try, u64)>> {
    let who = prop::sample::select(vec!["desk", "alice", "carol", "dave"]);
    let role = prop::sample::select(UserRole::ALL.to_vec());
    let one = prop_oneof![
        (who.clone(), role.clone(), prop::option::of(0u64..1000)).prop_map(|(w, r, d)| Try::Approve(w, r, d)),
        (prop::sample::select(vec![Step::Reject, Step::Withdraw, Step::Close, Step::Revoke]), who, role).prop_map(|(s, w, r)| Try::Step(s, w, r)),
        prop::sample::select(vec![Tick::Lapse, Tick::Start, Tick::Expire]).prop_map(Try::Tick),
    ];
    prop::collection::vec((one, 0u64..400_000), 0..40)
}

proptest! {
    #[test]
    fn no_sequence_of_calls_leaves_the_table(tries in tries()) {
        let mut request = request();
        let mut now = 1000;
        let mut history = vec![];
        for (one, later) in tries {
            now += later;
            let at = UnixMs(now);
            let act = match one {
                Try::Approve(who, role, duration) => {
                    Approver::of(request.facts(), &actor(who, role)).map(|by| Act::approve(by, at, comment(), duration))
                }
                Try::Step(step, who, role) => Act::step(step, request.facts(), &actor(who, role), at, comment()),
                Try::Tick(tick) => Ok(Act::tick(tick, at, comment())),
            };
            let Ok(act) = act else { continue };
            let before = request.clone();
            match request.apply(act, 60) {
                Ok(done) => {
                    prop_assert!(!before.state().is_terminal());
                    prop_assert!(life::TABLE.contains(&(done.from(), done.act().event(), done.to())));
                    prop_assert_eq!((done.from(), done.to()), (before.state(), request.state()));
                    prop_assert_eq!(done.entry(), before.entries());
                    if done.to() == State::Active {
                        let term = request.term().unwrap();
                        prop_assert!(term.not_before <= at && at < term.not_after);
                        prop_assert!(term.not_after.since(term.not_before) <= 600_000);
                    }
                    if done.act().event() == Event::Approve {
                        prop_assert!(!["desk", "alice"].contains(&done.act().author().name()));
                    }
                    history.push(done);
                }
                Err(_) => prop_assert_eq!(before, request.clone(), "a refused act changed the request"),
            }
        }
        // what was recorded is one path through the table, from the start to where the request is
        let mut state = State::Waiting;
        for done in &history {
            prop_assert_eq!(done.from(), state);
            state = done.to();
        }
        prop_assert_eq!(state, request.state());
        prop_assert_eq!(history.len() as u64 + 1, request.entries());
    }
}
