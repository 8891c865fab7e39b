//! A file that becomes larger than the session allows, a full disk: half a file is none, and what was there is what is there.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a command under a limit of 512 bytes a file.
fn limited(name: &str, arguments: &[&[u8]]) -> Output {
    let arguments = arguments.iter().map(|argument| std::ffi::OsStr::from_bytes(argument));
    let script = "ulimit -f 1 && name=$1 program=$2 && shift 2 && exec -a \"$name\" \"$program\" \"$@\"";
    Command::new("bash").args(["-c", script, "bash", name, env!("CARGO_BIN_EXE_portcullis-cage")]).args(arguments).output().expect("bash starts")
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[test]
fn a_copy_that_grows_too_large_is_told_and_taken_away() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().canonicalize().unwrap();
    fs::write(root.join("large"), vec![b'x'; 300_000]).unwrap();
    let output = limited("sudocp", &[bytes(&root.join("large")), bytes(&root.join("copy"))]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()), (Some(1), format!("sudocp: {}: File too large\n", root.join("large").display())));
    assert!(!root.join("copy").exists());
}

#[test]
fn what_is_edited_stays_as_it_was_when_the_new_content_cannot_be_written() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().canonicalize().unwrap();
    fs::write(root.join("file"), "old").unwrap();
    let digest = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4";
    let script = format!("head -c 300000 /dev/zero | (ulimit -f 1; exec -a sudovi-write {} {digest} {})", env!("CARGO_BIN_EXE_portcullis-cage"), root.join("file").display());
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("File too large"), "{output:?}");
    assert_eq!(fs::read(root.join("file")).unwrap(), b"old");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
}
