//! The warden's socket: packets, with a descriptor where one belongs.

use super::socket::SocketError;
use portcullis_model::wire::packet::{self, PACKET_MAX, PacketError};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Why the conversation is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum PacketsError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the warden sent what is no message")]
    Message(#[from] PacketError),
    #[error("the warden sent a packet that does not fit")]
    Cut,
}

/// Listens at `path`, for root and the judge's own user. To be called before the process is confined.
///
/// # Errors
/// [`SocketError`] when the path is taken, or the system refuses.
pub fn listen_for_warden(path: &Path) -> Result<OwnedFd, SocketError> {
    let failed = |error: io::Error| SocketError::Listen(path.to_owned(), error);
    let socket = || rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None);
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NoSocket(path.to_owned())),
        Ok(_) => match rustix::net::connect(socket().map_err(|error| failed(error.into()))?, &address) {
            Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(failed)?,
            Ok(()) | Err(Errno::AGAIN) => return Err(SocketError::InUse(path.to_owned())),
            Err(error) => return Err(failed(error.into())),
        },
    }
    let made = || -> io::Result<OwnedFd> {
        let listener = socket()?;
        rustix::net::bind(&listener, &address)?;
        // nobody can connect before it listens
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        rustix::net::listen(&listener, 4)?;
        Ok(listener)
    };
    made().map_err(failed)
}

/// A listening or connected socket.
#[derive(Debug)]
pub(super) struct Packets(AsyncFd<OwnedFd>);

impl Packets {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        #[expect(deprecated, reason = "deprecated for types that may change or close their descriptor while it is watched; this one cannot")]
        Ok(Self(AsyncFd::new(fd)?))
    }

    /// The next connection of one of these users.
    pub(super) async fn accept(&self, peers: &[u32]) -> io::Result<Self> {
        loop {
            let accept = |fd: &OwnedFd| match rustix::net::accept_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Err(Errno::INTR | Errno::CONNABORTED) => Err(io::ErrorKind::WouldBlock.into()),
                accepted => Ok(accepted?),
            };
            let socket = self.0.async_io(Interest::READABLE, accept).await?;
            let uid = rustix::net::sockopt::socket_peercred(&socket)?.uid.as_raw();
            if peers.contains(&uid) {
                return Self::new(socket);
            }
            tracing::warn!(uid, "a stranger wanted to say which modules judge");
        }
    }

    /// Sends a message; waits while the peer's queue is full.
    pub(super) async fn send<T: Serialize>(&self, message: &T) -> Result<(), PacketsError> {
        let bytes = packet::encode(message)?;
        let send = |fd: &OwnedFd| {
            let mut control = SendAncillaryBuffer::default();
            let sent = rustix::net::sendmsg(fd, &[IoSlice::new(&bytes)], &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            sent.map(drop).map_err(io::Error::from)
        };
        Ok(self.0.async_io(Interest::WRITABLE, send).await?)
    }

    /// The next message and the descriptor that came with it; none when the peer has closed the socket.
    pub(super) async fn receive<T: DeserializeOwned>(&self, room: &mut Room) -> Result<Option<(T, Option<OwnedFd>)>, PacketsError> {
        let mut received = None;
        let mut take = |fd: &OwnedFd| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut room.0)];
            let message = match rustix::net::recvmsg(fd, &mut slices, &mut control, RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(()),
                message => message?,
            };
            let descriptor = control.drain().find_map(|part| match part {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            received = Some((message.bytes, message.flags, descriptor));
            Ok(())
        };
        self.0.async_io(Interest::READABLE, &mut take).await?;
        match received {
            None | Some((0, ..)) => Ok(None),
            Some((_, flags, _)) if flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) => Err(PacketsError::Cut),
            Some((length, _, descriptor)) => Ok(Some((packet::decode(room.0.get(..length).unwrap_or_default())?, descriptor))),
        }
    }
}

/// Room for one packet.
#[derive(Debug)]
pub(super) struct Room(Vec<u8>);

impl Default for Room {
    fn default() -> Self {
        Self(vec![0; PACKET_MAX])
    }
}
