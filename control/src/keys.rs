//! The controller's signing key, and its public half where nodes find it.

use crate::files::{self, FileError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use std::path::{Path, PathBuf};

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file is missing, not private, or holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gives no random bytes.
    #[error("no random bytes from the system")]
    Random(#[from] getrandom::Error),
    /// Nodes trust another key than the one that is here.
    #[error("{} is not the public half of {}; nodes would refuse every grant", .public.display(), .private.display())]
    Foreign {
        /// the file that nodes trust
        public: PathBuf,
        /// the signing key
        private: PathBuf,
    },
    /// Nodes trust a key that is not here any more.
    #[error("{} is there but {} is missing; put the key back, or remove both to make a new one", .public.display(), .private.display())]
    Lost {
        /// the file that nodes trust
        public: PathBuf,
        /// where the signing key should be
        private: PathBuf,
    },
}

/// The key in `private`; made there, and its public half written to `public`, when neither is there.
pub(crate) fn signing_key(private: &Path, public: &Path) -> Result<SigningKey, KeyError> {
    let trusted = files::read_shared(public)?;
    let key = match files::read_private(private)? {
        Some(text) => {
            let bytes = STANDARD.decode(text.trim_end()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            SigningKey::from_bytes(&bytes.ok_or_else(|| FileError::content(private, "an Ed25519 key in base64"))?)
        }
        None if trusted.is_some() => return Err(KeyError::Lost { public: public.to_owned(), private: private.to_owned() }),
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            files::write(private, &format!("{}\n", STANDARD.encode(seed)), 0o600)?;
            SigningKey::from_bytes(&seed)
        }
    };
    let line = format!("{}\n", STANDARD.encode(key.verifying_key().as_bytes()));
    match trusted {
        Some(found) if found.trim_end() == line.trim_end() => Ok(key),
        Some(_) => Err(KeyError::Foreign { public: public.to_owned(), private: private.to_owned() }),
        None => {
            files::write(public, &line, 0o644)?;
            Ok(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_never_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("signing.key"), folder.path().join("controller.pub"));
        let key = signing_key(&private, &public).unwrap();
        assert_eq!(signing_key(&private, &public).unwrap(), key);
        // a crash between the two files
        std::fs::remove_file(&public).unwrap();
        assert_eq!(signing_key(&private, &public).unwrap(), key);
        let line = std::fs::read_to_string(&public).unwrap();
        assert_eq!(STANDARD.decode(line.trim_end()).unwrap(), key.verifying_key().as_bytes());
        std::fs::remove_file(&private).unwrap();
        assert!(matches!(signing_key(&private, &public), Err(KeyError::Lost { .. })));
        files::write(&private, &STANDARD.encode([1; 32]), 0o600).unwrap();
        assert!(matches!(signing_key(&private, &public), Err(KeyError::Foreign { .. })));
        files::write(&private, "short", 0o600).unwrap();
        assert!(matches!(signing_key(&private, &public), Err(KeyError::File(FileError::Content { .. }))));
    }
}
