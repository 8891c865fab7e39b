//! A SEQPACKET socket of a single-threaded program: one message a packet, never waiting, with a bounded queue of what the
//! peer has not taken yet.

use portcullis_model::wire::packet::{self, PACKET_MAX, PacketError};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why the socket is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PacketsError {
    /// The system refused.
    #[error("local socket failed")]
    Io(#[from] io::Error),
    /// What came, or was to be sent, is no message.
    #[error("not a message of this version")]
    Message(#[from] PacketError),
    /// A packet, or the descriptors with it, did not fit.
    #[error("a packet that does not fit")]
    Cut,
    /// The peer takes nothing.
    #[error("the peer does not take its messages")]
    Backlog,
}

/// What was received.
#[derive(Debug)]
pub(crate) enum Received<T> {
    /// Nothing is there now.
    Nothing,
    /// The peer has closed the socket.
    Closed,
    /// A message, and the descriptor that came with it.
    Message(T, Option<OwnedFd>),
}

/// Room for one packet; may serve many sockets.
#[derive(Debug)]
pub(crate) struct Intake(Vec<u8>);

impl Intake {
    /// Room for one packet.
    pub(crate) fn new() -> Self {
        Self(vec![0; PACKET_MAX])
    }
}

/// A socket and its queue.
#[derive(Debug)]
pub(crate) struct Packets {
    fd: OwnedFd,
    waiting: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    bytes: usize,
    limit: usize,
}

impl Packets {
    /// Over a connected socket; at most `limit` bytes wait for the peer.
    pub(crate) fn new(fd: OwnedFd, limit: usize) -> Self {
        Self { fd, waiting: VecDeque::new(), bytes: 0, limit }
    }

    /// Sends a message, or queues it when the peer is slow.
    ///
    /// # Errors
    /// [`PacketsError`]; [`PacketsError::Message`] leaves the socket as it was, the others end it.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T, descriptor: Option<OwnedFd>) -> Result<(), PacketsError> {
        let bytes = packet::encode(message)?;
        if self.bytes + bytes.len() > self.limit {
            return Err(PacketsError::Backlog);
        }
        self.bytes += bytes.len();
        self.waiting.push_back((bytes, descriptor));
        self.flush()
    }

    /// Sends what waits, as far as the peer takes it.
    ///
    /// # Errors
    /// [`PacketsError::Io`], also when the peer has gone.
    pub(crate) fn flush(&mut self) -> Result<(), PacketsError> {
        while let Some((bytes, descriptor)) = self.waiting.front() {
            match send_one(&self.fd, bytes, descriptor.as_ref()) {
                Ok(()) => {
                    self.bytes -= bytes.len();
                    self.waiting.pop_front();
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(PacketsError::Io(error.into())),
            }
        }
        Ok(())
    }

    /// Bytes that wait for the peer.
    pub(crate) fn backlog(&self) -> usize {
        self.bytes
    }

    /// The next message, without waiting.
    ///
    /// # Errors
    /// [`PacketsError`]; the socket is of no more use.
    pub(crate) fn receive<T: DeserializeOwned>(&self, intake: &mut Intake) -> Result<Received<T>, PacketsError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut reset = false;
        let message = loop {
            let mut slices = [IoSliceMut::new(&mut intake.0)];
            match rustix::net::recvmsg(&self.fd, &mut slices, &mut control, RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC) {
                Ok(message) => break message,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                // A peer that closes without having read everything is reported once, and before the packets that it sent:
                // those are still there behind the report.
                Err(Errno::CONNRESET) if !reset => reset = true,
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Received::Closed),
                Err(error) => return Err(PacketsError::Io(error.into())),
            }
        };
        let descriptor = control.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(PacketsError::Cut);
        }
        if message.bytes == 0 {
            return Ok(Received::Closed);
        }
        let packet = intake.0.get(..message.bytes).unwrap_or_default();
        Ok(Received::Message(packet::decode(packet)?, descriptor))
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn send_one(fd: &OwnedFd, bytes: &[u8], descriptor: Option<&OwnedFd>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = descriptor.map(|fd| [fd.as_fd()]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(fd, &[IoSlice::new(bytes)], &mut control, flags).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair(limit: usize) -> (Packets, Packets) {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (Packets::new(a, limit), Packets::new(b, limit))
    }

    fn next<T: DeserializeOwned>(packets: &Packets) -> Result<Received<T>, PacketsError> {
        packets.receive(&mut Intake::new())
    }

    #[test]
    fn messages_and_descriptors_go_through() {
        let (mut a, b) = pair(1024);
        assert!(matches!(next::<u32>(&b), Ok(Received::Nothing)));
        a.send(&7u32, None).unwrap();
        a.send(&8u32, Some(rustix::io::dup(&a).unwrap())).unwrap();
        assert!(matches!(next::<u32>(&b), Ok(Received::Message(7, None))));
        assert!(matches!(next::<u32>(&b), Ok(Received::Message(8, Some(_)))));
        drop(a);
        assert!(matches!(next::<u32>(&b), Ok(Received::Closed)));
    }

    #[test]
    fn what_a_peer_sent_before_it_closed_in_haste_is_received() {
        let (mut a, mut b) = pair(1024);
        b.send(&0u32, None).unwrap(); // never read
        a.send(&7u32, None).unwrap();
        a.send(&8u32, Some(rustix::io::dup(&b).unwrap())).unwrap();
        drop(a);
        assert!(matches!(next::<u32>(&b), Ok(Received::Message(7, None))));
        assert!(matches!(next::<u32>(&b), Ok(Received::Message(8, Some(_)))));
        assert!(matches!(next::<u32>(&b), Ok(Received::Closed)));
    }

    #[test]
    fn a_peer_that_takes_nothing_has_a_bounded_backlog() {
        let (mut a, b) = pair(256 * 1024);
        let chunk = vec![0u8; 32 * 1024];
        let refused = (0..1000).find_map(|_| a.send(&chunk, None).err());
        assert!(matches!(refused, Some(PacketsError::Backlog)));
        assert!(a.backlog() > 0 && a.backlog() <= 256 * 1024);
        while a.backlog() > 0 {
            assert!(matches!(next::<Vec<u8>>(&b), Ok(Received::Message(..))));
            a.flush().unwrap();
        }
    }

    #[test]
    fn garbage_ends_the_connection() {
        let (a, b) = pair(1024);
        rustix::net::send(&a, b"\xff\xff\xff\xff\xff\xff\xff", SendFlags::empty()).unwrap();
        assert!(matches!(next::<u32>(&b), Err(PacketsError::Message(_))));
        rustix::net::send(&a, &vec![1; PACKET_MAX + 1], SendFlags::empty()).unwrap();
        assert!(matches!(next::<Vec<u8>>(&b), Err(PacketsError::Cut)));
        rustix::net::send(&a, b"\x01\x01", SendFlags::empty()).unwrap();
        assert!(matches!(next::<u8>(&b), Err(PacketsError::Message(PacketError::Trailing(1)))));
    }
}
