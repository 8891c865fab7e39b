//! Questions from what one would type.

use actions::Action;
use portcullis_sdk::testing::{exec, line, session, words};
use portcullis_sdk::{Confinement, Exec, Session, Subject, Verdict};

/// What the tests take for bash's own.
pub(crate) const BUILTINS: &[&str] = &[
    "cd", "echo", "export", "set", "kill", "trap", "eval", "source", ".", "exec", "enable", "builtin", "command", "alias", "hash", "bind", "fc", "mapfile", "jobs", "wait", "test",
    "[", "read", "type", "declare", "complete", "coproc", "true", "printf", "unset", "logout2",
];

/// Under an action, on a role.
#[derive(Clone, Copy)]
pub(crate) struct Under {
    pub(crate) action: &'static Action,
    pub(crate) role: &'static str,
}

impl Under {
    pub(crate) fn session(self) -> Session {
        session(self.action.name, self.role)
    }

    pub(crate) fn judge(self, subject: &Subject) -> Verdict {
        let verdict = self.action.judge(&self.session(), subject);
        if let Verdict::Deny(denial) = &verdict {
            assert!(!denial.reason.is_empty() && denial.reason.len() <= 512 && denial.hint.len() <= 256, "{denial:?}");
            assert!(!denial.reason.chars().chain(denial.hint.chars()).any(char::is_control), "{denial:?}");
            assert!(is_rule(&denial.rule), "{denial:?}");
        }
        verdict
    }

    /// The rule that refuses a subject; empty when it is allowed.
    pub(crate) fn rule(self, subject: &Subject) -> String {
        match self.judge(subject) {
            Verdict::Allow(_) => String::new(),
            Verdict::Deny(denial) => denial.rule,
            Verdict::Ask(_) => "ask".into(),
        }
    }

    pub(crate) fn exec_rule(self, command: &str) -> String {
        self.rule(&typed(command))
    }

    pub(crate) fn line_rule(self, command: &str) -> String {
        self.rule(&line(command, BUILTINS))
    }

    /// What an allowed command is held to.
    pub(crate) fn confinement(self, command: &str) -> Confinement {
        match self.judge(&typed(command)) {
            Verdict::Allow(confinement) => confinement,
            verdict => panic!("{} on {}: {command}: {verdict:?}", self.action.name, self.role),
        }
    }
}

/// The exec of a command, as it would follow from the shell.
pub(crate) fn typed(command: &str) -> Subject {
    let words = words(command);
    let argv: Vec<&str> = words.iter().map(String::as_str).collect();
    let path = if argv[0].contains('/') { argv[0].to_owned() } else { format!("/usr/bin/{}", argv[0]) };
    exec(&path, &argv)
}

/// The exec of a script, as the kernel expands it.
pub(crate) fn script(interpreter: &str, scripts: &[&str], argv: &[&str]) -> Subject {
    let Subject::Exec(exec) = exec(interpreter, argv) else { unreachable!() };
    Subject::Exec(Exec { scripts: scripts.iter().map(|script| script.as_bytes().to_vec()).collect(), ..exec })
}

/// Whether a text is a rule's name.
pub(crate) fn is_rule(rule: &str) -> bool {
    (1..=64).contains(&rule.len()) && rule.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
