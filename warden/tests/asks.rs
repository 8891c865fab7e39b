//! Answers to questions, as a gateway that was taken over could carry them: only the one that the controller signed to exactly this
//! question has an effect, once.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "tests fail by panicking, and say what they skip")]

#[cfg(test)]
mod stage;

use ed25519_dalek::SigningKey;
use portcullis_model::action::Action;
use portcullis_model::asking::{Answer, AskEnd, Asked, Choice, NotPut};
use portcullis_model::event::EventKind;
use portcullis_model::grant::Grant;
use portcullis_model::id::{QuestionId, SessionId};
use portcullis_model::session::{ExitStatus, Purpose};
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Ask;
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use stage::{Gateway, Stage, Warden, controller, grant, signed_by, stranger};

/// A warden with a judge, a connected gateway and a grant under which people are asked.
fn ready(stage: &Stage) -> (Warden<'_>, Gateway) {
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    let grant = Grant { action: Action::InfraHypervisor, ..grant(1) };
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&controller(), &grant) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
    (warden, gateway)
}

fn command(text: &str) -> Purpose {
    Purpose::Command(text.into())
}

fn asked(gateway: &mut Gateway) -> Asked {
    match gateway.hear() {
        Some(FromWarden::Asked(asked)) => *asked,
        other => panic!("{other:?}"),
    }
}

fn over(gateway: &mut Gateway) -> (SessionId, QuestionId, AskEnd) {
    match gateway.hear() {
        Some(FromWarden::AskOver { session, question, end }) => (session, question, end),
        other => panic!("{other:?}"),
    }
}

fn ended(gateway: &mut Gateway) {
    assert!(matches!(gateway.hear(), Some(FromWarden::Ended { .. })));
}

fn answer(asked: &Asked, choice: Choice) -> Answer {
    Answer {
        question: asked.id.clone(),
        session: asked.session.clone(),
        target: asked.target.clone(),
        asked: asked.digest(),
        policy: asked.policy,
        expiry: asked.ask.expiry,
        choice,
        by: "bo".into(),
        at: UnixMs(1),
        comment: "as the test says".into(),
    }
}

fn say(gateway: &mut Gateway, answer: &Answer, key: &SigningKey) {
    gateway.say(&ToWarden::Answer(signed_by(key, answer)));
}

#[test]
fn what_the_controller_did_not_sign_to_this_question_answers_nothing() {
    let Some(stage) = Stage::with_module_that_asks() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut first = gateway.open(command("/bin/echo first ASK"), None);
    let one = asked(&mut gateway);
    let mut second = gateway.open(command("/bin/echo second ASK"), None);
    let two = asked(&mut gateway);
    assert_eq!((&one.session, &two.session), (&first.facts.id, &second.facts.id));
    assert!(matches!(&one.subject, Subject::Exec(exec) if exec.path == b"/usr/bin/echo"));

    let approved = answer(&one, Choice::Approve);
    say(&mut gateway, &approved, &stranger());
    // to a session that does not run, a question that nobody asked, and the other session's question
    say(&mut gateway, &Answer { session: SessionId::from_entropy([9; 10]), ..approved.clone() }, &controller());
    say(&mut gateway, &Answer { question: QuestionId::from_entropy([9; 10]), ..approved.clone() }, &controller());
    say(&mut gateway, &Answer { session: two.session.clone(), ..approved.clone() }, &controller());
    say(&mut gateway, &Answer { target: "node2".into(), ..approved.clone() }, &controller());
    // had one of those been heard, this would come too late
    say(&mut gateway, &answer(&one, Choice::Reject), &controller());
    assert_eq!(over(&mut gateway), (one.session.clone(), one.id.clone(), AskEnd::Rejected));
    let heard = first.hear_to_the_end();
    assert_eq!((heard.output.as_str(), heard.exit), ("", Some(ExitStatus::Code(126))));
    ended(&mut gateway);
    // and an answer is none to what has been answered
    say(&mut gateway, &approved, &controller());

    // what an approver was shown is not what was asked: the question was changed on its way
    let shown = Asked { ask: Ask { prompt: "something harmless?".into(), ..two.ask.clone() }, ..two.clone() };
    say(&mut gateway, &answer(&shown, Choice::Approve), &controller());
    assert_eq!(over(&mut gateway), (two.session.clone(), two.id.clone(), AskEnd::Mismatch));
    let heard = second.hear_to_the_end();
    assert!(heard.output.is_empty() && heard.error.contains("what was answered is not what was asked"), "{heard:?}");
    ended(&mut gateway);
    let record = stage.recording(&second.facts.id);
    assert!(record.events.iter().any(|event| matches!(event, EventKind::Denied { denial, .. } if denial.rule == "answer-mismatch")));
}

#[test]
fn an_answer_is_used_once() {
    let Some(stage) = Stage::with_module_that_asks() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("for i in 1 2; do /bin/echo same ASK; done"), None);
    let one = asked(&mut gateway);
    let approved = answer(&one, Choice::Approve);
    say(&mut gateway, &approved, &controller());
    assert_eq!(over(&mut gateway).2, AskEnd::WentOn);
    // the very same again is asked again, and the same answer is none to it, nor one that was bent to fit it by whoever cannot sign
    let two = asked(&mut gateway);
    assert_ne!(one.id, two.id);
    say(&mut gateway, &approved, &controller());
    say(&mut gateway, &answer(&two, Choice::Approve), &stranger());
    say(&mut gateway, &answer(&two, Choice::Reject), &controller());
    assert_eq!(over(&mut gateway), (two.session, two.id, AskEnd::Rejected));
    let heard = session.hear_to_the_end();
    assert_eq!(heard.output, "same ASK\n");
    ended(&mut gateway);
    let record = stage.recording(&session.facts.id);
    let answers = record.events.iter().filter(|event| matches!(event, EventKind::Answered { by, .. } if by == "bo")).count();
    assert_eq!((answers, record.events.iter().filter(|event| matches!(event, EventKind::Asked { .. })).count()), (2, 2));
}

#[test]
fn who_carries_questions_can_say_no_and_nothing_else() {
    let Some(stage) = Stage::with_module_that_asks() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("/bin/echo first ASK"), None);
    let one = asked(&mut gateway);
    let unknown = QuestionId::from_entropy([9; 10]);
    gateway.say(&ToWarden::NotPut { session: one.session.clone(), question: unknown, why: NotPut::ControllerAway });
    gateway.say(&ToWarden::NotPut { session: one.session.clone(), question: one.id.clone(), why: NotPut::Refused("no \x1b[2J".into()) });
    assert_eq!(over(&mut gateway), (one.session, one.id, AskEnd::NotPut));
    let heard = session.hear_to_the_end();
    assert!(heard.output.is_empty() && heard.error.contains("nobody is asked: no \\x1b[2J"), "{heard:?}");
    ended(&mut gateway);
}
