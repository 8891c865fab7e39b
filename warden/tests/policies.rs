//! Pushed modules on a node, with the real judge, shell and jail: from the controller's signed assignment to what a session that
//! runs notices of it, and over the ends of judge and warden.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking, and say what they skip")]

#[cfg(test)]
mod stage;

use portcullis_model::action::{Action, Role};
use portcullis_model::decision::Authority;
use portcullis_model::event::EventKind;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, PolicyAssignment, PolicyState, SIGNATURE_NAMESPACE};
use portcullis_model::receipt::EndCause;
use portcullis_model::session::{PtyRequest, Purpose, WindowSize};
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::link::ModuleChunk;
use portcullis_model::wire::packet::CHUNK_MAX;
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use stage::{Gateway, Stage, controller, grant, signed_by};
use std::fs;

const MODULE: &str = "INFRA_DIAG.cps.wasm";

fn admin() -> PrivateKey {
    Ed25519Keypair::from_seed(&[5; 32]).into()
}

fn stage() -> Option<Stage> {
    Stage::with_pushed_modules(&admin().public_key().to_openssh().unwrap())
}

/// The same module under another digest: with a section that nobody reads.
fn variant(module: &[u8], name: &str) -> Vec<u8> {
    let length = |text: &str, more: u8| u8::try_from(text.len()).unwrap() + more;
    [module, &[0, length(name, 1), length(name, 0)], name.as_bytes()].concat()
}

fn assign(gateway: &mut Gateway, sequence: u64, active: Option<PolicyDigest>) {
    let modules = vec![Assigned { action: Action::InfraDiag, role: Role::Cps, active, candidate: None }];
    let assignment = PolicyAssignment { target: "node1".into(), sequence, at: UnixMs(1), modules, staged: vec![] };
    gateway.say(&ToWarden::Policies(signed_by(&controller(), &assignment)));
}

/// Serves the modules that the warden wants until its policies are like this.
fn policies(gateway: &mut Gateway, modules: &[&[u8]], is_it: impl Fn(&PolicyState) -> bool) -> PolicyState {
    loop {
        match gateway.hear_all().0 {
            Some(FromWarden::WantModule(digest)) => {
                let module = modules.iter().find(|module| PolicyDigest::of(module) == digest).expect("one that was named");
                let signature = admin().sign(SIGNATURE_NAMESPACE, HashAlg::Sha512, module).unwrap().to_pem(LineEnding::LF).unwrap();
                for (number, bytes) in module.chunks(CHUNK_MAX).enumerate() {
                    let (size, offset) = (module.len() as u64, (number * CHUNK_MAX) as u64);
                    gateway.say(&ToWarden::Module(ModuleChunk { digest, signature: signature.clone(), size, offset, bytes: bytes.to_vec() }));
                }
            }
            Some(FromWarden::Policies(state)) if is_it(&state) => return state,
            Some(FromWarden::Policies(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn install(gateway: &mut Gateway) {
    gateway.say(&ToWarden::Install { ticket: 1, grant: signed_by(&controller(), &grant(1)) });
    assert!(matches!(gateway.hear(), Some(FromWarden::Installed { .. })));
}

fn terminal() -> Option<PtyRequest> {
    Some(PtyRequest { term: "dumb".into(), size: WindowSize { cols: 80, rows: 24, width_px: 0, height_px: 0 }, modes: vec![] })
}

/// Whether an event is the permit of `ls` by this module.
fn ls_by(event: &EventKind, digest: PolicyDigest) -> bool {
    matches!(event, EventKind::Allowed { subject: Subject::Exec(exec), authority, .. } if exec.path == b"/usr/bin/ls" && *authority == Authority::Policy(digest))
}

#[test]
fn a_running_session_follows_every_change_and_ends_when_its_action_is_withdrawn() {
    let Some(mut stage) = stage() else { return };
    let (one, two) = (stage.module(MODULE), variant(&stage.module(MODULE), "second"));
    let (first, second) = (PolicyDigest::of(&one), PolicyDigest::of(&two));
    let mut judge = stage.take_judge();
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    install(&mut gateway);
    assign(&mut gateway, 1, Some(first));
    let state = policies(&mut gateway, &[&one], |state| state.sequence == 1);
    assert_eq!((state.enforced.len(), state.enforced[0].digest, state.held, state.error), (1, first, vec![first], None));

    let mut session = gateway.open(Purpose::Shell, terminal());
    let id = session.facts.id.clone();
    let mut run = |times: usize, by: PolicyDigest| {
        session.type_in(b"ls /usr/bin/env\r");
        session.hear_until("/usr/bin/env\r\n");
        stage.wait_for_event(&id, |event| ls_by(event, by), times);
    };
    run(1, first);
    run(2, first);
    assign(&mut gateway, 2, Some(second));
    policies(&mut gateway, &[&two], |state| state.sequence == 2);
    stage.wait_for_event(&id, |event| matches!(event, EventKind::PolicyChanged { policy: Some(policy), name } if *policy == second && !name.is_empty()), 1);
    // what was remembered of the first module's answers is not given any more
    run(1, second);

    // a new judge has nothing, and is told everything again
    judge.kill();
    stage.wait_for_event(&id, |event| *event == EventKind::Judge { live: false }, 1);
    judge.start();
    stage.wait_for_event(&id, |event| *event == EventKind::Judge { live: true }, 1);
    run(2, second);

    // replayed, and then withdrawn
    assign(&mut gateway, 1, Some(first));
    assert!(policies(&mut gateway, &[], |state| state.error.is_some()).error.unwrap().contains("not newer than 2"));
    assign(&mut gateway, 3, None);
    let heard = session.hear_to_the_end();
    assert_eq!(heard.ending.as_deref(), Some("portcullis: session ended: the policy does not allow this action here any more"));
    let receipt = loop {
        match gateway.hear_all().0 {
            Some(FromWarden::Ended { receipt, .. }) => break receipt,
            Some(FromWarden::Policies(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((&receipt.cause, receipt.survivors.len()), (&EndCause::PolicyWithdrawn, 0));
    let record = stage.recording(&id);
    assert!(record.is_closed);
    assert!(record.events.iter().any(|event| matches!(event, EventKind::PolicyChanged { policy: None, .. })));
    assert!(gateway.try_open(Purpose::Shell, None).err().unwrap().contains("no policy module is active for INFRA_DIAG on a target of role cps"));
}

#[test]
fn what_was_in_force_is_in_force_after_everything_was_started_again() {
    let Some(mut stage) = stage() else { return };
    let one = stage.module(MODULE);
    let first = PolicyDigest::of(&one);
    let mut judge = stage.take_judge();
    let mut warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    install(&mut gateway);
    assign(&mut gateway, 7, Some(first));
    policies(&mut gateway, &[&one], |state| state.sequence == 7);
    // the warden alone: the judge goes on with what it has
    warden.kill();
    drop(warden);
    let mut warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    assert_eq!(policies(&mut gateway, &[], |state| state.sequence == 7).enforced[0].digest, first);
    // both, as after a power cut, with nobody there to send anything
    warden.kill();
    drop(warden);
    judge.kill();
    judge.start();
    let mut warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    assert_eq!(policies(&mut gateway, &[], |state| state.sequence == 7).enforced[0].digest, first);
    assert!(gateway.try_open(Purpose::Command(b"ls /usr/bin/env".to_vec()), None).is_ok());

    // and with a kept module that is damaged: named, and nothing is answered by anything else
    warden.kill();
    drop(warden);
    judge.kill();
    let kept = stage.path("state/policies/modules").join(format!("{first}.wasm"));
    let mut bytes = fs::read(&kept).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&kept, &bytes).unwrap();
    judge.start();
    let warden = stage.start();
    let mut gateway = warden.connect();
    gateway.greet();
    let state = policies(&mut gateway, &[&one], |state| state.error.as_ref().is_some_and(|error| error.contains("does not have the digest")));
    assert!(state.error.unwrap().contains(&first.to_string()) && state.enforced.is_empty());
    // the controller speaks again, as on each connection: the module is fetched and judges
    assign(&mut gateway, 7, Some(first));
    assert_eq!(policies(&mut gateway, &[&one], |state| state.sequence == 7).enforced[0].digest, first);
    assert!(gateway.try_open(Purpose::Command(b"ls".to_vec()), None).is_ok());
}
