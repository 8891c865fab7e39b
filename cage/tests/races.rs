//! Somebody swaps folders and files for links while a command is at work, as fast as he can: nothing outside is read or written.
//!
//! Each command is run many times against one thread that does nothing else. It tests what holds the commands by themselves: nothing here
//! is judged, and no path set holds anything.
#![expect(clippy::unwrap_used, reason = "all of it is test code, also what is outside of test functions")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const TURNS: usize = 200;
const SECRET: &str = "outside";

struct Bench {
    _temporary: tempfile::TempDir,
    root: PathBuf,
}

/// A folder `in` with a folder `real` that is swapped for a link to `out`; both have the same names in them.
fn bench() -> Bench {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().canonicalize().unwrap();
    for folder in ["in", "in/real", "in/real/sub", "out", "out/sub", "copies"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    for folder in ["in/real", "in/real/sub"] {
        fs::write(root.join(folder).join("file"), "inside").unwrap();
    }
    for folder in ["out", "out/sub"] {
        fs::write(root.join(folder).join("file"), SECRET).unwrap();
    }
    Bench { _temporary: temporary, root }
}

/// Runs `attempt` many times while `real`, and the file in it, are swapped for links; until it has been swapped often enough, too.
fn while_swapping(root: &Path, mut attempt: impl FnMut()) {
    let over = Arc::new(AtomicBool::new(false));
    let swaps = Arc::new(AtomicU64::new(0));
    let swapping = std::thread::spawn({
        let (over, swaps, folder, outside) = (over.clone(), swaps.clone(), root.join("in"), root.join("out"));
        move || {
            while !over.load(Ordering::Relaxed) {
                for (name, target) in [("real", outside.clone()), ("real/sub", outside.join("sub")), ("real/file", outside.join("file"))] {
                    let (here, away) = (folder.join(name), folder.join("away"));
                    // left from a turn in which somebody else was quicker
                    let _ = fs::remove_dir_all(&away).or_else(|_| fs::remove_file(&away));
                    let was_there = fs::rename(&here, &away).is_ok();
                    let _ = symlink(&target, &here);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&here);
                    if was_there {
                        let _ = fs::rename(&away, &here);
                    }
                }
                // no link is in place now: what the attempts took away comes back
                for name in ["real", "real/sub"] {
                    let _ = fs::create_dir(folder.join(name));
                    let _ = fs::File::create_new(folder.join(name).join("file")).and_then(|mut file| file.write_all(b"inside"));
                }
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for _ in 0..TURNS {
        attempt();
    }
    while swaps.load(Ordering::Relaxed) < 50 {
        attempt();
    }
    over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
}

fn command(words: &[&[u8]]) {
    let (name, arguments) = words.split_first().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-cage"));
    // most attempts fail, and say so
    command.arg0(OsStr::from_bytes(name)).args(arguments.iter().map(|word| OsStr::from_bytes(word))).stderr(Stdio::null());
    assert!(command.status().unwrap().code().is_some());
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// What lies outside is as it was.
fn outside_is_whole(root: &Path) {
    for folder in ["out", "out/sub"] {
        assert_eq!(fs::read_to_string(root.join(folder).join("file")).unwrap(), SECRET);
    }
    assert_eq!(fs::read_dir(root.join("out")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(root.join("out/sub")).unwrap().count(), 1);
}

/// No file below `folder` has what lies outside.
fn nothing_was_taken(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stat = fs::symlink_metadata(&path).unwrap();
        assert!(!stat.is_symlink(), "{}", path.display());
        if stat.is_dir() {
            nothing_was_taken(&path);
        } else {
            assert_ne!(fs::read_to_string(&path).unwrap(), SECRET, "{}", path.display());
        }
    }
}

#[test]
fn copies_have_nothing_from_outside() {
    let Bench { root, _temporary } = bench();
    let mut copied = 0;
    while_swapping(&root, || {
        let _ = fs::remove_dir_all(root.join("copies"));
        fs::create_dir(root.join("copies")).unwrap();
        command(&[b"sudocp", b"-rf", bytes(&root.join("in/real")), bytes(&root.join("copies"))]);
        command(&[b"sudocp", bytes(&root.join("in/real/file")), bytes(&root.join("in/real/sub/file")), bytes(&root.join("copies"))]);
        nothing_was_taken(&root.join("copies"));
        copied += usize::from(root.join("copies/file").exists());
    });
    outside_is_whole(&root);
    assert!(copied > 0, "no attempt came to its end");
}

#[test]
fn nothing_is_copied_to_the_outside() {
    let Bench { root, _temporary } = bench();
    fs::write(root.join("new"), "evil").unwrap();
    while_swapping(&root, || {
        command(&[b"sudocp", b"-f", bytes(&root.join("new")), bytes(&root.join("in/real/file"))]);
        command(&[b"sudocp", bytes(&root.join("new")), bytes(&root.join("in/real"))]);
        command(&[b"sudocp", b"-r", bytes(&root.join("copies")), bytes(&root.join("in/real/sub"))]);
        outside_is_whole(&root);
    });
}

#[test]
fn nothing_outside_is_removed() {
    let Bench { root, _temporary } = bench();
    while_swapping(&root, || {
        command(&[b"sudorm", b"-rf", bytes(&root.join("in/real/sub"))]);
        command(&[b"sudorm", b"-f", bytes(&root.join("in/real/file"))]);
        command(&[b"sudorm", b"-rf", bytes(&root.join("in/real"))]);
        outside_is_whole(&root);
    });
}
