//! Questions to people: what the module wants to have asked waits here until an approver's answer is carried down, or until there
//! will be none: withdrawn, lapsed, the module replaced, nobody reached. Each of those is a refusal with a rule of its own.
//!
//! A process that waits does so in its exec, not yet traced, so ^C ends it as it would any other; nobody tells the keeper of
//! that, so it looks.

use super::{Judging, Parties, Waiting, proceed};
use crate::charge::Report;
use crate::clock::Moment;
use crate::keeper::evidence::Evidence;
use crate::keeper::fault::Fault;
use ed25519_dalek::VerifyingKey;
use portcullis_model::asking::{AskEnd, Asked, NotPut, OPEN_MAX, SignedAnswer, VerifiedAnswer};
use portcullis_model::decision::{Answered, Asker, Coverage, Decision, Question, Refusal, answered};
use portcullis_model::event::EventKind;
use portcullis_model::id::{PolicyDigest, QuestionId};
use portcullis_model::subject::Subject;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::shell::Waits;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often it is looked whether the processes that wait are still there.
const LOOK: Duration = Duration::from_millis(200);

/// Questions of one session in all: nobody reads more, and each takes room on its way.
const ASKED_MAX: usize = 1000;

/// The questions of one session.
#[derive(Debug)]
pub(crate) struct Asks {
    asker: Asker,
    controller: VerifyingKey,
    open: BTreeMap<QuestionId, Put>,
    /// What the approved line of this number covers.
    covered: Option<(u32, Coverage)>,
    reports: Vec<Report>,
    next_look: Instant,
    /// How many questions there were.
    asked: usize,
}

/// A question that is open.
#[derive(Debug)]
struct Put {
    waiting: Waiting,
    asked: Asked,
    lapses: Moment,
}

impl Asks {
    /// None yet. Answers are believed by the controller's key.
    pub(crate) fn new(asker: Asker, controller: VerifyingKey) -> Self {
        Self { asker, controller, open: BTreeMap::new(), covered: None, reports: Vec::new(), next_look: Instant::now(), asked: 0 }
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        (!self.open.is_empty()).then_some(self.next_look)
    }

    /// Whose session it is.
    pub(super) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Has the warden told something.
    pub(super) fn report(&mut self, report: Report) {
        self.reports.push(report);
    }

    fn over(&mut self, question: QuestionId, end: AskEnd) {
        self.reports.push(Report::AskOver { question, end });
    }

    fn take_first(&mut self, is_it: impl Fn(&Put) -> bool) -> Option<Put> {
        let id = self.open.iter().find(|(_, put)| is_it(put)).map(|(id, _)| id.clone())?;
        self.open.remove(&id)
    }
}

fn denial(rule: &str, reason: String) -> Denial {
    Denial { rule: rule.to_owned(), reason, hint: String::new() }
}

impl Judging {
    /// Whether somebody is waited for: the operator has nothing to type meanwhile.
    pub(crate) fn waits_for_people(&self) -> bool {
        !self.asks.open.is_empty() || self.wishing.waits_for_people()
    }

    /// What the warden is to be told of questions.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.asks.reports)
    }

    /// Has people asked, unless the approval of the line that runs has answered it already.
    pub(super) fn ask_people(&mut self, waiting: Waiting, question: Question, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let standing = self.standing(parties);
        let runs = parties.shell.running_number();
        let question = match (&waiting, &mut self.asks.covered) {
            (Waiting::Exec(_), Some((line, coverage))) if Some(*line) == runs => match coverage.take(question, standing) {
                Decision::Ask(question) => question,
                decision => return self.decided(decision, waiting, parties),
            },
            _ => question,
        };
        if matches!(&waiting, Waiting::Exec(attempt) if attempt.repeated()) {
            // a search along PATH tries one program under several names: people are not asked again
            return self.refused(question.unanswered("it was refused just now"), waiting, parties);
        }
        if self.asks.asked >= ASKED_MAX {
            return self.refused(question.unanswered(&format!("this session has asked {ASKED_MAX} questions already")), waiting, parties);
        }
        if self.asks.open.len() >= OPEN_MAX {
            let reason = format!("this session has {OPEN_MAX} questions open already");
            return self.refused(question.unanswered(&reason), waiting, parties);
        }
        let mut entropy = [0; QuestionId::ENTROPY];
        if getrandom::fill(&mut entropy).is_err() {
            return self.refused(question.unanswered("the system gives no random numbers"), waiting, parties);
        }
        self.asks.asked += 1;
        let asked = question.put(QuestionId::from_entropy(entropy), &self.asks.asker, standing);
        if let Err(error) = asked.check() {
            let refusal = Refusal::by_portcullis(asked.subject, denial("needs-approval", format!("{}: {error}", asked.ask.prompt)));
            return self.refused(refusal, waiting, parties);
        }
        let (pid, line) = match &waiting {
            Waiting::Exec(attempt) => (attempt.pid(), None),
            Waiting::Line(id) => (0, Some(*id)),
            Waiting::Request(_) | Waiting::Trial(_) => (0, None),
        };
        parties.evidence.note(EventKind::Asked { pid, question: Box::new(asked.clone()) })?;
        let (prompt, approvers) = (asked.ask.prompt.clone(), asked.ask.approvers.clone());
        parties.shell.waits(Waits { line, question: asked.id.clone(), prompt, approvers, until: asked.ask.expiry })?;
        self.asks.reports.push(Report::Asked(Box::new(asked.clone())));
        let lapses = Moment::at(asked.ask.expiry);
        self.asks.next_look = Instant::now() + LOOK;
        self.asks.open.insert(asked.id.clone(), Put { waiting, asked, lapses });
        Ok(())
    }

    /// Takes an answer. One that the controller did not sign, or to no open question, changes nothing.
    pub(crate) fn answered(&mut self, signed: &SignedAnswer, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let answer = match VerifiedAnswer::of(signed, &self.asks.controller, &self.asks.asker.target) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(session = %self.asks.asker.session, %error, "an answer is not the controller's");
                return Ok(());
            }
        };
        let said = answer.answer().clone();
        let Some(Put { waiting, asked, .. }) = self.asks.open.remove(&said.question) else {
            tracing::warn!(session = %self.asks.asker.session, question = %said.question, "an answer to a question that is not open");
            return Ok(());
        };
        parties.evidence.note(EventKind::Answered {
            question: said.question.clone(),
            choice: said.choice,
            by: said.by,
            answered: said.at,
            comment: said.comment,
        })?;
        let Answered { decision, end, coverage } = answered(asked, answer, self.judge.module().map(|module| module.digest), self.standing(parties));
        match (decision, waiting) {
            (Decision::Allow(permit), Waiting::Exec(attempt)) => {
                let subject = permit.subject().clone();
                let pid = attempt.pid();
                match parties.guard.forget_if_gone(*attempt) {
                    Some(attempt) => {
                        self.goes_on(&attempt, parties.guard);
                        proceed(attempt, permit, parties)?;
                        self.asks.over(said.question, end);
                    }
                    None => self.gone(said.question, subject, pid, parties)?,
                }
                Ok(())
            }
            (decision, waiting) => {
                if let (Some(coverage), Waiting::Line(id)) = (coverage, &waiting) {
                    self.asks.covered = Some((*id, coverage));
                }
                self.asks.over(said.question, end);
                self.decided(decision, waiting, parties)
            }
        }
    }

    /// A question reaches nobody.
    pub(crate) fn not_put(&mut self, question: &QuestionId, why: NotPut, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let Some(put) = self.asks.open.remove(question) else { return Ok(()) };
        let denial = match why {
            NotPut::ControllerAway => denial("controller-away", "nobody can be asked: the controller cannot be reached".to_owned()),
            NotPut::Refused(reason) => denial("needs-approval", format!("nobody is asked: {}", reason.chars().take(500).collect::<String>())),
        };
        self.give_up(put, denial, AskEnd::NotPut, parties)
    }

    /// The operator withdraws the line of this number. Says whether people were being asked about it.
    pub(super) fn withdraw_asked(&mut self, id: u32, parties: &mut Parties<'_>) -> Result<bool, Fault> {
        let Some(put) = self.asks.take_first(|put| matches!(put.waiting, Waiting::Line(line) if line == id)) else { return Ok(false) };
        let Asked { id, subject, .. } = put.asked;
        let denial = denial("withdrawn", "the operator withdrew the question".to_owned());
        parties.evidence.refused(&Refusal::by_portcullis(subject, denial), 0)?;
        self.asks.over(id, AskEnd::Withdrawn);
        Ok(true)
    }

    /// Another module judges, or none: what others have asked for will not be answered by this one.
    pub(super) fn give_up_on_others(&mut self, policy: Option<PolicyDigest>, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.asks.covered.as_ref().is_some_and(|(_, coverage)| Some(coverage.policy()) != policy) {
            self.asks.covered = None;
        }
        while let Some(put) = self.asks.take_first(|put| Some(put.asked.policy) != policy) {
            let denial = denial("policy-changed", "the policy was replaced while people were asked; enter it again".to_owned());
            self.give_up(put, denial, AskEnd::PolicyChanged, parties)?;
        }
        Ok(())
    }

    /// Does what time demands.
    pub(super) fn tick_asked(&mut self, now: Instant, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.asks.open.is_empty() || now < self.asks.next_look {
            return Ok(());
        }
        self.asks.next_look = now + LOOK;
        while let Some(put) = self.asks.take_first(|put| put.lapses.has_come()) {
            let denial = denial("question-lapsed", "nobody answered in time".to_owned());
            self.give_up(put, denial, AskEnd::Lapsed, parties)?;
        }
        for id in self.asks.open.keys().cloned().collect::<Vec<_>>() {
            let Some(Put { waiting, asked, lapses }) = self.asks.open.remove(&id) else { continue };
            match waiting {
                Waiting::Line(_) | Waiting::Request(_) | Waiting::Trial(_) => drop(self.asks.open.insert(id, Put { waiting, asked, lapses })),
                Waiting::Exec(attempt) => {
                    let pid = attempt.pid();
                    match parties.guard.forget_if_gone(*attempt) {
                        Some(attempt) => drop(self.asks.open.insert(id, Put { waiting: Waiting::Exec(Box::new(attempt)), asked, lapses })),
                        None => self.gone(id, asked.subject, pid, parties)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// The session ends: what is open is refused on record. Those that wait are killed.
    pub(crate) fn close_asked(&mut self, evidence: &mut Evidence) -> Result<(), Fault> {
        for Put { waiting, asked, .. } in std::mem::take(&mut self.asks.open).into_values() {
            let pid = if let Waiting::Exec(attempt) = &waiting { attempt.pid() } else { 0 };
            let denial = denial("ending", "the session ended while people were asked".to_owned());
            evidence.refused(&Refusal::by_portcullis(asked.subject, denial), pid)?;
        }
        Ok(())
    }

    /// The process that waited has gone: that is how an operator withdraws a program.
    fn gone(&mut self, question: QuestionId, subject: Subject, pid: u32, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let denial = denial("withdrawn", "the process ended while people were asked".to_owned());
        parties.evidence.refused(&Refusal::by_portcullis(subject, denial), pid)?;
        self.asks.over(question, AskEnd::Withdrawn);
        Ok(())
    }

    fn give_up(&mut self, put: Put, denial: Denial, end: AskEnd, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let Put { waiting, asked: Asked { id, subject, .. }, .. } = put;
        self.asks.over(id, end);
        self.refused(Refusal::by_portcullis(subject, denial), waiting, parties)
    }
}
