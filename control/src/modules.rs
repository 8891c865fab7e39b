//! The modules themselves: one file each, named by its digest, on the disk before anybody is told that it is there. A file
//! that is not what its name says is not used.

use crate::files::{self, FileError};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::MODULE_MAX;
use std::path::PathBuf;

/// The folder of modules.
#[derive(Debug, Clone)]
pub(crate) struct Modules {
    folder: PathBuf,
}

impl Modules {
    /// The folder, made when it is missing.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, FileError> {
        files::private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps a module: it is on the disk when this returns. Blocks.
    pub(crate) fn put(&self, component: &[u8]) -> Result<PolicyDigest, FileError> {
        let digest = PolicyDigest::of(component);
        files::write_bytes(&self.folder.join(digest.to_string()), component, 0o600)?;
        Ok(digest)
    }

    /// A module's bytes. Blocks.
    pub(crate) fn get(&self, digest: &PolicyDigest) -> Result<Vec<u8>, FileError> {
        let path = self.folder.join(digest.to_string());
        let bytes = files::read_private_bytes(&path, MODULE_MAX as u64)?.ok_or_else(|| FileError::io("read", &path)(std::io::ErrorKind::NotFound.into()))?;
        if PolicyDigest::of(&bytes) == *digest { Ok(bytes) } else { Err(FileError::content(&path, "the module of its name")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_what_its_name_says_or_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let modules = Modules::open(folder.path().join("modules")).unwrap();
        let digest = modules.put(b"one").unwrap();
        assert_eq!(modules.put(b"one").unwrap(), digest);
        assert_eq!(modules.get(&digest).unwrap(), b"one");
        assert!(modules.get(&PolicyDigest::of(b"two")).is_err());
        files::write_bytes(&folder.path().join("modules").join(digest.to_string()), b"two", 0o600).unwrap();
        assert!(modules.get(&digest).unwrap_err().to_string().contains("does not hold the module of its name"));
    }
}
