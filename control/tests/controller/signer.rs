//! Policy admins with keys, and modules that look like some.

use crate::world::{Running, World};
use portcullis_control::api::types::{Activate, PolicyChange, PolicyDetail, PolicyView, PushPolicy, TrialView};
use portcullis_control::domain::policy::module_id::ModuleId;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::SIGNATURE_NAMESPACE;
use serde_json::{Value, json};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use std::collections::BTreeMap;
use std::time::Duration;

/// An admin's key.
pub(crate) struct Signer(PrivateKey);

impl Signer {
    pub(crate) fn new(seed: u8) -> Self {
        Self(PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32])))
    }

    pub(crate) fn line(&self) -> String {
        format!("{} paula@example\n", self.0.public_key().to_openssh().unwrap())
    }

    pub(crate) fn sign(&self, component: &[u8]) -> String {
        self.0.sign(SIGNATURE_NAMESPACE, HashAlg::Sha512, component).unwrap().to_pem(LineEnding::LF).unwrap()
    }

    /// A world whose only admin this is.
    pub(crate) fn world(&self) -> World {
        let world = World::new();
        std::fs::write(world.config().policy_admins, self.line()).unwrap();
        world
    }

    pub(crate) fn push(&self, number: u32) -> PushPolicy {
        let component = component(number);
        PushPolicy {
            signature: self.sign(&component),
            component,
            name: "INFRA_DIAG".into(),
            version: number.to_string(),
            action: Action::InfraDiag,
            roles: vec![Role::Cps],
            abi: "portcullis:policy@1.0.0".into(),
            pure: true,
            allowed: vec![],
        }
    }

    /// A version that is pushed and tested.
    pub(crate) async fn tested(&self, running: &Running, number: u32) -> ModuleId {
        self.tested_for(running, number, vec![Role::Cps]).await
    }

    pub(crate) async fn tested_for(&self, running: &Running, number: u32, roles: Vec<Role>) -> ModuleId {
        let push = PushPolicy { roles, ..self.push(number) };
        let pushed: PolicyView = running.post("policy-admin", "/v1/policies", &push).await;
        running.post::<PolicyChange>("policy-admin", &of(&pushed.digest, "test-passed"), &untested()).await;
        pushed.digest
    }
}

/// What begins as a component does, of the size of a small one.
pub(crate) fn component(number: u32) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".as_slice(), &number.to_le_bytes(), &[7; 1000]].concat()
}

pub(crate) fn of(digest: &ModuleId, what: &str) -> String {
    format!("/v1/policies/{digest}/{what}")
}

pub(crate) fn untested() -> Value {
    json!({ "claim": { "untested": { "reason": "it is a test" } } })
}

/// To put in force in the place of this, for the role cps.
pub(crate) fn in_place_of(active: Option<ModuleId>) -> Activate {
    Activate { replaces: BTreeMap::from([(Role::Cps, active)]), reason: String::new() }
}

pub(crate) fn none() -> Value {
    json!({})
}

impl Running {
    /// Waits until `test` holds of what a trial showed.
    pub(crate) async fn trial_until(&self, digest: &ModuleId, test: impl Fn(&TrialView) -> bool) -> TrialView {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        loop {
            let view: TrialView = self.get("auditor", &of(digest, "trial")).await;
            if test(&view) {
                return view;
            }
            assert!(tokio::time::Instant::now() < deadline, "waited in vain: {view:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn policy(&self, digest: &ModuleId) -> PolicyDetail {
        self.get("auditor", &format!("/v1/policies/{digest}")).await
    }

    pub(crate) async fn stage(&self, digest: &ModuleId) -> String {
        self.policy(digest).await.policy.stage.to_string()
    }

    pub(crate) async fn activate(&self, digest: &ModuleId, active: Option<ModuleId>) -> PolicyChange {
        self.post("policy-admin", &of(digest, "activate"), &in_place_of(active)).await
    }
}

pub(crate) fn digest_of(component: &[u8]) -> ModuleId {
    ModuleId(PolicyDigest::of(component))
}
