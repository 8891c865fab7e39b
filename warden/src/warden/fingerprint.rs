//! Fingerprints of public keys, as OpenSSH writes them: `SHA256:` and 43 characters of base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::Digest as _;

/// Why a line is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the grant's public key is not in OpenSSH's one-line form")]
pub(crate) struct InvalidKey;

/// The fingerprint of a key in OpenSSH's one-line form. The kind that the line names must be the one inside the key.
///
/// # Errors
/// [`InvalidKey`].
pub(crate) fn of_line(line: &str) -> Result<String, InvalidKey> {
    let mut parts = line.split_ascii_whitespace();
    let (kind, blob) = parts.next().zip(parts.next()).ok_or(InvalidKey)?;
    let blob = STANDARD.decode(blob).map_err(|_| InvalidKey)?;
    let (length, rest) = blob.split_first_chunk::<4>().ok_or(InvalidKey)?;
    let inner = rest.get(..u32::from_be_bytes(*length) as usize).ok_or(InvalidKey)?;
    if inner != kind.as_bytes() {
        return Err(InvalidKey);
    }
    Ok(format!("SHA256:{}", STANDARD_NO_PAD.encode(sha2::Sha256::digest(&blob))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        // GitHub's published host key and its published fingerprint
        assert_eq!(of_line(KEY).unwrap(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!(of_line(&format!("{KEY} a comment")), of_line(KEY));
    }

    #[test]
    fn what_is_no_key_has_no_fingerprint() {
        let other_kind = KEY.replace("ssh-ed25519 ", "ssh-rsa ");
        for bad in ["", "ssh-ed25519", "ssh-ed25519 !", "ssh-ed25519 AAAA", "ssh-ed25519 AAAAC3", other_kind.as_str()] {
            assert_eq!(of_line(bad), Err(InvalidKey), "{bad:?}");
        }
    }
}
