//! How a process says that it is up: one datagram to a socket that is its own, as systemd has it.

use super::users::Account;
use rustix::fs::{Gid, Mode, Uid};
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixDatagram;

/// The socket.
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notify {
    /// A socket that only `owner` can send to.
    pub(super) fn new(path: PathBuf, owner: Account) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        rustix::fs::chmod(&path, Mode::from_raw_mode(0o600))?;
        rustix::fs::chown(&path, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        Ok(Self { socket, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for READY; returns the status that was told with or before it.
    pub(super) async fn ready(&self) -> io::Result<String> {
        let mut buffer = [0; 4096];
        let mut status = String::new();
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            if let Some(said) = text.lines().find_map(|line| line.strip_prefix("STATUS=")) {
                status = portcullis_model::bytes::printable(said.as_bytes());
            }
            if text.lines().any(|line| line == "READY=1") {
                return Ok(status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_with_a_status() {
        let folder = tempfile::tempdir().unwrap();
        let own = Account { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        let notify = Notify::new(folder.path().join("n"), own).unwrap();
        let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
        sender.send_to(b"STATUS=ssh on \x1b[1m\n", notify.path()).unwrap();
        sender.send_to(b"READY=1\n", notify.path()).unwrap();
        assert_eq!(notify.ready().await.unwrap(), "ssh on \\x1b[1m");
    }
}
