#![allow(clippy::print_stderr, reason = "a cost is printed")]

use super::*;
use crate::fixtures::{allowed, exec, receipt, session, started};
use crate::verify::verify;
use std::os::unix::fs::MetadataExt as _;

fn writer(folder: &Path) -> Writer {
    let mut writer = Writer::create(folder, &session(), BootId::UNKNOWN, None).unwrap();
    writer.append(&started()).unwrap();
    writer
}

#[test]
fn a_recording_is_made_for_its_readers_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = rustix::process::geteuid().is_root();
    let gid = if root { 4711 } else { rustix::process::getegid().as_raw() };
    let writer = Writer::create(folder.path(), &session(), BootId::UNKNOWN, Some(gid)).unwrap();
    let file = fs::metadata(writer.path()).unwrap();
    let own = fs::metadata(writer.path().parent().unwrap()).unwrap();
    assert_eq!((file.mode() & 0o7777, file.gid()), (0o640, gid));
    assert_eq!((own.mode() & 0o7777, own.gid()), (0o750, gid));
    assert_eq!(writer.path(), crate::path_of(folder.path(), &session()));
}

#[test]
fn a_session_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = writer(folder.path());
    let length = fs::metadata(first.path()).unwrap().len();
    assert!(matches!(Writer::create(folder.path(), &session(), BootId::UNKNOWN, None), Err(WriteError::Exists(path)) if path == first.path()));
    assert_eq!(fs::metadata(first.path()).unwrap().len(), length, "the first one is untouched");
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(Writer::create(&missing, &session(), BootId::UNKNOWN, None), Err(WriteError::Create { .. })));
    let own = folder.path().join(session().as_str());
    if !rustix::process::geteuid().is_root() {
        // a group that the caller is not in cannot be given
        assert!(Writer::create(folder.path(), &session(), BootId::UNKNOWN, Some(0)).is_err());
    }
    assert!(!own.exists());
}

#[test]
fn a_closed_recording_is_whole_and_takes_no_more_room_than_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let seq = writer.append(&allowed(7, exec(&["ls", "-l"]))).unwrap();
    assert_eq!((seq, writer.next_seq()), (1, 2));
    writer.output(b"total 0\r\n").unwrap();
    let path = writer.path().to_owned();
    let sealed = writer.finish(UnixMs(1), receipt()).unwrap();
    let file = fs::metadata(&path).unwrap();
    assert_eq!((sealed.frames, sealed.bytes), (4, file.len()));
    assert!(file.blocks() * 512 < 64 * 1024, "{} blocks", file.blocks());
    let found = verify(&path).unwrap();
    assert!(found.is_whole());
    assert_eq!((found.frames, found.head), (4, sealed.head));
}

#[test]
fn nothing_follows_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&Event { at: UnixMs(1), kind: EventKind::Ended(receipt()) }).unwrap();
    assert!(matches!(writer.output(b"late"), Err(WriteError::Closed)));
    assert!(matches!(writer.append(&started()), Err(WriteError::Closed)));
}

#[test]
fn a_frame_over_the_limit_is_refused_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    assert!(matches!(writer.output(&vec![0; PAYLOAD_MAX + 1]), Err(WriteError::TooLong(_))));
    assert!(matches!(writer.append(&allowed(1, exec(&["x", &"y".repeat(PAYLOAD_MAX)]))), Err(WriteError::TooLong(_))));
    writer.output(&vec![0; PAYLOAD_MAX]).unwrap();
    let path = writer.path().to_owned();
    writer.finish(UnixMs(1), receipt()).unwrap();
    assert!(verify(&path).unwrap().is_whole());
}

#[test]
fn the_largest_exec_that_is_judged_fits_a_frame() {
    use portcullis_model::subject::ARGV_BYTES_MAX;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    // control characters are the dearest in JSON: six for one
    writer.append(&allowed(1, exec(&["x", &"\u{1}".repeat(ARGV_BYTES_MAX)]))).unwrap();
}

#[test]
fn a_device_that_is_full_fails_the_writer_before_it_begins() {
    let file = File::options().append(true).open("/dev/full").unwrap();
    assert!(matches!(Writer::over(file, "/dev/full".into(), (&session(), BootId::UNKNOWN)), Err(WriteError::NoSpace)));
}

#[test]
fn a_sync_that_fails_beside_the_writer_fails_it_for_good() {
    // takes every write, and answers fdatasync with EINVAL
    let file = File::options().append(true).open("/dev/null").unwrap();
    let mut writer = Writer::over(file, "/dev/null".into(), (&session(), BootId::UNKNOWN)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while writer.failed().is_none() {
        assert!(std::time::Instant::now() < deadline, "the failure is noticed");
        std::thread::yield_now();
    }
    assert!(matches!(writer.append(&started()), Err(WriteError::Sync(_))));
    assert!(matches!(writer.output(b"x"), Err(WriteError::Failed(why)) if why.contains("Invalid argument")));
    assert!(matches!(writer.failed(), Some(WriteError::Failed(_))));
    assert!(matches!(writer.finish(UnixMs(1), receipt()), Err(WriteError::Failed(_))));
}

#[test]
fn a_file_that_is_taken_away_fails_the_writer_for_good() {
    let (reader, pipe) = std::io::pipe().unwrap();
    drop(reader);
    let file = File::from(std::os::fd::OwnedFd::from(pipe));
    let failed = Writer::over(file, "pipe".into(), (&session(), BootId::UNKNOWN));
    assert!(matches!(failed, Err(WriteError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn what_a_call_cost_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    const FRAMES: u32 = 100_000;
    let event = allowed(7, exec(&["grep", "-r", "pattern", "/var/log/messages"]));
    let cpu = || {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(t.tv_sec).unwrap(), u32::try_from(t.tv_nsec).unwrap())
    };
    let (wall, begin) = (std::time::Instant::now(), cpu());
    for _ in 0..FRAMES {
        writer.append(&event).unwrap();
    }
    let (used, wall) = (cpu() - begin, wall.elapsed());
    eprintln!("{FRAMES} journal events of an exec: {:?} of CPU and {:?} of time each", used / FRAMES, wall / FRAMES);
    let path = writer.path().to_owned();
    writer.finish(UnixMs(1), receipt()).unwrap();
    let begin = std::time::Instant::now();
    assert!(verify(&path).unwrap().is_whole());
    eprintln!("verified in {:?}", begin.elapsed());
}
