use super::asciicast::{self, Version};
use super::{Exported, Keys, Output, iolog, tlog, transcript};
use crate::fixtures::{allowed, denied, event, exec, line, receipt, session, started};
use crate::reader::Reader;
use crate::summary::Damage;
use crate::writer::Writer;
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;
use portcullis_model::event::EventKind;
use portcullis_model::session::{ExitStatus, WindowSize};
use portcullis_model::time::UnixMs;
use serde_json::Value;
use std::path::{Path, PathBuf};

const HOSTILE: &[u8] = b"\x1b]52;c;cm0K\x07\x1b[6n";

/// A session in which everything happens that an export has to hold.
fn recorded(folder: &Path) -> PathBuf {
    let mut writer = Writer::create(folder, &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    writer.output(b"op@node1:~$ ").unwrap();
    writer.input(b"ls\r").unwrap();
    writer.output(b"lx\x08s\r\n").unwrap();
    writer.append(&allowed(0, line("ls"))).unwrap();
    let decision = writer.append(&allowed(7, exec(&["ls"]))).unwrap();
    writer.append(&event(EventKind::Verified { pid: 7, decision })).unwrap();
    writer.output(b"a \xe2\x82").unwrap();
    writer.output(b"\xac \xff b\r\n").unwrap();
    writer.output(HOSTILE).unwrap();
    writer.append(&event(EventKind::Resized(WindowSize { cols: 100, rows: 30, width_px: 0, height_px: 0 }))).unwrap();
    writer.output(b"2026  DENIED: forged\r\n\x1b[?1049hfull\x1b[?1049lback\r\n").unwrap();
    writer.append(&denied(0, line("docker run -v /:/mnt \x1b[31mx"))).unwrap();
    writer.append(&event(EventKind::Masked { bytes: 8 })).unwrap();
    writer.append(&event(EventKind::Exited(ExitStatus::Code(3)))).unwrap();
    let path = writer.path().to_owned();
    writer.finish(UnixMs(1_750_000_060_000), receipt()).unwrap();
    path
}

fn export(name: &str, write: impl FnOnce(&mut Reader, &mut Vec<u8>) -> Exported) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = Reader::open(&recorded(folder.path())).unwrap();
    let mut out = Vec::new();
    assert_eq!(write(&mut reader, &mut out), Exported { damage: None }, "{name}");
    String::from_utf8(out).unwrap()
}

fn cast(version: Version, keys: Keys) -> Vec<Value> {
    let text = export("cast", |reader, out| asciicast::export(reader, version, keys, Output::Drawing, out).unwrap());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(events: &'a [Value], code: &str) -> Vec<&'a str> {
    events.iter().skip(1).filter(|event| event[1] == code).map(|event| event[2].as_str().unwrap()).collect()
}

#[test]
fn a_film_has_what_was_shown_and_marks_where_something_was_decided() {
    for version in [Version::V2, Version::V3] {
        let events = cast(version, Keys::LeftOut);
        let shown = of(&events, "o").concat();
        assert!(shown.contains("a \u{20ac}  b\r\n"), "{shown:?}");
        assert!(!shown.contains("cm0K") && !shown.contains("\x1b[6n"), "{shown:?}");
        assert_eq!(of(&events, "r"), ["100x30"]);
        assert_eq!(of(&events, "m"), ["ls", "denied by docker-mounts: docker run -v /:/mnt \\x1b[31mx"]);
        assert_eq!(of(&events, "i"), [""; 0]);
        assert_eq!(of(&cast(version, Keys::Included), "i"), ["ls\r"]);
        let mut last = 0.0;
        for event in events.iter().skip(1) {
            let time = event[0].as_f64().unwrap();
            assert!(time >= 0.0 && (version == Version::V3 || time >= last), "{events:?}");
            last = time;
        }
    }
    let (two, three) = (cast(Version::V2, Keys::LeftOut), cast(Version::V3, Keys::LeftOut));
    assert_eq!((two[0]["version"].as_u64(), two[0]["width"].as_u64(), two[0]["height"].as_u64()), (Some(2), Some(80), Some(24)));
    assert_eq!((three[0]["version"].as_u64(), three[0]["term"]["cols"].as_u64()), (Some(3), Some(80)));
    assert_eq!((of(&two, "x"), of(&three, "x")), (vec![], vec!["3"]));
}

#[test]
fn a_transcript_has_the_screen_and_nothing_on_it_passes_for_more() {
    let text = export("transcript", |reader, out| transcript::export(reader, out).unwrap());
    let told: Vec<&str> = text.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
    let words: Vec<&str> = told.iter().map(|line| line.split_once("Z  ").map_or(*line, |(_, words)| words)).collect();
    assert_eq!(
        words,
        [
            "  | op@node1:~$ ls",
            "allowed: ls",
            "  | a \u{20ac}  b",
            "  | 2026  DENIED: forged",
            "  | back",
            "a program had the whole screen; what it drew is left out here",
            "DENIED: docker run -v /:/mnt \\x1b[31mx: mounts of / are not allowed (rule docker-mounts)",
            "8 bytes were typed without echo, and are not recorded",
            "exited, status 3",
            "ended: Revoked; killed 3, survivors 0",
        ],
        "{text}"
    );
    assert!(text.starts_with("Session   ") && text.contains("Operator  olga as op-7f3a (uid 70000)"), "{text}");
}

#[test]
fn messages_of_tlog_say_in_which_order_what_came() {
    let text = export("tlog", |reader, out| tlog::export(reader, Keys::Included, Output::AsItWas, out).unwrap());
    let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let join = |field: &str| messages.iter().map(|message| message[field].as_str().unwrap()).collect::<String>();
    assert_eq!(join("in_txt"), "ls\r");
    assert!(join("out_txt").contains("a \u{20ac} \u{fffd} b"), "{text}");
    let bytes: Vec<u64> = messages.iter().flat_map(|message| message["out_bin"].as_array().unwrap()).map(|byte| byte.as_u64().unwrap()).collect();
    assert_eq!(bytes, [0xff]);
    let timing: String = join("timing").split('+').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
    assert!(timing.starts_with("=80x24>12<3>6>2>2]1/1>"), "{timing}");
    assert!(timing.contains("=100x30"), "{timing}");
    for (index, message) in messages.iter().enumerate() {
        assert_eq!((message["id"].as_u64(), message["rec"].as_str()), (Some(index as u64 + 1), Some(session().as_str())));
    }
}

#[test]
fn a_log_of_sudos_has_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path());
    let mut reader = Reader::open(&path).unwrap();
    let log = folder.path().join("log");
    assert_eq!(iolog::export(&mut reader, Keys::Included, Output::AsItWas, &log).unwrap(), Exported { damage: None });
    let read = |name: &str| std::fs::read(log.join(name)).unwrap();
    let output = read("ttyout");
    assert!(output.windows(HOSTILE.len()).any(|window| window == HOSTILE));
    assert_eq!(read("ttyin"), b"ls\r");
    let timing = String::from_utf8(read("timing")).unwrap();
    let sizes = |stream: &str| {
        timing.lines().filter_map(|line| line.strip_prefix(stream)).map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap()).sum::<usize>()
    };
    assert_eq!((sizes("4 "), sizes("3 ")), (output.len(), 3));
    assert!(timing.lines().any(|line| line.starts_with("5 ") && line.ends_with(" 30 100")), "{timing}");
    let mut again = Reader::open(&path).unwrap();
    assert!(iolog::export(&mut again, Keys::LeftOut, Output::Drawing, &log).is_err(), "nothing is written over");
}

#[test]
fn a_damaged_recording_is_exported_as_far_as_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|window| window == b"full").unwrap();
    bytes[at] = b'F';
    std::fs::write(&path, bytes).unwrap();
    let mut out = Vec::new();
    let exported = transcript::export(&mut Reader::open(&path).unwrap(), &mut out).unwrap();
    assert!(matches!(exported.damage, Some(Damage::BadFrame { .. })), "{exported:?}");
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("a \u{20ac}") && !text.contains("forged") && text.contains("THE RECORDING IS NOT WHOLE: frame "), "{text}");
}
