//! `ssh host < script`.

use super::peer::{self, Log};
use portcullis_model::session::Purpose;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) out: Vec<u8>,
    pub(super) err: String,
    pub(super) log: Log,
}

pub(super) fn run(purpose: Purpose, input: &[u8]) -> Ended {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let log = Log::default();
    let socket = peer::keeper(purpose, false, Some(read), &log);
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis-shell"))
        .env_clear()
        .envs([("HOME", "/tmp"), ("LANG", "C.UTF-8")])
        .current_dir("/tmp")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = input.to_vec();
    std::thread::spawn(move || {
        let _ = std::fs::File::from(write).write_all(&input);
    });
    let mut err = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    let status = child.wait().unwrap();
    Ended { code: status.code(), signal: std::os::unix::process::ExitStatusExt::signal(&status), out, err: errors.join().unwrap(), log }
}

fn script(text: &str) -> Ended {
    run(Purpose::Shell, text.as_bytes())
}

#[test]
fn a_script_runs_line_by_line() {
    let ended = script("x=1\necho $x $0\nf() {\necho f $1\n}\nf 2\ncat\nfor cat\n");
    assert_eq!((String::from_utf8_lossy(&ended.out).as_ref(), ended.err.as_str(), ended.code), ("1 bash\nf 2\nfor cat\n", "", Some(0)));
    assert_eq!(ended.log.lines(), ["x=1", "echo $x $0", "f() {\necho f $1\n}", "f 2", "cat"]);
}

#[test]
fn a_denied_line_is_a_command_that_failed() {
    let ended = script("echo one\nrm x\necho $?\nfalse");
    assert_eq!((String::from_utf8_lossy(&ended.out).as_ref(), ended.code), ("one\n126\n", Some(1)));
    assert_eq!(ended.err, "portcullis: denied by INFRA_DIAG@4f4f (rule no-rm): rm is not allowed; try: ls\n");
    let ended = script("set -e\necho one\nrm x\necho two\n");
    assert_eq!((String::from_utf8_lossy(&ended.out).as_ref(), ended.code), ("one\n", Some(126)));
    assert_eq!(ended.log.lines(), ["set -e", "echo one", "rm x"]);
}

#[test]
fn what_ends_a_script_ends_the_session() {
    for (text, code) in [("exit 3\necho no\n", 3), ("(exit 4)", 4), ("", 0), ("exec sh -c 'exit 5'\n", 5), ("echo 'never closed\n", 126), ("kill -9 $$\n", -9), ("# nothing\n\n", 0)] {
        let ended = script(text);
        assert_eq!(ended.code.unwrap_or(-ended.signal.unwrap_or(0)), code, "{text:?}: {}", ended.err);
        assert!(!String::from_utf8_lossy(&ended.out).contains("no\n"));
    }
}

#[test]
fn errors_look_like_bashs() {
    let ended = script("nonexistent-program\n");
    assert!(ended.err.starts_with("bash: ") && ended.err.contains("nonexistent-program: command not found"), "{}", ended.err);
}
