//! Asks the other module of a trial, after the session has its answer: one thread of low priority and a bounded queue, so that a
//! trial costs sessions nothing. What does not fit the queue is counted.

use crate::module::{Module, Sitting};
use crate::posts::{Beside, Posts, Side};
use crate::trial::{Goes, outcome};
use crate::fault::Fault;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::Outcome;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::Counters;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Questions that may wait.
const QUEUE: usize = 1024;

/// One question, with the answer that the session got.
#[derive(Debug)]
pub(crate) struct Question {
    /// Whom to ask, and for which trial.
    pub(crate) beside: Beside,
    /// The session's side of it.
    pub(crate) sitting: Arc<Mutex<Sitting>>,
    /// When it was asked.
    pub(crate) now: UnixMs,
    /// What the session had done.
    pub(crate) counters: Counters,
    /// About what.
    pub(crate) subject: Subject,
    /// What was decided.
    pub(crate) decided: Outcome,
    /// Whose session.
    pub(crate) operator: String,
    /// The subject's first words.
    pub(crate) command: String,
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Asides(SyncSender<Question>);

impl Asides {
    /// Starts the thread.
    pub(crate) fn start(posts: Arc<Posts>) -> std::io::Result<Self> {
        let (sender, questions) = sync_channel(QUEUE);
        crate::Background::start("beside", move || run(&questions, &posts))?.give_way()?;
        Ok(Self(sender))
    }

    /// Has it asked when there is time.
    pub(crate) fn ask(&self, question: Question) {
        if let Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) = self.0.try_send(question) {
            question.beside.trial.dropped();
        }
    }
}

fn run(questions: &Receiver<Question>, posts: &Posts) {
    while let Ok(question) = questions.recv() {
        let Question { beside: Beside { trial, module, side }, sitting, now, counters, subject, decided, operator, command } = question;
        if trial.is_over() {
            continue;
        }
        let answer = module.judge(&mut sitting.lock().unwrap_or_else(PoisonError::into_inner), now, counters, subject);
        // a question over a bound of the ABI says nothing about either
        if matches!(answer, Err(Fault::Question(_))) {
            continue;
        }
        let mut goes = Goes::On;
        if let (Side::Candidate, Err(fault)) = (side, &answer) {
            goes = trial.faulted(fault);
        }
        let beside = outcome(&answer);
        let (active, candidate) = match side {
            Side::Candidate => (decided, beside),
            Side::Active => (beside, decided),
        };
        let counted = trial.answered(&operator, &command, active, candidate);
        if goes == Goes::Over || counted == Goes::Over {
            posts.changed();
        }
    }
}

/// The memory that a module has of a session when it answers beside another: its own, begun with the session's.
#[derive(Debug, Default)]
pub(crate) struct Memory(Option<(PolicyDigest, Arc<Mutex<Sitting>>)>);

impl Memory {
    /// That of `module`.
    pub(crate) fn of(&mut self, module: &Module, sitting: &Sitting) -> Arc<Mutex<Sitting>> {
        let digest = module.info().digest;
        match &self.0 {
            Some((known, memory)) if *known == digest => Arc::clone(memory),
            _ => {
                let memory = Arc::new(Mutex::new(sitting.clone()));
                self.0 = Some((digest, Arc::clone(&memory)));
                memory
            }
        }
    }
}

/// A question to be asked beside, made before the subject is given away.
pub(crate) fn prepare(beside: &Beside, sitting: Arc<Mutex<Sitting>>, facts: &SessionFacts, now: UnixMs, counters: Counters, subject: &Subject) -> Question {
    let command = crate::trial::command(subject);
    let decided = outcome(&Err(Fault::Question("no answer")));
    Question { beside: beside.clone(), sitting, now, counters, subject: subject.clone(), decided, operator: facts.operator.clone(), command }
}
