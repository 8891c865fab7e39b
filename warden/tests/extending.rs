//! A later end, and what a session is told of its request, as a gateway that was taken over could carry them.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "tests fail by panicking, and say what they skip")]

#[cfg(test)]
mod stage;

use portcullis_model::event::EventKind;
use portcullis_model::grant::Grant;
use portcullis_model::id::{AmendmentId, SessionId};
use portcullis_model::receipt::EndCause;
use portcullis_model::session::Purpose;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use portcullis_model::wish::{News, Note, Told};
use stage::{Gateway, Stage, controller, grant, signed_by, stranger};

fn install(gateway: &mut Gateway, signed: portcullis_model::grant::SignedGrant) -> bool {
    gateway.say(&ToWarden::Install { ticket: 7, grant: signed });
    match gateway.hear() {
        Some(FromWarden::Installed { .. }) => true,
        Some(FromWarden::Refused { .. }) => false,
        other => panic!("{other:?}"),
    }
}

fn note(gateway: &mut Gateway, session: &SessionId, number: u64, text: &str) {
    let news = News::Message { by: "carol".into(), text: text.into() };
    gateway.say(&ToWarden::Note { session: session.clone(), note: Note { number, news } });
}

#[test]
fn only_the_controller_puts_an_end_off_and_nobody_brings_it_forward() {
    let Some(stage) = Stage::with_module_that_asks() else { return };
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    // the module that asks is of another action than the stage's grants
    let first = Grant { action: portcullis_model::action::Action::InfraHypervisor, ..grant(1) };
    let later = Grant { not_after: first.not_after.plus(3_600_000), ..first.clone() };
    assert!(install(&mut gateway, signed_by(&controller(), &first)));
    let mut session = gateway.open(Purpose::Command("echo begun; sleep 600".into()), None);
    session.hear_until("begun");
    assert_eq!(session.facts.end, first.not_after);
    // forged, and true but for somebody else or with more than its end changed
    assert!(!install(&mut gateway, signed_by(&stranger(), &later)));
    assert!(!install(&mut gateway, signed_by(&controller(), &Grant { target: "node2".into(), ..later.clone() })));
    assert!(!install(&mut gateway, signed_by(&controller(), &Grant { action: portcullis_model::action::Action::InfraFull, ..later.clone() })));
    // the controller's, and then the earlier form again, twice over
    assert!(install(&mut gateway, signed_by(&controller(), &later)));
    assert!(install(&mut gateway, signed_by(&controller(), &first)));
    assert!(install(&mut gateway, signed_by(&controller(), &later)));
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Extended { .. }), 1);
    gateway.say(&ToWarden::End { session: session.facts.id.clone(), cause: EndCause::Terminated });
    session.hear_to_the_end();
    let ends: Vec<UnixMs> = stage.recording(&session.facts.id).events.iter().filter_map(|event| if let EventKind::Extended { end } = event { Some(*end) } else { None }).collect();
    assert_eq!(ends, [later.not_after]);
}

#[test]
fn a_note_is_shown_once_harmless_and_bounded_and_decides_nothing() {
    let Some(stage) = Stage::with_module_that_asks() else { return };
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    assert!(install(&mut gateway, signed_by(&controller(), &Grant { action: portcullis_model::action::Action::InfraHypervisor, ..grant(1) })));
    let mut session = gateway.open(Purpose::Command("echo begun; sleep 600".into()), None);
    session.hear_until("begun");
    let id = session.facts.id.clone();
    note(&mut gateway, &id, 5, "hello \x1b[2J");
    note(&mut gateway, &id, 5, "hello \x1b[2J");
    note(&mut gateway, &id, 4, &"x".repeat(40_000));
    // answers to what nobody asked, and for a session that is not there
    gateway.say(&ToWarden::Told { session: id.clone(), number: 3, told: Told::Done("all is yours".into()) });
    gateway.say(&ToWarden::Told { session: id.clone(), number: 3, told: Told::Put { amendment: AmendmentId::from_entropy([1; 10]), text: "x".into() } });
    note(&mut gateway, &SessionId::from_entropy([9; 10]), 1, "nobody");
    let mut numbers = Vec::new();
    while numbers.len() < 3 {
        match gateway.hear() {
            Some(FromWarden::Noted { session, number }) => {
                assert_eq!(session, id);
                numbers.push(number);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(numbers, [5, 5, 4], "each is answered for, so that it is not said for ever");
    gateway.say(&ToWarden::End { session: id.clone(), cause: EndCause::Terminated });
    session.hear_to_the_end();
    let record = stage.recording(&id);
    let told: Vec<&News> = record.events.iter().filter_map(|event| if let EventKind::Noted(news) = event { Some(news) } else { None }).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(told[1], News::Message { text, .. } if text.len() == portcullis_model::wish::TOLD_MAX));
    assert!(!record.events.iter().any(|event| matches!(event, EventKind::Extended { .. } | EventKind::Wished(_))));
}
