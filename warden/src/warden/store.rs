//! One folder of small JSON files that survive a power cut whole: each is written beside, synced, renamed, and the folder
//! synced. Names are ids.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Most bytes of one file.
const FILE_MAX: u64 = 64 * 1024;
const SUFFIX: &str = ".json";
const UNFINISHED: &str = ".new";

/// Why the folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The system says no.
    #[error("{path}")]
    Io {
        /// what was wanted
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// The folder could be changed by somebody else.
    #[error("{0} belongs to another user, or others may write in it")]
    NotOurs(PathBuf),
    /// A value cannot be written as JSON.
    #[error("{path} cannot be written as JSON")]
    Encode {
        /// the file
        path: PathBuf,
        /// the writer's reason
        source: serde_json::Error,
    },
}

/// A folder.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// A file as it was found.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// Its name without the suffix.
    pub(crate) name: String,
    /// What is in it, or why that cannot be read.
    pub(crate) value: Result<T, String>,
}

impl Store {
    /// Opens a folder, made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`StoreError`]; also when the folder is not this user's alone.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io)?;
        let meta = fs::symlink_metadata(&folder).map_err(io)?;
        let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
        if ours { Ok(Self { folder }) } else { Err(StoreError::NotOurs(folder)) }
    }

    /// All files, in the order of their names; unfinished ones are removed.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read. A file that cannot be read is among the results.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Result<Vec<Found<T>>, StoreError> {
        let io = |source| StoreError::Io { path: self.folder.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(io)?;
            } else if let Some(stem) = name.strip_suffix(SUFFIX) {
                found.push(Found { name: stem.to_owned(), value: read(&entry.path()) });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Writes one file; when this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; the file is then what it was before.
    pub(crate) fn put<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.folder.join(format!("{name}{SUFFIX}"));
        let json = serde_json::to_vec(value).map_err(|source| StoreError::Encode { path: path.clone(), source })?;
        let unfinished = self.folder.join(format!("{name}{UNFINISHED}"));
        self.write(&unfinished, &path, &json).map_err(|source| {
            // best effort: it is removed at the next start as well
            let _ = fs::remove_file(&unfinished);
            StoreError::Io { path, source }
        })
    }

    fn write(&self, unfinished: &Path, path: &Path, json: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(unfinished)?;
        file.write_all(json)?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes one file, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(format!("{name}{SUFFIX}"));
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Io { path, source }),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > FILE_MAX => Err(format!("over {FILE_MAX} bytes")),
        Ok(_) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_was_put_is_found_again_and_nothing_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grants");
        let store = Store::open(path.clone()).unwrap();
        store.put("g-b", &"two").unwrap();
        store.put("g-a", &"one").unwrap();
        store.put("g-a", &"first").unwrap();
        store.put("g-c", &"three").unwrap();
        store.remove("g-c").unwrap();
        store.remove("g-c").unwrap();
        fs::write(path.join("g-d.new"), "half").unwrap();
        fs::write(path.join("g-e.json"), "{").unwrap();
        let found = Store::open(path.clone()).unwrap().load::<String>().unwrap();
        let seen: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.value.as_deref().ok())).collect();
        assert_eq!(seen, [("g-a", Some("first")), ("g-b", Some("two")), ("g-e", None)]);
        assert!(!path.join("g-d.new").exists());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join("g-a.json")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Store::open(folder.path().to_owned()), Err(StoreError::NotOurs(_))));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        assert!(Store::open(link).is_err());
    }
}
