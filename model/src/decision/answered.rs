//! What follows from an approver's answer. The one way from "people are to be asked" to a permit: a [`VerifiedAnswer`] to
//! exactly the question that was asked, in time, while the module that asked still judges. It is used up by it.
//!
//! The approval of a line also covers what the line says: an exec under it about which the module wants the same people asked is
//! not asked about again when its arguments are, word for word, those of one of the line's commands. Each command covers one
//! exec. What the approver could not read in the line (a variable, a pattern, a loop's second turn, what a program starts by
//! itself) is a question of its own.

use super::{Authority, Decision, Heard, Permit, Question, Refusal, Standing, decide};
use crate::asking::{AskEnd, Asked, Choice, OPEN_MAX_MS, VerifiedAnswer};
use crate::id::{GrantId, PolicyDigest, QuestionId, SessionId};
use crate::subject::{Exec, Subject, WordKind};
use crate::time::UnixMs;
use crate::verdict::{Confinement, Denial, Verdict};

/// Who asks, and where.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The session.
    pub session: SessionId,
    /// Its grant.
    pub grant: GrantId,
    /// Its target.
    pub target: String,
}

impl Question {
    /// The question as it is put to people. It lapses with the grant at the latest, whatever the module says, and after a day.
    #[must_use]
    pub fn put(self, id: QuestionId, asker: &Asker, standing: Standing) -> Asked {
        let Self { subject, mut ask, digest } = self;
        ask.expiry = ask.expiry.min(standing.end).min(standing.now.plus(OPEN_MAX_MS));
        let Asker { session, grant, target } = asker.clone();
        Asked { id, session, grant, target, at: standing.now, subject, policy: digest, ask }
    }
}

/// What came of an answer.
#[derive(Debug)]
pub struct Answered {
    /// The decision.
    pub decision: Decision,
    /// How the question ended with it.
    pub end: AskEnd,
    /// What else the approval covers, when it was of a line.
    pub coverage: Option<Coverage>,
}

/// Decides about what was asked, by the answer to it. `judges` is the module that judges now.
#[must_use]
pub fn answered(asked: Asked, answer: VerifiedAnswer, judges: Option<PolicyDigest>, standing: Standing) -> Answered {
    let said = answer.answer();
    let refuse = |subject, authority, end: AskEnd, (rule, reason): (&str, String)| {
        let denial = Denial { rule: rule.to_owned(), reason, hint: String::new() };
        Answered { decision: Decision::Deny(Refusal { subject, denial, authority }), end, coverage: None }
    };
    let is_to_it = said.question == asked.id
        && said.session == asked.session
        && said.target == asked.target
        && said.policy == asked.policy
        && said.expiry == asked.ask.expiry
        && said.asked == asked.digest();
    if !is_to_it {
        return refuse(asked.subject, Authority::Portcullis, AskEnd::Mismatch, ("answer-mismatch", "what was answered is not what was asked".to_owned()));
    }
    if standing.now >= asked.ask.expiry {
        return refuse(asked.subject, Authority::Portcullis, AskEnd::Lapsed, ("question-lapsed", "the answer came too late".to_owned()));
    }
    if judges != Some(asked.policy) {
        let reason = "the policy was replaced while people were asked; enter it again".to_owned();
        return refuse(asked.subject, Authority::Portcullis, AskEnd::PolicyChanged, ("policy-changed", reason));
    }
    let authority = Authority::Answer { policy: asked.policy, question: asked.id.clone(), by: said.by.clone() };
    if said.choice == Choice::Reject {
        let reason = if said.comment.is_empty() { format!("{} said no", said.by) } else { format!("{} said no: {}", said.by, said.comment) };
        return refuse(asked.subject, authority, AskEnd::Rejected, ("not-approved", reason));
    }
    let coverage = Coverage::of(&asked, &said.by);
    let heard = Heard::Verdict { digest: asked.policy, verdict: Verdict::Allow(Confinement::default()) };
    match decide(asked.subject, heard, standing) {
        Decision::Allow(permit) => Answered { decision: Decision::Allow(Permit { authority, ..permit }), end: AskEnd::WentOn, coverage },
        decision => Answered { decision, end: AskEnd::Void, coverage: None },
    }
}

/// What an approved line covers.
#[derive(Debug)]
pub struct Coverage {
    question: QuestionId,
    policy: PolicyDigest,
    approvers: Vec<String>,
    expiry: UnixMs,
    by: String,
    /// The words of its commands that are literal throughout, each until an exec has used it.
    commands: Vec<Vec<Vec<u8>>>,
    /// The directory that the line was entered in.
    cwd: Vec<u8>,
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

impl Coverage {
    fn of(asked: &Asked, by: &str) -> Option<Self> {
        let Subject::Line(line) = &asked.subject else { return None };
        let literal = line.commands.iter().filter(|command| !command.words.is_empty() && command.words.iter().all(|word| word.kind == WordKind::Literal));
        // what the approver could not read in the text is not covered: the shell says both
        let read = literal.filter(|command| command.words.iter().all(|word| line.text.windows(word.text.len().max(1)).any(|part| part == word.text)));
        let commands = read.map(|command| command.words.iter().map(|word| word.text.clone()).collect()).collect();
        let (question, policy, approvers, expiry) = (asked.id.clone(), asked.policy, asked.ask.approvers.clone(), asked.ask.expiry);
        Some(Self { question, policy, approvers, expiry, by: by.to_owned(), commands, cwd: line.cwd.clone() })
    }

    /// The module whose question it was.
    #[must_use]
    pub fn policy(&self) -> PolicyDigest {
        self.policy
    }

    /// Which of the commands the exec is, by every word, in the directory that the approver saw. A program that is written as a
    /// path is that one; another's own process is not the operator's, who was asked about.
    fn place_of(&self, exec: &Exec) -> Option<usize> {
        let Exec { path, argv, scripts, cwd, uid, .. } = exec;
        if *cwd != self.cwd || *uid == 0 {
            return None;
        }
        // on most nodes /bin and /sbin are links to these
        let short = path.strip_prefix(b"/usr").filter(|short| short.starts_with(b"/bin/") || short.starts_with(b"/sbin/"));
        let is_it = |written: &[u8]| if written.contains(&b'/') { written == path || short == Some(written) } else { name(written) == name(path) };
        // a script's interpreter has arguments that nobody has read
        let (called, arguments) = argv.split_first().filter(|_| scripts.is_empty())?;
        self.commands.iter().position(|words| match words.split_first() {
            Some((written, rest)) => rest == arguments && is_it(written) && name(called) == name(path),
            None => false,
        })
    }

    /// The decision about what the module wants to have asked, if the line's approval has decided it already; otherwise
    /// [`Decision::Ask`], as before.
    pub fn take(&mut self, question: Question, standing: Standing) -> Decision {
        let same = question.digest == self.policy && question.ask.approvers == self.approvers && standing.now < self.expiry;
        let place = match &question.subject {
            Subject::Exec(exec) if same => self.place_of(exec),
            _ => None,
        };
        let Some(place) = place else { return Decision::Ask(question) };
        self.commands.remove(place);
        let authority = Authority::Answer { policy: self.policy, question: self.question.clone(), by: self.by.clone() };
        let heard = Heard::Verdict { digest: self.policy, verdict: Verdict::Allow(Confinement::default()) };
        match decide(question.subject, heard, standing) {
            Decision::Allow(permit) => Decision::Allow(Permit { authority, ..permit }),
            decision => decision,
        }
    }
}

#[cfg(test)]
mod tests;
