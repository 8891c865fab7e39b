//! File systems that are full, for real: small ones, in a mount namespace of the test's own.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod fixtures;

use fixtures::{allowed, exec, receipt, session, started};
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal as _;
use portcullis_model::time::UnixMs;
use portcullis_recording::{Damage, SPACE_RESERVE, Summary, WriteError, Writer, verify};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "RECORDING_TEST_FOLDER";

/// Runs one test of this program on a tmpfs of `size` bytes.
fn on_file_system_of(size: u64, test: &str) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can mount a small file system");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={size} tmpfs \"$1\" && exec \"$2\" --exact {test} --nocapture");
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare: unshare failed") || said.contains("mount: ") {
        eprintln!("SKIPPED: no mount namespace here: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_nearly_full_disk_begins_no_recording() {
    on_file_system_of(SPACE_RESERVE / 2, "inside_nearly_full");
}

#[test]
fn a_disk_that_fills_up_ends_the_recording_whole() {
    on_file_system_of(SPACE_RESERVE + (1 << 20), "inside_filling_up");
}

#[test]
fn inside_nearly_full() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let error = Writer::create(Path::new(&folder), &session(), BootId::UNKNOWN, None).unwrap_err();
    assert!(matches!(error, WriteError::LowSpace { .. }), "{error}");
    assert_eq!(error.to_string(), "only 32 MiB are free for recordings, at least 64 are needed");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn inside_filling_up() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut writer = Writer::create(Path::new(&folder), &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    let chunk = vec![b'x'; 30_000];
    let mut recorded = 1;
    let error = loop {
        match writer.output(&chunk) {
            Ok(_) => recorded += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::NoSpace), "{error}");
    assert!(matches!(writer.failed(), Some(WriteError::NoSpace)));
    assert!(matches!(writer.append(&allowed(7, exec(&["ls"]))), Err(WriteError::NoSpace)), "nothing is allowed any more");
    // everything before is whole, and the end still fits
    let path = writer.path().to_owned();
    let summary = Summary::read(&path).unwrap();
    assert_eq!((summary.counts.frames, summary.damage), (recorded, Some(Damage::NotClosed)));
    let sealed = writer.finish(UnixMs(1), receipt()).unwrap();
    assert_eq!(sealed.frames, recorded + 1);
    assert!(verify(&path).unwrap().is_whole());
    eprintln!("{recorded} frames before the disk was full");
}
