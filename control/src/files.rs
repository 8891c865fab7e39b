//! Small private files: read only when nobody else could have written or read them, written whole or not at all.

use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Most bytes of a file that is read here.
const SMALL: u64 = 64 * 1024;

/// Why a file or folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("cannot {doing} {path}", path = .path.display())]
    Io {
        /// read, write, make
        doing: &'static str,
        /// which
        path: PathBuf,
        /// the system's word
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error("{path} belongs to uid {owner}, this process is uid {process}", path = .path.display())]
    Owner {
        /// which
        path: PathBuf,
        /// its owner
        owner: u32,
        /// this process
        process: u32,
    },
    /// Others can get at it.
    #[error("{path} has mode {mode:04o}; it must not be open to group or others ({wanted:04o})", path = .path.display())]
    Mode {
        /// which
        path: PathBuf,
        /// its permission bits
        mode: u32,
        /// what they should be
        wanted: u32,
    },
    /// Others can change it.
    #[error("{path} has mode {mode:04o}; group or others must not be able to write to it", path = .path.display())]
    Writable {
        /// which
        path: PathBuf,
        /// its permission bits
        mode: u32,
    },
    /// It is something else than is expected there.
    #[error("{path} is not {expected}", path = .path.display())]
    Kind {
        /// which
        path: PathBuf,
        /// a regular file, a folder
        expected: &'static str,
    },
    /// Its content is not what belongs there.
    #[error("{path} does not hold {expected}", path = .path.display())]
    Content {
        /// which
        path: PathBuf,
        /// what belongs there
        expected: &'static str,
    },
}

impl FileError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn content(path: &Path, expected: &'static str) -> Self {
        Self::Content { path: path.to_owned(), expected }
    }
}

fn check_private(path: &Path, metadata: &Metadata, wanted: u32) -> Result<(), FileError> {
    let (owner, process) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != process {
        return Err(FileError::Owner { path: path.to_owned(), owner, process });
    }
    check_mode(path, metadata, wanted)
}

fn check_mode(path: &Path, metadata: &Metadata, wanted: u32) -> Result<(), FileError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 { Err(FileError::Mode { path: path.to_owned(), mode, wanted }) } else { Ok(()) }
}

/// Makes the folder when it is missing, with mode 0700, and checks that it is this process's alone.
pub(crate) fn private_folder(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(FileError::io("make", path)(error)),
    }
    let metadata = path.symlink_metadata().map_err(FileError::io("look at", path))?;
    if !metadata.is_dir() {
        return Err(FileError::Kind { path: path.to_owned(), expected: "a folder" });
    }
    check_private(path, &metadata, 0o700)
}

fn open(path: &Path) -> Result<Option<(File, Metadata)>, FileError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::io("read", path)(error)),
    };
    let metadata = file.metadata().map_err(FileError::io("look at", path))?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(FileError::Kind { path: path.to_owned(), expected: "a regular file" }) }
}

fn text(path: &Path, file: File) -> Result<String, FileError> {
    let mut text = String::new();
    file.take(SMALL + 1).read_to_string(&mut text).map_err(FileError::io("read", path))?;
    if text.len() as u64 > SMALL { Err(FileError::content(path, "a short text")) } else { Ok(text) }
}

/// The text of a file that belongs to this process alone; none when there is no such file.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, FileError> {
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    check_private(path, &metadata, 0o600)?;
    text(path, file).map(Some)
}

/// The bytes of a file that belongs to this process alone, at most `most`; none when there is no such file.
pub(crate) fn read_private_bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FileError> {
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    check_private(path, &metadata, 0o600)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::io("read", path))?;
    if bytes.len() as u64 > most { Err(FileError::content(path, "so few bytes as it may")) } else { Ok(Some(bytes)) }
}

/// The text of a file that decides whom to trust: it belongs to root or to this process, and nobody else can write to it.
pub(crate) fn read_trusted(path: &Path) -> Result<Option<String>, FileError> {
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    let (owner, process) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != process && owner != 0 {
        return Err(FileError::Owner { path: path.to_owned(), owner, process });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    text(path, file).map(Some)
}

/// The text of a file that nobody but its owner can read, whoever that is: root may read another user's.
pub(crate) fn read_secret(path: &Path) -> Result<Option<String>, FileError> {
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    check_mode(path, &metadata, 0o600)?;
    text(path, file).map(Some)
}

/// The text of a file that others may read; none when there is no such file.
pub(crate) fn read_shared(path: &Path) -> Result<Option<String>, FileError> {
    open(path)?.map(|(file, _)| text(path, file)).transpose()
}

/// Writes the file beside its place and moves it there, so that it is never seen half written; on the disk when this returns.
pub(crate) fn write(path: &Path, content: &str, mode: u32) -> Result<(), FileError> {
    write_bytes(path, content.as_bytes(), mode)
}

/// The same for bytes.
pub(crate) fn write_bytes(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let beside = path.with_extension("new");
    let written = (|| {
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(FileError::io("write", path))
}

/// Makes an empty file of mode 0600 when there is none, and checks that it is this process's alone.
pub(crate) fn private_file(path: &Path) -> Result<(), FileError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let Some((_, metadata)) = open(path)? else { return Err(FileError::content(path, "what it held a moment ago")) };
            check_private(path, &metadata, 0o600)
        }
        Err(error) => Err(FileError::io("make", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_could_read_or_redirect_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(read_private(&path).unwrap().is_none());
        write(&path, "secret\n", 0o600).unwrap();
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("secret\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path), Err(FileError::Mode { mode: 0o640, .. })));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_private(&link).is_err());
        assert!(matches!(read_private(folder.path()), Err(FileError::Kind { .. })));
        assert!(read_trusted(&path).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
        assert!(matches!(read_trusted(&path), Err(FileError::Writable { .. })));
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(matches!(read_shared(&path), Err(FileError::Content { .. })));
    }

    #[test]
    fn folders_are_made_private_and_stay_so() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        private_folder(&path).unwrap();
        private_folder(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(private_folder(&path), Err(FileError::Mode { .. })));
        assert!(private_folder(&parent.path().join("no/such")).is_err());
    }
}
