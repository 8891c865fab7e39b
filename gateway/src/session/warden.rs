//! The connection to the warden: one task, one socket, questions by number.
//!
//! While the warden is away every question is answered at once with [`WardenError::Away`], so no session opens; the task
//! goes on dialling. An answer that nobody waits for any more is dropped, and with it the session's socket, which ends
//! the session.

use super::keeper::Keeper;
use super::packet::{Buffer, PacketFault, PacketSocket};
use portcullis_model::action::Role;
use portcullis_model::alert::Alert;
use portcullis_model::asking::{AskEnd, Asked, NotPut, SignedAnswer};
use portcullis_model::grant::{SignedGrant, SignedRevocation};
use portcullis_model::id::{GrantId, PolicyDigest, QuestionId, SessionId};
use portcullis_model::layer::Layer;
use portcullis_model::policy::{PolicyState, SIGNATURE_MAX, SignedPolicyAssignment, TrialReport};
use portcullis_model::receipt::{EndCause, Receipt, RevokeReceipt};
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::link::ModuleChunk;
use portcullis_model::wire::packet::{self, CHUNK_MAX};
use portcullis_model::wire::warden::{FromWarden, OpenSession, ToWarden};
use portcullis_model::wish::{Note, Told, Wish};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Time for a session to be opened: namespaces, mounts, the judge's first answer.
pub const OPEN_DEADLINE: Duration = Duration::from_secs(15);
const INSTALL_DEADLINE: Duration = Duration::from_secs(15);
const REDIAL: Duration = Duration::from_millis(250);
/// Questions on their way to the warden's task.
const QUEUE: usize = 256;

/// Why the warden did not do it.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// There is no connection to it.
    #[error("the warden of this node is not there")]
    Away,
    /// It did not answer in time.
    #[error("the warden of this node did not answer in time")]
    Late,
    /// It refused, and said why in words for the operator.
    #[error("{0}")]
    Refused(String),
}

/// What the warden says unasked.
#[derive(Debug)]
pub enum Event {
    /// It is there.
    Up(Box<About>),
    /// It is gone, and with it every session; revocations that it did not answer have to be told again.
    Down,
    /// A revocation is done: no process of the grant is left.
    Revoked(RevokeReceipt),
    /// A revocation was not done.
    NotRevoked {
        /// the grant
        grant: GrantId,
        /// why, as the warden says
        reason: String,
    },
    /// A module is named by an assignment and is not on this node.
    WantModule(PolicyDigest),
    /// What judges on this node.
    Policies(PolicyState),
    /// What a trial showed so far.
    Trial(Box<TrialReport>),
    /// A session has people asked.
    Asked(Box<Asked>),
    /// An operator wants something of the request.
    Wish {
        /// the session
        session: SessionId,
        /// the session's own number for it
        number: u64,
        /// what
        wish: Wish,
    },
    /// An alert of a session.
    Alert(Box<Alert>),
    /// A session has a note.
    Noted {
        /// the session
        session: SessionId,
        /// the note's number
        number: u64,
    },
    /// A question is not open any more.
    AskOver {
        /// the session that asked
        session: SessionId,
        /// the question
        question: QuestionId,
        /// how it ended
        end: AskEnd,
    },
    /// A session started.
    Started(Box<SessionFacts>),
    /// A session ended.
    Ended {
        /// what the kill did
        receipt: Receipt,
        /// how the program ended, when it did so by itself
        exit: Option<ExitStatus>,
    },
}

/// What the warden says about itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The node's name.
    pub target: String,
    /// Its role.
    pub role: Role,
    /// Its layers of enforcement.
    pub layers: Vec<Layer>,
    /// The grants that it keeps.
    pub grants: Vec<SignedGrant>,
}

/// A session that runs.
#[derive(Debug)]
pub struct Opened {
    /// Its facts.
    pub facts: Box<SessionFacts>,
    /// Its socket.
    pub keeper: Keeper,
}

/// Asks the warden.
#[derive(Debug, Clone)]
pub struct Warden {
    questions: mpsc::Sender<Question>,
}

type Reply<T> = oneshot::Sender<Result<T, WardenError>>;

#[derive(Debug)]
enum Question {
    Install(SignedGrant, Reply<()>),
    Open(Box<OpenSession>, Reply<Opened>),
    Revoke(GrantId, SignedRevocation),
    End(SessionId, EndCause),
    Answer(SignedAnswer),
    NotPut { session: SessionId, question: QuestionId, why: NotPut },
    Told { session: SessionId, number: u64, told: Told },
    Note { session: SessionId, note: Note },
    Policies(SignedPolicyAssignment),
    Module(ModuleChunk),
}

#[derive(Debug)]
enum Pending {
    Install(Reply<()>),
    Open(Reply<Opened>),
    Revoke(GrantId),
}

impl Warden {
    /// A handle, and the task behind it, which is to be spawned and runs until `stop`.
    pub fn new(socket: PathBuf, events: mpsc::Sender<Event>, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (questions, asked) = mpsc::channel(QUEUE);
        (Self { questions }, run(socket, asked, events, stop))
    }

    /// Has the warden keep a grant.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn install(&self, grant: SignedGrant) -> Result<(), WardenError> {
        self.ask(|reply| Question::Install(grant, reply), INSTALL_DEADLINE).await
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn open(&self, open: OpenSession) -> Result<Opened, WardenError> {
        self.ask(|reply| Question::Open(Box::new(open), reply), OPEN_DEADLINE).await
    }

    /// Revokes a grant. The answer is an [`Event`], however long it takes: a receipt is not lost with an impatient caller.
    ///
    /// # Errors
    /// [`WardenError::Away`] when the question could not even be asked.
    pub async fn revoke(&self, grant: GrantId, revocation: SignedRevocation) -> Result<(), WardenError> {
        self.questions.send(Question::Revoke(grant, revocation)).await.map_err(|_| WardenError::Away)
    }

    /// Ends one session; its end is told as every other is.
    ///
    /// # Errors
    /// [`WardenError::Away`] when the question could not even be asked.
    pub async fn end(&self, session: SessionId, cause: EndCause) -> Result<(), WardenError> {
        self.questions.send(Question::End(session, cause)).await.map_err(|_| WardenError::Away)
    }

    /// Passes an approver's answer on to its session. What comes of it is an [`Event`].
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said.
    pub async fn answer(&self, answer: SignedAnswer) -> Result<(), WardenError> {
        self.questions.send(Question::Answer(answer)).await.map_err(|_| WardenError::Away)
    }

    /// Tells a session that its question reaches nobody.
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said.
    pub async fn not_put(&self, session: SessionId, question: QuestionId, why: NotPut) -> Result<(), WardenError> {
        self.questions.send(Question::NotPut { session, question, why }).await.map_err(|_| WardenError::Away)
    }

    /// Tells a session what became of its wish.
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said.
    pub async fn told(&self, session: SessionId, number: u64, told: Told) -> Result<(), WardenError> {
        self.questions.send(Question::Told { session, number, told }).await.map_err(|_| WardenError::Away)
    }

    /// Tells a session something of its request. That it has it is an [`Event`].
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said.
    pub async fn note(&self, session: SessionId, note: Note) -> Result<(), WardenError> {
        self.questions.send(Question::Note { session, note }).await.map_err(|_| WardenError::Away)
    }

    /// Says which modules are to judge. What comes of it is an [`Event`].
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said; [`WardenError::Refused`] when it is more than can be.
    pub async fn policies(&self, assignment: SignedPolicyAssignment) -> Result<(), WardenError> {
        // what does not fit would end the connection, and every session with it
        if packet::encode(&ToWarden::Policies(assignment.clone())).is_err() {
            return Err(WardenError::Refused("the policy assignment is too large".to_owned()));
        }
        self.questions.send(Question::Policies(assignment)).await.map_err(|_| WardenError::Away)
    }

    /// Passes a part of a module on, in parts that fit the warden's packets.
    ///
    /// # Errors
    /// [`WardenError::Away`] when it could not even be said; [`WardenError::Refused`] when its signature is more than can be.
    pub async fn module(&self, chunk: ModuleChunk) -> Result<(), WardenError> {
        if chunk.signature.len() > SIGNATURE_MAX {
            return Err(WardenError::Refused("the module's signature is too large".to_owned()));
        }
        for part in parts(&chunk) {
            self.questions.send(Question::Module(part)).await.map_err(|_| WardenError::Away)?;
        }
        Ok(())
    }

    async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Question, deadline: Duration) -> Result<T, WardenError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.questions.send(question(reply)).await.map_err(|_| WardenError::Away)?;
            answer.await.unwrap_or(Err(WardenError::Away))
        };
        tokio::time::timeout(deadline, asked).await.unwrap_or(Err(WardenError::Late))
    }
}

/// The same part of a module in parts of a packet each.
fn parts(chunk: &ModuleChunk) -> impl Iterator<Item = ModuleChunk> {
    let ModuleChunk { digest, signature, size, offset, bytes } = chunk;
    (*offset..).step_by(CHUNK_MAX).zip(bytes.chunks(CHUNK_MAX)).map(|(offset, bytes)| ModuleChunk {
        digest: *digest,
        signature: signature.clone(),
        size: *size,
        offset,
        bytes: bytes.to_vec(),
    })
}

async fn run(socket: PathBuf, mut asked: mpsc::Receiver<Question>, events: mpsc::Sender<Event>, stop: CancellationToken) {
    let mut complained = false;
    while !stop.is_cancelled() {
        match dial(&socket).await {
            Ok((connection, about)) => {
                complained = false;
                if events.send(Event::Up(about)).await.is_err() {
                    return;
                }
                let end = tokio::select! {
                    end = talk(&connection, &mut asked, &events) => end,
                    () = stop.cancelled() => return,
                };
                match end {
                    Ok(Over::NobodyAsks) => return,
                    Ok(Over::Closed) => tracing::error!("the warden closed the connection"),
                    Err(fault) => tracing::error!(error = %crate::chain(&fault), "lost the warden"),
                }
                if events.send(Event::Down).await.is_err() {
                    return;
                }
            }
            Err(error) if complained => tracing::debug!(error = %crate::chain(&error), "the warden is not there"),
            Err(error) => {
                complained = true;
                tracing::warn!(socket = %socket.display(), error = %crate::chain(&error), "the warden is not there yet");
            }
        }
        // questions do not wait for a warden: no answer is a refusal
        let pause = tokio::time::sleep(REDIAL);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                () = stop.cancelled() => return,
                question = asked.recv() => match question {
                    Some(question) => refuse(question),
                    None => return,
                },
            }
        }
    }
}

fn refuse(question: Question) {
    match question {
        Question::Install(_, reply) => drop(reply.send(Err(WardenError::Away))),
        Question::Open(_, reply) => drop(reply.send(Err(WardenError::Away))),
        // told again when the warden is back
        Question::Revoke(grant, _) => tracing::warn!(%grant, "cannot revoke while the warden is away"),
        Question::End(session, _) => tracing::warn!(%session, "cannot end a session while the warden is away"),
        // there is no session to answer without a warden
        Question::Answer(_) | Question::NotPut { .. } | Question::Told { .. } | Question::Note { .. } => tracing::debug!("an answer is not passed on while the warden is away"),
        // said again, and asked for again, when the warden is back
        Question::Policies(_) | Question::Module(_) => tracing::debug!("policies are not passed on while the warden is away"),
    }
}

/// Why there is no conversation.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Packet(#[from] PacketFault),
    #[error("it is of protocol {0}, this gateway of {PROTOCOL}")]
    Protocol(u32),
    #[error("it did not greet")]
    Silent,
    #[error("it did not tell its grants")]
    Grants,
}

async fn dial(path: &Path) -> Result<(PacketSocket, Box<About>), DialError> {
    let socket = PacketSocket::connect(path)?;
    socket.send(&ToWarden::Hello { protocol: PROTOCOL }).await?;
    let mut buffer = Buffer::default();
    let greeting = tokio::time::timeout(Duration::from_secs(10), socket.receive(&mut buffer)).await.map_err(|_| DialError::Silent)??;
    match greeting {
        Some((FromWarden::Hello { protocol, .. }, _)) if protocol != PROTOCOL => Err(DialError::Protocol(protocol)),
        Some((FromWarden::Hello { target, role, layers, grants, .. }, _)) => {
            let kept = kept_grants(&socket, &mut buffer, usize::try_from(grants).unwrap_or(usize::MAX));
            let grants = tokio::time::timeout(Duration::from_secs(10), kept).await.map_err(|_| DialError::Grants)??;
            Ok((socket, Box::new(About { target, role, layers, grants })))
        }
        _ => Err(DialError::Silent),
    }
}

/// Hears the grants that the warden keeps, page by page, until there are as many as it has said.
async fn kept_grants(socket: &PacketSocket, buffer: &mut Buffer, announced: usize) -> Result<Vec<SignedGrant>, DialError> {
    let mut grants = Vec::new();
    while grants.len() < announced {
        match socket.receive(buffer).await? {
            Some((FromWarden::Kept(page), _)) if !page.is_empty() && page.len() <= announced - grants.len() => grants.extend(page),
            _ => return Err(DialError::Grants),
        }
    }
    Ok(grants)
}

/// How a conversation ended without a fault.
enum Over {
    /// The warden closed it.
    Closed,
    /// The gateway is going down.
    NobodyAsks,
}

async fn talk(socket: &PacketSocket, asked: &mut mpsc::Receiver<Question>, events: &mpsc::Sender<Event>) -> Result<Over, PacketFault> {
    let mut pending = HashMap::new();
    let mut next = 0u64;
    let mut buffer = Buffer::default();
    loop {
        tokio::select! {
            question = asked.recv() => {
                let Some(question) = question else { return Ok(Over::NobodyAsks) };
                next += 1;
                socket.send(&number(question, next, &mut pending)).await?;
            }
            said = socket.receive(&mut buffer) => {
                let Some((message, descriptor)) = said? else { return Ok(Over::Closed) };
                let Some(event) = hear(message, descriptor, &mut pending) else { continue };
                if events.send(event).await.is_err() {
                    return Ok(Over::NobodyAsks);
                }
            }
        }
    }
}

fn number(question: Question, ticket: u64, pending: &mut HashMap<u64, Pending>) -> ToWarden {
    match question {
        Question::Install(grant, reply) => {
            pending.insert(ticket, Pending::Install(reply));
            ToWarden::Install { ticket, grant }
        }
        Question::Open(open, reply) => {
            pending.insert(ticket, Pending::Open(reply));
            ToWarden::Open { ticket, open }
        }
        Question::Revoke(grant, revocation) => {
            pending.insert(ticket, Pending::Revoke(grant));
            ToWarden::Revoke { ticket, revocation }
        }
        Question::End(session, cause) => ToWarden::End { session, cause },
        Question::Answer(answer) => ToWarden::Answer(answer),
        Question::Told { session, number, told } => ToWarden::Told { session, number, told },
        Question::Note { session, note } => ToWarden::Note { session, note },
        Question::NotPut { session, question, why } => ToWarden::NotPut { session, question, why },
        Question::Policies(assignment) => ToWarden::Policies(assignment),
        Question::Module(chunk) => ToWarden::Module(chunk),
    }
}

fn hear(message: FromWarden, descriptor: Option<OwnedFd>, pending: &mut HashMap<u64, Pending>) -> Option<Event> {
    match message {
        FromWarden::Hello { .. } | FromWarden::Kept(_) => None,
        FromWarden::Installed { ticket } => {
            if let Some(Pending::Install(reply)) = pending.remove(&ticket) {
                let _ = reply.send(Ok(()));
            }
            None
        }
        FromWarden::Opened { ticket, facts } => {
            let started = Event::Started(facts.clone());
            // nobody waits any more: the socket is closed here, the keeper ends the session and says so
            if let Some(Pending::Open(reply)) = pending.remove(&ticket) {
                let keeper = descriptor.ok_or(WardenError::Away).and_then(|fd| Keeper::new(fd).map_err(|_| WardenError::Away));
                let _ = reply.send(keeper.map(|keeper| Opened { facts, keeper }));
            }
            Some(started)
        }
        FromWarden::Refused { ticket, reason } => {
            match pending.remove(&ticket) {
                Some(Pending::Install(reply)) => drop(reply.send(Err(WardenError::Refused(reason)))),
                Some(Pending::Open(reply)) => drop(reply.send(Err(WardenError::Refused(reason)))),
                Some(Pending::Revoke(grant)) => return Some(Event::NotRevoked { grant, reason }),
                None => tracing::warn!(ticket, "the warden refuses what was not asked"),
            }
            None
        }
        FromWarden::Revoked { ticket, receipt } => {
            pending.remove(&ticket);
            Some(Event::Revoked(receipt))
        }
        FromWarden::WantModule(digest) => Some(Event::WantModule(digest)),
        FromWarden::Asked(asked) => Some(Event::Asked(asked)),
        FromWarden::Wish { session, number, wish } => Some(Event::Wish { session, number, wish }),
        FromWarden::Alert(alert) => Some(Event::Alert(alert)),
        FromWarden::Noted { session, number } => Some(Event::Noted { session, number }),
        FromWarden::AskOver { session, question, end } => Some(Event::AskOver { session, question, end }),
        FromWarden::Policies(state) => Some(Event::Policies(state)),
        FromWarden::Trial(report) => Some(Event::Trial(report)),
        FromWarden::Ended { receipt, exit } => Some(Event::Ended { receipt, exit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_module_is_cut_to_packets_in_order() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let chunk = ModuleChunk { digest: PolicyDigest([1; 32]), signature: "s".repeat(SIGNATURE_MAX), size: 5_000_000, offset: 1 << 20, bytes: bytes.clone() };
        let parts: Vec<_> = parts(&chunk).collect();
        let mut next = chunk.offset;
        for part in &parts {
            assert_eq!((part.offset, part.size, &part.signature), (next, chunk.size, &chunk.signature));
            next += part.bytes.len() as u64;
            packet::encode(&ToWarden::Module(part.clone())).expect("it fits a packet");
        }
        assert_eq!(parts.into_iter().flat_map(|part| part.bytes).collect::<Vec<u8>>(), bytes);
    }
}
