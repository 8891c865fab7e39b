//! The warden as its gateway sees it: the real program, driven over its socket. Sessions need the judge and the shell too,
//! and are tested in `session.rs`.
#![allow(clippy::panic, clippy::print_stderr, reason = "tests fail by panicking, and say what they skip")]

#[cfg(test)]
mod stage;

use portcullis_model::grant::Grant;
use portcullis_model::id::GrantId;
use portcullis_model::session::{ExitStatus, Purpose};
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::warden::{FromWarden, OpenSession, ToWarden};
use stage::{Stage, grant, revocation, signed_by, stranger};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

fn open(grant: GrantId, fingerprint: &str) -> ToWarden {
    let open = OpenSession {
        grant,
        source: "127.0.0.1:5".into(),
        key_fingerprint: fingerprint.into(),
        client: "SSH-2.0-test".into(),
        purpose: Purpose::Shell,
        pty: None,
        environment: vec![],
    };
    ToWarden::Open { ticket: 9, open: Box::new(open) }
}

fn refusal(answer: Option<FromWarden>) -> String {
    match answer {
        Some(FromWarden::Refused { reason, .. }) => reason,
        other => panic!("not a refusal: {other:?}"),
    }
}

#[test]
fn it_greets_keeps_what_is_signed_and_refuses_the_rest() {
    let Some(stage) = Stage::new() else { return };
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.say(&ToWarden::Hello { protocol: PROTOCOL });
    match gateway.hear() {
        Some(FromWarden::Hello { protocol: PROTOCOL, target, layers, grants, .. }) => {
            assert_eq!((target.as_str(), grants), ("node1", 0));
            assert!(!layers.is_empty());
        }
        other => panic!("{other:?}"),
    }
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&stranger(), &grant(1)) });
    assert!(refusal(gateway.hear()).contains("signature"));
    gateway.say(&open(grant(1).id, stage::FINGERPRINT));
    assert!(refusal(gateway.hear()).contains("not known"));
    gateway.say(&ToWarden::Install { ticket: 2, grant: signed_by(&stage::controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { ticket: 2 })));
    gateway.say(&open(grant(1).id, "SHA256:another"));
    assert!(refusal(gateway.hear()).contains("is not the key of grant"));
    // there is no judge: it is known before anything of a session is made
    gateway.say(&open(grant(1).id, stage::FINGERPRINT));
    assert!(refusal(gateway.hear()).contains("judge"));
    assert_eq!(fs::read_dir(stage.path("evidence")).unwrap().count(), 0);
}

#[test]
fn a_revocation_holds_over_a_restart() {
    let Some(stage) = Stage::new() else { return };
    let mut warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&stage::controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
    gateway.say(&ToWarden::Revoke { ticket: 2, revocation: signed_by(&stranger(), &revocation(1)) });
    assert!(refusal(gateway.hear()).contains("signature"));
    for ticket in [3, 4] {
        gateway.say(&ToWarden::Revoke { ticket, revocation: signed_by(&stage::controller(), &revocation(1)) });
        match gateway.hear() {
            Some(FromWarden::Revoked { ticket: answered, receipt }) => {
                assert_eq!((answered, receipt.grant, receipt.sessions.len()), (ticket, grant(1).id, 0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(warden.stop(), ExitStatus::Code(0));
    let warden = stage.start();
    let mut gateway = warden.connect();
    assert_eq!(gateway.greet(), 0);
    gateway.say(&ToWarden::Install { ticket: 5, grant: signed_by(&stage::controller(), &grant(1)) });
    assert!(refusal(gateway.hear()).contains("revoked"));
}

#[test]
fn grants_are_told_again_after_a_restart() {
    let Some(stage) = Stage::new() else { return };
    let mut warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&stage::controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
    warden.kill();
    let warden = stage.start();
    let mut gateway = warden.connect();
    assert_eq!(gateway.greet(), 1);
}

#[test]
fn a_thousand_grants_are_told_to_each_gateway() {
    let Some(stage) = Stage::new() else { return };
    // as an earlier warden has kept them
    let folder = stage.path("state/grants");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    for n in 0..1000_u16 {
        let [high, low] = n.to_le_bytes();
        let id = GrantId::from_entropy([high, low, 0, 0, 0, 0, 0, 0, 0, 1]);
        let signed = signed_by(&stage::controller(), &Grant { id: id.clone(), ..grant(1) });
        fs::write(folder.join(format!("{id}.json")), serde_json::to_vec(&signed).unwrap()).unwrap();
    }
    let warden = stage.start();
    let mut gateway = warden.connect();
    assert_eq!(gateway.greet(), 1000);
    // and it goes on as with few
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&stage::controller(), &grant(2)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { ticket: 1 })));
}

#[test]
fn a_gateway_that_breaks_the_protocol_is_cut_off_and_may_come_again() {
    let Some(stage) = Stage::new() else { return };
    let warden = stage.start();
    for first in [ToWarden::Hello { protocol: PROTOCOL + 1 }, ToWarden::Revoke { ticket: 1, revocation: signed_by(&stage::controller(), &revocation(1)) }] {
        let mut gateway = warden.connect();
        gateway.say(&first);
        assert!(gateway.hear().is_none(), "{first:?}");
    }
    let mut gateway = warden.connect();
    gateway.say_bytes(b"\xff\xff\xff\xff\xff\xff");
    assert!(gateway.hear().is_none());
    let mut gateway = warden.connect();
    gateway.greet();
    gateway.say(&ToWarden::Hello { protocol: PROTOCOL });
    assert!(gateway.hear().is_none(), "greeted twice");
    let mut gateway = warden.connect();
    assert_eq!(gateway.greet(), 0);
    let mut second = warden.connect();
    second.say_quietly(&ToWarden::Hello { protocol: PROTOCOL });
    assert!(second.hear().is_none(), "one gateway at a time");
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&stage::controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })), "the first is served on");
}

#[test]
fn nobody_but_the_gateways_user_is_served() {
    let Some(stage) = Stage::new() else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make a socket for another user");
        return;
    }
    let warden = stage.start_for(70_999);
    let meta = fs::metadata(stage.path("warden.sock")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let mut gateway = warden.connect();
    gateway.say_quietly(&ToWarden::Hello { protocol: PROTOCOL });
    assert!(gateway.hear().is_none(), "root is not the gateway's user");
}

#[test]
fn what_is_wrong_at_the_start_is_said_in_one_line() {
    let Some(stage) = Stage::new() else { return };
    let missing = stage.path("nowhere");
    let nowhere = missing.to_str().unwrap();
    let garbage = stage.path("garbage");
    fs::write(&garbage, "no key").unwrap();
    let cases = [
        ("--controller-key", nowhere, "cannot read the controller's key"),
        ("--controller-key", garbage.to_str().unwrap(), "holds no Ed25519 public key"),
        ("--shell", nowhere, "cannot use the shell"),
        ("--shell", garbage.to_str().unwrap(), "is not a program"),
        ("--judge", "/nowhere/at/all/judge.sock", "the folder of the judge's socket"),
        ("--socket", garbage.to_str().unwrap(), "is there and is not a socket"),
        ("--state", garbage.to_str().unwrap(), "cannot use the folder of grants"),
        ("--evidence", garbage.to_str().unwrap(), "cannot use the folder of recordings"),
    ];
    for (option, value, complaint) in cases {
        let (status, said) = stage.fail_with(option, value);
        assert_eq!(status, ExitStatus::Code(1), "{option}: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(matches!(errors[..], [line] if line.contains(complaint)), "{option} {value}: {said}");
        assert!(!stage.path("warden.sock").exists(), "{option}: nothing is half-started");
    }
    let (status, said) = stage.fail_with("--role", "fridge");
    assert_eq!(status, ExitStatus::Code(2), "{said}");
    assert!(said.contains("not a role"), "{said}");
}

#[test]
fn a_folder_that_others_may_write_is_not_used() {
    let Some(stage) = Stage::new() else { return };
    for (option, name) in [("--state", "open-state/grants"), ("--evidence", "open-evidence")] {
        let folder = stage.path(name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let value = if option == "--state" { folder.parent().unwrap() } else { &folder };
        let (status, said) = stage.fail_with(option, value.to_str().unwrap());
        assert_eq!(status, ExitStatus::Code(1), "{said}");
        assert!(said.contains("others may write"), "{said}");
    }
}

#[test]
fn a_second_warden_does_not_take_the_socket_and_a_dead_ones_is_replaced() {
    let Some(stage) = Stage::new() else { return };
    let mut first = stage.start();
    for (option, name, complaint) in [("--state", "other-state", "is in use"), ("--socket", "other.sock", "another warden uses it")] {
        let (status, said) = stage.fail_with(option, stage.path(name).to_str().unwrap());
        assert_eq!(status, ExitStatus::Code(1));
        assert!(said.contains(complaint), "{said}");
    }
    first.connect().greet();
    first.kill();
    assert!(stage.path("warden.sock").exists());
    stage.start().connect().greet();
}
