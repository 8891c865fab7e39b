//! The client's TCP stream, which can be cut from outside whatever the protocol is doing with it.
//!
//! Asking russh to disconnect is not enough: during a key exchange it does not read such wishes. Here the next read or
//! write fails once the token is cancelled, and [`HangUp`] closes the connection itself under it.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{Shutdown, sockopt};
use std::future::Future as _;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The stream.
pub(super) struct Killable {
    inner: TcpStream,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until then, acknowledgements are sent at once: OpenSSH leaves Nagle's algorithm on until the session starts, and
    /// waits in the middle of the key exchange for an acknowledgement that the kernel would hold back for 40 ms.
    authenticated: Option<Arc<AtomicBool>>,
}

impl Killable {
    pub(super) fn new(inner: TcpStream, kill: &CancellationToken, authenticated: Arc<AtomicBool>) -> Self {
        Self { inner, killed: Box::pin(kill.clone().cancelled_owned()), authenticated: Some(authenticated) }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.killed.as_mut().poll(cx).is_ready() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    fn acknowledge_now(&mut self) {
        if self.authenticated.as_ref().is_some_and(|authenticated| authenticated.load(Ordering::Relaxed)) {
            self.authenticated = None;
        }
        if self.authenticated.is_some() {
            // only a matter of speed
            let _ = sockopt::set_tcp_quickack(&self.inner, true);
        }
    }
}

impl AsyncRead for Killable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if read.is_ready() {
            self.acknowledge_now();
        }
        read
    }
}

impl AsyncWrite for Killable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A second handle to the same connection, kept outside of the protocol.
#[derive(Debug)]
pub(super) struct HangUp(OwnedFd);

impl HangUp {
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?))
    }

    /// Closes the connection in both directions; what the kernel already holds for the client is still sent.
    pub(super) fn cut(&self) {
        // the connection may be closed already, which is what is wanted
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }

    /// Whether the client has closed the connection or is unreachable, even if bytes of it are waiting to be read.
    pub(super) fn client_is_gone(&self) -> bool {
        let mut poll = [PollFd::new(&self.0, PollFlags::RDHUP)];
        let found = rustix::event::poll(&mut poll, Some(&Timespec::default()));
        let [fd] = poll;
        found.is_ok() && fd.revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }
}

/// What the kernel is asked to hold of what a client has sent; it grants a default of 208 KiB, of which most is for bytes.
const RECEIVE_BUFFER: usize = 512 * 1024;

/// Lets the kernel notice clients that vanished without a word, hold what a client may send unasked, and send small packets
/// at once.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_recv_buffer_size(stream, RECEIVE_BUFFER)?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(20))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}
