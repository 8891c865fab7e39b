//! Checkpoints: a few lines of text, signed as C2SP's signed notes are.
//!
//! A note is its text, an empty line, and signatures, each on a line of its own with the name of who signed. A key's short id stands
//! in each signature, so that a reader finds the ones that it can check; all others are left alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use portcullis_model::digest::Digest;
use portcullis_model::time::UnixMs;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Most bytes of a note with all its signatures.
const NOTE_MAX: usize = 64 * 1024;
/// A signature of the text itself.
const ED25519: u8 = 1;
/// A cosignature of a checkpoint, with the time at which it was seen.
const COSIGNATURE: u8 = 4;
const SIGNED_BY: &str = "\u{2014} ";

/// What a log says about itself: so many entries, and the hash over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// Why a note is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// No note at all.
    #[error("not a signed note")]
    Form,
    /// A note that is no checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// Nobody of this name and key signed it.
    #[error("no signature of {0}")]
    Unsigned(String),
    /// A signature that does not verify.
    #[error("the signature of {0} does not verify")]
    Signature(String),
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Its form.
    #[error("not a key of a signed note: NAME+ID+KEY")]
    Form,
    /// Its id is not that of its name and key.
    #[error("the key's id does not fit its name and key")]
    Id,
    /// Of another kind.
    #[error("a key of kind {0}; known are Ed25519 (1) and cosignatures (4)")]
    Kind(u8),
    /// A name that cannot be in a note.
    #[error("{0:?} cannot be the name of a key: no spaces, no plus, not empty")]
    Name(String),
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn id_of(name: &str, kind: u8, key: &VerifyingKey) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes()).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// What a log, or a witness, signs with.
pub struct LogKey {
    name: String,
    key: SigningKey,
}

// the key is none of a log's business
impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LogKey {
    /// The key that `seed`, drawn at random, stands for.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn new(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        if is_name(name) { Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) }) } else { Err(KeyError::Name(name.to_owned())) }
    }

    /// Its text for a file that nobody else can read.
    #[must_use]
    pub fn to_secret(&self) -> String {
        let (id, seed) = (id_of(&self.name, ED25519, &self.key.verifying_key()), self.key.to_bytes());
        format!("PRIVATE+KEY+{}+{}+{}\n", self.name, hex(id), STANDARD.encode([&[ED25519], seed.as_slice()].concat()))
    }

    /// Reads [`to_secret`](Self::to_secret)'s text.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_secret(text: &str) -> Result<Self, KeyError> {
        let (name, id, kind, seed) = split(text.trim().strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Form)?)?;
        if kind != ED25519 {
            return Err(KeyError::Kind(kind));
        }
        let key = Self::new(name, seed)?;
        if id == hex(id_of(name, ED25519, &key.key.verifying_key())) { Ok(key) } else { Err(KeyError::Id) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By which its signatures of its own log are checked.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), kind: ED25519, key: self.key.verifying_key() }
    }

    /// By which its cosignatures of other logs are checked.
    #[must_use]
    pub fn witness(&self) -> VerifierKey {
        VerifierKey { kind: COSIGNATURE, ..self.verifier() }
    }

    /// Signs what this key's log says about itself.
    #[must_use]
    pub fn sign(&self, size: u64, root: &Digest) -> String {
        let text = format!("{}\n{size}\n{}\n", self.name, STANDARD.encode(root.0));
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let line = line(&self.name, id_of(&self.name, ED25519, &self.key.verifying_key()), &signature);
        format!("{text}\n{line}")
    }
}

/// By which signatures are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: u8,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Whose.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key, for cosignatures of other logs.
    #[must_use]
    pub fn as_witness(&self) -> Self {
        Self { kind: COSIGNATURE, ..self.clone() }
    }

    fn id(&self) -> [u8; 4] {
        id_of(&self.name, self.kind, &self.key)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, kind, key) = split(text.trim())?;
        if !is_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        if kind != ED25519 && kind != COSIGNATURE {
            return Err(KeyError::Kind(kind));
        }
        let key = VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak()).ok_or(KeyError::Form)?;
        let verifier = Self { name: name.to_owned(), kind, key };
        if id == hex(verifier.id()) { Ok(verifier) } else { Err(KeyError::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(self.id()), STANDARD.encode([&[self.kind], self.key.as_bytes().as_slice()].concat()))
    }
}

/// A key's text in its parts: name, id, kind and 32 bytes.
fn split(text: &str) -> Result<(&str, &str, u8, [u8; 32]), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
    // base64 has a plus as well
    let (id, key) = rest.split_once('+').ok_or(KeyError::Form)?;
    let bytes = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    let (kind, key) = bytes.split_first().ok_or(KeyError::Form)?;
    Ok((name, id, *kind, key.try_into().map_err(|_| KeyError::Form)?))
}

fn hex(id: [u8; 4]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("{SIGNED_BY}{name} {}\n", STANDARD.encode([id.as_slice(), signature].concat()))
}

/// A note's text, and the lines of its signatures.
fn parts(note: &str) -> Result<(&str, &str), NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, signatures) = note.split_at_checked(at + 1).ok_or(NoteError::Form)?;
    let signatures = signatures.strip_prefix('\n').ok_or(NoteError::Form)?;
    let lines = signatures.ends_with('\n') && signatures.lines().all(|line| line.starts_with(SIGNED_BY));
    if lines && note.len() <= NOTE_MAX { Ok((text, signatures)) } else { Err(NoteError::Form) }
}

/// The signature of a key in these lines, without the key's id.
fn signature_of(signatures: &str, key: &VerifierKey) -> Result<Vec<u8>, NoteError> {
    let of_key = signatures.lines().filter_map(|line| line.strip_prefix(SIGNED_BY)?.rsplit_once(' ')).filter(|(name, _)| *name == key.name);
    let mut found = of_key.filter_map(|(_, text)| STANDARD.decode(text).ok()).filter_map(|bytes| bytes.strip_prefix(&key.id()).map(<[u8]>::to_vec));
    found.next().ok_or_else(|| NoteError::Unsigned(key.name.clone()))
}

fn verify(key: &VerifierKey, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
    let failed = || NoteError::Signature(key.name.clone());
    let signature = Signature::from_slice(signature).map_err(|_| failed())?;
    key.key.verify_strict(message, &signature).map_err(|_| failed())
}

fn parse(text: &str) -> Result<Checkpoint, NoteError> {
    let mut lines = text.lines();
    let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(NoteError::Checkpoint("no origin"))?;
    let size = lines.next().ok_or(NoteError::Checkpoint("no size"))?;
    let plain = size == "0" || (!size.starts_with('0') && size.bytes().all(|b| b.is_ascii_digit()));
    let size = size.parse().ok().filter(|_| plain).ok_or(NoteError::Checkpoint("its size is no number"))?;
    let root = lines.next().and_then(|root| STANDARD.decode(root).ok()).and_then(|root| root.try_into().ok());
    if lines.next().is_some() {
        return Err(NoteError::Checkpoint("it has more than three lines"));
    }
    Ok(Checkpoint { origin: origin.to_owned(), size, root: Digest(root.ok_or(NoteError::Checkpoint("its root is no hash"))?) })
}

/// Reads a checkpoint that `key`'s log signed.
///
/// # Errors
/// [`NoteError`]; nothing of an unsigned checkpoint is told.
pub fn open_checkpoint(note: &str, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
    let (text, signatures) = parts(note)?;
    verify(key, text.as_bytes(), &signature_of(signatures, key)?)?;
    let checkpoint = parse(text)?;
    if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(NoteError::Checkpoint("it is another log's")) }
}

/// What a cosignature is over: the time, in seconds, and the checkpoint's text.
fn cosigned(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// Adds a witness' signature to a checkpoint that was checked.
///
/// # Errors
/// [`NoteError`], when it is no checkpoint.
pub fn cosign(note: &str, witness: &LogKey, now: UnixMs) -> Result<String, NoteError> {
    let (text, _) = parts(note)?;
    parse(text)?;
    let seconds = now.0 / 1000;
    let signature = witness.key.sign(cosigned(seconds, text).as_bytes()).to_bytes();
    let signature = [seconds.to_be_bytes().as_slice(), &signature].concat();
    Ok(format!("{note}{}", line(&witness.name, witness.witness().id(), &signature)))
}

/// When `witness` saw this checkpoint, by its clock.
///
/// # Errors
/// [`NoteError`], when it did not sign it.
pub fn open_cosigned(note: &str, witness: &VerifierKey) -> Result<UnixMs, NoteError> {
    let witness = witness.as_witness();
    let (text, signatures) = parts(note)?;
    let bytes = signature_of(signatures, &witness)?;
    let (seconds, signature) = bytes.split_first_chunk::<8>().ok_or_else(|| NoteError::Signature(witness.name.clone()))?;
    let seconds = u64::from_be_bytes(*seconds);
    verify(&witness, cosigned(seconds, text).as_bytes(), signature)?;
    Ok(UnixMs(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests;
