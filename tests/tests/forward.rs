//! Forwarded connections with the stock client: what is allowed passes, what is not does not, all of it is on record.
#![expect(clippy::indexing_slicing, reason = "a test")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::stage::free_port;
use portcullis_tests::{Access, Stage, StageOptions, wait};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A stage whose INFRA_FULL allows every connection, and whose node lets these go to itself.
fn stage(near: &[u16]) -> Result<Stage> {
    let near: Vec<String> = near.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let mut options = StageOptions::from_environment()?.with_canary()?;
    options.extra_config = format!("[forward]\nnear = [{}]\n", near.join(", "));
    Stage::with(&options)
}

/// A server that answers each connection with what it was sent, until the other side closes.
fn echo() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(mut back) = stream.try_clone() else { return };
                let _ = std::io::copy(&mut &stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    Ok(port)
}

fn recordings(stage: &Stage) -> Result<Vec<Vec<Value>>> {
    let ids = wait::until("all sessions to be listed as ended", wait::LONG, || {
        let sessions = stage.sessions().ok()?;
        sessions.iter().all(|s| s["state"] == "ended").then(|| sessions.iter().filter_map(|s| s["facts"]["id"].as_str().map(str::to_owned)).collect::<Vec<_>>())
    })?;
    ids.iter().map(|id| events_of(&stage.data().join("evidence").join(id).join("recording"))).collect()
}

fn events_of(recording: &Path) -> Result<Vec<Value>> {
    let mut bytes = Vec::new();
    portcullis_recording::Source::open(recording)?.0.read_to_end(&mut bytes)?;
    let (mut at, mut events) = (80, Vec::new());
    while let Some(head) = bytes.get(at..at + 40) {
        let length = u32::from_le_bytes(head[..4].try_into()?) as usize;
        if head[4] == 1 {
            events.push(serde_json::from_slice(bytes.get(at + 40..at + 40 + length).context("torn")?)?);
        }
        at += 40 + length + 32;
    }
    Ok(events)
}

/// A client that only forwards, ended when it is dropped.
struct Tunnel(Child);

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tunnel(access: &Access, to: &str) -> Result<(Tunnel, u16)> {
    let local = free_port()?;
    let child = access.ssh(&["-N", "-L", &format!("127.0.0.1:{local}:{to}")], &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let tunnel = Tunnel(child);
    wait::until("the client to listen", wait::LONG, || TcpStream::connect(("127.0.0.1", local)).ok())?;
    Ok((tunnel, local))
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

#[test]
fn bytes_pass_both_ways_and_are_counted() -> Result<()> {
    let port = echo()?;
    let stage = stage(&[port])?;
    let access = stage.grant("INFRA_FULL")?;
    let data: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut through = access.ssh(&["-W", &format!("127.0.0.1:{port}")], &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = through.stdin.take().context("no input")?;
    let sent = data.clone();
    let feeder = std::thread::spawn(move || input.write_all(&sent));
    let output = through.wait_with_output()?;
    feeder.join().ok().context("the feeder panicked")??;
    ensure!(output.stdout == data, "{} bytes came back: {}\n{}", output.stdout.len(), String::from_utf8_lossy(&output.stderr), stage.output());
    let events = recordings(&stage)?.pop().context("nothing is recorded")?;
    let text = serde_json::to_string(&events)?;
    let find = |name: &str| events.iter().map(|event| event["kind"][name].clone()).find(|event| event.is_object()).with_context(|| format!("{name} is not in {text}"));
    ensure!(events.iter().any(|event| event["kind"]["allowed"]["subject"]["Forward"]["port"] == port), "{text}");
    ensure!(find("connected")?["address"] == format!("127.0.0.1:{port}"), "{text}");
    let carried = find("carried")?;
    ensure!(carried["input"] == 2_000_000 && carried["output"] == 2_000_000, "{carried}");
    ensure!(find("ended")?["cause"] == "exit", "{text}");
    Ok(())
}

#[test]
fn a_jump_to_another_account_works() -> Result<()> {
    let options = StageOptions::from_environment()?.with_canary()?;
    // the node that is jumped to: another Portcullis
    let inner = Stage::with(&options)?;
    let outer = stage(&[inner.ssh_port()])?;
    // both nodes are one machine here, where each account needs a uid of its own: the first of the inner one is left unused
    inner.grant("INFRA_DIAG")?;
    let (first, second) = (outer.grant("INFRA_FULL")?, inner.grant("INFRA_DIAG")?);
    let proxy = format!("ProxyCommand=ssh {} -W %h:%p {}", first.arguments().iter().map(|a| format!("'{a}'")).collect::<Vec<_>>().join(" "), first.destination());
    let done = finish(second.ssh(&["-o", &proxy], &["uname -s"]))?;
    ensure!(done.stdout == "Linux\n", "{done:?}\n{}", outer.output());
    // and as -J, whose options for the first host stand in a file
    let config = outer.folder().join("ssh_config");
    let host = |name: &str, access: &Access| {
        format!("Host {name}\nHostName 127.0.0.1\nPort {}\nUser {}\nIdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\nStrictHostKeyChecking accept-new\nUserKnownHostsFile {}\nLogLevel ERROR\n", access.port, access.account, access.key.display(), access.home.join("known_hosts").display())
    };
    std::fs::write(&config, host("outer", &first) + &host("inner", &second))?;
    let mut jump = std::process::Command::new("ssh");
    jump.arg("-F").arg(&config).args(["-J", "outer", "inner", "uname -s"]).stdin(Stdio::null());
    let done = finish(jump)?;
    ensure!(done.stdout == "Linux\n", "{done:?}\n{}", outer.output());
    Ok(())
}

#[test]
fn nothing_is_forwarded_to_the_node_itself_unless_both_say_so() -> Result<()> {
    let port = echo()?;
    let other = echo()?;
    let stage = stage(&[other])?;
    // the module allows all, the node does not
    let full = stage.grant("INFRA_FULL")?;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    for host in ["127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "[fe80::1]", name.as_str()] {
        let refused = finish(full.ssh(&["-W", &format!("{host}:{port}")], &[]))?;
        ensure!(refused.status == Some(255) && refused.stderr.contains("stdio forwarding failed"), "{host}: {refused:?}");
    }
    // the node allows it, the module does not
    let diag = stage.grant("INFRA_DIAG")?;
    for host in ["127.0.0.1", "localhost"] {
        let refused = finish(diag.ssh(&["-W", &format!("{host}:{other}")], &[]))?;
        ensure!(refused.status == Some(255) && refused.stderr.contains("stdio forwarding failed"), "{host}: {refused:?}");
    }
    let text = serde_json::to_string(&recordings(&stage)?)?;
    ensure!(text.contains("forward-address") && text.contains("forward-host"), "{text}");
    ensure!(!text.contains("\"connected\""), "{text}");
    // the management ports of the node
    for port in [stage.ssh_port(), other + 1] {
        let refused = finish(full.ssh(&["-W", &format!("127.0.0.1:{port}")], &[]))?;
        ensure!(refused.status == Some(255), "{refused:?}");
    }
    Ok(())
}

#[test]
fn an_address_that_does_not_answer_is_on_record() -> Result<()> {
    let (closed, open) = (free_port()?, echo()?);
    let stage = stage(&[closed, open])?;
    let access = stage.grant("INFRA_FULL")?;
    let failed = finish(access.ssh(&["-W", &format!("127.0.0.1:{closed}")], &[]))?;
    ensure!(failed.status == Some(255), "{failed:?}");
    let events = recordings(&stage)?.pop().context("nothing is recorded")?;
    let tried: Vec<&Value> = events.iter().map(|event| &event["kind"]["tried"]).filter(|tried| tried.is_object()).collect();
    ensure!(tried.len() == 1 && tried[0]["address"] == format!("127.0.0.1:{closed}"), "{events:?}");
    ensure!(!events.iter().any(|event| event["kind"]["connected"].is_object()), "{events:?}");
    // one that does answer was tried before it answered
    let through = finish(access.ssh(&["-W", &format!("127.0.0.1:{open}")], &[]))?;
    ensure!(through.status == Some(0), "{through:?}");
    recordings(&stage)?;
    let id = stage.sessions()?.first().and_then(|newest| newest["facts"]["id"].as_str().map(str::to_owned)).context("no session")?;
    let shown = finish(stage.cli(&["session", "show", &id]))?;
    ensure!(shown.stdout.contains(&format!("tried 127.0.0.1:{open}, connected to 127.0.0.1:{open}")), "{}", shown.all());
    Ok(())
}

#[test]
fn a_revoke_cuts_what_is_forwarded() -> Result<()> {
    let port = echo()?;
    let stage = stage(&[port])?;
    let access = stage.grant("INFRA_FULL")?;
    let (tunnel, local) = tunnel(&access, &format!("127.0.0.1:{port}"))?;
    let mut stream = connect(local)?;
    stream.write_all(b"one")?;
    let mut back = [0; 3];
    stream.read_exact(&mut back)?;
    ensure!(&back == b"one");
    let receipt = stage.revoke(&access)?;
    ensure!(receipt.survivors == 0 && receipt.killed >= 1, "{receipt:?}");
    let rest = stream.read(&mut back);
    ensure!(matches!(rest, Ok(0) | Err(_)), "{rest:?}");
    drop(tunnel);
    let text = serde_json::to_string(&recordings(&stage)?)?;
    ensure!(text.contains("\"revoked\"") && text.contains("\"carried\""), "{text}");
    Ok(())
}

#[test]
fn a_service_that_closes_ends_its_connection_alone() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"bye");
        }
    });
    let stage = stage(&[port])?;
    let access = stage.grant("INFRA_FULL")?;
    let (_tunnel, local) = tunnel(&access, &format!("127.0.0.1:{port}"))?;
    for _ in 0..3 {
        let mut said = String::new();
        connect(local)?.read_to_string(&mut said)?;
        ensure!(said == "bye", "{said:?}\n{}", stage.output());
    }
    Ok(())
}

#[test]
fn every_other_kind_of_forwarding_is_refused() -> Result<()> {
    let port = echo()?;
    let stage = stage(&[port])?;
    let access = stage.grant("INFRA_FULL")?;
    let socket = stage.folder().join("socket");
    let remote_socket = format!("{}:127.0.0.1:{port}", socket.display());
    for options in [["-R", "0:127.0.0.1:1"], ["-R", remote_socket.as_str()]] {
        let refused = finish(access.ssh(&[&options[..], &["-o", "ExitOnForwardFailure=yes"]].concat(), &["true"]))?;
        ensure!(refused.status == Some(255), "{options:?}: {refused:?}");
    }
    let agent = finish(access.ssh(&["-A", "-X"], &["echo $SSH_AUTH_SOCK-$DISPLAY-"]))?;
    ensure!(agent.stdout == "--\n", "{agent:?}");
    // direct-streamlocal: a socket of the node
    let local = free_port()?;
    let child = access.ssh(&["-N", "-L", &format!("127.0.0.1:{local}:/run/portcullis.sock")], &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let _tunnel = Tunnel(child);
    wait::until("the client to listen", wait::LONG, || TcpStream::connect(("127.0.0.1", local)).ok())?;
    let mut nothing = Vec::new();
    let read = connect(local)?.read_to_end(&mut nothing);
    ensure!(nothing.is_empty(), "{read:?} {nothing:?}");
    Ok(())
}
