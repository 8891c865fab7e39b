//! Bearer tokens: 256 random bits. The store keeps a hash; the token itself is in a file that its owner can read.

use crate::domain::actor::{Actor, UserRole};
use crate::files::{self, FileError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::hint::black_box;
use std::path::Path;

/// Roles that get a token on first start, each in a file of the role's name.
pub const FIRST: [UserRole; 4] = [UserRole::Operator, UserRole::Approver, UserRole::PolicyAdmin, UserRole::Auditor];

const PREFIX: &str = "pct_";
const LENGTH: usize = PREFIX.len() + 43;

/// A token as its owner shows it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// SHA-256 of a token. The token has 256 bits of entropy, so that a plain hash is enough.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

/// A token's row in the store.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Who shows it.
    pub actor: Actor,
    /// What it hashes to.
    pub hash: TokenHash,
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token in `text`; none when it does not have the shape of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        (text.len() == LENGTH && URL_SAFE_NO_PAD.decode(encoded).is_ok_and(|bytes| bytes.len() == 32)).then(|| Self(text.to_owned()))
    }

    /// The token itself, to be shown to the controller.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The token in the file; a new one, written there, when there is no file.
    pub(crate) fn ensure(path: &Path) -> Result<(Self, Origin), TokenError> {
        match files::read_private(path)? {
            Some(text) => Ok((Self::parse(text.trim_end()).ok_or_else(|| FileError::content(path, "a token"))?, Origin::Found)),
            None => {
                let token = Self::generate()?;
                files::write(path, &format!("{}\n", token.0), 0o600)?;
                Ok((token, Origin::Made))
            }
        }
    }
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Its file was there.
    Found,
    /// It was made now.
    Made,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file is missing, not private, or holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gives no random bytes.
    #[error("no random bytes from the system")]
    Random(#[from] getrandom::Error),
}

/// Reads a token from its file, for the command line on the same machine.
///
/// # Errors
/// When there is no such file, or it is readable by others, or holds no token.
pub fn read(path: &Path) -> Result<Token, TokenError> {
    let text = files::read_secret(path)?.ok_or_else(|| FileError::io("read", path)(std::io::ErrorKind::NotFound.into()))?;
    Ok(Token::parse(text.trim_end()).ok_or_else(|| FileError::content(path, "a token"))?)
}

impl TokenHash {
    /// As hexadecimal digits, for the store.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From the store.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        black_box(self.0.iter().zip(other.0).fold(0u8, |difference, (a, b)| black_box(difference | (a ^ b)))) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<token>")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<token hash>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_one_shape_and_compare_by_hash() {
        let (a, b) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_eq!(Token::parse(a.expose()), Some(a.clone()));
        assert!(a.hash().matches(&a.hash()) && !a.hash().matches(&b.hash()));
        assert!(TokenHash::from_hex(&a.hash().to_hex()).unwrap().matches(&a.hash()));
        for bad in ["", "pct_", "pct_x", a.expose().get(1..).unwrap(), &format!("{}x", a.expose()), &format!("{}\n", a.expose())] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{a:?} {:?}", a.hash()), "<token> <token hash>");
    }

    #[test]
    fn a_token_file_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator");
        assert!(read(&path).is_err());
        let (token, origin) = Token::ensure(&path).unwrap();
        assert_eq!(origin, Origin::Made);
        assert_eq!(Token::ensure(&path).unwrap(), (token.clone(), Origin::Found));
        assert_eq!(read(&path).unwrap(), token);
        files::write(&path, "junk\n", 0o600).unwrap();
        assert!(Token::ensure(&path).is_err());
    }
}
