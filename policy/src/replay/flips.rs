//! Decisions that would be others, grouped: the same change by the same rule for the same operator and command is one row.

use portcullis_model::bytes::printable;
use portcullis_model::id::SessionId;
use portcullis_model::subject::Subject;
use serde::Serialize;
use std::collections::HashMap;

/// Groups that are kept; flips that would begin further ones are counted alone.
const GROUPS: usize = 50_000;
/// Characters of a command that tell groups apart and are shown.
const COMMAND: usize = 160;

/// How a decision would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was allowed and would be denied.
    NowDenied,
    /// It was allowed and people would be asked.
    NowAsked,
    /// It was denied and would be allowed.
    NowAllowed,
    /// It was denied and people would be asked.
    DeniedNowAsked,
}

impl Change {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NowDenied => "allowed -> denied",
            Self::NowAsked => "allowed -> asked",
            Self::NowAllowed => "denied -> allowed",
            Self::DeniedNowAsked => "denied -> asked",
        }
    }
}

/// One decision that would be another.
#[derive(Debug)]
pub struct Flip<'a> {
    /// How.
    pub change: Change,
    /// The rule that denied it, when it was denied.
    pub before: &'a str,
    /// The rule that would deny it, when it would be denied.
    pub rule: &'a str,
    /// Why, in the candidate's words.
    pub reason: &'a str,
    /// Whose session.
    pub operator: &'a str,
    /// Which session.
    pub session: &'a SessionId,
    /// The frame of its recording.
    pub seq: u64,
    /// What was asked.
    pub subject: &'a Subject,
}

/// Flips that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// How the decision would change.
    pub change: Change,
    /// The rule: of the denial that would come, or of the one that would go.
    pub rule: String,
    /// The operator.
    pub operator: String,
    /// What was asked: line, exec, file or forward.
    pub subject: &'static str,
    /// The command, printable, at most 160 characters.
    pub command: String,
    /// How often.
    pub count: u64,
    /// Why, in the candidate's words, the first time.
    pub reason: String,
    /// The session of the first time.
    pub session: SessionId,
    /// The frame of its recording.
    pub seq: u64,
}

/// All groups so far.
#[derive(Debug, Default)]
pub(super) struct Flips {
    groups: HashMap<(Change, String, String, &'static str, String), Group>,
    more: u64,
}

impl Flips {
    pub(super) fn add(&mut self, flip: Flip<'_>) {
        let Flip { change, before, rule, reason, operator, session, seq, subject } = flip;
        let rule = if rule.is_empty() { before } else { rule };
        let key = (change, rule.to_owned(), operator.to_owned(), subject.noun(), command(subject));
        if let Some(group) = self.groups.get_mut(&key) {
            group.count += 1;
            return;
        }
        if self.groups.len() >= GROUPS {
            self.more += 1;
            return;
        }
        let (_, rule, operator, subject, command) = key.clone();
        self.groups.insert(key, Group { change, rule, operator, subject, command, count: 1, reason: reason.to_owned(), session: session.clone(), seq });
    }

    pub(super) fn finish(self) -> (Vec<Group>, u64) {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| (a.change, &a.rule, &a.operator).cmp(&(b.change, &b.rule, &b.operator)).then(b.count.cmp(&a.count)).then_with(|| a.command.cmp(&b.command)));
        (groups, self.more)
    }
}

fn command(subject: &Subject) -> String {
    let text = match subject {
        Subject::Line(line) => printable(line.text.get(..line.text.len().min(4 * COMMAND)).unwrap_or_default()),
        Subject::Exec(exec) => {
            let words = std::iter::once(exec.path.as_slice()).chain(exec.argv.iter().skip(1).map(Vec::as_slice));
            let mut text = String::new();
            for word in words {
                if text.len() > COMMAND {
                    break;
                }
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&printable(word.get(..word.len().min(4 * COMMAND)).unwrap_or_default()));
            }
            text
        }
        Subject::File(operation) => format!("{:?} {}", operation.kind, printable(&operation.path)),
        Subject::Forward(forward) => format!("{}:{}", printable(forward.host.as_bytes()), forward.port),
    };
    text.chars().take(COMMAND).collect()
}
