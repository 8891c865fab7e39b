//! The connection to the judge: one a session, opened with the session's facts, made again when it is lost.
//!
//! While it is lost everything is denied; nothing that was asked is asked again. Remembered answers are given only after
//! everything that the judge has sent was looked at, so a module that was replaced, or a judge that has gone, is noticed
//! before, not after.

use super::memo::Memo;
use super::stream::{Bounds, Peer, Stream, StreamError};
use super::working_directory::within;
use portcullis_model::decision::{Heard, Silence};
use portcullis_model::id::PolicyDigest;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::FRAME_MAX;
use portcullis_model::wire::judge::{Counters, FromJudge, ModuleInfo, ToJudge};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the judge has to answer the first message.
const HELLO_DEADLINE: Duration = Duration::from_secs(3);
/// Between two attempts to reach it.
const RETRY: Duration = Duration::from_millis(200);
/// Reads in a row after which a judge that goes on talking is given up: all answers together are far less.
const READS_MAX: usize = 1024;
/// Bytes of questions that may wait for it: past this it is not asked, and the guard not read.
const BACKLOG_MAX: usize = 8 * 1024 * 1024;

/// What the judge is to the session.
#[derive(Debug)]
pub(crate) struct Judge {
    socket: Socket,
    hello: ToJudge,
    state: State,
    /// How many connections were made.
    connections: u64,
    memo: Memo,
    news: VecDeque<News>,
}

#[derive(Debug)]
enum State {
    Gone { retry: Instant },
    Greeted { stream: Stream, deadline: Instant },
    Live { stream: Stream, module: Option<ModuleInfo> },
}

/// What was heard from the judge.
#[derive(Debug)]
pub(crate) enum News {
    /// It is there, with this module or with none.
    Live(Option<ModuleInfo>),
    /// Another module judges from here on, or none any more.
    Changed(Option<ModuleInfo>),
    /// It is gone; nothing that was asked will be answered.
    Gone,
    /// An answer to a question.
    Answer {
        /// the question
        id: u64,
        /// the answer
        heard: Heard,
    },
}

/// The judge's socket, reachable also after the keeper has entered the jail's mount namespace: by its folder.
#[derive(Debug)]
struct Socket {
    folder: OwnedFd,
    name: PathBuf,
}

impl Socket {
    fn find(path: &Path) -> io::Result<Self> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let name = PathBuf::from(path.file_name().ok_or_else(missing)?);
        let folder = path.parent().ok_or_else(missing)?;
        let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { folder, name })
    }

    fn connect(&self) -> io::Result<OwnedFd> {
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        let address = SocketAddrUnix::new(&self.name)?;
        within(self.folder.as_fd(), || rustix::net::connect(&fd, &address))??;
        Ok(fd)
    }
}

impl Judge {
    /// Finds the judge's socket. To be called in the node's mount namespace.
    ///
    /// # Errors
    /// When its folder is not there.
    pub(crate) fn find(socket: &Path, facts: &SessionFacts) -> io::Result<Self> {
        let hello = ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(facts.clone()) };
        let state = State::Gone { retry: Instant::now() };
        Ok(Self { socket: Socket::find(socket)?, hello, state, connections: 0, memo: Memo::default(), news: VecDeque::new() })
    }

    /// The module that judges now.
    pub(crate) fn module(&self) -> Option<&ModuleInfo> {
        match &self.state {
            State::Live { module, .. } => module.as_ref(),
            State::Gone { .. } | State::Greeted { .. } => None,
        }
    }

    /// Whether questions can be asked, or are denied without being asked.
    pub(crate) fn has_room(&self) -> bool {
        match &self.state {
            State::Live { stream, .. } => stream.backlog() < BACKLOG_MAX / 2,
            State::Gone { .. } | State::Greeted { .. } => true,
        }
    }

    /// Connects again when it is time, and gives up on a judge that does not greet.
    pub(crate) fn tick(&mut self, now: Instant) {
        match &self.state {
            State::Gone { retry } if *retry <= now => self.connect(now),
            State::Greeted { deadline, .. } if *deadline <= now => self.state = State::Gone { retry: now + RETRY },
            State::Gone { .. } | State::Greeted { .. } | State::Live { .. } => {}
        }
    }

    /// When to call [`tick`](Self::tick) next.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        match &self.state {
            State::Gone { retry } => Some(*retry),
            State::Greeted { deadline, .. } => Some(*deadline),
            State::Live { .. } => None,
        }
    }

    /// Tells one connection from another.
    pub(crate) fn connection(&self) -> u64 {
        self.connections
    }

    fn connect(&mut self, now: Instant) {
        self.connections += 1;
        let greeted = self.socket.connect().map_err(StreamError::Io).and_then(|fd| {
            let mut stream = Stream::new(fd, Bounds { incoming: FRAME_MAX, outgoing: BACKLOG_MAX });
            stream.send(&self.hello)?;
            Ok(stream)
        });
        self.state = match greeted {
            Ok(stream) => State::Greeted { stream, deadline: now + HELLO_DEADLINE },
            Err(_) => State::Gone { retry: now + RETRY },
        };
    }

    /// The session ends later: modules are told so from here on.
    pub(crate) fn put_off(&mut self, end: UnixMs) {
        if let ToJudge::Hello { facts, .. } = &mut self.hello {
            facts.end = end;
        }
        let told = match &mut self.state {
            State::Greeted { stream, .. } | State::Live { stream, .. } => stream.send(&ToJudge::Extended { end }),
            State::Gone { .. } => Ok(()),
        };
        // one that does not take it is found gone at the next question
        if let Err(error) = told {
            tracing::warn!(%error, "the judge was not told of a later end");
        }
    }

    /// The socket and whether it is waited for to become writable; none while the judge is gone.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, bool)> {
        match &self.state {
            State::Gone { .. } => None,
            State::Greeted { stream, .. } | State::Live { stream, .. } => Some((stream.as_fd(), stream.backlog() > 0)),
        }
    }

    /// Asks about a subject; none when the answer comes later, otherwise what is known at once: a remembered answer, or why
    /// there is none.
    pub(crate) fn ask(&mut self, id: u64, now: UnixMs, counters: Counters, subject: &Subject) -> Option<Heard> {
        self.pump();
        let State::Live { stream, module } = &mut self.state else {
            return Some(Heard::Silence(Silence::JudgeGone));
        };
        if module.is_none() {
            return Some(Heard::Silence(Silence::NoModule));
        }
        if let Subject::Exec(exec) = subject
            && let Some((digest, verdict)) = self.memo.recall(exec)
        {
            return Some(Heard::Verdict { digest, verdict });
        }
        match stream.send(&ToJudge::Ask { id, now, counters, subject: subject.clone() }) {
            Ok(()) => None,
            Err(StreamError::Backlog) => Some(Heard::Silence(Silence::Unaskable("too many questions wait for the policy judge".into()))),
            Err(StreamError::Frame(error)) => Some(Heard::Silence(Silence::Unaskable(format!("it cannot be asked: {error}")))),
            Err(StreamError::Io(_) | StreamError::TooLong(_)) => {
                self.lose();
                Some(Heard::Silence(Silence::JudgeGone))
            }
        }
    }

    /// Remembers an answer about an exec, if the module is one whose answers last.
    pub(crate) fn remember(&mut self, exec: &Exec, digest: PolicyDigest, verdict: &Verdict) {
        self.memo.remember(exec, digest, verdict);
    }

    /// Takes all that the judge has sent; what it means is in [`news`](Self::news), in order.
    pub(crate) fn pump(&mut self) {
        for _ in 0..READS_MAX {
            let (State::Greeted { stream, .. } | State::Live { stream, .. }) = &mut self.state else { return };
            let peer = match stream.flush().and_then(|()| stream.fill()) {
                Ok(Peer::Silent) => return,
                Ok(peer) => peer,
                Err(_) => return self.lose(),
            };
            let mut said = Vec::new();
            let end = loop {
                match stream.next::<FromJudge>() {
                    Ok(Some(message)) => said.push(message),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            said.into_iter().for_each(|message| self.hear(message));
            if let Some(error) = &end {
                tracing::error!(error = error as &dyn std::error::Error, "the judge said what is no message");
            }
            if end.is_some() || peer == Peer::Gone {
                return self.lose();
            }
        }
        tracing::error!("the judge does not stop talking");
        self.lose();
    }

    fn hear(&mut self, message: FromJudge) {
        match message {
            FromJudge::Ready { module } => self.live(Some(module)),
            FromJudge::NoModule => self.live(None),
            FromJudge::Answer { id, digest, verdict } => {
                if self.module().is_some_and(|module| module.digest != digest) {
                    // another module answers than the one that was named: nothing that is remembered is its answer
                    self.memo.reset(None);
                }
                self.news.push_back(News::Answer { id, heard: Heard::Verdict { digest, verdict } });
            }
            FromJudge::Fault { id, fault } => self.news.push_back(News::Answer { id, heard: Heard::Silence(Silence::Fault(fault)) }),
        }
    }

    fn live(&mut self, module: Option<ModuleInfo>) {
        self.memo.reset(module.as_ref().filter(|m| m.pure).map(|m| m.digest));
        let gone = State::Gone { retry: Instant::now() };
        match std::mem::replace(&mut self.state, gone) {
            State::Greeted { stream, .. } => {
                self.state = State::Live { stream, module: module.clone() };
                self.news.push_back(News::Live(module));
            }
            State::Live { stream, module: before } => {
                self.state = State::Live { stream, module: module.clone() };
                // the same again: a trial has begun or ended beside it
                if before.map(|module| module.digest) != module.as_ref().map(|module| module.digest) {
                    self.news.push_back(News::Changed(module));
                }
            }
            State::Gone { .. } => {}
        }
    }

    fn lose(&mut self) {
        self.memo.reset(None);
        let was_live = matches!(self.state, State::Live { .. });
        self.state = State::Gone { retry: Instant::now() + RETRY };
        if was_live {
            self.news.push_back(News::Gone);
        }
    }

    /// The oldest piece of news that was not taken yet.
    pub(crate) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}

#[cfg(test)]
mod tests;
