//! Who gets in, and who does not, by the real OpenSSH client.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod support;

use portcullis_gateway::config::{Profile, Ssh};
use portcullis_model::id::GrantId;
use std::time::{Duration, Instant};
use support::{ACCOUNT, Bench, finish, grant, make_key, settings, stderr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const AWAY: &str = "the warden of this node is not there";

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_key_gets_in_and_is_told_why_no_session_opens() {
    let bench = Bench::new(settings(), None).await;
    let output = bench.run(&[], &["true"]).await;
    // authenticated: the refusal comes from behind the door, on standard error, with a status of its own
    assert!(stderr(&output).contains(AWAY), "{output:?}");
    assert_eq!(output.status.code(), Some(255));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_else_is_refused_alike() {
    let bench = Bench::new(settings(), None).await;
    let stranger = make_key(bench.folder.path(), "stranger", "ed25519", &[]).await;
    let mut answers = Vec::new();
    for (account, key) in [(ACCOUNT, &stranger), ("op-nobody", &stranger), ("op-nobody", &bench.key), ("root", &bench.key), ("OP-TEST1", &bench.key)] {
        let mut ssh = bench_with(&bench, key);
        let output = finish(ssh.arg(Bench::destination(account)).arg("true")).await;
        assert_eq!(output.status.code(), Some(255));
        answers.push(stderr(&output).replace(account, "X"));
    }
    assert!(answers.iter().all(|answer| answer.contains("Permission denied (publickey)")), "{answers:?}");
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

fn bench_with(bench: &Bench, key: &std::path::Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("ssh");
    command
        .args(["-F", "none", "-p", &bench.address.port().to_string(), "-i"])
        .arg(key)
        .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"])
        .args(["-o", "UserKnownHostsFile=/dev/null"])
        .stdin(std::process::Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_method_than_public_keys() {
    let bench = Bench::new(settings(), None).await;
    for method in ["password", "keyboard-interactive", "none", "hostbased"] {
        let output = bench.run(&["-o", &format!("PreferredAuthentications={method}"), "-o", "PubkeyAuthentication=no"], &["true"]).await;
        assert!(stderr(&output).contains("Permission denied (publickey)"), "{method}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_refused_even_for_a_granted_key() {
    let bench = Bench::new(settings(), None).await;
    let ca = make_key(bench.folder.path(), "ca", "ed25519", &[]).await;
    let signed = finish(tokio::process::Command::new("ssh-keygen").arg("-q").arg("-s").arg(&ca).args(["-I", "x", "-n", ACCOUNT]).arg(bench.key.with_extension("pub"))).await;
    assert!(signed.status.success());
    let certificate = bench.folder.path().join("id-cert.pub");
    let option = format!("CertificateFile={}", certificate.display());
    // with the certificate alone there is no way in; ssh would otherwise try the plain key next
    let output = bench.run(&["-o", &option, "-o", "PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com"], &["true"]).await;
    assert!(stderr(&output).contains("Permission denied (publickey)"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ended_lets_nobody_in() {
    let bench = Bench::new(settings(), None).await;
    bench.access.bar(&GrantId::from_entropy([1; 10]));
    assert!(stderr(&bench.run(&[], &["true"]).await).contains("Permission denied (publickey)"));
    let mut over = grant(2, ACCOUNT, std::fs::read_to_string(bench.key.with_extension("pub")).unwrap().trim());
    over.not_after = over.not_before;
    bench.access.admit(over);
    assert!(stderr(&bench.run(&[], &["true"]).await).contains("Permission denied (publickey)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_keys_in_the_agent_cost_little() {
    let bench = Bench::new(settings(), None).await;
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args(["-F", "none", "-p", &bench.address.port().to_string()]);
    for n in 0..4 {
        ssh.arg("-i").arg(make_key(bench.folder.path(), &format!("other{n}"), "ed25519", &[]).await);
    }
    ssh.arg("-i").arg(&bench.key);
    ssh.args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/dev/null"]);
    let start = Instant::now();
    let output = finish(ssh.arg(Bench::destination(ACCOUNT)).arg("true")).await;
    assert!(stderr(&output).contains(AWAY), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_of_the_profiles() {
    let plain = Bench::with_key(settings(), None, "ecdsa", &["-b", "256"]).await;
    let fips = Bench::with_key(Ssh { profile: Profile::Fips, ..settings() }, None, "ecdsa", &["-b", "256"]).await;
    for (option, with_plain, with_fips) in [
        ("KexAlgorithms=curve25519-sha256", true, false),
        ("KexAlgorithms=ecdh-sha2-nistp256", true, true),
        ("KexAlgorithms=ecdh-sha2-nistp384", true, true),
        ("KexAlgorithms=ecdh-sha2-nistp521", false, false),
        ("KexAlgorithms=diffie-hellman-group14-sha256", false, false),
        ("KexAlgorithms=diffie-hellman-group18-sha512", false, false),
        ("KexAlgorithms=diffie-hellman-group-exchange-sha256", false, false),
        ("Ciphers=chacha20-poly1305@openssh.com", true, false),
        ("Ciphers=aes256-gcm@openssh.com", true, true),
        ("Ciphers=aes128-gcm@openssh.com", true, false),
        ("Ciphers=aes256-ctr", true, true),
        ("Ciphers=aes128-cbc", false, false),
        ("MACs=hmac-sha1", false, false),
        ("HostKeyAlgorithms=ssh-ed25519", true, false),
        ("HostKeyAlgorithms=ecdsa-sha2-nistp256", true, true),
        ("HostKeyAlgorithms=ecdsa-sha2-nistp384", false, true),
    ] {
        // an AEAD cipher would make the choice of a MAC moot
        let more: &[&str] = if option.starts_with("MACs") { &["-o", "Ciphers=aes256-ctr"] } else { &[] };
        for (bench, expected) in [(&plain, with_plain), (&fips, with_fips)] {
            let output = bench.run(&[&["-o", option], more].concat(), &["true"]).await;
            assert_eq!(stderr(&output).contains(AWAY), expected, "{option}: {output:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_user_keys() {
    for (kind, bits, with_plain, with_fips) in
        [("ed25519", None, true, false), ("ecdsa", Some("384"), true, true), ("ecdsa", Some("521"), true, true), ("rsa", Some("3072"), true, true), ("rsa", Some("1024"), false, false)]
    {
        let more: Vec<&str> = bits.iter().flat_map(|bits| ["-b", bits]).collect();
        for (profile, expected) in [(Profile::Default, with_plain), (Profile::Fips, with_fips)] {
            let bench = Bench::with_key(Ssh { profile, ..settings() }, None, kind, &more).await;
            let output = bench.run(&["-o", "RequiredRSASize=1024"], &["true"]).await;
            assert_eq!(stderr(&output).contains(AWAY), expected, "{kind} {bits:?} {profile:?}: {output:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_key_exchange_is_offered_and_compression_is_not() {
    let bench = Bench::new(settings(), None).await;
    let output = finish(bench.ssh().args(["-vv", "-C", "-o", "LogLevel=DEBUG2"]).arg(Bench::destination(ACCOUNT)).arg("true")).await;
    let log = stderr(&output);
    assert!(log.contains("kex-strict-s-v00@openssh.com"), "{log}");
    assert!(log.contains("compression: none"), "{log}");
    assert!(log.contains("server-sig-algs"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_strangers_are_bounded_in_number_and_time() {
    let limits = Ssh { login_grace: Duration::from_secs(2), max_startups: 5, max_startups_per_source: 5, ..settings() };
    let bench = Bench::new(limits, None).await;
    let mut strangers = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        // the server speaks first
        let mut banner = [0; 8];
        stream.read_exact(&mut banner).await.unwrap();
        assert_eq!(&banner, b"SSH-2.0-");
        strangers.push(stream);
    }
    // one more is closed unread
    let mut one_more = TcpStream::connect(bench.address).await.unwrap();
    let mut nothing = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), one_more.read_to_end(&mut nothing)).await.unwrap();
    assert!(nothing.is_empty(), "{read:?}");
    // and those that were let in are thrown out, whatever they trickle
    let start = Instant::now();
    for stream in &mut strangers {
        let _ = stream.write_all(b"S").await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("closed by the server");
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(stderr(&bench.run(&[], &["true"]).await).contains(AWAY), "the server is there again for others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_the_middle_of_the_key_exchange_is_thrown_out() {
    let bench = Bench::new(Ssh { login_grace: Duration::from_secs(2), ..settings() }, None).await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"SSH-2.0-slow\r\n").await.unwrap();
    let mut all = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut all)).await.expect("closed by the server");
    assert!(all.len() > 100, "its KEXINIT came");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_own_connection_only() {
    let bench = Bench::new(settings(), None).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff", b"SSH-1.5-x\r\n", b"SSH-2.0-x\r\n\x00\x00\x00\x00\x00\x00"] {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("closed by the server");
    }
    assert!(stderr(&bench.run(&[], &["true"]).await).contains(AWAY));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_when_told() {
    let bench = Bench::new(settings(), None).await;
    let _stranger = TcpStream::connect(bench.address).await.unwrap();
    bench.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), bench.server).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(bench.address).await.is_err());
}
