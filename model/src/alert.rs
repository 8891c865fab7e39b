//! Alerts: what a session did that its accepted lines do not explain, or that its guard had to stop after the fact.
//!
//! An alert is evidence and a message: written into the recording where it happened, and carried to the controller at once, until the
//! controller says that it has it. It decides nothing; what it is about was allowed or refused as any other subject. A session has a
//! bounded number of them: what is over the rate is counted, and the count goes with the next one.
//!
//! A system call that is refused raises none: it ends in the kernel's filter with an error number, which tells nobody.

use crate::id::{GrantId, SessionId};
use crate::subject::Exec;
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// Most callers that an alert names.
pub const CHAIN_MAX: usize = 16;
/// Most bytes of one text, and of the arguments of one process together, in an alert.
pub const TEXT_MAX: usize = 512;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The session.
    pub session: SessionId,
    /// The grant that it runs under.
    pub grant: GrantId,
    /// The target that it runs on.
    pub target: String,
    /// The session's own number for it, from 1 on.
    pub number: u64,
    /// When.
    pub at: UnixMs,
    /// What is wrong.
    pub kind: AlertKind,
    /// The process, on the node; 0 when it is about none.
    pub pid: u32,
    /// What it wanted to run or had loaded, as far as that was read, with at most [`TEXT_MAX`] bytes of arguments.
    pub exec: Option<Box<Exec>>,
    /// Who called it, nearest first, up to the session's shell: at most [`CHAIN_MAX`].
    pub chain: Vec<Ancestor>,
    /// Alerts of this session before this one that were over the rate, and are not told.
    pub suppressed: u64,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum AlertKind {
    /// An exec that no accepted line explains.
    Unexplained {
        /// why, in words
        why: String,
    },
    /// An exec that the module refused, of a command whose very words it had allowed in the line that runs.
    Contradicted {
        /// the rule that refused it
        rule: String,
        /// why it was refused
        reason: String,
    },
    /// The kernel had loaded another image than the one that was allowed, and the process was killed before its first instruction.
    Killed {
        /// what differed, in words
        difference: String,
    },
    /// Nothing but the count of those that are not told, at the session's end.
    Suppressed,
}

impl AlertKind {
    /// The name, as in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unexplained { .. } => "unexplained",
            Self::Contradicted { .. } => "contradicted",
            Self::Killed { .. } => "killed",
            Self::Suppressed => "suppressed",
        }
    }

    /// What is said with it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Unexplained { why } => why.clone(),
            Self::Contradicted { rule, reason } => format!("its line was allowed, its exec was denied (rule {rule}): {reason}"),
            Self::Killed { difference } => difference.clone(),
            Self::Suppressed => "there were more alerts than are told".to_owned(),
        }
    }
}

/// A process on the way up from the one that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its number on the node.
    pub pid: u32,
    /// The path of what it runs; empty when it was gone.
    #[serde(with = "crate::bytes")]
    pub exe: Vec<u8>,
    /// Its arguments, as it shows them; at most [`TEXT_MAX`] bytes.
    #[serde(with = "crate::bytes::list")]
    pub argv: Vec<Vec<u8>>,
}

impl Alert {
    /// The same within its bounds: for who makes it, and for who does not believe who made it.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.chain.truncate(CHAIN_MAX);
        for one in &mut self.chain {
            one.exe.truncate(TEXT_MAX);
            cut(&mut one.argv);
        }
        if let Some(exec) = &mut self.exec {
            exec.path.truncate(TEXT_MAX);
            exec.cwd.truncate(TEXT_MAX);
            cut(&mut exec.argv);
            cut(&mut exec.scripts);
            cut(&mut exec.parents);
            if let Some(line) = &mut exec.line {
                line.truncate(TEXT_MAX);
            }
        }
        let text = |text: &mut String| *text = text.chars().take(TEXT_MAX).collect();
        match &mut self.kind {
            AlertKind::Unexplained { why: one } | AlertKind::Killed { difference: one } => text(one),
            AlertKind::Contradicted { rule, reason } => [rule, reason].into_iter().for_each(text),
            AlertKind::Suppressed => {}
        }
        text(&mut self.target);
        self
    }
}

/// Keeps the first words that fit, and what fits of the next.
fn cut(words: &mut Vec<Vec<u8>>) {
    let mut left = TEXT_MAX;
    for index in 0..words.len() {
        let Some(word) = words.get_mut(index) else { return };
        word.truncate(left);
        // an empty word takes room too
        left = left.saturating_sub(word.len() + 1);
        if left == 0 {
            return words.truncate(index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_it_an_alert_fits_a_packet() {
        let long = || vec![vec![b'x'; 5000]; 500];
        let exec = Exec { path: vec![b'p'; 5000], argv: long(), scripts: long(), cwd: vec![b'c'; 5000], uid: 1, tty: true, parents: long(), line: Some(vec![b'l'; 60_000]) };
        let one = Ancestor { pid: 1, exe: vec![b'e'; 5000], argv: vec![Vec::new(); 100_000] };
        let alert = Alert {
            session: SessionId::from_entropy([1; 10]),
            grant: GrantId::from_entropy([1; 10]),
            target: "t".repeat(10_000),
            number: 1,
            at: UnixMs(1),
            kind: AlertKind::Contradicted { rule: "\u{1f600}".repeat(5000), reason: "r".repeat(5000) },
            pid: 1,
            exec: Some(Box::new(exec)),
            chain: vec![one; 100],
            suppressed: 0,
        };
        let cut = alert.cut();
        assert!(postcard::to_allocvec(&cut).unwrap().len() < 60_000, "{}", postcard::to_allocvec(&cut).unwrap().len());
        assert_eq!(cut.clone().cut(), cut, "what fits stays");
        assert_eq!(cut.exec.unwrap().argv, vec![vec![b'x'; TEXT_MAX]]);
    }
}
