//! Questions to people, carried: a session's question goes to the controller, the answer to the session. Nothing of either is
//! believed or changed here; both are held against each other by who asked.
//!
//! While the controller cannot be reached nobody can be asked, so what is open is given up after a short time, and the operator is
//! told why, instead of waiting for what will not come.

use super::Outbox;
use crate::session::warden::Warden;
use portcullis_model::asking::{AskEnd, Asked, NotPut, SignedAnswer};
use portcullis_model::id::{QuestionId, SessionId};
use portcullis_model::wire::link::FromNode;
use portcullis_model::wish::{Note, Told, Wish};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How long the link may be down before questions are given up: a controller that is started again is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers on their way to the warden.
const QUEUE: usize = 1024;

/// One thing on its way to the warden.
#[derive(Debug)]
enum Load {
    Answer(SignedAnswer),
    NotPut { session: SessionId, question: QuestionId, why: NotPut },
    Told { session: SessionId, number: u64, told: Told },
    Note { session: SessionId, note: Note },
}

/// Whether the controller can be told something.
#[derive(Debug, Clone, Copy)]
enum Link {
    Up,
    Down { since: Instant },
}

/// The open questions of this node.
#[derive(Debug)]
pub(super) struct Asks {
    outbox: Outbox,
    loads: mpsc::Sender<Load>,
    open: BTreeMap<QuestionId, Box<Asked>>,
    link: Link,
}

impl Asks {
    /// None yet, and no link. Starts the task that carries answers to the warden.
    pub(super) fn new(warden: Warden, outbox: Outbox, tasks: &TaskTracker) -> Self {
        let (loads, mut waiting) = mpsc::channel(QUEUE);
        tasks.spawn(async move {
            while let Some(load) = waiting.recv().await {
                let carried = match load {
                    Load::Answer(answer) => warden.answer(answer).await,
                    Load::Told { session, number, told } => warden.told(session, number, told).await,
                    Load::Note { session, note } => warden.note(session, note).await,
                    Load::NotPut { session, question, why } => warden.not_put(session, question, why).await,
                };
                if let Err(error) = carried {
                    tracing::error!(%error, "an answer is not passed on");
                }
            }
        });
        Self { outbox, loads, open: BTreeMap::new(), link: Link::Down { since: Instant::now() } }
    }

    /// A session has people asked.
    pub(super) fn asked(&mut self, asked: Box<Asked>) {
        tracing::info!(session = %asked.session, question = %asked.id, "people are asked");
        self.outbox.push(FromNode::Asked(asked.clone()));
        self.open.insert(asked.id.clone(), asked);
        self.tick();
    }

    /// A question is not open any more.
    pub(super) fn over(&mut self, session: SessionId, question: QuestionId, end: AskEnd) {
        self.open.remove(&question);
        self.outbox.push(FromNode::AskOver { session, question, end });
    }

    /// A session has ended; its end says that its questions have.
    pub(super) fn session_ended(&mut self, session: &SessionId) {
        self.open.retain(|_, asked| asked.session != *session);
    }

    /// The warden has gone, and every session with it.
    pub(super) fn warden_gone(&mut self) {
        self.open.clear();
    }

    /// There is a link, and it was greeted: what is open is said again.
    pub(super) fn linked(&mut self) {
        self.link = Link::Up;
        for asked in self.open.values() {
            self.outbox.push(FromNode::Asked(asked.clone()));
        }
    }

    /// There is no link.
    pub(super) fn unlinked(&mut self) {
        if let Link::Up = self.link {
            self.link = Link::Down { since: Instant::now() };
        }
    }

    /// Gives up what nobody can be asked.
    pub(super) fn tick(&mut self) {
        if let Link::Down { since } = self.link
            && since.elapsed() >= PATIENCE
        {
            for (question, asked) in std::mem::take(&mut self.open) {
                self.carry(Load::NotPut { session: asked.session, question, why: NotPut::ControllerAway });
            }
        }
    }

    /// An operator wants something of the request; at once or not at all.
    pub(super) fn wished(&self, session: SessionId, number: u64, wish: Wish) {
        match self.link {
            Link::Up => self.outbox.push(FromNode::Wish { session, number, wish }),
            Link::Down { .. } => self.told(session, number, Told::Refused("the controller cannot be reached".to_owned())),
        }
    }

    /// The controller has said what became of a wish.
    pub(super) fn told(&self, session: SessionId, number: u64, told: Told) {
        self.carry(Load::Told { session, number, told });
    }

    /// A session is to be told something; the controller says it again until the session has it.
    pub(super) fn note(&self, session: SessionId, note: Note) {
        self.carry(Load::Note { session, note });
    }

    /// An approver has answered.
    pub(super) fn answered(&self, answer: SignedAnswer) {
        self.carry(Load::Answer(answer));
    }

    /// The controller does not take a question.
    pub(super) fn not_put(&self, session: SessionId, question: QuestionId, why: NotPut) {
        self.carry(Load::NotPut { session, question, why });
    }

    fn carry(&self, load: Load) {
        if self.loads.try_send(load).is_err() {
            // the controller says an answer or a note again; a question lapses
            tracing::error!("an answer is not passed on: the warden takes none");
        }
    }
}
