//! Local sockets between the processes of Portcullis: packets and streams that carry descriptors, and who is at the other end.
//!
//! Everything is synchronous and takes the descriptor by reference, so it serves an epoll loop and tokio's `AsyncFd` alike:
//! with [`Mode::NonBlocking`] a full or empty socket is an answer, not a wait. What does not fit is an error, never cut.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, recvmsg, sendmsg, socket_with, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Most descriptors of one packet.
pub const DESCRIPTORS_MAX: usize = 8;

/// Why a socket does not do what is wanted.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system call failed; `EAGAIN` from a non-blocking send means that the socket is full.
    #[error("{call} failed")]
    Call {
        /// which system call
        call: &'static str,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// A packet came that is longer than the buffer, or with more descriptors than are taken; the rest of it is lost.
    #[error("a packet came that is longer, or carries more descriptors, than agreed")]
    Truncated,
    /// More descriptors were to be sent than one packet takes.
    #[error("{0} descriptors are more than one packet takes")]
    TooManyDescriptors(usize),
    /// Only a part of a packet was sent.
    #[error("only {0} bytes of a packet were sent")]
    Partial(usize),
}

impl SocketError {
    fn call(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Call { call, source: errno.into() }
    }

    /// Whether it only says that a non-blocking call would have to wait.
    #[must_use]
    pub fn would_block(&self) -> bool {
        matches!(self, Self::Call { source, .. } if source.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// Whether a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the descriptor's own flags say; a new descriptor's calls wait.
    Blocking,
    /// It never waits.
    NonBlocking,
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Packets, whole and in order.
    Packets,
    /// Bytes.
    Stream,
}

impl Kind {
    fn socket_type(self) -> SocketType {
        match self {
            Self::Packets => SocketType::SEQPACKET,
            Self::Stream => SocketType::STREAM,
        }
    }
}

/// A connected pair; both ends are closed on exec.
///
/// # Errors
/// Out of descriptors or memory.
pub fn pair(kind: Kind) -> Result<(OwnedFd, OwnedFd), SocketError> {
    socketpair(AddressFamily::UNIX, kind.socket_type(), SocketFlags::CLOEXEC, None).map_err(SocketError::call("socketpair"))
}

/// A listening socket at `path`, which must not exist; anybody who can reach the path can connect, so set its mode before
/// others can reach the folder, and check [`peer`].
///
/// # Errors
/// The path is too long, exists, or cannot be made.
pub fn listen(path: &Path, kind: Kind) -> Result<OwnedFd, SocketError> {
    let address = SocketAddrUnix::new(path).map_err(SocketError::call("socket address"))?;
    let socket = socket_with(AddressFamily::UNIX, kind.socket_type(), SocketFlags::CLOEXEC, None).map_err(SocketError::call("socket"))?;
    rustix::net::bind(&socket, &address).map_err(SocketError::call("bind"))?;
    rustix::net::listen(&socket, 64).map_err(SocketError::call("listen"))?;
    Ok(socket)
}

/// The next connection to a listening socket, none when a non-blocking listener has none.
///
/// # Errors
/// The listener's own.
pub fn accept(listener: impl AsFd) -> Result<Option<OwnedFd>, SocketError> {
    loop {
        match rustix::net::accept_with(&listener, SocketFlags::CLOEXEC) {
            Ok(socket) => return Ok(Some(socket)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => return Err(SocketError::call("accept")(errno)),
        }
    }
}

/// A connection to the socket at `path`.
///
/// # Errors
/// Nobody listens there, or it is out of reach.
pub fn connect(path: &Path, kind: Kind) -> Result<OwnedFd, SocketError> {
    let address = SocketAddrUnix::new(path).map_err(SocketError::call("socket address"))?;
    let socket = socket_with(AddressFamily::UNIX, kind.socket_type(), SocketFlags::CLOEXEC, None).map_err(SocketError::call("socket"))?;
    rustix::net::connect(&socket, &address).map_err(SocketError::call("connect"))?;
    Ok(socket)
}

/// Makes every later call on the descriptor's open file non-blocking.
///
/// # Errors
/// The descriptor's own.
pub fn set_nonblocking(fd: impl AsFd) -> Result<(), SocketError> {
    let flags = fcntl_getfl(&fd).map_err(SocketError::call("fcntl"))?;
    fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(SocketError::call("fcntl"))
}

/// Who is at the other end of a connection, as the kernel noted when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// the process
    pub pid: u32,
    /// its effective uid
    pub uid: u32,
    /// its effective gid
    pub gid: u32,
}

/// Who is at the other end.
///
/// # Errors
/// It is not a connected local socket.
pub fn peer(socket: impl AsFd) -> Result<Peer, SocketError> {
    let credentials = rustix::net::sockopt::socket_peercred(socket).map_err(SocketError::call("SO_PEERCRED"))?;
    Ok(Peer { pid: credentials.pid.as_raw_pid().cast_unsigned(), uid: credentials.uid.as_raw(), gid: credentials.gid.as_raw() })
}

/// Sends one packet whole, with descriptors. On a stream the bytes must fit into its buffer at once.
///
/// # Errors
/// [`SocketError::would_block`] when the mode is non-blocking and there is no room; a peer that is gone is an error, never
/// a signal.
pub fn send(socket: impl AsFd, packet: &[u8], descriptors: &[BorrowedFd<'_>], mode: Mode) -> Result<(), SocketError> {
    let sent = send_some(socket, packet, descriptors, mode)?;
    if sent == packet.len() { Ok(()) } else { Err(SocketError::Partial(sent)) }
}

/// Sends the first bytes, as many as go, and with them the descriptors; how many bytes went. For streams.
///
/// # Errors
/// As [`send`].
pub fn send_some(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>], mode: Mode) -> Result<usize, SocketError> {
    if descriptors.len() > DESCRIPTORS_MAX {
        return Err(SocketError::TooManyDescriptors(descriptors.len()));
    }
    let mut flags = SendFlags::NOSIGNAL;
    if mode == Mode::NonBlocking {
        flags |= SendFlags::DONTWAIT;
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(SocketError::TooManyDescriptors(descriptors.len()));
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags) {
            Err(Errno::INTR) => {}
            result => return result.map_err(SocketError::call("sendmsg")),
        }
    }
}

/// What was received.
#[derive(Debug)]
pub enum Received {
    /// Nothing is there; only with a non-blocking call.
    Nothing,
    /// The other end is closed and everything was received. An empty packet reads the same, so none is ever sent.
    Closed,
    /// A packet, or some bytes of a stream.
    Packet {
        /// bytes of the buffer that are filled
        length: usize,
        /// descriptors that came with them, closed on exec
        descriptors: Vec<OwnedFd>,
    },
}

/// Receives one packet whole, or some bytes of a stream, with descriptors.
///
/// # Errors
/// [`SocketError::Truncated`] when the packet does not fit `buffer`, or its descriptors did not all arrive.
pub fn receive(socket: impl AsFd, buffer: &mut [u8], mode: Mode) -> Result<Received, SocketError> {
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if mode == Mode::NonBlocking {
        flags |= RecvFlags::DONTWAIT;
    }
    let mut reset = false;
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(message) => message,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            // A peer that closes without having read everything is reported once, and before the packets that it sent: those
            // are still there behind the report.
            Err(Errno::CONNRESET) if !reset => {
                reset = true;
                continue;
            }
            Err(Errno::CONNRESET) => return Ok(Received::Closed),
            Err(errno) => return Err(SocketError::call("recvmsg")(errno)),
        };
        // taken first, so that they are closed whatever comes of the packet
        let mut descriptors = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                descriptors.extend(rights);
            }
        }
        if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(SocketError::Truncated);
        }
        if message.bytes == 0 && descriptors.is_empty() {
            return Ok(Received::Closed);
        }
        return Ok(Received::Packet { length: message.bytes, descriptors });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_carry_descriptors_and_are_never_cut() {
        let (a, b) = pair(Kind::Packets).unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        send(&a, b"hello", &[write.as_fd()], Mode::Blocking).unwrap();
        let mut buffer = [0; 16];
        let Received::Packet { length, mut descriptors } = receive(&b, &mut buffer, Mode::Blocking).unwrap() else { panic!("a packet") };
        assert_eq!((&buffer[..length], descriptors.len()), (b"hello".as_slice(), 1));
        rustix::io::write(descriptors.pop().unwrap(), b"through").unwrap();
        assert_eq!(rustix::io::read(&read, &mut buffer).unwrap(), 7);
        send(&a, &[7; 17], &[], Mode::Blocking).unwrap();
        assert!(matches!(receive(&b, &mut buffer, Mode::Blocking), Err(SocketError::Truncated)));
        assert!(matches!(receive(&b, &mut buffer, Mode::NonBlocking), Ok(Received::Nothing)));
        drop(a);
        assert!(matches!(receive(&b, &mut buffer, Mode::Blocking), Ok(Received::Closed)));
    }

    #[test]
    fn what_a_peer_sent_before_it_closed_in_haste_is_received() {
        for mode in [Mode::Blocking, Mode::NonBlocking] {
            let (a, b) = pair(Kind::Packets).unwrap();
            send(&b, b"never read", &[], Mode::Blocking).unwrap();
            for word in [b"one", b"two"] {
                send(&a, word, &[b.as_fd()], Mode::Blocking).unwrap();
            }
            drop(a);
            let mut buffer = [0; 16];
            for word in [b"one", b"two"] {
                let received = receive(&b, &mut buffer, mode).unwrap();
                let Received::Packet { length, descriptors } = received else { panic!("{received:?}") };
                assert_eq!((&buffer[..length], descriptors.len()), (word.as_slice(), 1));
            }
            assert!(matches!(receive(&b, &mut buffer, mode), Ok(Received::Closed)));
        }
    }

    #[test]
    fn too_many_descriptors_are_an_error_at_the_receiver_too() {
        let (a, b) = pair(Kind::Packets).unwrap();
        let nine = [a.as_fd(); DESCRIPTORS_MAX + 1];
        assert!(matches!(send(&a, b"x", &nine, Mode::Blocking), Err(SocketError::TooManyDescriptors(9))));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let many = [a.as_fd(); 20];
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::NOSIGNAL).unwrap();
        assert!(matches!(receive(&b, &mut [0; 8], Mode::Blocking), Err(SocketError::Truncated)));
    }

    #[test]
    fn a_full_socket_is_an_answer() {
        let (a, b) = pair(Kind::Packets).unwrap();
        let packet = [0; 32 * 1024];
        let full = (0..1000).find_map(|_| send(&a, &packet, &[], Mode::NonBlocking).err()).unwrap();
        assert!(full.would_block(), "{full:?}");
        drop(b);
        let gone = send(&a, &packet, &[], Mode::NonBlocking).unwrap_err();
        assert!(!gone.would_block(), "{gone:?}");
    }

    #[test]
    fn the_peer_is_who_the_kernel_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = listen(&path, Kind::Packets).unwrap();
        set_nonblocking(&listener).unwrap();
        assert!(accept(&listener).unwrap().is_none());
        let _client = connect(&path, Kind::Packets).unwrap();
        let server = accept(&listener).unwrap().unwrap();
        let peer = peer(&server).unwrap();
        assert_eq!((peer.pid, peer.uid), (std::process::id(), rustix::process::geteuid().as_raw()));
    }
}
