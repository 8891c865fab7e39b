//! A forwarded connection: the name is judged, looked up once, each address of it judged, connected to, and then bytes are passed on.
//!
//! The look-up and the connection are made in the jail, with its network and under the operator's uid. When the far end closes, the session
//! is over; when the client closes its end, the far end is told and may still answer.

use crate::keeper::{Answered, Keeper, KeeperError, Welcome, refusal};
use portcullis_model::bytes::printable;
use portcullis_model::session::Purpose;
use portcullis_model::wire::shell::Notice;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::io::{self, Read as _};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long one address has to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Why there is no connection, or no more.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The policy, or Portcullis, does not allow it.
    #[error("{}", refusal(.0))]
    Refused(Box<Notice>),
    /// The name stands for no address.
    #[error("{host} cannot be looked up: {source}")]
    Name {
        /// the name
        host: String,
        /// why
        source: io::Error,
    },
    /// No address answers.
    #[error("{address} cannot be connected to: {source}")]
    Connect {
        /// the last one that was tried
        address: SocketAddr,
        /// why
        source: io::Error,
    },
    /// The session was opened for something else.
    #[error("this is not what the forwarder is for")]
    Purpose,
    /// There is nobody to ask.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The bytes do not pass.
    #[error("the connection failed: {0}")]
    Passing(#[from] io::Error),
}

/// The whole life of the forwarder.
///
/// # Errors
/// [`Failed`].
pub fn run() -> Result<(), Failed> {
    // descriptor 0 is the keeper's socket
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3).map_err(io::Error::from)?;
    let (mut keeper, Welcome { purpose, input, .. }) = Keeper::connect(socket)?;
    let Purpose::Forward(wanted) = purpose else { return Err(Failed::Purpose) };
    allowed(keeper.forward()?)?;
    let name = |source| Failed::Name { host: printable(wanted.host.as_bytes()), source };
    let addresses = (wanted.host.trim_start_matches('[').trim_end_matches(']'), wanted.port).to_socket_addrs().map_err(name)?;
    let mut last = Err(Failed::Name { host: printable(wanted.host.as_bytes()), source: io::ErrorKind::NotFound.into() });
    for address in addresses.take(ADDRESSES_MAX) {
        // an address that is refused ends it: a name that stands for such a one is not tried elsewhere
        allowed(keeper.connect_to(address)?)?;
        last = TcpStream::connect_timeout(&address, CONNECT).map(|stream| (address, stream)).map_err(|source| Failed::Connect { address, source });
        if last.is_ok() {
            break;
        }
    }
    let (address, stream) = last?;
    keeper.connected(address)?;
    pass(stream, input)
}

fn allowed(answer: Answered) -> Result<(), Failed> {
    match answer {
        Answered::Allowed(_) => Ok(()),
        Answered::Denied(notice) => Err(Failed::Refused(Box::new(notice))),
    }
}

fn pass(stream: TcpStream, input: OwnedFd) -> Result<(), Failed> {
    // a byte that is typed is not to wait for the next one
    stream.set_nodelay(true)?;
    let there = stream.try_clone()?;
    std::thread::Builder::new().spawn(move || {
        let mut room = vec![0; READ];
        loop {
            match rustix::io::read(&input, &mut room) {
                Ok(0) => break drop(there.shutdown(Shutdown::Write)),
                Ok(n) if write_all(&there, room.get(..n).unwrap_or_default()).is_ok() => {}
                Err(Errno::INTR) => {}
                // the other direction notices that the connection is gone
                Ok(_) | Err(_) => break drop(there.shutdown(Shutdown::Both)),
            }
        }
    })?;
    let (output, mut room) = (io::stdout(), vec![0; READ]);
    loop {
        match (&stream).read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(n) => write_all(&output, room.get(..n).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
