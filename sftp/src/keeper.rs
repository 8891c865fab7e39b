//! This program's end of the keeper's socket: it asks, waits for the answer, and tells what was moved.
//!
//! One question at a time. What the keeper says in between, about the judge or the session's end, goes to standard error or is no matter.

use portcullis_model::bytes::printable;
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::subject::FileOp;
use portcullis_model::transfer::Moved;
use portcullis_model::wire::frame::{self, FrameError, Frames};
use portcullis_model::wire::shell::{FromKeeper, LineAnswer, Notice, ToKeeper};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use std::io::{IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;

/// Why the keeper is of no more use. The session is over then.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// It closed the socket.
    #[error("the keeper of this session is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket to the keeper failed")]
    Socket(#[from] Errno),
    /// It said something that is no message.
    #[error("the keeper's message is not understood")]
    Frame(#[from] FrameError),
    /// It said something out of turn.
    #[error("the keeper did not begin with its welcome")]
    Welcome,
    /// It did not send the client's input.
    #[error("the session has no input")]
    NoInput,
}

/// What became of a question.
#[derive(Debug)]
pub enum Answered {
    /// It may be done; this is the number of the question.
    Allowed(u32),
    /// It may not.
    Denied(Notice),
}

/// What the session was opened for, as the keeper says it first.
#[derive(Debug)]
pub struct Welcome {
    /// The session.
    pub facts: Box<SessionFacts>,
    /// What for.
    pub purpose: Purpose,
    /// What the client sends.
    pub input: OwnedFd,
}

/// The connection to the keeper.
#[derive(Debug)]
pub struct Keeper {
    socket: OwnedFd,
    frames: Frames,
    next: u32,
}

impl Keeper {
    /// Takes the socket and waits for the welcome.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn connect(socket: OwnedFd) -> Result<(Self, Welcome), KeeperError> {
        let mut keeper = Self { socket, frames: Frames::default(), next: 0 };
        let mut input = None;
        loop {
            keeper.receive(&mut input)?;
            match keeper.frames.next::<FromKeeper>()? {
                Some(FromKeeper::Welcome { facts, purpose, .. }) => return Ok((keeper, Welcome { facts, purpose, input: input.ok_or(KeeperError::NoInput)? })),
                Some(_) => return Err(KeeperError::Welcome),
                None => {}
            }
        }
    }

    /// Asks about a file operation.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn file(&mut self, operation: FileOp) -> Result<Answered, KeeperError> {
        self.ask(|id| ToKeeper::File { id, operation })
    }

    /// Asks about the connection that the session was opened for.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn forward(&mut self) -> Result<Answered, KeeperError> {
        self.ask(|id| ToKeeper::Forward { id })
    }

    /// Asks about an address that its name stands for.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn connect_to(&mut self, address: SocketAddr) -> Result<Answered, KeeperError> {
        self.ask(|id| ToKeeper::Connect { id, address })
    }

    /// Says that the connection stands.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn connected(&mut self, address: SocketAddr) -> Result<(), KeeperError> {
        self.say(&ToKeeper::Connected { address })
    }

    /// Says how much was moved of the file that was opened under `id`.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn moved(&mut self, id: u32, moved: Moved, closed: bool) -> Result<(), KeeperError> {
        self.say(&ToKeeper::Moved { id, moved, closed })
    }

    fn ask(&mut self, question: impl FnOnce(u32) -> ToKeeper) -> Result<Answered, KeeperError> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        self.say(&question(id))?;
        loop {
            while let Some(message) = self.frames.next::<FromKeeper>()? {
                match message {
                    FromKeeper::Judged { id: of, answer } if of == id => {
                        return Ok(match answer {
                            LineAnswer::Allowed => Answered::Allowed(id),
                            LineAnswer::Denied(notice) => Answered::Denied(notice),
                        });
                    }
                    FromKeeper::Message(text) => tell(&text),
                    FromKeeper::Welcome { .. } => return Err(KeeperError::Welcome),
                    // news of the judge, and what only a shell hears
                    _ => {}
                }
            }
            self.receive(&mut None)?;
        }
    }

    fn say(&mut self, message: &ToKeeper) -> Result<(), KeeperError> {
        let bytes = frame::encode(message)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(KeeperError::Gone),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, descriptor: &mut Option<OwnedFd>) -> Result<(), KeeperError> {
        let mut room = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut room)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR | Errno::CONNRESET) => {}
                received => break received?,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                for one in descriptors {
                    descriptor.get_or_insert(one);
                }
            }
        }
        match room.get(..received.bytes) {
            Some([]) | None => Err(KeeperError::Gone),
            Some(bytes) => {
                self.frames.push(bytes);
                Ok(())
            }
        }
    }
}

/// Writes a line to the client's standard error. Whether somebody still reads it is no matter.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(format!("portcullis: {}\n", printable(text.as_bytes())).as_bytes());
}

/// A refusal in one line, without what it is about: by whom, which rule, why.
#[must_use]
pub fn refusal(notice: &Notice) -> String {
    let Notice { by, denial } = notice;
    let hint = if denial.hint.is_empty() { String::new() } else { format!("; try: {}", denial.hint) };
    printable(format!("denied by {by} (rule {}): {}{hint}", denial.rule, denial.reason).as_bytes())
}
