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
    /// Something about a program that runs as another user; for [`Guard::child_said`](crate::guard::Guard::child_said).
    Child {
        /// the number that it was ordered under
        number: u64,
        /// what
        news: OfChild,
    },
}

/// What happened to a program that runs as another user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfChild {
    /// Its process was made, and waits to be let begin.
    Made,
    /// It could not be; why.
    NotStarted(String),
    /// It was stopped by this signal.
    Stopped(i32),
    /// It ended.
    Ended(ExitStatus),
}

/// What init said, and the descriptor that came with it: with [`OfChild::Made`] that of the process.
pub type Said = (FromInit, Option<OwnedFd>);

/// What goes over the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// Keeper to init: namespaces and cgroup are ready, go on.
    Go,
    /// Keeper to init: run a program as another user, under this number. With five descriptors: its standard ones, the process
    /// that stands for it, and a file with what is to be run.
    RunAs(u64),
    /// Keeper to init: let it begin.
    Begin(u64),
    /// Keeper to init: let its job go on.
    Continue(u64),
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
    pub fn receive(&self) -> Result<Option<Said>, ControlError> {
        match receive(self.as_fd(), socket::Mode::NonBlocking)? {
            None => Ok(None),
            Some((Message::Report(report), descriptor)) => Ok(Some((report, descriptor))),
            Some(_) => Err(ControlError::Malformed),
        }
    }
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Go => vec![b'G'],
            Self::RunAs(number) => numbered(b'r', *number, &[]),
            Self::Begin(number) => numbered(b'b', *number, &[]),
            Self::Continue(number) => numbered(b'c', *number, &[]),
            Self::Report(FromInit::Child { number, news }) => match news {
                OfChild::Made => numbered(b'm', *number, &[]),
                OfChild::NotStarted(why) => numbered(b'n', *number, why.as_bytes()),
                OfChild::Stopped(signal) => numbered(b's', *number, &signal.to_le_bytes()),
                OfChild::Ended(ExitStatus::Code(code)) => numbered(b'e', *number, &[*code]),
                OfChild::Ended(ExitStatus::Signal { number: signal, core }) => numbered(b'k', *number, &[signal.to_le_bytes().as_slice(), &[u8::from(*core)]].concat()),
            },
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
            (tag @ (b'r' | b'b' | b'c' | b'm' | b'n' | b's' | b'e' | b'k'), body) => Self::of_child(*tag, body)?,
            (b'F', why) => Self::Report(FromInit::Failed(String::from_utf8_lossy(why).into_owned())),
            _ => return None,
        })
    }

    fn of_child(tag: u8, body: &[u8]) -> Option<Self> {
        let (number, rest) = body.split_first_chunk()?;
        let number = u64::from_le_bytes(*number);
        let news = match (tag, rest) {
            (b'r', []) => return Some(Self::RunAs(number)),
            (b'b', []) => return Some(Self::Begin(number)),
            (b'c', []) => return Some(Self::Continue(number)),
            (b'm', []) => OfChild::Made,
            (b'n', why) => OfChild::NotStarted(String::from_utf8_lossy(why).into_owned()),
            (b's', signal) => OfChild::Stopped(i32::from_le_bytes(signal.try_into().ok()?)),
            (b'e', [code]) => OfChild::Ended(ExitStatus::Code(*code)),
            (b'k', [signal @ .., core]) => OfChild::Ended(ExitStatus::Signal { number: i32::from_le_bytes(signal.try_into().ok()?), core: *core != 0 }),
            _ => return None,
        };
        Some(Self::Report(FromInit::Child { number, news }))
    }
}

fn numbered(tag: u8, number: u64, rest: &[u8]) -> Vec<u8> {
    [[tag].as_slice(), &number.to_le_bytes(), rest].concat().into_iter().take(MESSAGE_MAX).collect()
}

/// Sends a message, with at most one descriptor.
pub(crate) fn send(socket: BorrowedFd<'_>, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> Result<(), SocketError> {
    socket::send(socket, &message.encode(), descriptor.as_slice(), socket::Mode::Blocking)
}

/// The same from the keeper, which never waits for init: a full socket is an error.
pub(crate) fn send_now(socket: BorrowedFd<'_>, message: &Message, descriptors: &[BorrowedFd<'_>]) -> Result<(), SocketError> {
    socket::send(socket, &message.encode(), descriptors, socket::Mode::NonBlocking)
}

/// Receives a message and the descriptor that came with it; none when there is none yet.
pub(crate) fn receive(socket: BorrowedFd<'_>, mode: socket::Mode) -> Result<Option<(Message, Option<OwnedFd>)>, ControlError> {
    Ok(receive_all(socket, mode)?.map(|(message, descriptors)| (message, descriptors.into_iter().next())))
}

/// Receives a message and the descriptors that came with it; none when there is none yet.
pub(crate) fn receive_all(socket: BorrowedFd<'_>, mode: socket::Mode) -> Result<Option<(Message, Vec<OwnedFd>)>, ControlError> {
    let mut buffer = [0; MESSAGE_MAX];
    let (length, descriptors) = match socket::receive(socket, &mut buffer, mode).map_err(ControlError::Socket)? {
        Received::Nothing => return Ok(None),
        Received::Closed => return Err(ControlError::Gone),
        Received::Packet { length, descriptors } => (length, descriptors),
    };
    let message = buffer.get(..length).and_then(Message::decode).ok_or(ControlError::Malformed)?;
    Ok(Some((message, descriptors)))
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
        assert_eq!(control.receive().unwrap().map(|(said, _)| said), Some(last));
        assert!(matches!(control.receive(), Err(ControlError::Gone)));
    }

    #[test]
    fn messages_survive_and_others_are_refused() {
        let signal = ExitStatus::Signal { number: 9, core: true };
        let reports = [FromInit::ShellExited(ExitStatus::Code(7)), FromInit::ShellExited(signal), FromInit::Failed("no /usr".into())];
        let all = [Message::Go, Message::Terminal(0x8803), Message::Listener, Message::Confined].into_iter().chain(reports.map(Message::Report));
        let of_children = [OfChild::Made, OfChild::NotStarted("no".into()), OfChild::Stopped(20), OfChild::Ended(ExitStatus::Code(7)), OfChild::Ended(ExitStatus::Signal { number: 2, core: false })];
        let of_children = of_children.map(|news| Message::Report(FromInit::Child { number: u64::MAX, news }));
        let orders = [Message::RunAs(1), Message::Begin(2), Message::Continue(3)];
        for message in all.chain(of_children).chain(orders) {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
        for bad in [b"".as_slice(), b"x", b"Gx", b"T", b"S123", b"E", b"r", b"b1234567", b"r12345678x", b"s12345678x", b"e12345678"] {
            assert_eq!(Message::decode(bad), None);
        }
    }
}
