//! Sessions through the real OpenSSH client, with a keeper of the test's own at the other end.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod support;

use portcullis_model::id::GrantId;
use portcullis_model::session::{ExitStatus, Purpose, WindowSize};
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::warden::OpenSession;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{ACCOUNT, Bench, echo, finish, receive, send, settings, stderr, stdout};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

async fn within<T>(seconds: u64, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), what).await.expect("in time")
}

/// Sends through a session and reads back, at the same time.
async fn round_trip(mut command: Command, sent: Vec<u8>) -> (Vec<u8>, Option<i32>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let write = async move {
        stdin.write_all(&sent).await.unwrap();
        drop(stdin);
    };
    let mut back = Vec::new();
    let (_, read) = tokio::join!(write, stdout.read_to_end(&mut back));
    read.unwrap();
    (back, child.wait().await.unwrap().code())
}

fn destination(bench: &Bench, options: &[&str]) -> Command {
    let mut ssh = bench.ssh();
    ssh.args(options).arg(Bench::destination(ACCOUNT));
    ssh
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_and_the_status_comes_back() {
    let bench = Bench::new(settings(), Some(echo)).await;
    let mut ssh = destination(&bench, &[]);
    ssh.arg("cat");
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let (back, status) = within(30, round_trip(ssh, every_byte.clone())).await;
    assert_eq!(back, every_byte);
    assert_eq!(status, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_answers_while_it_reads_does_not_lock_up() {
    let bench = Bench::new(settings(), Some(echo)).await;
    for options in [&[][..], &["-o", "RekeyLimit=1M"]] {
        let mut ssh = destination(&bench, options);
        ssh.arg("cat");
        let much = vec![b'x'; 24 << 20];
        let (back, status) = within(60, round_trip(ssh, much.clone())).await;
        assert_eq!(back.len(), much.len());
        assert_eq!(status, Some(7));
    }
}

/// Tells what it was opened for, and every deed after that.
fn teller(open: OpenSession, socket: OwnedFd) {
    let purpose = match &open.purpose {
        Purpose::Shell => "shell".to_owned(),
        Purpose::Command(command) => format!("command {command:?}"),
        Purpose::Sftp => "sftp".to_owned(),
        Purpose::Forward(forward) => format!("forward {}:{}", forward.host, forward.port),
    };
    let pty = open.pty.as_ref().map(|pty| format!("{} {}x{} modes {}", pty.term, pty.size.cols, pty.size.rows, !pty.modes.is_empty()));
    let told = format!("{purpose}; pty {pty:?}; env {:?}; client {}; key {}\n", open.environment, open.client, open.key_fingerprint.starts_with("SHA256:"));
    send(&socket, &FromKeeper::Output(told.into_bytes()));
    while let Some(deed) = receive::<ToKeeper>(&socket) {
        let told = match deed {
            ToKeeper::Resize(WindowSize { cols, rows, .. }) => format!("resize {cols}x{rows}\n"),
            ToKeeper::Eof => {
                send(&socket, &FromKeeper::Exit(ExitStatus::Code(0)));
                return;
            }
            ToKeeper::Input(bytes) => format!("input {}\n", bytes.len()),
            ToKeeper::Signal(signal) => format!("signal {signal:?}\n"),
        };
        send(&socket, &FromKeeper::Output(told.into_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_asked_for_reaches_the_warden() {
    let bench = Bench::new(settings(), Some(teller)).await;
    let mut ssh = destination(&bench, &["-tt", "-o", "SendEnv=LANG LC_* SECRET", "-o", "SetEnv=LC_TIME=C"]);
    ssh.env("LANG", "de_DE.UTF-8").env("SECRET", "x").env("TERM", "xterm-256color");
    let output = finish(&mut ssh).await;
    let told = stdout(&output);
    assert!(told.contains("shell; pty Some(\"xterm-256color 0x0"), "{told}");
    assert!(told.contains("LANG") && told.contains("de_DE.UTF-8") && told.contains("LC_TIME") && !told.contains("SECRET"), "{told}");
    assert!(told.contains("client SSH-2.0-OpenSSH") && told.contains("key true"), "{told}");

    let output = bench.run(&[], &["ls", "-l", "'a b'"]).await;
    let told = stdout(&output);
    assert!(told.contains(&format!("command {:?}; pty None", b"ls -l 'a b'")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_error_and_a_signal() {
    fn dies(_: OpenSession, socket: OwnedFd) {
        send(&socket, &FromKeeper::Output(b"out".to_vec()));
        send(&socket, &FromKeeper::ErrorOutput(b"err".to_vec()));
        send(&socket, &FromKeeper::Exit(ExitStatus::Signal { number: 15, core: false }));
    }
    let bench = Bench::new(settings(), Some(dies)).await;
    let output = finish(destination(&bench, &["-v", "-o", "LogLevel=VERBOSE"]).arg("x")).await;
    assert_eq!(stdout(&output), "out");
    assert!(stderr(&output).contains("err"), "{output:?}");
    assert_eq!(output.status.code(), Some(255), "a signal has no status");
    let output = finish(destination(&bench, &["-vv", "-o", "LogLevel=DEBUG2"]).arg("x")).await;
    assert!(stderr(&output).contains("exit-signal"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_opened_when_it_stands_and_refused_when_it_does_not() {
    fn connects(open: OpenSession, socket: OwnedFd) {
        let Purpose::Forward(forward) = &open.purpose else { return };
        if forward.port == 1 {
            send(&socket, &FromKeeper::ErrorOutput(b"portcullis: denied".to_vec()));
            send(&socket, &FromKeeper::Exit(ExitStatus::Code(126)));
        } else if forward.port == 2 {
            send(&socket, &FromKeeper::Exit(ExitStatus::Code(1)));
        } else {
            send(&socket, &FromKeeper::Connected);
            send(&socket, &FromKeeper::Output(format!("{}:{} for {}", forward.host, forward.port, open.pty.is_some()).into_bytes()));
            send(&socket, &FromKeeper::Exit(ExitStatus::Code(0)));
        }
    }
    let bench = Bench::new(settings(), Some(connects)).await;
    let output = bench.run(&["-W", "node2:1"], &[]).await;
    assert!(stderr(&output).contains("stdio forwarding failed"), "{output:?}");
    let output = bench.run(&["-W", "node2:2"], &[]).await;
    assert!(stderr(&output).contains("stdio forwarding failed"), "{output:?}");
    let output = bench.run(&["-W", "node2:22"], &[]).await;
    assert_eq!(stdout(&output), "node2:22 for false", "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_is_refused_with_a_reason() {
    let bench = Bench::new(settings(), Some(echo)).await;
    let output = finish(destination(&bench, &["-s"]).arg("netconf")).await;
    assert!(stderr(&output).contains("subsystem request failed"), "{output:?}");
    // asked for a terminal with it: it has none
    let teller = Bench::new(settings(), Some(teller)).await;
    let output = finish(destination(&teller, &["-s", "-tt"]).arg("sftp")).await;
    assert!(stdout(&output).starts_with("sftp; pty None"), "{output:?}");

    let output = bench.run(&["-N", "-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes"], &[]).await;
    assert!(stderr(&output).contains("forwarding failed"), "{output:?}");

    let path = bench.folder.path().join("fwd.sock");
    let output = bench.run(&["-N", "-R", &format!("{}:127.0.0.1:1", path.display()), "-o", "ExitOnForwardFailure=yes"], &[]).await;
    assert!(stderr(&output).contains("forwarding failed"), "{output:?}");

    // -A and -X are asked for and not given; the session itself goes on
    let output = bench.run(&["-A", "-X"], &["cat"]).await;
    assert_eq!(output.status.code(), Some(7), "{output:?}");

    let long = "x".repeat(40 * 1024);
    let output = bench.run(&[], &[&long]).await;
    assert!(stderr(&output).contains("exec request failed"), "{output:?}");
}

/// An OpenSSH master connection, and commands through it.
struct Master {
    child: Child,
    path: String,
}

impl Master {
    async fn new(bench: &Bench) -> Self {
        let path = bench.folder.path().join("mux").display().to_string();
        let child = destination(bench, &["-M", "-N", "-S", &path]).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while !std::path::Path::new(&path).exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "the master connects");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child, path }
    }

    fn run(&self, bench: &Bench, command: &str) -> Command {
        let mut ssh = destination(bench, &["-S", &self.path]);
        ssh.arg(command);
        ssh
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_one_connection_are_bounded_and_their_places_come_back() {
    let bench = Bench::new(portcullis_gateway::config::Ssh { max_sessions: 3, ..settings() }, Some(echo)).await;
    let master = Master::new(&bench).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut child = master.run(&bench, "cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // its echo says that it is open
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"!").await.unwrap();
        let mut byte = [0];
        within(20, child.stdout.as_mut().unwrap().read_exact(&mut byte)).await.unwrap();
        open.push((child, stdin));
    }
    let output = finish(&mut master.run(&bench, "cat")).await;
    assert!(stderr(&output).contains("Session open refused by peer"), "a fourth is refused: {output:?}");
    for (mut child, stdin) in open {
        drop(stdin);
        assert_eq!(within(20, child.wait()).await.unwrap().code(), Some(7));
    }
    for _ in 0..10 {
        let output = finish(&mut master.run(&bench, "cat")).await;
        assert_eq!(output.status.code(), Some(7), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_says_its_line_and_cuts_the_connection() {
    fn revoked(_: OpenSession, socket: OwnedFd) {
        send(&socket, &FromKeeper::Ending("access revoked by carol: \u{1b}[2Jenough".into()));
        // a keeper that takes its time to close: the connection does not wait for it
        std::thread::sleep(Duration::from_secs(10));
        drop(socket);
    }
    let bench = Bench::new(settings(), Some(revoked)).await;
    let grant = GrantId::from_entropy([1; 10]);
    for (options, newline) in [(&[][..], "\n"), (&["-tt"], "\r\n")] {
        let mut child = destination(&bench, options).arg("x").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let expected = format!("access revoked by carol: \\x1b[2Jenough{newline}");
        let mut shown = vec![0; expected.len() + if options.is_empty() { 0 } else { 2 }];
        if options.is_empty() {
            within(20, child.stderr.as_mut().unwrap().read_exact(&mut shown)).await.unwrap();
        } else {
            within(20, child.stdout.as_mut().unwrap().read_exact(&mut shown)).await.unwrap();
        }
        assert_eq!(String::from_utf8(shown).unwrap().trim_start(), expected);
        assert_eq!(bench.access.cut(&grant), 1);
        let output = within(4, child.wait_with_output()).await.unwrap();
        assert!(stderr(&output).contains("access has ended"), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_cut_and_nothing_opens_on_it_meanwhile() {
    let bench = Bench::new(settings(), Some(echo)).await;
    let mut master = Master::new(&bench).await;
    let grant = GrantId::from_entropy([1; 10]);
    bench.access.bar(&grant);
    assert_eq!(bench.access.cut(&grant), 1);
    within(10, master.child.wait()).await.unwrap();
    let mut told = String::new();
    master.child.stderr.take().unwrap().read_to_string(&mut told).await.unwrap();
    let refused = bench.run(&[], &["cat"]).await;
    assert!(stderr(&refused).contains("Permission denied"), "{refused:?}");
}

/// Never reads.
fn deaf(_: OpenSession, socket: OwnedFd) {
    std::thread::sleep(Duration::from_secs(60));
    drop(socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stuck_behind_a_deaf_program_is_cut_by_a_revoke() {
    let bench = Bench::new(settings(), Some(deaf)).await;
    let mut child = destination(&bench, &[]).arg("sleep").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let flood = tokio::spawn(async move {
        let block = vec![0; 1 << 16];
        while stdin.write_all(&block).await.is_ok() {}
    });
    // until the flood stands still
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.access.cut(&GrantId::from_entropy([1; 10])), 1);
    within(5, child.wait()).await.unwrap();
    flood.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_dies_behind_a_deaf_program_is_noticed() {
    let bench = Bench::new(settings(), Some(deaf)).await;
    let mut child = destination(&bench, &[]).arg("sleep").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let flood = tokio::spawn(async move {
        let block = vec![0; 1 << 16];
        while stdin.write_all(&block).await.is_ok() {}
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    child.kill().await.unwrap();
    flood.abort();
    let start = Instant::now();
    // cut says how many connections of the grant are in the table, and asks the one that is there to leave: wait without it
    while connections_to(bench.address.port()) > 0 {
        assert!(start.elapsed() < Duration::from_secs(25), "the dead client's connection is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Established or half-closed TCP connections of the server's port, from the kernel's table.
fn connections_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ours = format!(":{port:04X}");
    table.lines().skip(1).filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
        local.ends_with(&ours) && (state == "01" || state == "08")
    }).count()
}
