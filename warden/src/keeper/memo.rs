//! Answers of a pure module, remembered.
//!
//! A pure module says that equal questions get equal answers: its verdict depends on the session's constants and on the
//! subject alone. The whole exec is the key, so nothing that was not judged is let through, and the memory is emptied as
//! soon as the judge goes away or names another module. Only the module that is known to judge *now* is remembered.

use portcullis_model::id::PolicyDigest;
use portcullis_model::subject::Exec;
use portcullis_model::verdict::Verdict;
use std::collections::HashMap;

/// Most answers that are kept.
const ENTRIES: usize = 512;
/// Most bytes of an exec that is remembered: longer ones are rare and would make the memory large.
const EXEC_BYTES: usize = 4096;

/// The memory of one session.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    module: Option<PolicyDigest>,
    answers: HashMap<Exec, Remembered>,
    clock: u64,
}

#[derive(Debug)]
struct Remembered {
    verdict: Verdict,
    used: u64,
}

impl Memo {
    /// Forgets everything; from now on answers of `module` are remembered, when it is pure, or none.
    pub(crate) fn reset(&mut self, pure_module: Option<PolicyDigest>) {
        self.answers.clear();
        self.module = pure_module;
    }

    /// The answer that the module gave to exactly this exec. The caller has made sure that the judge is still there.
    pub(crate) fn recall(&mut self, exec: &Exec) -> Option<(PolicyDigest, Verdict)> {
        let module = self.module?;
        let answer = self.answers.get_mut(exec)?;
        self.clock += 1;
        answer.used = self.clock;
        Some((module, answer.verdict.clone()))
    }

    /// Keeps an answer, if it is one that may be kept.
    pub(crate) fn remember(&mut self, exec: &Exec, digest: PolicyDigest, verdict: &Verdict) {
        let lasting = matches!(verdict, Verdict::Allow(_) | Verdict::Deny(_));
        if self.module != Some(digest) || !lasting || bytes_of(exec) > EXEC_BYTES {
            return;
        }
        if self.answers.len() >= ENTRIES {
            self.drop_the_older_half();
        }
        self.clock += 1;
        self.answers.insert(exec.clone(), Remembered { verdict: verdict.clone(), used: self.clock });
    }

    fn drop_the_older_half(&mut self) {
        let mut uses: Vec<u64> = self.answers.values().map(|a| a.used).collect();
        uses.sort_unstable();
        let middle = uses.get(uses.len() / 2).copied().unwrap_or(u64::MAX);
        self.answers.retain(|_, answer| answer.used > middle);
    }
}

fn bytes_of(exec: &Exec) -> usize {
    let lists = [&exec.argv, &exec.scripts, &exec.parents];
    let listed: usize = lists.into_iter().flatten().map(|one| one.len() + 24).sum();
    exec.path.len() + exec.cwd.len() + exec.line.as_ref().map_or(0, Vec::len) + listed
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::time::UnixMs;
    use portcullis_model::verdict::{Ask, Confinement};

    const ONE: PolicyDigest = PolicyDigest([1; 32]);
    const TWO: PolicyDigest = PolicyDigest([2; 32]);

    fn exec(argument: &str) -> Exec {
        Exec {
            path: b"/usr/bin/ls".to_vec(),
            argv: vec![b"ls".to_vec(), argument.into()],
            scripts: vec![],
            cwd: b"/".to_vec(),
            uid: 70_000,
            tty: true,
            parents: vec![],
            line: None,
        }
    }

    fn allow() -> Verdict {
        Verdict::Allow(Confinement::default())
    }

    #[test]
    fn only_the_very_same_exec_is_answered() {
        let mut memo = Memo::default();
        memo.reset(Some(ONE));
        memo.remember(&exec("-l"), ONE, &allow());
        assert_eq!(memo.recall(&exec("-l")), Some((ONE, allow())));
        assert_eq!(memo.recall(&exec("-a")), None);
        let others = [
            Exec { uid: 0, ..exec("-l") },
            Exec { tty: false, ..exec("-l") },
            Exec { cwd: b"/etc".to_vec(), ..exec("-l") },
            Exec { line: Some(b"ls".to_vec()), ..exec("-l") },
            Exec { parents: vec![b"vim".to_vec()], ..exec("-l") },
            Exec { scripts: vec![b"/x".to_vec()], ..exec("-l") },
        ];
        for other in others {
            assert_eq!(memo.recall(&other), None, "{other:?}");
        }
    }

    #[test]
    fn another_module_or_no_judge_empties_it() {
        let mut memo = Memo::default();
        for next in [Some(TWO), None, Some(ONE)] {
            memo.reset(Some(ONE));
            memo.remember(&exec("-l"), ONE, &allow());
            memo.reset(next);
            assert_eq!(memo.recall(&exec("-l")), None);
        }
    }

    #[test]
    fn an_answer_of_a_module_that_is_not_the_present_one_is_not_kept() {
        let mut memo = Memo::default();
        memo.remember(&exec("-l"), ONE, &allow());
        assert_eq!(memo.recall(&exec("-l")), None, "not pure");
        memo.reset(Some(TWO));
        memo.remember(&exec("-l"), ONE, &allow());
        assert_eq!(memo.recall(&exec("-l")), None, "the answer of the module before");
    }

    #[test]
    fn questions_to_people_are_not_kept() {
        let mut memo = Memo::default();
        memo.reset(Some(ONE));
        let ask = Verdict::Ask(Ask { prompt: "may they?".into(), approvers: vec![], expiry: UnixMs(5) });
        memo.remember(&exec("-l"), ONE, &ask);
        assert_eq!(memo.recall(&exec("-l")), None);
    }

    #[test]
    fn it_stays_small_and_keeps_what_is_used() {
        let mut memo = Memo::default();
        memo.reset(Some(ONE));
        memo.remember(&exec("often"), ONE, &allow());
        for n in 0..5000 {
            memo.remember(&exec(&n.to_string()), ONE, &allow());
            assert!(memo.recall(&exec("often")).is_some(), "{n}");
            assert!(memo.answers.len() <= ENTRIES);
        }
        memo.remember(&exec(&"x".repeat(EXEC_BYTES)), ONE, &allow());
        assert_eq!(memo.recall(&exec(&"x".repeat(EXEC_BYTES))), None);
    }
}
