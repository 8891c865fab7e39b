//! The server's own keys: made on the first start, one file a kind, readable by the gateway alone.
//!
//! Rotation makes new keys and keeps the old ones beside them under `NAME.previous`; the server takes the new ones at its
//! next start. Clients that pinned the old key will, rightly, complain.

use super::profile;
use crate::config::Profile;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use rustix::fs::{Gid, Uid};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why the server has no host keys.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// A file or the folder cannot be read or written.
    #[error("{}: cannot be {action}", path.display())]
    File {
        /// read or written
        action: &'static str,
        /// the file
        path: PathBuf,
        /// what the system said
        source: io::Error,
    },
    /// A file is not a private key in OpenSSH's form, or is encrypted.
    #[error("{}: not an unencrypted private key of the kind {kind}", path.display())]
    Parse {
        /// the file
        path: PathBuf,
        /// what it should be
        kind: String,
    },
    /// Others than its owner can read a key.
    #[error("{}: mode {mode:o} lets others read a private key; it must be 600", path.display())]
    Mode {
        /// the file
        path: PathBuf,
        /// the permission bits
        mode: u32,
    },
    /// A key could not be made.
    #[error("cannot make a host key: {0}")]
    Make(String),
}

/// One host key, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// Its kind, as in SSH: `ssh-ed25519`.
    pub kind: String,
    /// SHA-256 fingerprint in OpenSSH's form.
    pub fingerprint: String,
    /// The public key in OpenSSH's one-line form.
    pub public_key: String,
    /// The private key's file.
    pub file: PathBuf,
}

/// The keys that the server signs with.
pub struct HostKeys(Vec<(PathBuf, PrivateKey)>);

impl std::fmt::Debug for HostKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HostKeys").field(&self.0.len()).finish()
    }
}

impl HostKeys {
    /// Reads the keys of a profile from a folder; makes those that are not there, the folder included.
    ///
    /// # Errors
    /// [`HostKeyError`]; a key that is there and cannot be used is never replaced.
    pub fn load_or_make(folder: &Path, profile: Profile) -> Result<Self, HostKeyError> {
        make_folder(folder)?;
        profile::host_keys(profile)
            .into_iter()
            .map(|kind| {
                let path = folder.join(file_name(&kind));
                if !path.exists() {
                    make(folder, &path, kind.clone())?;
                }
                read(&path, &kind).map(|key| (path, key))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Makes new keys of a profile and puts the old ones aside.
    ///
    /// # Errors
    /// [`HostKeyError`]; the keys that were replaced until then stay replaced.
    pub fn rotate(folder: &Path, profile: Profile) -> Result<Self, HostKeyError> {
        make_folder(folder)?;
        for kind in profile::host_keys(profile) {
            let path = folder.join(file_name(&kind));
            if path.exists() {
                let previous = path.with_extension("previous");
                std::fs::rename(&path, &previous).map_err(|source| HostKeyError::File { action: "renamed", path: path.clone(), source })?;
            }
            make(folder, &path, kind)?;
        }
        Self::load_or_make(folder, profile)
    }

    /// What may be shown of them.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        self.0
            .iter()
            .map(|(file, key)| Shown {
                kind: key.algorithm().to_string(),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                public_key: one_line(key.public_key()),
                file: file.clone(),
            })
            .collect()
    }

    pub(super) fn into_keys(self) -> Vec<PrivateKey> {
        self.0.into_iter().map(|(_, key)| key).collect()
    }
}

fn one_line(key: &PublicKey) -> String {
    PublicKey::new(key.key_data().clone(), "").to_openssh().unwrap_or_default().trim_end().to_owned()
}

fn file_name(kind: &Algorithm) -> &'static str {
    match kind {
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => "ecdsa-p256",
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => "ecdsa-p384",
        _ => "ed25519",
    }
}

/// Made by root, used by the gateway: it belongs to whoever the folder around it belongs to.
fn make_folder(folder: &Path) -> Result<(), HostKeyError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let make = || -> io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
            Ok(()) => {
                let around = std::fs::metadata(folder.parent().unwrap_or(Path::new("/")))?;
                if around.uid() != std::fs::metadata(folder)?.uid() {
                    std::os::unix::fs::lchown(folder, Some(around.uid()), Some(around.gid()))?;
                }
            }
        }
        // keys are not written through a link to who knows where
        if std::fs::symlink_metadata(folder)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    };
    make().map_err(|source| HostKeyError::File { action: "made", path: folder.to_owned(), source })
}

fn make(folder: &Path, path: &Path, kind: Algorithm) -> Result<(), HostKeyError> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), kind).map_err(|error| HostKeyError::Make(error.to_string()))?;
    let text = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).map_err(|error| HostKeyError::Make(error.to_string()))?;
    let new = path.with_extension("new");
    let failed = |source| HostKeyError::File { action: "written", path: path.to_owned(), source };
    let write = || -> io::Result<()> {
        // what an interrupted run left behind is not a key that anybody uses
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        // rotated by root, read by the gateway: the folder's owner is who the key is for
        let owner = std::fs::metadata(folder)?;
        if file.metadata()?.uid() != owner.uid() {
            rustix::fs::fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(failed)
}

fn read(path: &Path, kind: &Algorithm) -> Result<PrivateKey, HostKeyError> {
    let failed = |source| HostKeyError::File { action: "read", path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HostKeyError::Mode { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let key = PrivateKey::from_openssh(text).ok().filter(|key| key.algorithm() == *kind && !key.is_encrypted());
    key.ok_or_else(|| HostKeyError::Parse { path: path.to_owned(), kind: kind.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_made_once_and_rotated_on_demand() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("hostkeys");
        let first = HostKeys::load_or_make(&keys, Profile::Default).unwrap().shown();
        assert_eq!(first, HostKeys::load_or_make(&keys, Profile::Default).unwrap().shown());
        assert_eq!(first.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>(), ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
        for key in &first {
            assert_eq!(std::fs::metadata(&key.file).unwrap().mode() & 0o777, 0o600);
            assert!(key.public_key.starts_with(&key.kind));
        }
        let second = HostKeys::rotate(&keys, Profile::Default).unwrap().shown();
        assert_ne!(first.first().unwrap().fingerprint, second.first().unwrap().fingerprint);
        let previous = std::fs::read_to_string(keys.join("ed25519.previous")).unwrap();
        assert_eq!(PrivateKey::from_openssh(previous).unwrap().fingerprint(HashAlg::Sha256).to_string(), first.first().unwrap().fingerprint);
        let fips = HostKeys::load_or_make(&keys, Profile::Fips).unwrap().shown();
        assert_eq!(fips.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>(), ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"]);
    }

    #[test]
    fn a_key_that_cannot_be_used_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("hostkeys");
        HostKeys::load_or_make(&keys, Profile::Default).unwrap();
        let file = keys.join("ed25519");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(HostKeys::load_or_make(&keys, Profile::Default), Err(HostKeyError::Mode { .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "nothing").unwrap();
        assert!(matches!(HostKeys::load_or_make(&keys, Profile::Default), Err(HostKeyError::Parse { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "nothing");
    }
}
