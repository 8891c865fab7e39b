//! What is asked, and what follows from the answers: every exec and every line passes here, and nowhere else.
//!
//! subject -> charter or judge -> [`decide`] -> journal -> guard (or shell). The types keep the order: the guard continues
//! only what the journal has, and only `decide` and the charter make what can be given to the journal.

mod alerting;
mod asking;
mod explaining;
mod services;
mod wishing;

pub(crate) use asking::Asks;

use super::evidence::Evidence;
use super::fault::Fault;
use super::judge::{Judge, News};
use super::questions::{Open, Questions};
use super::services::Service;
use super::shell::{self, Shell};
use crate::clock;
use portcullis_jail::guard::{Attempt, Guard, GuardError, Received};
use portcullis_model::decision::{Charter, Decision, Heard, Permit, Refusal, Silence, Standing, decide};
use portcullis_model::event::EventKind;
use portcullis_model::id::PolicyDigest;
use portcullis_model::subject::{Exec, Line, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::judge::ModuleInfo;
use portcullis_model::wire::shell::{LineAnswer, ToKeeper};
use std::time::{Duration, Instant};

/// Questions about execs that may be open; past this the guard is not read, and processes wait for their turn.
const OPEN_MAX: usize = 128;
/// Lines that may wait for an answer: a shell that asks for more is not ours.
const LINES_MAX: usize = 4;
/// Why nobody is asked about a transfer or a connection.
const DOES_NOT_WAIT: &str = "transfers and forwarded connections do not wait for an answer";
/// Least time between two looks at what is being typed.
const TRIAL_PAUSE: Duration = Duration::from_millis(50);
/// Execs that are looked at before other work has its turn.
const EXECS_A_TURN: usize = 64;

/// Who waits for an answer.
#[derive(Debug)]
enum Waiting {
    /// A process, at its exec.
    Exec(Box<Attempt>),
    /// The shell, with the line of this number.
    Line(u32),
    /// The file server or the forwarder, with the request of this number.
    Request(u32),
    /// Nobody: what would be said to the line of this number, which is being typed.
    Trial(u32),
}

/// The others that a decision concerns.
pub(crate) struct Parties<'a> {
    /// Where it is written down.
    pub(crate) evidence: &'a mut Evidence,
    /// Who enforces it on execs.
    pub(crate) guard: &'a mut Guard,
    /// Who is told.
    pub(crate) shell: &'a mut Shell,
    /// What the session serves without a shell.
    pub(crate) service: &'a mut Service,
}

/// The judgement of one session.
#[derive(Debug)]
pub(crate) struct Judging {
    judge: Judge,
    questions: Questions<Waiting>,
    charter: Charter,
    /// The shell's process on the node: the first that the charter let go on.
    shell: Option<u32>,
    end: UnixMs,
    /// The module that judged last, also while the judge is away.
    last: Option<PolicyDigest>,
    /// Whether the policy does not allow the session's action any more.
    withdrawn: bool,
    /// Questions to people.
    asks: Asks,
    /// When a line that is being typed was asked about last.
    tried: Option<Instant>,
    /// What the operator wants of the request.
    wishing: wishing::Wishing,
    /// What the accepted lines explain.
    explaining: explaining::Explaining,
    alerting: alerting::Alerting,
}

impl Judging {
    /// For a session whose grant ends at `end`.
    pub(crate) fn new(judge: Judge, charter: Charter, end: UnixMs, asks: Asks) -> Self {
        let last = judge.module().map(|module| module.digest);
        Self { judge, questions: Questions::default(), charter, shell: None, end, last, withdrawn: false, asks, tried: None, wishing: wishing::Wishing::default(), explaining: explaining::Explaining::default(), alerting: alerting::Alerting::new(Instant::now()) }
    }

    /// The judge.
    pub(crate) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The module that judges now.
    pub(crate) fn module(&self) -> Option<&ModuleInfo> {
        self.judge.module()
    }

    /// Whether the policy in force does not allow the session's action any more: it is to be ended.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// The shell's process on the node, once it has come to its exec.
    pub(crate) fn shell(&self) -> Option<u32> {
        self.shell
    }

    /// The grant ends later.
    pub(crate) fn put_off(&mut self, end: UnixMs) {
        self.end = end;
        self.judge.put_off(end);
    }

    /// Whether the guard may be asked for another attempt.
    pub(crate) fn has_room(&self) -> bool {
        self.questions.len() < OPEN_MAX && self.judge.has_room()
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        self.questions.next_deadline().into_iter().chain(self.judge.next_tick()).chain(self.asks.next_tick()).chain(self.wishing.next_tick()).min()
    }

    /// Has every exec decided that waits, as long as there is room for questions.
    pub(crate) fn execs(&mut self, parties: &mut Parties<'_>) -> Result<(), Fault> {
        // a turn is bounded: a process that tries to exec without end is not to keep the keeper from its other work
        for _ in 0..EXECS_A_TURN {
            if !self.has_room() {
                break;
            }
            match parties.guard.receive()? {
                Received::Nothing => break,
                Received::Missing => {}
                Received::Attempt(attempt) => self.exec(attempt, parties)?,
                Received::Lapsed { pid, decision } => {
                    self.did_not_happen(pid);
                    parties.evidence.note(EventKind::Lapsed { pid, decision })?;
                }
                Received::Refused { repeated: true, .. } => {}
                Received::Refused { pid, exec, denial, repeated: false } => {
                    let exec = Exec { line: parties.shell.running().map(<[u8]>::to_vec), ..*exec };
                    self.tell_refusal(pid, &Refusal::by_portcullis(Subject::Exec(exec), denial), parties)?;
                }
            }
        }
        Ok(())
    }

    fn exec(&mut self, mut attempt: Attempt, parties: &mut Parties<'_>) -> Result<(), Fault> {
        attempt.set_line(parties.shell.running().map(<[u8]>::to_vec));
        let subject = attempt.subject();
        if let Some(permit) = self.charter.take(&subject) {
            self.shell.get_or_insert(attempt.pid());
            self.explaining.begun(attempt.pid());
            return proceed(attempt, permit, parties);
        }
        self.look_at(&attempt, parties)?;
        if let Some(decision) = parties.guard.by_trust(&attempt, self.standing(parties)) {
            return self.decided(decision, Waiting::Exec(Box::new(attempt)), parties);
        }
        self.ask(Waiting::Exec(Box::new(attempt)), subject, parties)
    }

    fn standing(&self, parties: &Parties<'_>) -> Standing {
        Standing { now: clock::now(), end: self.end, ending: false, enforcement: parties.guard.enforcement() }
    }

    /// Does what the shell asks for.
    pub(crate) fn shell_said(&mut self, message: ToKeeper, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if parties.service.is_carried() {
            return self.service_said(message, parties);
        }
        match message {
            ToKeeper::Line { id, line } => self.line(id, line, parties),
            ToKeeper::Trial { id, line } => self.trial(id, line, parties),
            ToKeeper::Wish { id, wish } => self.wish(id, wish, parties),
            ToKeeper::Withdraw { id } => self.withdraw(id, parties),
            // what did not run is not done: a shell that says so does not fill the record with it
            ToKeeper::Done { id, status } if parties.shell.done(id) => Ok(parties.evidence.note(EventKind::LineDone { status })?),
            ToKeeper::Done { .. } => Ok(()),
            other => self.service_said(other, parties),
        }
    }

    fn line(&mut self, id: u32, line: Line, parties: &mut Parties<'_>) -> Result<(), Fault> {
        if self.questions.count(|waiting| matches!(waiting, Waiting::Line(_))) >= LINES_MAX {
            return Err(Fault::Shell("it asks about too many lines at once".to_owned()));
        }
        let unaskable = shell::unaskable(&line);
        let subject = Subject::Line(line);
        match unaskable {
            Some(why) => self.settle(Waiting::Line(id), subject, Heard::Silence(Silence::Unaskable(why)), parties),
            None => self.ask(Waiting::Line(id), subject, parties),
        }
    }

    /// Has a line looked at that is being typed. It is asked about only where equal questions get equal answers: it leaves
    /// no trace in a module's memory then, and what is answered later cannot depend on it.
    fn trial(&mut self, id: u32, line: Line, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let now = Instant::now();
        let soon = self.tried.is_some_and(|last| now.duration_since(last) < TRIAL_PAUSE);
        let open = self.questions.count(|waiting| matches!(waiting, Waiting::Trial(_))) > 0;
        if soon || open || !self.judge.module().is_some_and(|module| module.pure) || !self.has_room() || shell::unaskable(&line).is_some() {
            return Ok(parties.shell.tried(id, None)?);
        }
        self.tried = Some(now);
        self.ask(Waiting::Trial(id), Subject::Line(line), parties)
    }

    fn withdraw(&mut self, id: u32, parties: &mut Parties<'_>) -> Result<(), Fault> {
        self.unwish(id, parties)?;
        let Some(open) = self.questions.withdraw(|waiting| matches!(waiting, Waiting::Line(line) if *line == id)) else {
            if !self.withdraw_asked(id, parties)? {
                // the answer was on its way already; it will not be acted on
                parties.shell.done(id);
            }
            return Ok(());
        };
        let denial = Denial { rule: "withdrawn".to_owned(), reason: "the operator gave up waiting for the answer".to_owned(), hint: String::new() };
        Ok(parties.evidence.refused(&Refusal::by_portcullis(open.subject, denial), 0)?)
    }

    fn ask(&mut self, waiting: Waiting, subject: Subject, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let id = self.questions.number();
        match self.judge.ask(id, clock::now(), parties.evidence.counters(), &subject) {
            None => {
                self.questions.put(id, waiting, subject, Instant::now());
                Ok(())
            }
            Some(heard) => self.settle(waiting, subject, heard, parties),
        }
    }

    /// Takes what the judge has sent, and what follows from it.
    pub(crate) fn judge_said(&mut self, parties: &mut Parties<'_>) -> Result<(), Fault> {
        self.judge.pump();
        self.take_news(parties)
    }

    /// Does what time demands: late answers are refusals, a lost judge is looked for again.
    pub(crate) fn tick(&mut self, now: Instant, parties: &mut Parties<'_>) -> Result<(), Fault> {
        while let Some(Open { waiting, subject, .. }) = self.questions.late(now) {
            self.settle(waiting, subject, Heard::Silence(Silence::Late), parties)?;
        }
        self.judge.tick(now);
        self.take_news(parties)?;
        self.tick_wish(now, parties)?;
        self.tick_asked(now, parties)
    }

    fn take_news(&mut self, parties: &mut Parties<'_>) -> Result<(), Fault> {
        while let Some(news) = self.judge.news() {
            match news {
                News::Answer { id, heard } => {
                    // an answer that came too late is to a question that is refused already
                    let Some(Open { waiting, subject, .. }) = self.questions.take(id) else { continue };
                    if let (Subject::Exec(exec), Heard::Verdict { digest, verdict }) = (&subject, &heard) {
                        self.judge.remember(exec, *digest, verdict);
                    }
                    self.settle(waiting, subject, heard, parties)?;
                }
                News::Live(module) => {
                    parties.evidence.note(EventKind::Judge { live: true })?;
                    self.judged_by(module.as_ref(), parties)?;
                }
                News::Changed(module) => self.judged_by(module.as_ref(), parties)?,
                News::Gone => {
                    parties.evidence.note(EventKind::Judge { live: false })?;
                    while let Some(Open { waiting, subject, .. }) = self.questions.give_up() {
                        self.settle(waiting, subject, Heard::Silence(Silence::JudgeGone), parties)?;
                    }
                    parties.shell.judge(None)?;
                }
            }
        }
        Ok(())
    }

    /// This module judges from here on, or none: written down where it is another one, said to the operator's shell.
    fn judged_by(&mut self, module: Option<&ModuleInfo>, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let policy = module.map(|module| module.digest);
        if policy != self.last {
            let name = module.map_or_else(String::new, |module| format!("{} {}", module.name, module.version));
            parties.evidence.note(EventKind::PolicyChanged { policy, name })?;
            self.last = policy;
        }
        self.withdrawn = policy.is_none();
        self.give_up_on_others(policy, parties)?;
        Ok(parties.shell.judge(module)?)
    }

    fn settle(&mut self, waiting: Waiting, subject: Subject, heard: Heard, parties: &mut Parties<'_>) -> Result<(), Fault> {
        let is_the_modules = matches!(heard, Heard::Verdict { .. });
        let decision = decide(subject, heard, self.standing(parties));
        match (decision, waiting) {
            // a permit ends here, where nobody can use it; only a module's word is worth a hint
            (Decision::Deny(refusal), Waiting::Trial(id)) if is_the_modules => Ok(parties.shell.tried(id, Some(shell::notice(&refusal, self.judge.module())))?),
            (Decision::Deny(_) | Decision::Allow(_) | Decision::Ask(_), Waiting::Trial(id)) => Ok(parties.shell.tried(id, None)?),
            (decision, waiting) => self.decided(decision, waiting, parties),
        }
    }

    /// Does what was decided.
    fn decided(&mut self, decision: Decision, waiting: Waiting, parties: &mut Parties<'_>) -> Result<(), Fault> {
        match (decision, waiting) {
            (Decision::Allow(permit), Waiting::Exec(attempt)) => match parties.guard.unable(&attempt, permit.confinement()) {
                None => {
                    self.goes_on(&attempt, parties.guard);
                    proceed(*attempt, permit, parties)
                }
                Some(denial) => self.refused(Refusal::by_portcullis(attempt.subject(), denial), Waiting::Exec(attempt), parties),
            },
            (Decision::Allow(permit), Waiting::Line(id)) => {
                if let Subject::Line(line) = permit.subject() {
                    self.explaining.accepted(id, line);
                }
                accept(id, permit, parties)
            }
            (Decision::Allow(permit), Waiting::Request(id)) => services::accept_request(id, permit, parties),
            (Decision::Allow(_) | Decision::Ask(_), Waiting::Trial(_)) => Ok(()),
            (Decision::Deny(refusal), waiting) => self.refused(refusal, waiting, parties),
            // their clients give up long before a person has answered
            (Decision::Ask(question), Waiting::Request(id)) => self.refused(question.unanswered(DOES_NOT_WAIT), Waiting::Request(id), parties),
            (Decision::Ask(question), waiting) => self.ask_people(waiting, question, parties),
        }
    }

    fn refused(&mut self, refusal: Refusal, waiting: Waiting, parties: &mut Parties<'_>) -> Result<(), Fault> {
        match (refusal, waiting) {
            (refusal, Waiting::Exec(attempt)) => {
                // a search along PATH tries one program under several names: said once, refused each time
                self.contradicted(&attempt, &refusal, parties)?;
                let told = if attempt.repeated() { Ok(()) } else { self.tell_refusal(attempt.pid(), &refusal, parties) };
                parties.guard.refuse(*attempt);
                told
            }
            (refusal, Waiting::Request(id)) => self.refuse_request(id, &refusal, parties),
            (_, Waiting::Trial(_)) => Ok(()),
            (refusal, Waiting::Line(id)) => {
                parties.evidence.refused(&refusal, 0)?;
                let Subject::Line(line) = refusal.subject() else { return Ok(()) };
                let answer = LineAnswer::Denied(shell::notice(&refusal, self.judge.module()));
                Ok(parties.shell.answer(id, line, answer)?)
            }
        }
    }

    fn tell_refusal(&mut self, pid: u32, refusal: &Refusal, parties: &mut Parties<'_>) -> Result<(), Fault> {
        parties.evidence.refused(refusal, pid)?;
        if let Subject::Exec(exec) = refusal.subject() {
            parties.shell.exec_denied(&exec.path, shell::notice(refusal, self.judge.module()))?;
        }
        Ok(())
    }
}

/// Lets an exec go on, once the journal has it.
fn proceed(attempt: Attempt, permit: Permit, parties: &mut Parties<'_>) -> Result<(), Fault> {
    let pid = attempt.pid();
    let committed = match parties.evidence.commit(permit, pid) {
        Ok(committed) => committed,
        Err(unrecorded) => {
            parties.guard.refuse(attempt);
            return Err(unrecorded.into());
        }
    };
    let decision = committed.seq();
    match parties.guard.proceed(attempt, committed) {
        Ok(()) => Ok(()),
        // its caller died, or cannot be traced: the guard has refused it, and that is all that came of the decision
        Err(GuardError::Gone | GuardError::Busy | GuardError::Ending | GuardError::Seize(_) | GuardError::Unenforceable | GuardError::Orders(_)) => {
            Ok(parties.evidence.note(EventKind::Lapsed { pid, decision })?)
        }
        Err(error @ (GuardError::Proc | GuardError::Timer(_) | GuardError::Listener(_) | GuardError::OtherSubject)) => Err(error.into()),
    }
}

/// Lets a line go on, once the journal has it.
fn accept(id: u32, permit: Permit, parties: &mut Parties<'_>) -> Result<(), Fault> {
    let committed = parties.evidence.commit(permit, 0)?;
    let Subject::Line(line) = committed.subject() else { return Ok(()) };
    Ok(parties.shell.answer(id, line, LineAnswer::Allowed)?)
}
