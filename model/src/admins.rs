//! Who may sign policy modules: the customer's SSH keys, and signatures of them over a module's bytes.
//!
//! The signatures are OpenSSH's own (`SSHSIG`), so a key that a person has already, in a file, an agent or a piece of
//! hardware, is enough, and `ssh-keygen -Y verify` checks what is checked here. Controller and judge both check, each from its
//! own reading of the file of keys.
//!
//! Kinds: ed25519, ECDSA on P-256, P-384 and P-521, and hardware keys (`sk-`), for which somebody must have touched the key.
//! RSA, DSA and certificates are not taken.

use crate::bytes::printable;
use crate::policy::{SIGNATURE_MAX, SIGNATURE_NAMESPACE};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey, SshSig};

/// Most keys of a file.
pub const ADMINS_MAX: usize = 1000;
/// Bytes at the end of a hardware key's signature: flags and a counter.
const TRAILER: usize = 5;
/// The flag that says that somebody touched the hardware key.
const TOUCHED: u8 = 1;

/// Why a text is no list of policy admins. None of it is used then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAdmins {
    /// A line that is no key.
    #[error("line {0}: not an OpenSSH public key (KIND BASE64 [COMMENT]), or a certificate")]
    Key(usize),
    /// A key of a kind that is not taken.
    #[error("line {line}: {kind} keys are not taken; there are ssh-ed25519, ecdsa-sha2-nistp256/384/521 and sk- keys")]
    Kind {
        /// the line, from 1
        line: usize,
        /// its kind
        kind: String,
    },
    /// Too many.
    #[error("more than {ADMINS_MAX} keys")]
    Many,
    /// Nobody could sign anything.
    #[error("there is no key in it")]
    Empty,
}

/// Why a signature is not an admin's over these bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not what `ssh-keygen -Y sign` writes.
    #[error("it is not an SSH signature (-----BEGIN SSH SIGNATURE-----)")]
    Shape,
    /// It was made for something else.
    #[error("it was made for the namespace {0:?}, a module's is \"{SIGNATURE_NAMESPACE}\": ssh-keygen -Y sign -n {SIGNATURE_NAMESPACE}")]
    Namespace(String),
    /// It is not by one of the admins.
    #[error("the key that made it, {0}, is not a policy admin's")]
    Stranger(String),
    /// Nobody touched the hardware key.
    #[error("it was made by a hardware key that nobody touched")]
    Untouched,
    /// The key did not sign these bytes.
    #[error("it is not over these bytes")]
    Wrong,
}

/// One policy admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    key: PublicKey,
}

/// All policy admins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyAdmins(Vec<Admin>);

impl Admin {
    /// SHA-256 fingerprint of the key, in OpenSSH's form.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The comment behind the key in the file, printable.
    #[must_use]
    pub fn comment(&self) -> String {
        printable(self.key.comment().as_bytes())
    }
}

/// Whether signatures of this kind of key are taken.
fn is_taken(key: &KeyData) -> bool {
    matches!(key, KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
}

impl PolicyAdmins {
    /// Reads a list: one key a line; empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// [`InvalidAdmins`] names the first line that is wrong: a list is used as a whole or not at all.
    pub fn parse(text: &str) -> Result<Self, InvalidAdmins> {
        let mut admins = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let key = PublicKey::from_openssh(text).map_err(|_| InvalidAdmins::Key(line))?;
            if key.key_data().is_certificate() {
                return Err(InvalidAdmins::Key(line));
            }
            if !is_taken(key.key_data()) {
                return Err(InvalidAdmins::Kind { line, kind: printable(key.algorithm().as_str().as_bytes()) });
            }
            if admins.len() >= ADMINS_MAX {
                return Err(InvalidAdmins::Many);
            }
            admins.push(Admin { key });
        }
        if admins.is_empty() { Err(InvalidAdmins::Empty) } else { Ok(Self(admins)) }
    }

    /// The admin whose signature over `component` this is, in its armoured form.
    ///
    /// # Errors
    /// [`SignatureError`] says what does not hold.
    pub fn verify(&self, component: &[u8], signature: &str) -> Result<&Admin, SignatureError> {
        if signature.len() > SIGNATURE_MAX {
            return Err(SignatureError::Shape);
        }
        let signature = SshSig::from_pem(signature).map_err(|_| SignatureError::Shape)?;
        if signature.namespace() != SIGNATURE_NAMESPACE {
            return Err(SignatureError::Namespace(printable(signature.namespace().as_bytes()).chars().take(64).collect()));
        }
        let stranger = || SignatureError::Stranger(signature.public_key().fingerprint(HashAlg::Sha256).to_string());
        let admin = self.0.iter().find(|admin| admin.key.key_data() == signature.public_key()).ok_or_else(stranger)?;
        if matches!(admin.key.key_data(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)) {
            let flags = signature.signature_bytes().iter().nth_back(TRAILER - 1);
            if flags.is_none_or(|flags| flags & TOUCHED == 0) {
                return Err(SignatureError::Untouched);
            }
        }
        admin.key.verify(SIGNATURE_NAMESPACE, component, &signature).map_err(|_| SignatureError::Wrong)?;
        Ok(admin)
    }
}

#[cfg(test)]
#[path = "admins_tests.rs"]
mod tests;
