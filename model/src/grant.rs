//! Grants: what a node enforces, signed by the controller, checked by whoever acts on it.
//!
//! A node keeps the exact bytes that were signed. The warden verifies them itself before it opens a session, whatever
//! the gateway said, so a taken-over gateway cannot mint access.

use crate::account::{AccountName, AccountUid};
use crate::action::{Action, Role};
use crate::id::{GrantId, RequestId};
use crate::time::UnixMs;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// One operator's access to one target under one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// This grant.
    pub id: GrantId,
    /// The request that was approved.
    pub request: RequestId,
    /// The customer's or provider's ticket, as given; empty when none.
    pub ticket: String,
    /// The operator's name.
    pub operator: String,
    /// The operator's public key in OpenSSH's one-line form, without a comment.
    pub public_key: String,
    /// The temporary account to log in as.
    pub account: AccountName,
    /// The uid of its processes.
    pub uid: AccountUid,
    /// What was approved.
    pub action: Action,
    /// The target's name; a node refuses a grant for another.
    pub target: String,
    /// The target's role.
    pub role: Role,
    /// Not valid before.
    pub not_before: UnixMs,
    /// Not valid from this moment on.
    pub not_after: UnixMs,
    /// Seconds without input after which a session ends; 0 for never.
    pub idle_timeout_s: u32,
}

impl Grant {
    /// Whether the grant is in force at `now`.
    #[must_use]
    pub fn is_live(&self, now: UnixMs) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether `other` is the same grant with another end: what the controller makes of a grant that is extended.
    #[must_use]
    pub fn is_but_for_its_end(&self, other: &Self) -> bool {
        Self { not_after: other.not_after, ..self.clone() } == *other
    }
}

/// Why a grant is ended by the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// A person revoked it.
    #[default]
    Revoke,
    /// The operator closed the request.
    Close,
    /// Its time is over, and the controller writes it down; the node has ended it by itself.
    Expire,
}

/// The end of a grant, at its time or before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// What ends.
    pub grant: GrantId,
    /// The request that it belonged to.
    pub request: RequestId,
    /// The target that is to enforce it.
    pub target: String,
    /// When it was decided.
    pub at: UnixMs,
    /// Who decided.
    pub by: String,
    /// Why, as said by that person.
    pub reason: String,
    /// What kind of end it is; those that were signed before there were kinds are revocations.
    #[serde(default)]
    pub ending: Ending,
}

/// Why signed bytes are not acted on.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The signature is not the controller's, or the bytes are not what was signed.
    #[error("signature of the {0} does not verify under the controller's key")]
    Signature(&'static str),
    /// The bytes verify but do not read as what they are said to be.
    #[error("signed {what} does not parse")]
    Parse {
        /// grant or revocation
        what: &'static str,
        /// the reader's complaint
        source: serde_json::Error,
    },
    /// It is for another node.
    #[error("{what} is for target {target:?}, this node is {node:?}")]
    WrongTarget {
        /// grant or revocation
        what: &'static str,
        /// the target that it names
        target: String,
        /// this node
        node: String,
    },
    /// Too early or too late.
    #[error("grant {0} is not in force now")]
    NotLive(GrantId),
}

/// What can be signed: each kind under a domain of its own, so that one can never be taken for another.
pub trait Signable: Serialize + for<'de> Deserialize<'de> {
    /// A constant that is signed in front of the bytes.
    const DOMAIN: &'static [u8];
    /// The noun for messages.
    const NOUN: &'static str;
    /// The node that is to act on it.
    fn target(&self) -> &str;
}

impl Signable for Grant {
    const DOMAIN: &'static [u8] = b"portcullis grant v1\0";
    const NOUN: &'static str = "grant";
    fn target(&self) -> &str {
        &self.target
    }
}

impl Signable for Revocation {
    const DOMAIN: &'static [u8] = b"portcullis revocation v1\0";
    const NOUN: &'static str = "revocation";
    fn target(&self) -> &str {
        &self.target
    }
}

/// The bytes of a `T` and the controller's Ed25519 signature over its domain and them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    #[serde(with = "crate::bytes")]
    payload: Vec<u8>,
    #[serde(with = "crate::bytes")]
    signature: Vec<u8>,
    #[serde(skip)]
    kind: std::marker::PhantomData<T>,
}

/// A grant with its signature.
pub type SignedGrant = Signed<Grant>;
/// A revocation with its signature.
pub type SignedRevocation = Signed<Revocation>;

impl<T: Signable> Signed<T> {
    /// Signs `value`.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, which no value of this crate does.
    pub fn sign(value: &T, key: &SigningKey) -> Result<Self, GrantError> {
        let payload = serde_json::to_vec(value).map_err(|source| GrantError::Parse { what: T::NOUN, source })?;
        let signature = key.sign(&[T::DOMAIN, &payload].concat()).to_bytes().to_vec();
        Ok(Self { payload, signature, kind: std::marker::PhantomData })
    }

    /// The value, if `key` signed exactly these bytes, and if it is for the node `node`.
    ///
    /// # Errors
    /// [`GrantError`] says what does not hold. Whether a grant is live now is for the caller, who has the clock.
    pub fn verify(&self, key: &VerifyingKey, node: &str) -> Result<T, GrantError> {
        let signature = Signature::from_slice(&self.signature).map_err(|_| GrantError::Signature(T::NOUN))?;
        key.verify_strict(&[T::DOMAIN, &self.payload].concat(), &signature)
            .map_err(|_| GrantError::Signature(T::NOUN))?;
        let value: T = serde_json::from_slice(&self.payload).map_err(|source| GrantError::Parse { what: T::NOUN, source })?;
        if value.target() != node {
            return Err(GrantError::WrongTarget { what: T::NOUN, target: value.target().to_owned(), node: node.to_owned() });
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation() -> Revocation {
        Revocation {
            grant: GrantId::from_entropy([1; 10]),
            request: RequestId::from_entropy([2; 5]),
            target: "node1".into(),
            at: UnixMs(5),
            by: "carol".into(),
            reason: "enough".into(),
            ending: Ending::Close,
        }
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signed = Signed::sign(&revocation(), &key).unwrap();
        assert_eq!(signed.verify(&key.verifying_key(), "node1").unwrap(), revocation());
        assert!(matches!(signed.verify(&key.verifying_key(), "node2"), Err(GrantError::WrongTarget { .. })));
        let other = SigningKey::from_bytes(&[8; 32]);
        assert!(matches!(signed.verify(&other.verifying_key(), "node1"), Err(GrantError::Signature(_))));
        let mut changed = signed.clone();
        changed.payload[0] ^= 1;
        assert!(matches!(changed.verify(&key.verifying_key(), "node1"), Err(GrantError::Signature(_))));
    }

    #[test]
    fn a_revocation_is_never_taken_for_a_grant() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signed = Signed::sign(&revocation(), &key).unwrap();
        let as_grant = SignedGrant { payload: signed.payload, signature: signed.signature, kind: std::marker::PhantomData };
        assert!(matches!(as_grant.verify(&key.verifying_key(), "node1"), Err(GrantError::Signature("grant"))));
    }
}
