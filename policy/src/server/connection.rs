//! One session's connection: hello, then questions and answers in their order.
//!
//! A session that gets another module is told before that module's first answer, and at once when it asks nothing.

use crate::beside::{self, Asides, Memory, Question};
use crate::fault::Fault;
use crate::module::Sitting;
use crate::posts::{Bench, Post, Posts};
use crate::trial::{Goes, outcome};
use portcullis_model::id::PolicyDigest;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{self, FrameError, Frames};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::sync::Arc;
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
    #[error("the warden has not said yet which modules judge")]
    Unassigned,
}

/// Answers one session until its keeper hangs up.
pub(super) async fn run(posts: &Posts, asides: &Asides, stream: UnixStream) -> Result<(), ConnectionError> {
    let mut wire = Wire { stream, frames: Frames::default(), chunk: vec![0; CHUNK] };
    let hello = tokio::time::timeout(PATIENCE, wire.receive()).await.map_err(|_| ConnectionError::Slow)??;
    let facts = match hello {
        None => return Ok(()),
        Some(ToJudge::Hello { protocol: PROTOCOL, facts }) => facts,
        Some(ToJudge::Hello { protocol, .. }) => return Err(ConnectionError::Protocol(protocol)),
        Some(ToJudge::Ask { .. } | ToJudge::Extended { .. }) => return Err(ConnectionError::Turn),
    };
    let mut changes = posts.changes();
    let assigned = async { while posts.table().is_none() && changes.changed().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, assigned).await.map_err(|_| ConnectionError::Unassigned)?;
    let mut session = Session { sitting: Sitting::new(&facts), memory: Memory::default(), facts, faults: 0, told: Told::Nothing };
    loop {
        if let Some(news) = session.news(posts) {
            wire.send(&news).await?;
        }
        let message = tokio::select! {
            message = wire.receive() => message?,
            Ok(()) = changes.changed() => continue,
        };
        let Some(message) = message else { return Ok(()) };
        let (id, now, counters, subject) = match message {
            ToJudge::Ask { id, now, counters, subject } => (id, now, counters, subject),
            ToJudge::Extended { end } => {
                session.facts.end = end;
                continue;
            }
            ToJudge::Hello { .. } => return Err(ConnectionError::Turn),
        };
        // what judges is looked up once: who is named is who answers
        if let Some(news) = session.news(posts) {
            wire.send(&news).await?;
        }
        let Answered { answer, aside, over } = session.answer(id, now, counters, subject);
        wire.send(&answer).await?;
        // while the answer is on its way
        session.prepare();
        if let Some(aside) = aside {
            asides.ask(aside);
        }
        if over == Goes::Over {
            posts.changed();
        }
    }
}

struct Session {
    facts: Box<SessionFacts>,
    sitting: Sitting,
    memory: Memory,
    faults: u32,
    told: Told,
}

/// What the keeper was told last, and who answers until it is told again.
enum Told {
    Nothing,
    Judged { post: Option<Arc<Post>>, by: Option<PolicyDigest>, bench: Bench },
}

struct Answered {
    answer: FromJudge,
    aside: Option<Question>,
    over: Goes,
}

impl Session {
    /// Looks who judges now; what the keeper has to be told about it, if it is another than before.
    fn news(&mut self, posts: &Posts) -> Option<FromJudge> {
        let post = posts.post(self.facts.action, self.facts.role);
        let bench = post.as_ref().map_or(Bench { decides: None, beside: None }, |post| post.bench(&self.facts.id));
        let by = bench.decides.as_ref().map(|module| module.info().digest);
        let news = match &self.told {
            Told::Nothing => true,
            Told::Judged { post: old, by: before, .. } => {
                if *before != by {
                    // the faults of another module are not this one's
                    self.faults = 0;
                }
                let same = match (old, &post) {
                    (Some(old), Some(post)) => Arc::ptr_eq(old, post),
                    (None, None) => true,
                    _ => false,
                };
                !same || *before != by
            }
        };
        let message = news.then(|| match &bench.decides {
            Some(module) => FromJudge::Ready { module: module.info().clone() },
            None => FromJudge::NoModule,
        });
        self.told = Told::Judged { post, by, bench };
        message
    }

    /// Has an instance ready for the next question.
    fn prepare(&self) {
        if let Told::Judged { bench: Bench { decides: Some(module), .. }, .. } = &self.told {
            module.prepare();
        }
    }

    /// The answer to one question, from the module that the keeper was told of.
    fn answer(&mut self, id: u64, now: UnixMs, counters: Counters, subject: Subject) -> Answered {
        let fault = |fault: String| Answered { answer: FromJudge::Fault { id, fault }, aside: None, over: Goes::On };
        let bench = match &self.told {
            Told::Judged { bench, .. } => bench.clone(),
            Told::Nothing => Bench { decides: None, beside: None },
        };
        let Some(module) = bench.decides else {
            return fault("there is no module for this action and role".to_owned());
        };
        if self.faults >= FAULTS {
            return fault(format!("it failed {FAULTS} times in a row in this session and is not asked any more"));
        }
        let noun = subject.noun();
        let mut aside = bench.beside.as_ref().map(|beside| {
            let memory = self.memory.of(&beside.module, &self.sitting);
            beside::prepare(beside, memory, &self.facts, now, counters, &subject)
        });
        let answer = module.judge(&mut self.sitting, now, counters, subject);
        if let Some(aside) = &mut aside {
            aside.decided = outcome(&answer);
        }
        let mut over = Goes::On;
        let answer = match answer {
            Ok(verdict) => {
                self.faults = 0;
                FromJudge::Answer { id, digest: module.info().digest, verdict }
            }
            Err(fault @ (Fault::Question(_) | Fault::Busy)) => {
                // a question over a bound says nothing about the module, and one that was not put says nothing about the session
                aside = None;
                FromJudge::Fault { id, fault: fault.line() }
            }
            Err(fault) => {
                self.faults += 1;
                if let Some(beside) = bench.beside.filter(|beside| beside.trial.module().info().digest == module.info().digest) {
                    over = beside.trial.faulted(&fault);
                }
                let fault = fault.line();
                tracing::warn!(session = %self.facts.id, module = %module.info().digest, subject = noun, fault, "no answer");
                FromJudge::Fault { id, fault }
            }
        };
        Answered { answer, aside, over }
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
