//! What the guard hands out: attempts, and what became of them.

use super::verify::Expected;
use portcullis_model::session::ExitStatus;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::verdict::Denial;
use rustix::process::Pid;

/// What one call of [`Guard::receive`](super::Guard::receive) found.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "an attempt is what is received as a rule, and a box more would cost each exec")]
pub enum Received {
    /// Nothing waits.
    Nothing,
    /// An exec waits for a decision.
    Attempt(Attempt),
    /// An exec was refused by a rule of the guard's own, and answered.
    Refused {
        /// the process, on the node
        pid: u32,
        /// what it wanted to run, as far as it could be read
        exec: Box<Exec>,
        /// the rule
        denial: Denial,
        /// whether the same process was refused the same within the last second, as in a search along PATH
        repeated: bool,
    },
    /// A permit came to nothing: the process that it was for went another way before it became the program.
    Lapsed {
        /// the process, on the node
        pid: u32,
        /// the journal's number of the decision
        decision: u64,
    },
    /// An exec of something that is not there, or cannot be executed whatever the policy: answered with the kernel's own error
    /// number. Nothing to record.
    Missing,
}

/// An exec that waits. It waits until it is given back to the guard, so dropping one is a mistake.
#[derive(Debug)]
#[must_use = "its caller waits until the attempt is given back to the guard"]
pub struct Attempt {
    pub(super) notification: u64,
    pub(super) thread: Pid,
    pub(super) group: Pid,
    pub(super) exec: Exec,
    pub(super) expected: Expected,
    pub(super) key: AttemptKey,
    pub(super) repeated: bool,
    /// The decision whose policy trusts it.
    pub(super) trust: Option<u64>,
    /// The process and those above it.
    pub(super) callers: Vec<u32>,
}

/// Tells attempts apart by who wants what: equal for the same process, program and arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey(pub(super) u64);

impl Attempt {
    /// What would run.
    #[must_use]
    pub fn exec(&self) -> &Exec {
        &self.exec
    }

    /// The same, as a subject to ask about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::Exec(self.exec.clone())
    }

    /// The process that asks, on the node.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.group.as_raw_pid().cast_unsigned()
    }

    /// The numbers of the process and of those above it, nearest first, up to and without the jail's init.
    #[must_use]
    pub fn callers(&self) -> &[u32] {
        &self.callers
    }

    /// Who wants what.
    #[must_use]
    pub fn key(&self) -> AttemptKey {
        self.key
    }

    /// Whether the same process was refused the same within the last second: a search along PATH tries `/bin` and `/usr/bin` of
    /// one file. It has to be decided again, but its refusal need not be recorded again.
    #[must_use]
    pub fn repeated(&self) -> bool {
        self.repeated
    }

    /// Says which accepted line the exec belongs to. To be called before a decision is asked for.
    pub fn set_line(&mut self, line: Option<Vec<u8>>) {
        self.exec.line = line;
    }

    /// Whether `subject` is exactly this.
    pub(super) fn is_subject(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Exec(exec) if *exec == self.exec)
    }
}

/// What became of something that [`Guard::reap`](super::Guard::reap) was told about.
#[derive(Debug)]
#[must_use]
pub enum Reaped {
    /// The image that the kernel loaded is the one that was allowed; it runs now.
    Verified {
        /// the process, on the node
        pid: u32,
        /// the journal's number of the decision
        decision: u64,
    },
    /// An allowed exec did not happen: the kernel refused it, or its caller died.
    Lapsed {
        /// the process, on the node
        pid: u32,
        /// the journal's number of the decision
        decision: u64,
    },
    /// What the kernel loaded is not what was allowed. The process was killed before its first instruction.
    Killed {
        /// the process, on the node
        pid: u32,
        /// the journal's number of the decision, if there was one
        decision: Option<u64>,
        /// what the kernel had loaded, as far as it could be read
        found: Option<Box<Exec>>,
        /// what differs, in words
        difference: String,
    },
    /// The jail's init is gone, and with it, by the kernel, every process of the jail.
    InitGone(ExitStatus),
}
