//! The warden's socket, its signals, and the folder of recordings: what it opens once.

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Gid, Uid};
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
    gateway_uid: u32,
}

/// Who has arrived.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Nobody now.
    Nobody,
    /// Somebody who is not served; the connection is closed.
    Stranger(u32),
    /// The gateway's user.
    Gateway(OwnedFd),
}

impl Listener {
    /// Binds the socket for the gateway's user alone. One that a dead warden has left is replaced, one that answers is not.
    ///
    /// # Errors
    /// One line that names the socket.
    pub(crate) fn bind(path: &Path, gateway_uid: u32) -> anyhow::Result<Self> {
        let address = SocketAddrUnix::new(path).with_context(|| format!("{} cannot be a socket's name", path.display()))?;
        if let Ok(meta) = fs::symlink_metadata(path) {
            ensure!(meta.file_type().is_socket(), "{} is there and is not a socket", path.display());
            match rustix::net::connect(socket()?, &address) {
                Err(Errno::CONNREFUSED) => fs::remove_file(path).with_context(|| format!("cannot replace the socket {}", path.display()))?,
                Ok(()) | Err(Errno::AGAIN) => bail!("the socket {} is in use: another warden serves it", path.display()),
                Err(error) => return Err(error).with_context(|| format!("cannot use the socket {}", path.display())),
            }
        }
        let fd = socket()?;
        rustix::net::bind(&fd, &address).with_context(|| format!("cannot make the socket {}", path.display()))?;
        // before it listens nobody can connect, so nobody does between these steps
        let ours = || -> io::Result<()> {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            if rustix::process::geteuid().as_raw() != gateway_uid {
                rustix::fs::chown(path, Some(Uid::from_raw(gateway_uid)), None)?;
            }
            Ok(())
        };
        ours().with_context(|| format!("cannot give the socket {} to the gateway's user {gateway_uid}", path.display()))?;
        rustix::net::listen(&fd, 8).with_context(|| format!("cannot listen at {}", path.display()))?;
        Ok(Self { fd, gateway_uid })
    }

    /// The next one who wants to connect, without waiting.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn accept(&self) -> io::Result<Arrival> {
        let socket = match rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(Arrival::Nobody),
            Err(error) => return Err(error.into()),
        };
        let uid = rustix::net::sockopt::socket_peercred(&socket)?.uid.as_raw();
        Ok(if uid == self.gateway_uid { Arrival::Gateway(socket) } else { Arrival::Stranger(uid) })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn socket() -> anyhow::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).context("no socket")
}

/// Makes the folder of grants and revocations, for this process alone as long as it holds the descriptor.
///
/// # Errors
/// One line that names the folder.
pub(crate) fn lock(state: &Path) -> anyhow::Result<OwnedFd> {
    let named = || format!("cannot use the folder of grants {}", state.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(named)?;
    let folder = rustix::fs::open(state, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).with_context(named)?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(Errno::WOULDBLOCK) => bail!("{}: another warden uses it", named()),
        Err(error) => Err(error).with_context(named),
    }
}

/// Makes the folder of recordings, or checks that the one there is nobody else's to write.
///
/// # Errors
/// One line that names the folder.
pub(crate) fn make_evidence_folder(path: &Path, gid: Option<u32>) -> anyhow::Result<()> {
    let named = || format!("cannot use the folder of recordings {}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o750).create(path).with_context(named)?;
    let folder = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).with_context(named)?;
    let meta = fs::File::from(folder.try_clone().with_context(named)?).metadata().with_context(named)?;
    ensure!(meta.uid() == rustix::process::geteuid().as_raw(), "{}: it belongs to another user", named());
    ensure!(meta.mode() & 0o022 == 0, "{}: others may write in it", named());
    rustix::fs::fchown(&folder, None, gid.map(Gid::from_raw)).with_context(named)?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o750)).with_context(named)
}

/// A descriptor that is readable once the process was told to stop.
///
/// # Errors
/// The system's.
pub(crate) fn stop_signals() -> io::Result<UnixStream> {
    let (ours, signals) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, signals.try_clone()?)?;
    }
    Ok(ours)
}

/// Takes what has come.
pub(crate) fn drain(mut stop: &UnixStream) {
    let mut bytes = [0; 64];
    while stop.read(&mut bytes).is_ok_and(|n| n > 0) {}
}
