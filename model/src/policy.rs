//! The life of policy modules on a node: which are in force, which are on trial, and what a trial showed.
//!
//! Two signatures stand over a pushed module. A policy admin's SSH signature over the component's bytes says that it may be
//! used at all; the judge checks it before it compiles a byte. The controller's signature over a [`PolicyAssignment`] says
//! where it is used; the warden checks it, and refuses one that is not newer than what it has. Whoever carries either can
//! hold it back and nothing else.
//!
//! The modules of the node's own folder are its baseline: they judge what the assignment does not name.

use crate::action::{Action, Role};
use crate::grant::{Signable, Signed};
use crate::id::{PolicyDigest, SessionId};
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The namespace of the admins' signatures: `ssh-keygen -Y sign -n policy@portcullis -f KEY MODULE.wasm`.
pub const SIGNATURE_NAMESPACE: &str = "policy@portcullis";
/// Most bytes of a signature in its armoured form.
pub const SIGNATURE_MAX: usize = 8 * 1024;
/// Most bytes of a component.
pub const MODULE_MAX: usize = 32 << 20;
/// Most modules that one assignment may stage.
pub const STAGED_MAX: usize = 16;
/// Most bytes of all modules that a node keeps.
pub const HELD_BYTES_MAX: u64 = 256 << 20;
/// Most rows of a [`TrialReport`].
pub const ROWS_MAX: usize = 512;
/// Most bytes of all texts of those rows: a report passes the node's local sockets in one packet.
pub const ROWS_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of [`Difference::command`].
pub const COMMAND_MAX: usize = 96;
/// Most bytes of [`Outcome::rule`], and of [`Difference::operator`].
pub const NAME_MAX: usize = 64;

/// Which modules judge on one target. Enforced as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyAssignment {
    /// The target's name; a node refuses an assignment for another.
    pub target: String,
    /// Grows with each assignment for this target; a node refuses one that is not newer than what it has. Never 0.
    pub sequence: u64,
    /// When it was decided.
    pub at: UnixMs,
    /// At most one for an action and a role; what is not named is judged by the node's own baseline.
    pub modules: Vec<Assigned>,
    /// Modules to hold compiled though none uses them yet, so that putting one in force is a swap. At most [`STAGED_MAX`].
    pub staged: Vec<PolicyDigest>,
}

/// A controller's assignment with its signature.
pub type SignedPolicyAssignment = Signed<PolicyAssignment>;

impl Signable for PolicyAssignment {
    const DOMAIN: &'static [u8] = b"portcullis policies v1\0";
    const NOUN: &'static str = "policy assignment";
    fn target(&self) -> &str {
        &self.target
    }
}

/// What judges one action on targets of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// The action.
    pub action: Action,
    /// The target's role.
    pub role: Role,
    /// The module in force; none for the node's own baseline.
    pub active: Option<PolicyDigest>,
    /// A module on trial beside it.
    pub candidate: Option<Candidate>,
}

/// A module on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The module.
    pub digest: PolicyDigest,
    /// How it is tried.
    pub trial: Trial,
    /// What ends the trial by itself.
    pub bounds: Bounds,
}

/// How a module is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// It answers beside the module in force, after it and without effect.
    Shadow,
    /// It decides for a share of the sessions, the same ones throughout; the module in force answers beside it.
    Canary {
        /// the share, 1 to 100
        percent: u8,
    },
}

/// What ends a trial by itself; the default is the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Most questions that it may leave without an answer: traps, late and malformed answers.
    pub faults: u32,
    /// Most denials of what the module in force does not deny, in percent of the questions.
    pub extra_denials_percent: u8,
    /// Questions that have to be counted before that bound does.
    pub after: u32,
}

/// Why an assignment is not one, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssignment {
    /// It has no number.
    #[error("a policy assignment's sequence number is 0")]
    NoSequence,
    /// It says two things about one.
    #[error("{action} on {role} is assigned twice")]
    Twice {
        /// the action
        action: Action,
        /// the role
        role: Role,
    },
    /// A share that is none.
    #[error("a canary of {0} percent of the sessions")]
    Percent(u8),
    /// A module is tried against itself.
    #[error("{0} is on trial where it is in force")]
    OnTrialAndInForce(PolicyDigest),
    /// Too many staged modules.
    #[error("{0} staged modules, at most {STAGED_MAX} may be")]
    Staged(usize),
}

impl PolicyAssignment {
    /// Checks what can be checked without the modules.
    ///
    /// # Errors
    /// [`InvalidAssignment`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidAssignment> {
        if self.sequence == 0 {
            return Err(InvalidAssignment::NoSequence);
        }
        if self.staged.len() > STAGED_MAX {
            return Err(InvalidAssignment::Staged(self.staged.len()));
        }
        let mut seen = BTreeSet::new();
        for Assigned { action, role, active, candidate } in &self.modules {
            if !seen.insert((*action, *role)) {
                return Err(InvalidAssignment::Twice { action: *action, role: *role });
            }
            let Some(candidate) = candidate else { continue };
            if let Trial::Canary { percent } = candidate.trial
                && !(1..=100).contains(&percent)
            {
                return Err(InvalidAssignment::Percent(percent));
            }
            if *active == Some(candidate.digest) {
                return Err(InvalidAssignment::OnTrialAndInForce(candidate.digest));
            }
        }
        Ok(())
    }

    /// The modules that have to be there before it can be enforced.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<PolicyDigest> {
        self.modules.iter().flat_map(|assigned| assigned.active.into_iter().chain(assigned.candidate.as_ref().map(|c| c.digest))).collect()
    }

    /// Every module that it names, the staged ones as well.
    #[must_use]
    pub fn named(&self) -> BTreeSet<PolicyDigest> {
        self.needed().into_iter().chain(self.staged.iter().copied()).collect()
    }
}

impl Trial {
    /// Whether the module on trial decides for this session: a hash of both, so it is the same sessions throughout, and others
    /// for another module.
    #[must_use]
    pub fn decides(self, digest: &PolicyDigest, session: &SessionId) -> bool {
        match self {
            Self::Shadow => false,
            Self::Canary { percent } => {
                use sha2::Digest as _;
                let hash: [u8; 32] = sha2::Sha256::new().chain_update(digest.0).chain_update(session.as_str()).finalize().into();
                let number = hash.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                number % 100 < u32::from(percent)
            }
        }
    }
}

/// What judges one action on one role now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforced {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The module in force, of the assignment or of the baseline.
    pub digest: PolicyDigest,
}

/// What the node enforces, after each change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyState {
    /// Number of the assignment in force; 0 when the baseline alone is, or when nothing is yet and everything is denied.
    pub sequence: u64,
    /// What judges, the baseline included.
    pub enforced: Vec<Enforced>,
    /// Pushed modules that are compiled and ready.
    pub held: Vec<PolicyDigest>,
    /// Why a newer assignment is not in force, or a staged module not held.
    pub error: Option<String>,
}

/// What a trial showed so far: cumulative since the node's judge began it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialReport {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The module on trial.
    pub candidate: PolicyDigest,
    /// How it is tried.
    pub trial: Trial,
    /// When the counting began; later than in the last report when the judge was started again.
    pub since: UnixMs,
    /// Questions that both modules were asked.
    pub questions: u64,
    /// Of them, answered alike: the same verdict, whatever the rule.
    pub agreed: u64,
    /// Of them, left without an answer by the module on trial.
    pub faults: u64,
    /// Questions that were not put to the other module, because too many waited.
    pub dropped: u64,
    /// Why the node ended the trial by itself.
    pub ended: Option<String>,
    /// What was answered differently, at most [`ROWS_MAX`] rows.
    pub rows: Vec<Difference>,
    /// Questions answered differently that are in no row, for want of room.
    pub more: u64,
}

/// Questions that the two modules answered differently, in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Whose.
    pub operator: String,
    /// What was asked about: the first words, printable, at most [`COMMAND_MAX`] bytes.
    pub command: String,
    /// The answer of the module in force.
    pub active: Outcome,
    /// The answer of the module on trial.
    pub candidate: Outcome,
    /// How many.
    pub count: u64,
}

/// An answer, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Which.
    pub verdict: OutcomeKind,
    /// The rule of a denial, or what went wrong; empty otherwise. Printable, at most [`NAME_MAX`] bytes.
    pub rule: String,
}

/// A verdict without its particulars, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// It may run.
    Allow,
    /// It may not.
    Deny,
    /// Somebody has to say so.
    Ask,
    /// There was no answer.
    Fault,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    const ONE: PolicyDigest = PolicyDigest([1; 32]);
    const TWO: PolicyDigest = PolicyDigest([2; 32]);

    fn assigned(action: Action, candidate: Option<Trial>) -> Assigned {
        let candidate = candidate.map(|trial| Candidate { digest: TWO, trial, bounds: Bounds::default() });
        Assigned { action, role: Role::Cps, active: Some(ONE), candidate }
    }

    fn assignment(modules: Vec<Assigned>) -> PolicyAssignment {
        PolicyAssignment { target: "node1".into(), sequence: 1, at: UnixMs(5), modules, staged: vec![] }
    }

    #[test]
    fn an_assignment_is_the_controllers_and_for_one_node() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let value = assignment(vec![assigned(Action::InfraDiag, Some(Trial::Canary { percent: 10 }))]);
        let signed = Signed::sign(&value, &key).unwrap();
        assert_eq!(signed.verify(&key.verifying_key(), "node1").unwrap(), value);
        assert!(signed.verify(&key.verifying_key(), "node2").is_err());
        assert!(signed.verify(&SigningKey::from_bytes(&[8; 32]).verifying_key(), "node1").is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let twice = assignment(vec![assigned(Action::InfraDiag, None), assigned(Action::InfraDiag, None)]);
        assert_eq!(twice.check(), Err(InvalidAssignment::Twice { action: Action::InfraDiag, role: Role::Cps }));
        for percent in [0, 101] {
            let share = assignment(vec![assigned(Action::InfraDiag, Some(Trial::Canary { percent }))]);
            assert_eq!(share.check(), Err(InvalidAssignment::Percent(percent)));
        }
        let mut same = assignment(vec![assigned(Action::InfraDiag, Some(Trial::Shadow))]);
        same.modules[0].active = Some(TWO);
        assert_eq!(same.check(), Err(InvalidAssignment::OnTrialAndInForce(TWO)));
        let many = PolicyAssignment { staged: vec![ONE; STAGED_MAX + 1], ..assignment(vec![]) };
        assert_eq!(many.check(), Err(InvalidAssignment::Staged(STAGED_MAX + 1)));
        assert_eq!(PolicyAssignment { sequence: 0, ..assignment(vec![]) }.check(), Err(InvalidAssignment::NoSequence));
        assert_eq!(assignment(vec![assigned(Action::InfraDiag, Some(Trial::Shadow)), assigned(Action::InfraFull, None)]).check(), Ok(()));
    }

    #[test]
    fn a_canary_decides_for_its_share_and_for_the_same_sessions() {
        let sessions: Vec<SessionId> = (0..2000u32).map(|n| {
            let mut entropy = [0; 10];
            entropy[..4].copy_from_slice(&n.to_le_bytes());
            SessionId::from_entropy(entropy)
        }).collect();
        let share = |percent, digest| sessions.iter().filter(|s| Trial::Canary { percent }.decides(&digest, s)).count();
        for (percent, least, most) in [(1, 5, 45), (10, 150, 250), (50, 900, 1100), (100, 2000, 2000)] {
            assert!((least..=most).contains(&share(percent, ONE)), "{percent}: {}", share(percent, ONE));
        }
        // growing the share keeps the sessions that were in it
        let session = sessions.iter().find(|s| Trial::Canary { percent: 10 }.decides(&ONE, s)).unwrap();
        assert!((10..=100).all(|percent| Trial::Canary { percent }.decides(&ONE, session)));
        assert!(!Trial::Shadow.decides(&ONE, session));
    }
}
