//! Sessions with the real judge, module, shell and jail, driven as the gateway drives them: what cannot be seen from an ssh
//! client is tested here, the rest end to end with the whole product.
#![allow(clippy::panic, clippy::print_stderr, reason = "tests fail by panicking, and say what they skip")]

#[cfg(test)]
mod stage;

use portcullis_model::event::EventKind;
use portcullis_model::receipt::EndCause;
use portcullis_model::session::{ExitStatus, PtyRequest, Purpose, SessionSignal, WindowSize};
use portcullis_model::subject::Subject;
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use stage::session::{Heard, Session};
use stage::{Gateway, Stage, Warden, controller, grant, revocation, signed_by};

fn terminal() -> Option<PtyRequest> {
    Some(PtyRequest { term: "dumb".into(), size: WindowSize { cols: 80, rows: 24, width_px: 0, height_px: 0 }, modes: vec![] })
}

fn command(text: &str) -> Purpose {
    Purpose::Command(text.into())
}

/// A warden with a judge, a connected gateway and a grant.
fn ready(stage: &Stage) -> (Warden<'_>, Gateway) {
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
    (warden, gateway)
}

fn ended(gateway: &mut Gateway) -> (portcullis_model::receipt::Receipt, Option<ExitStatus>) {
    match gateway.hear() {
        Some(FromWarden::Ended { receipt, exit }) => (receipt, exit),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_runs_and_its_output_and_status_arrive() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("ls /usr/bin/env"), None);
    let Heard { output, exit, .. } = session.hear_to_the_end();
    assert_eq!((output.as_str(), exit), ("/usr/bin/env\n", Some(ExitStatus::Code(0))));
    let (receipt, exit) = ended(&mut gateway);
    assert_eq!((&receipt.cause, receipt.survivors.len(), exit), (&EndCause::Exit, 0, Some(ExitStatus::Code(0))));
    let record = stage.recording(&receipt.session);
    assert_eq!(record.output, b"/usr/bin/env\n");
    assert!(record.is_closed);
    assert!(matches!(record.events.first(), Some(EventKind::Started { policy: Some(_), .. })));
    assert!(matches!(record.events.last(), Some(EventKind::Ended(last)) if *last == receipt));
    let allowed: Vec<&Subject> = record.events.iter().filter_map(|event| if let EventKind::Allowed { subject, .. } = event { Some(subject) } else { None }).collect();
    assert!(allowed.iter().any(|subject| matches!(subject, Subject::Line(line) if line.text == b"ls /usr/bin/env")), "{allowed:?}");
    assert!(allowed.iter().any(|subject| matches!(subject, Subject::Exec(exec) if exec.path == b"/usr/bin/ls" && exec.line.is_some())), "{allowed:?}");
}

#[test]
fn what_the_policy_denies_does_not_run() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("python3 -c 'print(6*7)'"), None);
    let heard = session.hear_to_the_end();
    assert!(!heard.output.contains("42"), "{heard:?}");
    assert!(heard.error.contains("denied"), "{heard:?}");
    let (receipt, _) = ended(&mut gateway);
    let record = stage.recording(&receipt.session);
    assert!(record.events.iter().any(|event| matches!(event, EventKind::Denied { .. })));
}

#[test]
fn input_goes_through_a_pipe_and_its_end_is_told() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("wc -c"), None);
    let megabyte = vec![b'x'; 1024 * 1024];
    session.type_in(&megabyte);
    session.say(&ToKeeper::Eof);
    let heard = session.hear_to_the_end();
    assert_eq!(heard.output.trim(), "1048576", "{heard:?}");
    let (receipt, _) = ended(&mut gateway);
    assert_eq!(stage.recording(&receipt.session).input.len(), megabyte.len());
}

#[test]
fn a_shell_on_a_terminal_answers_and_resizes() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(Purpose::Shell, terminal());
    session.hear_until("$");
    session.say(&ToKeeper::Resize(WindowSize { cols: 100, rows: 30, width_px: 0, height_px: 0 }));
    session.type_in(b"ls /usr/bin/env\r");
    session.hear_until("/usr/bin/env\r\n");
    session.type_in(b"exit\r");
    let heard = session.hear_to_the_end();
    assert_eq!(heard.exit, Some(ExitStatus::Code(0)), "{heard:?}");
    let (receipt, _) = ended(&mut gateway);
    let record = stage.recording(&receipt.session);
    assert!(record.events.iter().any(|event| matches!(event, EventKind::Resized(size) if size.cols == 100)));
    assert!(record.events.iter().any(|event| matches!(event, EventKind::LineDone { status: 0 })));
}

#[test]
fn a_revoke_leaves_nothing_and_says_so() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut sessions: Vec<Session> = (0..3).map(|_| gateway.open(command("tail -f /dev/null"), None)).collect();
    for session in &sessions {
        stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Verified { .. }), 3);
    }
    gateway.say(&ToWarden::Revoke { ticket: 7, revocation: signed_by(&controller(), &revocation(1)) });
    for session in &mut sessions {
        let heard = session.hear_to_the_end();
        assert_eq!((heard.ending.as_deref(), heard.exit), (Some("portcullis: session ended: access was revoked"), None));
    }
    let mut told = Vec::new();
    let receipt = loop {
        match gateway.hear() {
            Some(FromWarden::Ended { receipt, exit: None }) => told.push(receipt),
            Some(FromWarden::Revoked { ticket: 7, receipt }) => break receipt,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((receipt.sessions.len(), receipt.survivors()), (3, 0));
    // shell, engine or command at least
    assert!(receipt.killed() >= 6, "{receipt:?}");
    for receipt in &receipt.sessions {
        assert_eq!(receipt.cause, EndCause::Revoked);
        assert!(stage.recording(&receipt.session).is_closed);
    }
    assert!(stage.processes_of(grant(1).uid.get()).is_empty());
    let refused = gateway.try_open(command("ls"), None);
    assert!(refused.is_err_and(|reason| reason.contains("revoked")));
}

#[test]
fn a_client_that_leaves_ends_its_session() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let session = gateway.open(command("tail -f /dev/null"), None);
    drop(session);
    let (receipt, exit) = ended(&mut gateway);
    assert_eq!((receipt.cause, receipt.survivors.len(), exit), (EndCause::Disconnect, 0, None));
}

#[test]
fn a_keeper_that_is_killed_takes_its_session_with_it() {
    let Some(stage) = Stage::with_judge() else { return };
    let (warden, mut gateway) = ready(&stage);
    let session = gateway.open(command("tail -f /dev/null"), None);
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Verified { .. }), 3);
    warden.kill_keepers();
    let (receipt, _) = ended(&mut gateway);
    assert!(matches!(receipt.cause, EndCause::Fault(_)), "{receipt:?}");
    assert!(receipt.survivors.is_empty());
    assert!(stage.processes_of(grant(1).uid.get()).is_empty());
    // its recording is closed in its stead, and whole
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Ended(_)), 1);
    let recording = stage.recording(&session.facts.id);
    let Some(EventKind::Ended(recorded)) = recording.events.last() else { panic!("{:?}", recording.events.last()) };
    assert!(matches!(&recorded.cause, EndCause::Fault(text) if text.starts_with("the keeper died")), "{recorded:?}");
    assert_eq!((&recorded.session, recorded.killed), (&receipt.session, receipt.killed));
    let path = portcullis_recording::path_of(&stage.path("evidence"), &session.facts.id);
    assert!(portcullis_recording::verify(&path).unwrap().is_whole());
    // the next one is not disturbed
    let heard = gateway.open(command("ls /usr/bin/env"), None).hear_to_the_end();
    assert_eq!(heard.output, "/usr/bin/env\n");
}

#[test]
fn when_the_warden_dies_nothing_of_a_session_is_left() {
    let Some(stage) = Stage::with_judge() else { return };
    let (mut warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("tail -f /dev/null"), None);
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Verified { .. }), 3);
    warden.kill();
    session.hear_to_the_end();
    stage.wait_until("no process is left", || stage.processes_of(grant(1).uid.get()).is_empty());
}

#[test]
fn without_the_judge_everything_is_denied_until_it_is_back() {
    let Some(mut stage) = Stage::with_judge() else { return };
    let mut judge = stage.take_judge();
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(Purpose::Shell, terminal());
    session.hear_until("$");
    judge.kill();
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Judge { live: false }), 1);
    session.type_in(b"ls /usr/bin/env\r");
    session.hear_until("denied");
    assert!(gateway.try_open(command("ls"), None).is_err_and(|reason| reason.contains("judge")));
    judge.start();
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Judge { live: true }), 1);
    session.type_in(b"ls /usr/bin/env\r");
    session.hear_until("/usr/bin/env\r\n");
}

#[test]
fn a_signal_reaches_the_command() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("tail -f /dev/null"), None);
    stage.wait_for_event(&session.facts.id, |event| matches!(event, EventKind::Verified { .. }), 3);
    session.say(&ToKeeper::Signal(SessionSignal::Term));
    let heard = session.hear_to_the_end();
    assert!(heard.exit.is_some(), "{heard:?}");
    let (receipt, _) = ended(&mut gateway);
    assert!(stage.recording(&receipt.session).events.contains(&EventKind::Signalled { number: 15 }));
}

#[test]
fn a_warden_that_is_told_to_stop_ends_its_sessions_first() {
    let Some(stage) = Stage::with_judge() else { return };
    let (mut warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(command("tail -f /dev/null"), None);
    assert_eq!(warden.stop(), ExitStatus::Code(0));
    assert_eq!(session.hear_to_the_end().ending.as_deref(), Some("portcullis: session ended: the node is being stopped"));
    let (receipt, _) = ended(&mut gateway);
    assert_eq!(receipt.cause, EndCause::Shutdown);
    assert!(stage.recording(&receipt.session).is_closed);
}

#[test]
fn the_time_of_the_grant_ends_the_session() {
    let Some(stage) = Stage::with_judge() else { return };
    let (_warden, mut gateway) = ready(&stage);
    gateway.say(&ToWarden::Install { ticket: 2, grant: signed_by(&controller(), &stage::grant_for(2, 4_000)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
    let mut session = gateway.open_under(2, command("tail -f /dev/null"), None);
    let heard = session.hear_to_the_end();
    assert_eq!(heard.ending.as_deref(), Some("portcullis: session ended: the time of the access is over"));
    assert_eq!(ended(&mut gateway).0.cause, EndCause::Expired);
    assert!(matches!(session.hear(), None | Some(FromKeeper::Ending(_))));
}

#[test]
fn a_full_disk_ends_the_session_and_its_end_is_still_recorded() {
    let Some(stage) = Stage::with_judge() else { return };
    let Some(disk) = stage.small_disk_for_evidence() else { return };
    let (_warden, mut gateway) = ready(&stage);
    let mut session = gateway.open(Purpose::Shell, terminal());
    session.hear_until("$");
    disk.fill();
    session.type_in(b"ls -R /usr\r");
    let heard = session.hear_to_the_end();
    assert!(heard.ending.as_deref().is_some_and(|text| text.contains("recording")), "{:?} {:?}", heard.ending, heard.exit);
    let (receipt, exit) = ended(&mut gateway);
    assert!(matches!(&receipt.cause, EndCause::Fault(what) if what.contains("no space")), "{receipt:?}");
    assert_eq!((receipt.survivors.len(), exit), (0, None));
    let record = stage.recording(&receipt.session);
    assert!(record.is_closed);
    assert!(heard.output.len() <= record.output.len(), "nothing was shown that is not recorded");
    assert!(gateway.try_open(command("ls"), None).is_err_and(|reason| reason.contains("recording")));
}
