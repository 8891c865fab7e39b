//! A SEQPACKET socket for an asynchronous program: one message a packet, a descriptor with it when there is one.

use portcullis_jail::socket::{self, Kind, Mode, Received, SocketError};
use portcullis_model::wire::packet::{self, PACKET_MAX, PacketError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Why a packet did not go through. The socket is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum PacketFault {
    /// The system refused; a peer that has gone is such a refusal.
    #[error("local socket failed")]
    Socket(#[from] SocketError),
    /// It cannot be watched.
    #[error("local socket cannot be watched")]
    Watch(#[source] io::Error),
    /// It is not a message.
    #[error("local peer sent no message of this version")]
    Message(#[from] PacketError),
}

/// The socket.
#[derive(Debug)]
pub struct PacketSocket {
    fd: AsyncFd<OwnedFd>,
}

impl PacketSocket {
    /// Connects to a listening socket.
    ///
    /// # Errors
    /// What the system says. A local connect does not wait long: the peer's queue has room, or the peer is stuck.
    pub fn connect(path: &Path) -> Result<Self, PacketFault> {
        Self::from_fd(socket::connect(path, Kind::Packets)?)
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, PacketFault> {
        #[expect(deprecated, reason = "deprecated for types that may change or close their descriptor while it is watched; this one cannot")]
        let fd = AsyncFd::new(fd).map_err(PacketFault::Watch)?;
        Ok(Self { fd })
    }

    /// Sends one message; waits while the peer's queue is full.
    ///
    /// # Errors
    /// [`PacketFault`]; a peer that has gone is one.
    pub async fn send<T: Serialize>(&self, message: &T) -> Result<(), PacketFault> {
        let bytes = packet::encode(message)?;
        let sent = self.fd.async_io(Interest::WRITABLE, |fd| match socket::send(fd, &bytes, &[], Mode::NonBlocking) {
            Err(error) if error.would_block() => Err(io::ErrorKind::WouldBlock.into()),
            sent => Ok(sent),
        });
        Ok(sent.await.map_err(PacketFault::Watch)??)
    }

    /// The next message and the descriptor that came with it; none when the peer has closed the socket.
    ///
    /// # Errors
    /// [`PacketFault`].
    pub async fn receive<T: DeserializeOwned>(&self, buffer: &mut Buffer) -> Result<Option<(T, Option<OwnedFd>)>, PacketFault> {
        let mut take = |fd: &OwnedFd| match socket::receive(fd, &mut buffer.0, Mode::NonBlocking) {
            Ok(Received::Nothing) => Err(io::ErrorKind::WouldBlock.into()),
            received => Ok(received),
        };
        // A peer that closes without having read everything is reported before what it sent, and once: what it sent is still
        // there behind the report, and a second one is the end.
        let received = self.fd.async_io(Interest::READABLE, |fd| match take(fd) {
            Ok(Ok(Received::Closed)) => take(fd),
            received => received,
        });
        match received.await.map_err(PacketFault::Watch)?? {
            Received::Nothing | Received::Closed => Ok(None),
            Received::Packet { length, mut descriptors } => {
                let message = packet::decode(buffer.0.get(..length).unwrap_or_default())?;
                Ok(Some((message, descriptors.pop())))
            }
        }
    }
}

/// Room for one packet, used again for the next.
#[derive(Debug)]
pub struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; PACKET_MAX])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    fn pair() -> (PacketSocket, OwnedFd) {
        let (ours, theirs) = socket::pair(Kind::Packets).unwrap();
        (PacketSocket::from_fd(ours).unwrap(), theirs)
    }

    #[tokio::test]
    async fn a_message_its_descriptor_and_the_end() {
        let (ours, theirs) = pair();
        let bytes = packet::encode(&"hello".to_owned()).unwrap();
        socket::send(&theirs, &bytes, &[theirs.as_fd()], Mode::Blocking).unwrap();
        let mut buffer = Buffer::default();
        let (text, descriptor) = ours.receive::<String>(&mut buffer).await.unwrap().unwrap();
        assert_eq!(text, "hello");
        assert!(descriptor.is_some());
        drop((descriptor, theirs));
        assert!(ours.receive::<String>(&mut buffer).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_a_peer_said_before_it_closed_in_haste_is_heard() {
        let (ours, theirs) = pair();
        ours.send(&"never read".to_owned()).await.unwrap();
        for word in ["one", "two"] {
            socket::send(&theirs, &packet::encode(&word.to_owned()).unwrap(), &[], Mode::Blocking).unwrap();
        }
        drop(theirs);
        let mut buffer = Buffer::default();
        for word in ["one", "two"] {
            assert_eq!(ours.receive::<String>(&mut buffer).await.unwrap().unwrap().0, word);
        }
        assert!(ours.receive::<String>(&mut buffer).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn garbage_and_giants_end_the_socket() {
        let mut buffer = Buffer::default();
        let (ours, theirs) = pair();
        socket::send(&theirs, b"\xff\xff", &[], Mode::Blocking).unwrap();
        assert!(matches!(ours.receive::<String>(&mut buffer).await, Err(PacketFault::Message(_))));
        let (ours, theirs) = pair();
        socket::send(&theirs, &vec![0; PACKET_MAX + 1], &[], Mode::Blocking).unwrap();
        assert!(matches!(ours.receive::<String>(&mut buffer).await, Err(PacketFault::Socket(SocketError::Truncated))));
    }
}
