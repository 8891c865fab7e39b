use super::*;
use crate::commands::{Outcome, Verdict, commands};
use crate::fixtures::{allowed, denied, event, exec, line, receipt, session, started};
use crate::play::{Player, Speed};
use crate::writer::Writer;
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;
use portcullis_model::time::UnixMs;

fn session_with_commands(folder: &Path) -> Writer {
    let mut writer = Writer::create(folder, &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    writer.input(b"ls\r").unwrap();
    writer.append(&allowed(0, line("ls"))).unwrap();
    let decision = writer.append(&allowed(7, exec(&["ls"]))).unwrap();
    writer.append(&event(EventKind::Verified { pid: 7, decision })).unwrap();
    writer.output(b"a  b\r\n").unwrap();
    writer.append(&event(EventKind::LineDone { status: 0 })).unwrap();
    writer.append(&denied(0, line("docker run -v /:/mnt x"))).unwrap();
    writer.append(&allowed(0, line("cat x"))).unwrap();
    let decision = writer.append(&allowed(8, exec(&["cat", "x"]))).unwrap();
    writer.append(&event(EventKind::Killed { pid: 8, decision: Some(decision), found: None, difference: "argv".into() })).unwrap();
    writer.error_output(b"Killed\r\n").unwrap();
    writer.append(&event(EventKind::Exited(ExitStatus::Code(3)))).unwrap();
    writer
}

#[test]
fn a_session_is_told_in_a_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let writer = session_with_commands(folder.path());
    let path = writer.path().to_owned();
    let running = Summary::read(&path).unwrap();
    assert_eq!((running.end, running.damage), (None, Some(Damage::NotClosed)));
    writer.finish(UnixMs(1), receipt()).unwrap();
    let summary = Summary::read(&path).unwrap();
    assert_eq!(summary.facts, crate::fixtures::facts());
    assert_eq!(summary.counts, Counts { lines: 2, execs: 2, denials: 1, kills: 1, output_bytes: 14, input_bytes: 3, carried_bytes: 0, frames: 14 });
    assert_eq!((summary.exit, summary.end, summary.damage), (Some(ExitStatus::Code(3)), Some(receipt()), None));
    assert!(summary.duration > Duration::ZERO);
}

#[test]
fn each_command_is_listed_with_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let writer = session_with_commands(folder.path());
    let found = commands(writer.path()).unwrap();
    assert_eq!(found.damage, Some(Damage::NotClosed));
    let told: Vec<_> = found.list.iter().map(|c| (c.pid, c.subject.noun(), c.verdict == Verdict::Allowed, c.outcome.clone())).collect();
    let expected = [
        (0, "line", true, Some(Outcome::Done(0))),
        (7, "exec", true, Some(Outcome::Verified)),
        (0, "line", false, None),
        (0, "line", true, None),
        (8, "exec", true, Some(Outcome::Killed("argv".into()))),
    ];
    assert_eq!(told, expected);
    assert!(matches!(&found.list[2].verdict, Verdict::Denied { rule, .. } if rule == "docker-mounts"));
}

#[test]
fn a_damaged_session_is_told_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let writer = session_with_commands(folder.path());
    let path = writer.path().to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"a  b\r\n".as_slice() || w.starts_with(b"a  b\r\n")).unwrap();
    bytes[at] = b'x';
    std::fs::write(&path, &bytes).unwrap();
    let summary = Summary::read(&path).unwrap();
    assert!(matches!(summary.damage, Some(Damage::BadFrame { seq: 5, .. })), "{:?}", summary.damage);
    assert_eq!((summary.counts.lines, summary.counts.frames), (1, 5));
    let found = commands(&path).unwrap();
    assert_eq!(found.list.len(), 2);
    assert!(matches!(found.damage, Some(Damage::BadFrame { seq: 5, .. })));
    // nothing of the start is left
    std::fs::write(&path, &bytes[..70]).unwrap();
    assert!(Summary::read(&path).is_err());
}

#[test]
fn a_player_waits_as_long_as_it_was_and_not_longer_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path(), &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    writer.output(b"one \x1b[6n").unwrap();
    writer.output(b"\x1b[c").unwrap();
    std::thread::sleep(Duration::from_millis(60));
    writer.input(b"not shown").unwrap();
    writer.output(b"two").unwrap();
    let path = writer.path().to_owned();
    drop(writer);
    let steps = |speed: f64, limit| {
        let player = Player::new(Reader::open(&path).unwrap(), Speed::try_from(speed).unwrap(), limit);
        player.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let as_it_was = steps(1.0, None);
    assert_eq!(as_it_was.iter().map(|s| s.bytes.as_slice()).collect::<Vec<_>>(), [b"one ".as_slice(), b"two"]);
    assert!(as_it_was[1].delay >= Duration::from_millis(60));
    assert!(steps(2.0, None)[1].delay.abs_diff(as_it_was[1].delay / 2) < Duration::from_micros(1));
    assert_eq!(steps(2.0, Some(Duration::from_millis(10)))[1].delay, Duration::from_millis(5));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
        assert!(Speed::try_from(bad).is_err());
    }
}
