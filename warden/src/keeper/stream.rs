//! A stream socket with framed messages, never waiting; bounded both ways.

use portcullis_model::wire::frame::{self, FrameError, Frames};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Why the stream is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The system refused, or the peer has gone.
    #[error("local stream failed")]
    Io(#[from] io::Error),
    /// What came, or was to be sent, is no message.
    #[error("not a message of this version")]
    Frame(#[from] FrameError),
    /// A message over the peer's limit.
    #[error("a message over the limit of {0} bytes")]
    TooLong(usize),
    /// The peer takes nothing.
    #[error("the peer does not take its messages")]
    Backlog,
}

/// What one read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Bytes; there may be more.
    Said,
    /// Nothing now.
    Silent,
    /// It has closed the stream.
    Gone,
}

/// How much a stream holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most bytes of one message from the peer.
    pub(crate) incoming: usize,
    /// Most bytes that wait for the peer.
    pub(crate) outgoing: usize,
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    bounds: Bounds,
    frames: Frames,
    /// Bytes read since the last whole message: what of an unfinished one is held.
    unfinished: usize,
    waiting: Vec<u8>,
    sent: usize,
}

impl Stream {
    /// Over a connected socket.
    pub(crate) fn new(fd: OwnedFd, bounds: Bounds) -> Self {
        Self { fd, bounds, frames: Frames::default(), unfinished: 0, waiting: Vec::new(), sent: 0 }
    }

    /// Sends a message, or queues it when the peer is slow.
    ///
    /// # Errors
    /// [`StreamError`]; [`StreamError::Backlog`] and [`StreamError::Frame`] leave the stream as it was.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<(), StreamError> {
        let bytes = frame::encode(message)?;
        if self.backlog() + bytes.len() > self.bounds.outgoing {
            return Err(StreamError::Backlog);
        }
        self.waiting.extend_from_slice(&bytes);
        self.flush()
    }

    /// Sends the first message together with a descriptor; it fits the socket's empty buffer.
    ///
    /// # Errors
    /// [`StreamError`].
    pub(crate) fn send_first<T: Serialize>(&mut self, message: &T, descriptor: BorrowedFd<'_>) -> Result<(), StreamError> {
        let bytes = frame::encode(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [descriptor];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = rustix::net::sendmsg(&self.fd, &[IoSlice::new(&bytes)], &mut control, flags).map_err(io::Error::from)?;
        self.waiting.extend_from_slice(bytes.get(sent..).unwrap_or_default());
        Ok(())
    }

    /// Sends what waits, as far as the peer takes it.
    ///
    /// # Errors
    /// [`StreamError::Io`].
    pub(crate) fn flush(&mut self) -> Result<(), StreamError> {
        while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match rustix::net::send(&self.fd, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => self.sent += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(StreamError::Io(error.into())),
            }
        }
        if self.sent == self.waiting.len() {
            self.waiting.clear();
            self.waiting.shrink_to(READ);
            self.sent = 0;
        } else if self.sent > READ {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Bytes that wait for the peer.
    pub(crate) fn backlog(&self) -> usize {
        self.waiting.len() - self.sent
    }

    /// Reads once, without waiting. When the peer has gone, whole messages may still be there.
    ///
    /// # Errors
    /// [`StreamError`].
    pub(crate) fn fill(&mut self) -> Result<Peer, StreamError> {
        let mut bytes = [MaybeUninit::<u8>::uninit(); READ];
        let read = loop {
            match rustix::net::recv(&self.fd, &mut bytes, RecvFlags::DONTWAIT) {
                Ok(((read, _), _)) => break read,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Peer::Silent),
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Peer::Gone),
                Err(error) => return Err(StreamError::Io(error.into())),
            }
        };
        if read.is_empty() {
            return Ok(Peer::Gone);
        }
        self.frames.push(read);
        self.unfinished += read.len();
        Ok(Peer::Said)
    }

    /// The next whole message.
    ///
    /// # Errors
    /// [`StreamError::Frame`] or [`StreamError::TooLong`]: the peer is not to be talked to any more.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StreamError> {
        let message = self.frames.next()?;
        if message.is_some() {
            self.unfinished = 0;
        } else if self.unfinished > self.bounds.incoming + READ {
            return Err(StreamError::TooLong(self.bounds.incoming));
        }
        Ok(message)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const BOUNDS: Bounds = Bounds { incoming: 64 * 1024, outgoing: 1024 * 1024 };

    fn pair() -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Stream::new(a.into(), BOUNDS), Stream::new(b.into(), BOUNDS))
    }

    #[test]
    fn a_slow_peer_gets_everything_in_order() {
        let (mut a, mut b) = pair();
        let mut sent = 0u32;
        while a.backlog() == 0 {
            a.send(&(sent, vec![0u8; 1000])).unwrap();
            sent += 1;
        }
        let mut seen = 0;
        while seen < sent {
            a.flush().unwrap();
            assert_eq!(b.fill().unwrap(), Peer::Said);
            while let Some((n, _)) = b.next::<(u32, Vec<u8>)>().unwrap() {
                assert_eq!(n, seen);
                seen += 1;
            }
        }
        drop(a);
        assert_eq!(b.fill().unwrap(), Peer::Gone);
    }

    #[test]
    fn the_backlog_is_bounded() {
        let (mut a, _b) = pair();
        let refused = (0..10_000).find_map(|_| a.send(&vec![0u8; 10_000]).err());
        assert!(matches!(refused, Some(StreamError::Backlog)));
        assert!(a.backlog() <= BOUNDS.outgoing);
    }

    #[test]
    fn a_message_over_the_limit_is_not_waited_for() {
        let (mut a, mut b) = pair();
        let _ = a.send(&vec![0u8; 512 * 1024]);
        let refused = (0..20).find_map(|_| {
            a.flush().unwrap();
            b.fill().unwrap();
            b.next::<Vec<u8>>().err()
        });
        assert!(matches!(refused, Some(StreamError::TooLong(_))));
    }
}
