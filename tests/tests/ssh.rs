//! The SSH server against OpenSSH's client: what is served, what is refused and how.

use anyhow::{Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::stage::keygen;
use portcullis_tests::{Stage, StageOptions, wait};
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn only_the_granted_key_on_the_granted_account() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    ensure!(access.run("true")?.status == Some(0));
    let mut other = access.clone();
    other.key = stage.folder().join("stranger");
    keygen(&other.key, "ed25519", &[])?;
    let stranger = other.run("true")?;
    let mut nobody = access.clone();
    nobody.account = "op-nobody".into();
    let unknown = nobody.run("true")?;
    for refused in [&stranger, &unknown] {
        ensure!(refused.status == Some(255) && refused.stderr.contains("Permission denied (publickey)"), "{refused:?}");
    }
    for account in ["root", "request", ""] {
        nobody.account = account.into();
        ensure!(nobody.run("true")?.status == Some(255), "{account:?} logged in");
    }
    Ok(())
}

/// The client has the public half alone: the server says that it would take the key, and that is all that comes of it.
#[test]
fn an_offered_key_without_a_signature_is_no_login() -> Result<()> {
    let stage = Stage::start()?;
    let mut access = stage.grant("INFRA_DIAG")?;
    let offered = stage.folder().join("offered");
    std::fs::copy(access.key.with_extension("pub"), offered.with_extension("pub"))?;
    access.key = offered.with_extension("pub");
    let output = finish(access.ssh(&["-v"], &["echo in"]))?;
    ensure!(output.status == Some(255) && output.stdout.is_empty() && output.stderr.contains("Permission denied (publickey)"), "{output:?}");
    ensure!(output.stderr.contains("Server accepts key"), "the offer was not answered: {output:?}");
    ensure!(stage.sessions()?.is_empty(), "a session was opened");
    Ok(())
}

#[test]
fn all_common_key_types_log_in() -> Result<()> {
    let stage = Stage::start()?;
    for (kind, more) in [("ecdsa", &["-b", "256"][..]), ("ecdsa", &["-b", "384"]), ("rsa", &["-b", "3072"])] {
        let key = stage.folder().join(format!("key-{kind}-{}", more.last().unwrap_or(&"")));
        keygen(&key, kind, more)?;
        let access = stage.grant_key("INFRA_DIAG", "1h", &key, "operator")?;
        let output = access.run("echo in")?;
        ensure!(output.stdout == "in\n", "{kind}: {output:?}");
    }
    Ok(())
}

#[test]
fn what_is_not_served_is_refused_and_the_session_goes_on() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let forwarding = finish(access.ssh(&["-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes"], &["true"]))?;
    ensure!(forwarding.status == Some(255), "{forwarding:?}");
    let through = finish(access.ssh(&["-W", "127.0.0.1:22"], &[]))?;
    ensure!(through.status == Some(255), "{through:?}");
    let agent = finish(access.ssh(&["-A", "-X"], &["echo $SSH_AUTH_SOCK-$DISPLAY-"]))?;
    ensure!(agent.stdout == "--\n", "{agent:?}");
    let subsystem = finish(access.ssh(&["-s"], &["netconf"]))?;
    ensure!(subsystem.status != Some(0) && subsystem.stdout.is_empty(), "{subsystem:?}");
    Ok(())
}

#[test]
fn signals_windows_and_rekeying_work() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("stty size")?;
    terminal.expect("30 100")?;
    terminal.resize(41, 123)?;
    wait::until("the new size", wait::LONG, || {
        terminal.line("stty size").ok()?;
        terminal.expect_within("41 123", Duration::from_secs(2)).ok()
    })?;
    terminal.line("sleep 65432")?;
    std::thread::sleep(Duration::from_millis(300));
    terminal.send("\x03")?;
    terminal.line("echo interrupted-$?")?;
    terminal.expect("interrupted-130")?;
    let rekeyed = finish(access.ssh(&["-o", "RekeyLimit=256K"], &["seq 1 400000 | tail -1; seq 1 400000 | wc -c"]))?;
    ensure!(rekeyed.stdout.starts_with("400000\n"), "{rekeyed:?}");
    let big = finish(access.ssh(&["-o", "RekeyLimit=1M"], &["seq 1 800000"]))?;
    ensure!(big.stdout.lines().count() == 800_000, "{} lines, {}", big.stdout.lines().count(), big.stderr);
    Ok(())
}

#[test]
fn the_fips_profile_takes_approved_algorithms_only() -> Result<()> {
    let mut options = StageOptions::from_environment()?;
    options.profile = "fips";
    let stage = Stage::with(&options)?;
    let key = stage.folder().join("p256");
    keygen(&key, "ecdsa", &["-b", "256"])?;
    let access = stage.grant_key("INFRA_DIAG", "1h", &key, "operator")?;
    ensure!(access.run("echo in")?.stdout == "in\n");
    for option in ["Ciphers=chacha20-poly1305@openssh.com", "KexAlgorithms=curve25519-sha256", "MACs=hmac-sha1", "HostKeyAlgorithms=ssh-ed25519"] {
        // an AEAD cipher has no separate MAC: the offer of a bad MAC must come with a cipher that uses one
        let more = if option.starts_with("MACs") { vec!["-o", option, "-o", "Ciphers=aes256-ctr"] } else { vec!["-o", option] };
        let refused = finish(access.ssh(&more, &["echo in"]))?;
        ensure!(refused.status == Some(255), "{option} was accepted: {refused:?}");
    }
    let ed25519 = stage.grant("INFRA_DIAG");
    let logged_in = ed25519.is_ok_and(|access| access.run("echo in").is_ok_and(|o| o.stdout == "in\n"));
    ensure!(!logged_in, "an Ed25519 key logged in under the fips profile");
    Ok(())
}

#[test]
fn connections_that_say_nothing_are_bounded_and_dropped() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut silent = Vec::new();
    for _ in 0..200 {
        if let Ok(connection) = TcpStream::connect(("127.0.0.1", stage.ssh_port())) {
            connection.set_read_timeout(Some(Duration::from_secs(5)))?;
            silent.push(connection);
        }
    }
    let dropped = silent
        .iter_mut()
        .map(|connection| {
            let mut buffer = [0; 256];
            // the banner, or nothing at all when the server has enough of them
            matches!(connection.read(&mut buffer), Ok(0) | Err(_))
        })
        .filter(|refused| *refused)
        .count();
    ensure!(dropped >= 90, "only {dropped} of 200 silent connections were refused");
    drop(silent);
    wait::until("an operator to get in again", wait::LONG, || access.run("echo in").ok().filter(|o| o.stdout == "in\n"))?;
    Ok(())
}
