//! The decision rule. A [`Permit`] can only be made here, from a verdict that was heard; whatever was not heard, came too
//! late, is unknown or cannot be enforced is a [`Refusal`]. A permit becomes [`Committed`] only by way of the journal, and
//! only a committed permit lets the guard continue an exec.

mod answered;

pub use answered::{Answered, Asker, Coverage, answered};

use crate::event::{Event, EventKind};
use crate::id::{PolicyDigest, QuestionId};
use crate::subject::Subject;
use crate::time::UnixMs;
use crate::verdict::{Ask, Children, Confinement, Denial, Enforcement, Verdict};
use serde::{Deserialize, Serialize};

/// What was heard about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The active module answered.
    Verdict {
        /// the module that answered
        digest: PolicyDigest,
        /// its answer
        verdict: Verdict,
    },
    /// No verdict, and why.
    Silence(Silence),
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// The judge is not running or the connection to it is gone.
    JudgeGone,
    /// The judge did not answer in time.
    Late,
    /// There is no module for this action and role.
    NoModule,
    /// The module trapped, ran out of time or memory, or answered what does not parse.
    Fault(String),
    /// The question is over a limit, or is not one that can be asked.
    Unaskable(String),
}

impl Silence {
    fn denial(&self) -> Denial {
        let (rule, reason) = match self {
            Self::JudgeGone => ("judge-gone", "the policy judge is not running; everything is denied until it is back".to_owned()),
            Self::Late => ("judge-late", "the policy judge did not answer in time".to_owned()),
            Self::NoModule => ("no-module", "no policy module is active for this action on this target".to_owned()),
            Self::Fault(what) => ("module-fault", format!("the policy module failed: {what}")),
            Self::Unaskable(what) => ("limit", what.clone()),
        };
        Denial { rule: rule.to_owned(), reason, hint: String::new() }
    }
}

/// The circumstances that a verdict alone does not know; each of them can only narrow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The time now.
    pub now: UnixMs,
    /// The first moment at which the grant is no longer in force.
    pub end: UnixMs,
    /// Whether the grant was revoked or the session is being ended.
    pub ending: bool,
    /// What this node can hold an exec to beyond the jail; nothing else can be held to anything.
    pub enforcement: Enforcement,
}

impl Standing {
    /// Why nothing goes on whatever the verdict is: a rule and a reason.
    fn over(&self) -> Option<(&'static str, &'static str)> {
        if self.ending {
            return Some(("ending", "the session is being ended"));
        }
        (self.now >= self.end).then_some(("expired", "the time of the grant is over"))
    }
}

/// The outcome for one subject.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may go on, once the journal has it.
    Allow(Permit),
    /// It may not.
    Deny(Refusal),
    /// People are to be asked first.
    Ask(Question),
}

/// On whose authority something was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// The module with this digest.
    Policy(PolicyDigest),
    /// A person, whom that module wanted to be asked.
    Answer {
        /// the module
        policy: PolicyDigest,
        /// the question
        question: QuestionId,
        /// who answered
        by: String,
    },
    /// Portcullis itself: the start of the shell and its engine, a static rule of the guard, a missing judge.
    Portcullis,
    /// The decision of this number, whose policy trusts the children of what it allowed.
    Trust(u64),
}

/// The right to let exactly one subject go on, once. Neither cloned nor made outside this module.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    subject: Subject,
    confinement: Confinement,
    authority: Authority,
}

/// A refusal of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    subject: Subject,
    denial: Denial,
    authority: Authority,
}

/// A question to people about one subject.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    subject: Subject,
    ask: Ask,
    digest: PolicyDigest,
}

/// Decides about `subject` from what was heard and the circumstances.
///
/// The strictest wins: a session that is ending or past its grant is refused whatever the verdict is, and so is a
/// confinement that this node cannot enforce.
pub fn decide(subject: Subject, heard: Heard, standing: Standing) -> Decision {
    let portcullis = |subject, rule: &str, reason: String| {
        let denial = Denial { rule: rule.to_owned(), reason, hint: String::new() };
        Decision::Deny(Refusal { subject, denial, authority: Authority::Portcullis })
    };
    if let Some((rule, reason)) = standing.over() {
        return portcullis(subject, rule, reason.to_owned());
    }
    let enforcement = if matches!(subject, Subject::Exec(_)) { standing.enforcement } else { Enforcement::Nothing };
    match heard {
        Heard::Silence(silence) => Decision::Deny(Refusal { subject, denial: silence.denial(), authority: Authority::Portcullis }),
        Heard::Verdict { digest, verdict: Verdict::Deny(denial) } => Decision::Deny(Refusal { subject, denial, authority: Authority::Policy(digest) }),
        Heard::Verdict { digest, verdict: Verdict::Ask(ask) } if standing.now < ask.expiry => Decision::Ask(Question { subject, ask, digest }),
        Heard::Verdict { verdict: Verdict::Ask(_), .. } => portcullis(subject, "question-lapsed", "the question to the approvers had lapsed before it was put".to_owned()),
        Heard::Verdict { digest, verdict: Verdict::Allow(confinement) } => match confinement.unenforced(enforcement) {
            None => Decision::Allow(Permit { subject, confinement, authority: Authority::Policy(digest) }),
            Some(what) => portcullis(subject, "confinement", format!("the policy wants {what}, which this node cannot enforce")),
        },
    }
}

/// The execs that start a session, which no module is asked about: the shell, and the engine that the shell runs.
/// Each may be used once; a second attempt at the same program is judged like any other.
#[derive(Debug, Default)]
pub struct Charter {
    shell: Option<Vec<u8>>,
    engine: Option<Vec<u8>>,
}

impl Charter {
    /// A charter for the programs with these canonical paths in the jail.
    #[must_use]
    pub fn new(shell: Vec<u8>, engine: Vec<u8>) -> Self {
        Self { shell: Some(shell), engine: Some(engine) }
    }

    /// A charter for a session whose only program of Portcullis' own starts nothing: the file server, the forwarder.
    #[must_use]
    pub fn alone(program: Vec<u8>) -> Self {
        Self { shell: Some(program), engine: None }
    }

    /// A permit, if `subject` is the exec that starts the session's next part: first the shell, then its engine.
    pub fn take(&mut self, subject: &Subject) -> Option<Permit> {
        let Subject::Exec(exec) = subject else { return None };
        let part = if self.shell.is_some() { &mut self.shell } else { &mut self.engine };
        part.take_if(|path| *path == exec.path && exec.scripts.is_empty())?;
        Some(Permit { subject: subject.clone(), confinement: Confinement::default(), authority: Authority::Portcullis })
    }
}

/// Where a decision is written before it takes effect.
pub trait Journal {
    /// Why it could not be written.
    type Error;
    /// Writes one event; when this returns, the event survives the end of this process.
    ///
    /// # Errors
    /// Whatever keeps the event from being written. The caller ends the session.
    fn append(&mut self, event: &Event) -> Result<u64, Self::Error>;
}

/// A permit that the journal has. Only this lets an exec continue.
#[derive(Debug, PartialEq, Eq)]
pub struct Committed {
    permit: Permit,
    seq: u64,
}

impl Permit {
    /// What may go on.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// How it is to be confined.
    #[must_use]
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// On whose authority.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Writes the permit to the journal and, only when that worked, makes it effective.
    ///
    /// # Errors
    /// The journal's; the permit is gone then and nothing may go on.
    pub fn commit<J: Journal>(self, at: UnixMs, pid: u32, journal: &mut J) -> Result<Committed, J::Error> {
        let kind = EventKind::Allowed { pid, subject: self.subject.clone(), confinement: self.confinement.clone(), authority: self.authority.clone() };
        let seq = journal.append(&Event { at, kind })?;
        Ok(Committed { permit: self, seq })
    }
}

impl Committed {
    /// What may go on.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.permit.subject
    }

    /// How it is to be confined.
    #[must_use]
    pub fn confinement(&self) -> &Confinement {
        &self.permit.confinement
    }

    /// The journal's number for the decision.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Decides about an exec of a child of what this permit let go on, which no module is asked about. The caller answers for
    /// its being such a child; what holds the parent holds the child too. None when this permit trusts no children: it is to be
    /// judged as any other then.
    pub fn trusted_child(&self, subject: Subject, standing: Standing) -> Option<Decision> {
        if self.confinement().children != Children::Trusted || !matches!(subject, Subject::Exec(_)) {
            return None;
        }
        Some(match standing.over() {
            Some((rule, reason)) => {
                let denial = Denial { rule: rule.to_owned(), reason: reason.to_owned(), hint: String::new() };
                Decision::Deny(Refusal::by_portcullis(subject, denial))
            }
            None => Decision::Allow(Permit { subject, confinement: Confinement::default(), authority: Authority::Trust(self.seq) }),
        })
    }
}

impl Refusal {
    /// A refusal on Portcullis' own authority: a static rule of the guard, a line over a limit.
    #[must_use]
    pub fn by_portcullis(subject: Subject, denial: Denial) -> Self {
        Self { subject, denial, authority: Authority::Portcullis }
    }

    /// What may not go on.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Why, in words for the operator.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.denial
    }

    /// On whose authority.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The refusal as an event for the journal.
    #[must_use]
    pub fn event(&self, at: UnixMs, pid: u32) -> Event {
        let kind = EventKind::Denied { pid, subject: self.subject.clone(), denial: self.denial.clone(), authority: self.authority.clone() };
        Event { at, kind }
    }
}

impl Question {
    /// What is asked about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The question.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Nobody can be asked: the question becomes a refusal.
    #[must_use]
    pub fn unanswered(self, reason: &str) -> Refusal {
        let denial = Denial { rule: "needs-approval".to_owned(), reason: format!("{}: {reason}", self.ask.prompt), hint: String::new() };
        Refusal { subject: self.subject, denial, authority: Authority::Policy(self.digest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Exec;
    use crate::verdict::Network;

    fn exec(path: &str) -> Subject {
        Subject::Exec(Exec {
            path: path.into(),
            argv: vec![path.into()],
            scripts: vec![],
            cwd: b"/".to_vec(),
            uid: 70_000,
            tty: true,
            parents: vec![],
            line: None,
        })
    }

    const STANDING: Standing = Standing { now: UnixMs(10), end: UnixMs(20), ending: false, enforcement: Enforcement::Users };

    fn allow() -> Heard {
        Heard::Verdict { digest: PolicyDigest([1; 32]), verdict: Verdict::Allow(Confinement::default()) }
    }

    struct Paper(Vec<Event>);
    impl Journal for Paper {
        type Error = std::convert::Infallible;
        fn append(&mut self, event: &Event) -> Result<u64, Self::Error> {
            self.0.push(event.clone());
            Ok(self.0.len() as u64)
        }
    }
    struct Full;
    impl Journal for Full {
        type Error = &'static str;
        fn append(&mut self, _: &Event) -> Result<u64, Self::Error> {
            Err("no space")
        }
    }

    #[test]
    fn only_a_heard_allow_in_time_allows() {
        assert!(matches!(decide(exec("/usr/bin/ls"), allow(), STANDING), Decision::Allow(_)));
        for standing in [Standing { now: UnixMs(20), ..STANDING }, Standing { ending: true, ..STANDING }] {
            assert!(matches!(decide(exec("/usr/bin/ls"), allow(), standing), Decision::Deny(_)), "{standing:?}");
        }
        for silence in [Silence::JudgeGone, Silence::Late, Silence::NoModule, Silence::Fault("trap".into()), Silence::Unaskable("long".into())] {
            assert!(matches!(decide(exec("/usr/bin/ls"), Heard::Silence(silence), STANDING), Decision::Deny(_)));
        }
    }

    fn confined(confinement: &Confinement) -> Heard {
        Heard::Verdict { digest: PolicyDigest([1; 32]), verdict: Verdict::Allow(confinement.clone()) }
    }

    #[test]
    fn a_confinement_that_cannot_be_enforced_is_a_refusal() {
        let root = Confinement { run_as: Some("root".into()), ..Confinement::default() };
        let wants = [
            Confinement { network: Network::None, ..Confinement::default() },
            Confinement { read: Some(vec!["/var/log".into()]), ..Confinement::default() },
            Confinement { time_limit_ms: Some(1), ..Confinement::default() },
            Confinement { children: Children::Trusted, ..Confinement::default() },
            Confinement { environment: Some(vec![]), ..Confinement::default() },
        ];
        let allowed = |subject, confinement: &Confinement, enforcement| {
            matches!(decide(subject, confined(confinement), Standing { enforcement, ..STANDING }), Decision::Allow(_))
        };
        let line = || Subject::Line(crate::subject::Line { text: b"ls".to_vec(), commands: vec![], cwd: b"/".to_vec() });
        for confinement in &wants {
            assert!(!allowed(exec("/usr/bin/ls"), confinement, Enforcement::Nothing), "{confinement:?}");
            assert!(allowed(exec("/usr/bin/ls"), confinement, Enforcement::Confinement), "{confinement:?}");
            assert!(!allowed(line(), confinement, Enforcement::Users), "nothing but an exec can be confined: {confinement:?}");
        }
        let capable = Confinement { capabilities: vec!["CAP_CHOWN".into()], ..root.clone() };
        for confinement in [&root, &capable] {
            assert!(!allowed(exec("/usr/bin/ls"), confinement, Enforcement::Confinement), "{confinement:?}");
            assert!(allowed(exec("/usr/bin/ls"), confinement, Enforcement::Users), "{confinement:?}");
        }
        assert!(!allowed(exec("/usr/bin/ls"), &Confinement { run_as: None, ..capable }, Enforcement::Users), "capabilities of an ordinary user");
    }

    #[test]
    fn only_trust_makes_a_child_a_permit() {
        let committed = |children| {
            let heard = confined(&Confinement { children, ..Confinement::default() });
            let Decision::Allow(permit) = decide(exec("/usr/bin/sosreport"), heard, STANDING) else { panic!("allowed") };
            permit.commit(UnixMs(10), 7, &mut Paper(Vec::new())).unwrap()
        };
        let trusting = committed(Children::Trusted);
        let Some(Decision::Allow(permit)) = trusting.trusted_child(exec("/usr/bin/ls"), STANDING) else { panic!("allowed") };
        assert_eq!(permit.authority(), &Authority::Trust(1));
        assert!(matches!(trusting.trusted_child(exec("/usr/bin/ls"), Standing { ending: true, ..STANDING }), Some(Decision::Deny(_))));
        assert!(matches!(trusting.trusted_child(exec("/usr/bin/ls"), Standing { now: UnixMs(20), ..STANDING }), Some(Decision::Deny(_))));
        for children in [Children::Judged, Children::Forbidden] {
            assert!(committed(children).trusted_child(exec("/usr/bin/ls"), STANDING).is_none(), "{children:?}");
        }
        // a child of a child is the trusting one's by what the guard knows, not by what the child's own permit says
        assert!(permit.commit(UnixMs(10), 8, &mut Paper(Vec::new())).unwrap().trusted_child(exec("/usr/bin/ls"), STANDING).is_none());
    }

    #[test]
    fn a_permit_is_committed_by_the_journal_or_not_at_all() {
        let Decision::Allow(permit) = decide(exec("/usr/bin/ls"), allow(), STANDING) else { panic!("allowed") };
        let mut paper = Paper(Vec::new());
        let committed = permit.commit(UnixMs(10), 7, &mut paper).unwrap();
        assert_eq!(committed.seq(), 1);
        assert!(matches!(&paper.0[0].kind, EventKind::Allowed { pid: 7, subject, .. } if subject == committed.subject()));
        let Decision::Allow(permit) = decide(exec("/usr/bin/ls"), allow(), STANDING) else { panic!("allowed") };
        assert_eq!(permit.commit(UnixMs(10), 7, &mut Full).unwrap_err(), "no space");
    }

    #[test]
    fn the_charter_is_used_once_and_in_order() {
        let (shell, engine) = (exec("/run/portcullis/shell"), exec("/usr/bin/bash"));
        let mut charter = Charter::new(b"/run/portcullis/shell".to_vec(), b"/usr/bin/bash".to_vec());
        assert!(charter.take(&engine).is_none(), "the engine does not come before the shell");
        assert!(charter.take(&exec("/usr/bin/id")).is_none());
        assert!(charter.take(&shell).is_some());
        assert!(charter.take(&shell).is_none());
        assert!(charter.take(&engine).is_some());
        assert!(charter.take(&engine).is_none());
    }
}
