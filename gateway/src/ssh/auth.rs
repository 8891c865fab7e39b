//! Who gets in: the holder of the key of a live grant, as the account of that grant.
//!
//! An offered key counts for nothing: it is answered, so that a client signs only with a key that has a chance, and
//! forgotten. [`Authenticated`] is made in one place, from what russh hands out after it verified a signature over this
//! connection's session id. An account that does not exist and a key that does not belong to it are answered alike.

use super::profile;
use crate::access::{Access, Connected};
use crate::config::Profile;
use portcullis_model::grant::Grant;
use portcullis_model::id::GrantId;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::server::{PublicKeyOffer, VerifiedPublicKey};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most bytes of a public key's line that is parsed: the library recurses on certificates inside certificates.
const KEY_LINE_MAX: usize = 16 * 1024;

/// Proof that this connection's client holds the key of a grant, and the connection's place in the table of those that a
/// revoke cuts.
#[derive(Debug)]
pub struct Authenticated {
    grant: Arc<Grant>,
    fingerprint: String,
    _place: Connected,
}

impl Authenticated {
    /// The only way to one: russh makes a [`VerifiedPublicKey`] after it verified the signature, and nobody else can.
    pub(super) fn mint(access: &Access, profile: Profile, account: &str, key: VerifiedPublicKey<'_>, closing: &CancellationToken) -> Option<Self> {
        let grant = find(access, profile, account, key.public_key, key.algorithm)?;
        let place = access.connect(&grant.id, closing.clone()).ok()?;
        Some(Self { grant, fingerprint: fingerprint(key.public_key), _place: place })
    }

    /// The grant.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.grant.id
    }

    /// The account that was logged in as.
    #[must_use]
    pub fn account(&self) -> &str {
        self.grant.account.as_str()
    }

    /// SHA-256 fingerprint of the key whose signature was verified, in OpenSSH's form.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Whether it is worth the client's while to sign with this key.
pub(super) fn has_a_chance(access: &Access, profile: Profile, account: &str, offer: PublicKeyOffer<'_>) -> bool {
    find(access, profile, account, offer.public_key, offer.algorithm).is_some()
}

/// A key's fingerprint for logs and facts.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn find(access: &Access, profile: Profile, account: &str, key: &PublicKey, algorithm: &Algorithm) -> Option<Arc<Grant>> {
    if !profile::takes(profile, key, algorithm) {
        return None;
    }
    access.of_account(account).into_iter().find(|grant| parse(&grant.public_key).is_some_and(|granted| granted.key_data() == key.key_data()))
}

/// A grant's key. One that is not a plain public key opens nothing.
fn parse(line: &str) -> Option<PublicKey> {
    if line.len() > KEY_LINE_MAX || line.contains("-cert-v01@") {
        return None;
    }
    PublicKey::from_openssh(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::grant;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn only_the_grants_own_account_and_key() {
        let access = Access::default();
        access.admit(grant(1, "op-one", KEY));
        let key = PublicKey::from_openssh(KEY).unwrap();
        let other = russh::keys::PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let found = |account: &str, key: &PublicKey| find(&access, Profile::Default, account, key, &Algorithm::Ed25519).is_some();
        assert!(found("op-one", &key));
        assert!(!found("op-two", &key));
        assert!(!found("OP-ONE", &key));
        assert!(!found("op-one ", &key));
        assert!(!found("op-one", other.public_key()));
        access.bar(&GrantId::from_entropy([1; 10]));
        assert!(!found("op-one", &key));
    }

    #[test]
    fn a_certificate_in_a_grant_opens_nothing() {
        assert!(parse("ssh-ed25519-cert-v01@openssh.com AAAA").is_none());
        assert!(parse(&format!("{KEY}{}", "A".repeat(KEY_LINE_MAX))).is_none());
        assert!(parse("").is_none());
    }
}
