//! The controller's public key, as the node has it: one line, base64 of 32 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use std::path::{Path, PathBuf};

/// Why there is no key to check grants with.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("{}: the controller's public key cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// It holds something else.
    #[error("{}: not an Ed25519 public key in base64", .0.display())]
    Parse(PathBuf),
}

/// Reads the key.
///
/// # Errors
/// [`TrustError`].
pub fn read(path: &Path) -> Result<VerifyingKey, TrustError> {
    let text = std::fs::read_to_string(path).map_err(|source| TrustError::Read(path.to_owned(), source))?;
    parse(&text).ok_or_else(|| TrustError::Parse(path.to_owned()))
}

fn parse(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = STANDARD.decode(text.trim_end()).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_key_is_one_line_of_base64() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        assert_eq!(parse(&format!("{}\n", STANDARD.encode(key.as_bytes()))), Some(key));
        for bad in ["", "x", &STANDARD.encode([0u8; 31]), &format!("{0}{0}", STANDARD.encode(key.as_bytes()))] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
