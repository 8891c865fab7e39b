//! A writer whose process is killed in the middle: what its calls returned from is there.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{allowed, exec, session, started};
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;
use portcullis_recording::{Body, Reader, Tail, Writer, path_of, verify};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "RECORDING_TEST_FOLDER";

/// The victim: does nothing unless the test below starts it. It says on standard output what it has recorded, after each call.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut writer = Writer::create(Path::new(&folder), &session(), BootId::UNKNOWN, None).unwrap();
    let mut out = std::io::stdout().lock();
    let mut seq = writer.append(&started()).unwrap();
    loop {
        writeln!(out, "recorded {seq}").unwrap();
        writer.output(format!("output {}", seq + 1).as_bytes()).unwrap();
        seq = writer.append(&allowed(7, exec(&["ls", "-l"]))).unwrap();
    }
}

#[test]
fn what_was_recorded_survives_kill_9() {
    for round in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = 0;
        let seq_of = |line: &str| line.rsplit_once("recorded ").map(|(_, seq)| seq.parse::<u64>().unwrap());
        while last < 300 + round * 777 {
            let line = lines.next().expect("the victim goes on until it is killed").unwrap();
            last = seq_of(&line).unwrap_or(last);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // what it said before it died; a last line that is cut off names a smaller number, if any
        for line in lines.map_while(Result::ok) {
            last = last.max(line.rsplit_once("recorded ").and_then(|(_, seq)| seq.parse().ok()).unwrap_or(0));
        }
        let path = path_of(folder.path(), &session());
        let found = verify(&path).unwrap();
        assert_eq!(found.first_bad, None);
        assert!(!found.ended, "a killed keeper does not close its recording, and that shows");
        assert!(found.frames > last, "{} frames, {last} was told", found.frames);
        let mut reader = Reader::open(&path).unwrap();
        for frame in reader.by_ref() {
            let frame = frame.unwrap();
            if let Body::Output(bytes) = frame.body {
                assert_eq!(bytes, format!("output {}", frame.seq).into_bytes());
            }
        }
        assert!(matches!(reader.tail(), Some(Tail::Open | Tail::Torn { .. })));
    }
}
