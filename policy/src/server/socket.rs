//! The socket that keepers connect to.

use portcullis_model::bytes::printable;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no socket. Each names it.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another judge answers there.
    #[error("the socket {} is in use by another judge", printable(.0.as_os_str().as_bytes()))]
    InUse(PathBuf),
    /// There is something that is no socket.
    #[error("{} exists and is no socket", printable(.0.as_os_str().as_bytes()))]
    NoSocket(PathBuf),
    /// The system refuses it.
    #[error("cannot listen on {}", printable(.0.as_os_str().as_bytes()))]
    Listen(PathBuf, #[source] std::io::Error),
}

/// Listens at `path`, in the place of a socket that a dead judge left behind. Other users may connect when `others` says so; who
/// they are is checked for each connection.
///
/// # Errors
/// [`SocketError`] when the path is taken, or the system refuses.
pub fn listen(path: &Path, others: Others) -> Result<UnixListener, SocketError> {
    let failed = |error| SocketError::Listen(path.to_owned(), error);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NoSocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        },
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    let mode = match others {
        Others::MayConnect => 0o666,
        Others::MayNotConnect => 0o600,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Whether other users than root and the socket's owner may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They may.
    MayConnect,
    /// They may not.
    MayNotConnect,
}
