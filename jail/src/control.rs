//! What the jail's init tells its keeper: a SEQPACKET pair, one message a packet. Init is trusted with little: all it can
//! say is how the shell ended, or that something failed.

use crate::socket::{self, Received, SocketError};
use portcullis_model::session::ExitStatus;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most bytes of one message.
const MESSAGE_MAX: usize = 4096;

/// From the jail's init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromInit {
    /// The shell's process ended. What it started may still run, until the jail is killed.
    ShellExited(ExitStatus),
    /// Something in the jail failed; the jail is of no use.
    Failed(String),
}

/// What goes over the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// Keeper to init: namespaces and cgroup are ready, go on.
    Go,
    /// The master of the terminal, as a descriptor, and the device number of its slave.
    Terminal(u64),
    /// The guard's listener, as a descriptor.
    Listener,
    /// The shell is confined and about to be executed.
    Confined,
    /// To the keeper's reader.
    Report(FromInit),
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Init closed the socket: it is gone, or about to be.
    #[error("the jail's init is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket of the jail's init failed")]
    Socket(#[source] SocketError),
    /// Init said something that is not a message.
    #[error("the jail's init sent what is not a message")]
    Malformed,
}

/// The keeper's end of the socket. When it is closed, init exits and the kernel ends every process of the jail.
#[derive(Debug)]
pub struct Control(pub(crate) OwnedFd);

impl AsFd for Control {
    /// Readable when there is a message.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Control {
    /// The next message, none when there is none yet. Does not block.
    ///
    /// # Errors
    /// When init is gone, or said something else than a report.
    pub fn receive(&self) -> Result<Option<FromInit>, ControlError> {
        match receive(self.as_fd(), socket::Mode::NonBlocking)? {
            None => Ok(None),
            Some((Message::Report(report), _)) => Ok(Some(report)),
            Some((Message::Go | Message::Terminal(_) | Message::Listener | Message::Confined, _)) => Err(ControlError::Malformed),
        }
    }
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Go => vec![b'G'],
            Self::Terminal(rdev) => [b"T".as_slice(), &rdev.to_le_bytes()].concat(),
            Self::Listener => vec![b'L'],
            Self::Confined => vec![b'C'],
            Self::Report(FromInit::ShellExited(ExitStatus::Code(code))) => vec![b'E', *code],
            Self::Report(FromInit::ShellExited(ExitStatus::Signal { number, core })) => {
                [b"S".as_slice(), &number.to_le_bytes(), &[u8::from(*core)]].concat()
            }
            Self::Report(FromInit::Failed(why)) => [b"F", why.as_bytes()].concat().into_iter().take(MESSAGE_MAX).collect(),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, body) = bytes.split_first()?;
        Some(match (tag, body) {
            (b'G', []) => Self::Go,
            (b'T', body) => Self::Terminal(u64::from_le_bytes(body.try_into().ok()?)),
            (b'L', []) => Self::Listener,
            (b'C', []) => Self::Confined,
            (b'E', [code]) => Self::Report(FromInit::ShellExited(ExitStatus::Code(*code))),
            (b'S', [number @ .., core]) => {
                let number = i32::from_le_bytes(number.try_into().ok()?);
                Self::Report(FromInit::ShellExited(ExitStatus::Signal { number, core: *core != 0 }))
            }
            (b'F', why) => Self::Report(FromInit::Failed(String::from_utf8_lossy(why).into_owned())),
            _ => return None,
        })
    }
}

/// Sends a message, with at most one descriptor.
pub(crate) fn send(socket: BorrowedFd<'_>, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> Result<(), SocketError> {
    socket::send(socket, &message.encode(), descriptor.as_slice(), socket::Mode::Blocking)
}

/// Receives a message and the descriptor that came with it; none when there is none yet.
pub(crate) fn receive(socket: BorrowedFd<'_>, mode: socket::Mode) -> Result<Option<(Message, Option<OwnedFd>)>, ControlError> {
    let mut buffer = [0; MESSAGE_MAX];
    let (length, descriptors) = match socket::receive(socket, &mut buffer, mode).map_err(ControlError::Socket)? {
        Received::Nothing => return Ok(None),
        Received::Closed => return Err(ControlError::Gone),
        Received::Packet { length, descriptors } => (length, descriptors),
    };
    let message = buffer.get(..length).and_then(Message::decode).ok_or(ControlError::Malformed)?;
    Ok(Some((message, descriptors.into_iter().next())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_of_an_init_that_died_is_heard() {
        let (ours, theirs) = socket::pair(socket::Kind::Packets).unwrap();
        let control = Control(ours);
        send(control.as_fd(), &Message::Go, None).unwrap(); // which it never reads
        let last = FromInit::Failed("no /usr".into());
        send(theirs.as_fd(), &Message::Report(last.clone()), None).unwrap();
        drop(theirs);
        assert_eq!(control.receive().unwrap(), Some(last));
        assert!(matches!(control.receive(), Err(ControlError::Gone)));
    }

    #[test]
    fn messages_survive_and_others_are_refused() {
        let signal = ExitStatus::Signal { number: 9, core: true };
        let reports = [FromInit::ShellExited(ExitStatus::Code(7)), FromInit::ShellExited(signal), FromInit::Failed("no /usr".into())];
        let all = [Message::Go, Message::Terminal(0x8803), Message::Listener, Message::Confined].into_iter().chain(reports.map(Message::Report));
        for message in all {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
        for bad in [b"".as_slice(), b"x", b"Gx", b"T", b"S123", b"E"] {
            assert_eq!(Message::decode(bad), None);
        }
    }
}
