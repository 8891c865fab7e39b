//! One session's connection: hello, then questions and answers in their order.

use crate::fault::Fault;
use crate::module::{Module, Sitting};
use crate::modules::Modules;
use arc_swap::ArcSwap;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{self, FrameError, Frames};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How long a keeper may take to say hello, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Faults in a row after which a session's questions are not put to its module any more.
const FAULTS: u32 = 16;
/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Why a connection ended before its keeper closed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    #[error("the keeper sent what is no message")]
    Frame(#[from] FrameError),
    #[error("the keeper was too slow")]
    Slow,
    #[error("the keeper speaks version {0} of the protocol")]
    Protocol(u32),
    #[error("the keeper sent a message out of its turn")]
    Turn,
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// Answers one session until its keeper hangs up.
pub(super) async fn run(modules: &ArcSwap<Modules>, stream: UnixStream) -> Result<(), ConnectionError> {
    let mut wire = Wire { stream, frames: Frames::default(), chunk: vec![0; CHUNK] };
    let hello = tokio::time::timeout(PATIENCE, wire.receive()).await.map_err(|_| ConnectionError::Slow)??;
    let facts = match hello {
        None => return Ok(()),
        Some(ToJudge::Hello { protocol: PROTOCOL, facts }) => facts,
        Some(ToJudge::Hello { protocol, .. }) => return Err(ConnectionError::Protocol(protocol)),
        Some(ToJudge::Ask { .. }) => return Err(ConnectionError::Turn),
    };
    let mut session = Session { sitting: Sitting::new(&facts), facts, faults: 0 };
    let greeting = match session.module(&modules.load()) {
        Some(module) => FromJudge::Ready { module: module.info().clone() },
        None => FromJudge::NoModule,
    };
    wire.send(&greeting).await?;
    while let Some(message) = wire.receive().await? {
        let ToJudge::Ask { id, now, counters, subject } = message else { return Err(ConnectionError::Turn) };
        let answer = session.answer(&modules.load(), id, now, counters, subject);
        wire.send(&answer).await?;
    }
    Ok(())
}

struct Session {
    facts: Box<SessionFacts>,
    sitting: Sitting,
    faults: u32,
}

impl Session {
    fn module<'a>(&self, modules: &'a Modules) -> Option<&'a Module> {
        modules.get(self.facts.action, self.facts.role).map(AsRef::as_ref)
    }

    /// The answer to one question, from the module that is there at its beginning.
    fn answer(&mut self, modules: &Modules, id: u64, now: UnixMs, counters: Counters, subject: Subject) -> FromJudge {
        let Some(module) = self.module(modules) else {
            return FromJudge::Fault { id, fault: "there is no module for this action and role".to_owned() };
        };
        if self.faults >= FAULTS {
            return FromJudge::Fault { id, fault: format!("it failed {FAULTS} times in a row in this session and is not asked any more") };
        }
        let noun = subject.noun();
        match module.judge(&mut self.sitting, now, counters, subject) {
            Ok(verdict) => {
                self.faults = 0;
                FromJudge::Answer { id, digest: module.info().digest, verdict }
            }
            Err(fault) => {
                // a question over a bound says nothing about the module
                self.faults += u32::from(!matches!(fault, Fault::Question(_)));
                let fault = fault.line();
                tracing::warn!(session = %self.facts.id, module = %module.info().digest, subject = noun, fault, "no answer");
                FromJudge::Fault { id, fault }
            }
        }
    }
}

struct Wire {
    stream: UnixStream,
    frames: Frames,
    chunk: Vec<u8>,
}

impl Wire {
    /// The next message; none when the keeper hung up between two.
    async fn receive(&mut self) -> Result<Option<ToJudge>, ConnectionError> {
        loop {
            if let Some(message) = self.frames.next()? {
                return Ok(Some(message));
            }
            let length = self.stream.read(&mut self.chunk).await?;
            if length == 0 {
                return Ok(None);
            }
            self.frames.push(self.chunk.get(..length).unwrap_or_default());
        }
    }

    async fn send(&mut self, message: &FromJudge) -> Result<(), ConnectionError> {
        let bytes = frame::encode(message)?;
        let sent = tokio::time::timeout(PATIENCE, self.stream.write_all(&bytes)).await;
        Ok(sent.map_err(|_| ConnectionError::Slow)??)
    }
}
