use super::super::act::{Approver, Decided, Forbidden, Step, Tick};
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
        shared_from: None,
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

#[test]
fn more_time_is_given_by_an_approver_in_time_and_within_the_longest() {
    let active = || {
        let mut request = request();
        let by = Approver::of(request.facts(), &actor("carol", UserRole::Approver)).unwrap();
        let _ = request.apply(Act::approve(by, UnixMs(5000), comment(), None), 60).unwrap();
        let _ = request.apply(Act::tick(Tick::Start, UnixMs(5000), comment()), 60).unwrap();
        request
    };
    let extend = |by_s, at| {
        let mut request = active();
        let by = Approver::of(request.facts(), &actor("carol", UserRole::Approver)).unwrap();
        request.apply(Act::decide(by, Decided::Extend(Extension { by_s, max_s: 900 }), UnixMs(at), comment()), 60).map(|_| request.term().unwrap())
    };
    assert_eq!(extend(300, 6000).unwrap(), Term { not_before: UnixMs(5000), not_after: UnixMs(905_000) });
    assert!(matches!(extend(301, 6000), Err(Refused::TooLong { total: 901, .. })));
    assert!(matches!(extend(u64::MAX, 6000), Err(Refused::TooLong { .. })));
    assert!(matches!(extend(0, 6000), Err(Refused::TooLong { .. })));
    assert!(matches!(extend(60, 605_000), Err(Refused::Time("late", Event::Extend))));
    let facts = active().facts().clone();
    let proposed = |at| active().apply(Act::within(crate::domain::act::Within::Propose, &facts, UnixMs(at), comment()), 60).map(|done| done.to());
    assert_eq!(proposed(6000), Ok(State::Active));
    assert_eq!(proposed(605_000), Err(Refused::Time("late", Event::Propose)));
    assert!(request().apply(Act::within(crate::domain::act::Within::Propose, &facts, UnixMs(6000), comment()), 60).is_err(), "a request that waits is not amended");
}

/// Anything that anybody could try at any time.
#[derive(Debug, Clone)]
enum Try {
    Approve(&'static str, UserRole, Option<u64>),
    Step(Step, &'static str, UserRole),
    Decide(Decided, &'static str, UserRole),
    Tick(Tick),
}

fn tries() -> impl Strategy<Value = Vec<(Try, u64)>> {
    let who = prop::sample::select(vec!["desk", "alice", "carol", "dave"]);
    let role = prop::sample::select(UserRole::ALL.to_vec());
    let extension = (0u64..500, Just(900)).prop_map(|(by_s, max_s)| Decided::Extend(Extension { by_s, max_s }));
    let decided = prop_oneof![extension, Just(Decided::Share), Just(Decided::Decline)];
    let one = prop_oneof![
        (who.clone(), role.clone(), prop::option::of(0u64..1000)).prop_map(|(w, r, d)| Try::Approve(w, r, d)),
        (prop::sample::select(vec![Step::Reject, Step::Withdraw, Step::Close, Step::Revoke, Step::Propose, Step::Retract]), who.clone(), role.clone())
            .prop_map(|(s, w, r)| Try::Step(s, w, r)),
        (decided, who, role).prop_map(|(d, w, r)| Try::Decide(d, w, r)),
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
                Try::Decide(decided, who, role) => {
                    Approver::of(request.facts(), &actor(who, role)).map(|by| Act::decide(by, decided, at, comment()))
                }
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
                        prop_assert!(term.not_after.since(term.not_before) <= 900_000);
                    }
                    if let (Some(before), Some(after)) = (before.term(), request.term()) {
                        let extended = done.act().event() == Event::Extend;
                        prop_assert!(before.not_before == after.not_before && (before.not_after < after.not_after) == extended);
                    }
                    if matches!(done.act().event(), Event::Approve | Event::Extend | Event::Share | Event::Decline) {
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
