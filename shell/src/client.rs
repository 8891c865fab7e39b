//! The shell's end of the keeper's socket: questions out, answers and notices in.

use crate::front::banner;
use crate::front::messages::{self, say};
use crate::signals::Interrupts;
use crate::wait;
use portcullis_model::session::{Purpose, SessionFacts};
use portcullis_model::subject::Line;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::frame::{self, FrameError, Frames};
use portcullis_model::wire::judge::ModuleInfo;
use portcullis_model::wire::shell::{FromKeeper, LineAnswer, MESSAGE_MAX, Notice, ToKeeper, Waits};
use portcullis_model::wish::{Told, Wish};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use std::cell::Cell;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Longest wait for the first message.
const WELCOME: Duration = Duration::from_secs(30);
/// Most exec denials kept for one line; more are counted.
const DENIALS_MAX: usize = 32;

/// Why the keeper is of no more use. The session is over then.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It closed the socket.
    #[error("the keeper of this session is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket to the keeper failed")]
    Socket(#[from] rustix::io::Errno),
    /// It said something that is no message.
    #[error("the keeper's message is not understood")]
    Frame(#[from] FrameError),
    /// It said something out of turn.
    #[error("the keeper did not begin with its welcome")]
    Welcome,
}

/// An exec that was refused while a line ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecDenial {
    /// The program.
    pub path: Vec<u8>,
    /// Why.
    pub notice: Notice,
    /// How often the same was refused.
    pub times: usize,
}

/// What became of a question.
#[derive(Debug)]
pub enum Answered {
    /// It may run; to be said again in [`Keeper::done`].
    Allowed(u32),
    /// It may not.
    Denied(Notice),
    /// The operator gave up waiting.
    Withdrawn,
}

/// What became of a wish.
#[derive(Debug)]
pub enum Wished {
    /// It was done.
    Done(String),
    /// It was not, for this reason.
    Refused(String),
    /// The operator takes back what an approver had not decided yet.
    Withdrawn,
    /// The operator gave up before the controller had answered.
    GivenUp,
}

/// What the session was opened for, as the keeper says it first.
#[derive(Debug)]
pub struct Welcome {
    /// The session.
    pub facts: Box<SessionFacts>,
    /// Shell or command.
    pub purpose: Purpose,
    /// The program that runs accepted lines.
    pub engine: String,
    /// The client's input, in a session without a terminal.
    pub input: Option<OwnedFd>,
}

/// The connection to the keeper.
#[derive(Debug)]
pub struct Keeper {
    socket: OwnedFd,
    frames: Frames,
    next: u32,
    answer: Option<(u32, LineAnswer)>,
    module: Option<ModuleInfo>,
    denials: Vec<ExecDenial>,
    more_denials: usize,
    messages: Vec<String>,
    waits: Vec<Waits>,
    trial: Option<(u32, Option<Notice>)>,
    urgent: Vec<String>,
    told: Option<(u32, Told)>,
    end: Rc<Cell<UnixMs>>,
}

/// Longest message about a line that is being typed: it fits the socket at once, or is not sent.
const TRIAL_MAX: usize = 16 * 1024;

impl Keeper {
    /// Takes the socket and waits for the welcome.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(socket: OwnedFd) -> Result<(Self, Welcome), ClientError> {
        let mut keeper =
            Self { socket, frames: Frames::default(), next: 0, answer: None, module: None, denials: Vec::new(), more_denials: 0, messages: Vec::new(), waits: Vec::new(), trial: None, urgent: Vec::new(), told: None, end: Rc::default() };
        let deadline = Instant::now() + WELCOME;
        let mut input = None;
        loop {
            if !wait::readable([keeper.socket.as_fd()], Some(deadline))?[0] {
                return Err(ClientError::Welcome);
            }
            keeper.receive(&mut input)?;
            match keeper.frames.next::<FromKeeper>()? {
                Some(FromKeeper::Welcome { facts, purpose, module, engine }) => {
                    keeper.module = module;
                    keeper.end.set(facts.end);
                    keeper.sort()?;
                    return Ok((keeper, Welcome { facts, purpose, engine, input }));
                }
                Some(_) => return Err(ClientError::Welcome),
                None => {}
            }
        }
    }

    /// The module that judges now; none while there is no judge.
    #[must_use]
    pub fn module(&self) -> Option<&ModuleInfo> {
        self.module.as_ref()
    }

    /// When the session ends, as it was told last.
    #[must_use]
    pub fn end(&self) -> Rc<Cell<UnixMs>> {
        Rc::clone(&self.end)
    }

    /// Asks about a line and waits for the answer or for an interrupt.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask(&mut self, line: Line, interrupts: &Interrupts) -> Result<Answered, ClientError> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        let message = frame::encode(&ToKeeper::Line { id, line })?;
        if message.len() > MESSAGE_MAX {
            let reason = format!("the line and its words make a message of {} bytes, more than {MESSAGE_MAX}", message.len());
            return Ok(Answered::Denied(own_notice(Denial { rule: "line-length".to_owned(), reason, hint: String::new() })));
        }
        self.send(&message)?;
        loop {
            if let Some((_, answer)) = self.answer.take_if(|(of, _)| *of == id) {
                return Ok(match answer {
                    LineAnswer::Allowed => Answered::Allowed(id),
                    LineAnswer::Denied(notice) => Answered::Denied(notice),
                });
            }
            let [message, interrupt] = wait::readable([self.socket.as_fd(), interrupts.as_fd()], None)?;
            if message {
                self.pump()?;
                self.say_urgent();
            } else if interrupt && interrupts.take() {
                self.send(&frame::encode(&ToKeeper::Withdraw { id })?)?;
                return Ok(Answered::Withdrawn);
            }
        }
    }

    /// Asks what would be said to a line that is being typed, if that can be sent at once; its number then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn try_out(&mut self, line: Line) -> Result<Option<u32>, ClientError> {
        let id = self.next.wrapping_add(1);
        let message = frame::encode(&ToKeeper::Trial { id, line })?;
        if message.len() > TRIAL_MAX || !wait::is_writable(self.socket.as_fd())? {
            return Ok(None);
        }
        self.next = id;
        self.send(&message)?;
        Ok(Some(id))
    }

    /// The last answer to that.
    pub fn take_trial(&mut self) -> Option<(u32, Option<Notice>)> {
        self.trial.take()
    }

    /// Wants something of the request, and waits for what becomes of it or for an interrupt.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wish(&mut self, wish: Wish, interrupts: &Interrupts) -> Result<Wished, ClientError> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        // an interrupt from before is not meant for it
        let _ = interrupts.take();
        self.send(&frame::encode(&ToKeeper::Wish { id, wish })?)?;
        let mut put = false;
        loop {
            match self.told.take_if(|(of, _)| *of == id) {
                Some((_, Told::Put { amendment, text })) => {
                    say(&messages::put(&amendment, &text));
                    put = true;
                }
                Some((_, Told::Done(text))) => return Ok(Wished::Done(text)),
                Some((_, Told::Refused(why))) => return Ok(Wished::Refused(why)),
                None => {}
            }
            let [message, interrupt] = wait::readable([self.socket.as_fd(), interrupts.as_fd()], None)?;
            if message {
                self.pump()?;
                self.say_urgent();
            } else if interrupt && interrupts.take() {
                self.send(&frame::encode(&ToKeeper::Withdraw { id })?)?;
                return Ok(if put { Wished::Withdrawn } else { Wished::GivenUp });
            }
        }
    }

    /// Says that the accepted line `id` is done.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn done(&mut self, id: u32, status: i32) -> Result<(), ClientError> {
        self.send(&frame::encode(&ToKeeper::Done { id, status })?)
    }

    /// Takes in what the keeper has sent; to be called when the socket is readable.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn pump(&mut self) -> Result<(), ClientError> {
        self.receive(&mut None)?;
        self.sort()
    }

    /// Takes in what there is without waiting.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn poll(&mut self) -> Result<(), ClientError> {
        while wait::is_readable(self.socket.as_fd())? {
            self.pump()?;
        }
        Ok(())
    }

    /// Exec denials since the last call, equal ones together, and how many more there were than are kept.
    pub fn take_denials(&mut self) -> (Vec<ExecDenial>, usize) {
        (std::mem::take(&mut self.denials), std::mem::take(&mut self.more_denials))
    }

    /// Messages for the operator since the last call.
    pub fn take_messages(&mut self) -> Vec<String> {
        self.urgent.drain(..).chain(self.messages.drain(..)).collect()
    }

    /// What waits for an approval, since the last call.
    pub fn take_waits(&mut self) -> Vec<Waits> {
        std::mem::take(&mut self.waits)
    }

    /// Tells the operator at once what cannot be told later: what waits for an approval, and that the session is about to end.
    pub(crate) fn say_urgent(&mut self) {
        for text in std::mem::take(&mut self.urgent) {
            say(&messages::message(&text));
        }
        for waits in self.take_waits() {
            say(&messages::waits(&waits));
        }
    }

    fn sort(&mut self) -> Result<(), ClientError> {
        while let Some(message) = self.frames.next::<FromKeeper>()? {
            match message {
                FromKeeper::Welcome { .. } => return Err(ClientError::Welcome),
                FromKeeper::Line { id, answer } => self.answer = Some((id, answer)),
                FromKeeper::Told { id, told } => self.told = Some((id, told)),
                FromKeeper::Asked(waits) => self.waits.push(waits),
                FromKeeper::Trial { id, denied } => self.trial = Some((id, denied)),
                FromKeeper::ExecDenied { path, notice } => self.keep_denial(path, notice),
                FromKeeper::Judge { module } => {
                    self.messages.extend(module_message(self.module.as_ref(), module.as_ref()));
                    self.module = module;
                }
                FromKeeper::Message(text) => self.urgent.push(text),
                FromKeeper::Extended { end } => {
                    self.end.set(end);
                    self.urgent.push(format!("this access was extended: it ends at {}", banner::moment(end)));
                }
                // to a question that only other programs ask
                FromKeeper::Judged { .. } => {}
            }
        }
        Ok(())
    }

    fn keep_denial(&mut self, path: Vec<u8>, notice: Notice) {
        if let Some(same) = self.denials.iter_mut().find(|denial| denial.path == path && denial.notice == notice) {
            same.times += 1;
        } else if self.denials.len() < DENIALS_MAX {
            self.denials.push(ExecDenial { path, notice, times: 1 });
        } else {
            self.more_denials += 1;
        }
    }

    fn receive(&mut self, descriptor: &mut Option<OwnedFd>) -> Result<(), ClientError> {
        let mut room = [0; 64 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut room)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                // a keeper that goes with something of ours unread is told once as an error, and then as what it said last, and the end
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
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
            Some([]) | None => Err(ClientError::Gone),
            Some(bytes) => {
                self.frames.push(bytes);
                Ok(())
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => return Err(ClientError::Gone),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A denial by one of the shell's own rules.
#[must_use]
pub fn own_notice(denial: Denial) -> Notice {
    Notice { by: "portcullis".to_owned(), denial }
}

fn module_message(before: Option<&ModuleInfo>, now: Option<&ModuleInfo>) -> Option<String> {
    match (before, now) {
        (Some(_), None) => Some("the policy judge is gone; everything is denied until it is back".to_owned()),
        (None, Some(module)) => Some(format!("the policy judge is back, with {}", module.name)),
        (Some(before), Some(now)) if before.digest != now.digest => Some(format!("the policy {} was replaced by another version", now.name)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
