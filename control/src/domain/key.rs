//! An operator's public key: exactly one OpenSSH line, of a kind that is strong enough, whose blob says the same as its
//! first word and nothing more. Options, certificates, comments and second lines are not kept.
//!
//! Limit: whether an ECDSA point lies on its curve is not checked here; a node's SSH server does when it reads the grant.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Most bytes of a line, its comment included.
pub const LINE_MAX: usize = 8192;
/// Fewest bits of an RSA modulus.
pub const RSA_BITS_MIN: usize = 3072;
/// Most bits of an RSA modulus: more cost a node's server seconds a login.
pub const RSA_BITS_MAX: usize = 8192;

/// Why a text is not a public key that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not the shape of one key.
    #[error("not one line of KIND BASE64 [COMMENT]: {0}")]
    Shape(&'static str),
    /// A kind that is not taken.
    #[error("key kind {0} is not taken; there are ssh-ed25519, ecdsa-sha2-nistp256/384/521, ssh-rsa from 3072 bits, and sk- keys")]
    Kind(String),
    /// A certificate.
    #[error("certificates are not taken: give the plain public key")]
    Certificate,
    /// The blob is not what the kind says.
    #[error("the key's base64 part is not a {kind} key: {problem}")]
    Blob {
        /// the kind
        kind: &'static str,
        /// what is wrong
        problem: &'static str,
    },
    /// Too weak, or too large.
    #[error("RSA keys take {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, this has {0}")]
    RsaBits(usize),
}

const KINDS: [&str; 7] = [
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A public key in OpenSSH's one-line form, without a comment.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    line: String,
    fingerprint: String,
}

impl PublicKey {
    /// `KIND BASE64`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// SHA-256 fingerprint in OpenSSH's form: `SHA256:` and 43 characters.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.len() > LINE_MAX {
            return Err(InvalidKey::Shape("too long"));
        }
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(InvalidKey::Shape("more than one line, or control characters"));
        }
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let named = words.next().ok_or(InvalidKey::Shape("empty"))?;
        if named.contains("-cert-v01@") {
            return Err(InvalidKey::Certificate);
        }
        let kind = KINDS
            .into_iter()
            .find(|kind| *kind == named)
            .ok_or_else(|| InvalidKey::Kind(portcullis_model::bytes::printable(named.chars().take(64).collect::<String>().as_bytes())))?;
        let encoded = words.next().ok_or(InvalidKey::Shape("nothing after the kind"))?;
        let blob = STANDARD.decode(encoded).map_err(|_| InvalidKey::Shape("the second word is not base64"))?;
        check(kind, &blob)?;
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)));
        Ok(Self { line: format!("{kind} {encoded}"), fingerprint })
    }
}

/// The fields of a blob (RFC 4251, section 5), read in order.
struct Fields<'a> {
    kind: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn bad(&self, problem: &'static str) -> InvalidKey {
        InvalidKey::Blob { kind: self.kind, problem }
    }

    fn string(&mut self) -> Result<&'a [u8], InvalidKey> {
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or_else(|| self.bad("it ends in the middle"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (field, rest) = rest.split_at_checked(length).ok_or_else(|| self.bad("it ends in the middle"))?;
        self.rest = rest;
        Ok(field)
    }

    fn expect(&mut self, text: &str, problem: &'static str) -> Result<(), InvalidKey> {
        if self.string()? == text.as_bytes() { Ok(()) } else { Err(self.bad(problem)) }
    }

    /// A positive number in its shortest form, without the sign byte.
    fn number(&mut self) -> Result<&'a [u8], InvalidKey> {
        let field = self.string()?;
        match field {
            [0, rest @ ..] if rest.first().is_some_and(|high| *high >= 0x80) => Ok(rest),
            [1..=0x7f, ..] => Ok(field),
            _ => Err(self.bad("a number is negative, zero, or not in its shortest form")),
        }
    }

    fn ed25519(&mut self) -> Result<(), InvalidKey> {
        let key: &[u8; 32] = self.string()?.try_into().map_err(|_| self.bad("it does not have 32 bytes"))?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| self.bad("it is not a point of the curve"))?;
        if key.is_weak() { Err(self.bad("it is a point of small order")) } else { Ok(()) }
    }

    fn point(&mut self, curve: &str, coordinate: usize) -> Result<(), InvalidKey> {
        self.expect(curve, "it names another curve")?;
        match self.string()? {
            [4, xy @ ..] if xy.len() == 2 * coordinate => Ok(()),
            _ => Err(self.bad("it is not an uncompressed point of the curve")),
        }
    }

    fn application(&mut self) -> Result<(), InvalidKey> {
        let name = self.string()?;
        if name.starts_with(b"ssh:") && name.len() <= 256 { Ok(()) } else { Err(self.bad("its application does not begin with ssh:")) }
    }
}

fn check(kind: &'static str, blob: &[u8]) -> Result<(), InvalidKey> {
    let mut fields = Fields { kind, rest: blob };
    fields.expect(kind, "it is a key of another kind")?;
    match kind {
        "ssh-ed25519" => fields.ed25519()?,
        "sk-ssh-ed25519@openssh.com" => {
            fields.ed25519()?;
            fields.application()?;
        }
        "ecdsa-sha2-nistp256" => fields.point("nistp256", 32)?,
        "ecdsa-sha2-nistp384" => fields.point("nistp384", 48)?,
        "ecdsa-sha2-nistp521" => fields.point("nistp521", 66)?,
        "sk-ecdsa-sha2-nistp256@openssh.com" => {
            fields.point("nistp256", 32)?;
            fields.application()?;
        }
        "ssh-rsa" => rsa(&mut fields)?,
        other => return Err(InvalidKey::Kind(other.to_owned())),
    }
    if fields.rest.is_empty() { Ok(()) } else { Err(fields.bad("bytes are left over")) }
}

fn rsa(fields: &mut Fields<'_>) -> Result<(), InvalidKey> {
    let exponent = fields.number()?;
    let value = exponent.iter().try_fold(0u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
    if value.is_none_or(|e| e < 65_537 || e % 2 == 0) {
        return Err(fields.bad("its exponent is not an odd number from 65537 to 2^64"));
    }
    let modulus = fields.number()?;
    let bits = modulus.first().map_or(0, |high| modulus.len() * 8 - high.leading_zeros() as usize);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(InvalidKey::RsaBits(bits));
    }
    if modulus.last().is_none_or(|low| low % 2 == 0) {
        return Err(fields.bad("its modulus is even"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
