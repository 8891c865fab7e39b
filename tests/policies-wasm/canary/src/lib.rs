//! INFRA_FULL for attack tests and benchmarks: allows everything but `/usr/bin/id`, which is the canary, the argument
//! `FORBIDDEN`, and files in a folder of that name. An attack has succeeded when the canary ran, a program got the argument, or such a
//! file was reached.
//!
//! Never installed outside of tests: what remains of Portcullis under it is the guard, the jail, the recording and the kill.

use portcullis_sdk::{Description, Exec, FileOp, Guest, Line, Session, Subject, Verdict, allow, deny};

/// The program that never runs.
pub const CANARY: &[u8] = b"/usr/bin/id";
/// The argument that no program gets.
pub const FORBIDDEN: &[u8] = b"FORBIDDEN";

/// The module.
#[derive(Debug)]
pub struct Canary;

impl Guest for Canary {
    fn describe() -> Description {
        Description {
            name: "INFRA_FULL".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            action: "INFRA_FULL".into(),
            roles: vec!["cps".into()],
            pure: true,
            allowed: vec![],
        }
    }

    fn judge(_session: Session, subject: Subject) -> Verdict {
        match subject {
            Subject::Exec(exec) => judge_exec(&exec),
            Subject::Line(line) => judge_line(&line),
            Subject::File(operation) => judge_file(&operation),
            Subject::Forward(_) => allow(),
        }
    }
}

fn judge_exec(exec: &Exec) -> Verdict {
    if exec.path == CANARY || exec.scripts.iter().any(|script| script == CANARY) {
        return deny("canary", "this program never runs", "");
    }
    if exec.argv.iter().any(|argument| argument == FORBIDDEN) {
        return deny("forbidden", "no program gets this argument", "");
    }
    allow()
}

/// What lies in a folder of the forbidden name is not reached; making the folder is.
fn judge_file(operation: &FileOp) -> Verdict {
    let below = |path: &[u8]| path.split(|byte| *byte == b'/').rev().skip(1).any(|part| part == FORBIDDEN);
    if below(&operation.path) || operation.to.as_deref().is_some_and(below) { deny("forbidden", "nothing in this folder is reached", "") } else { allow() }
}

/// A line is judged by its literal words, so that a denial before anything ran can be tested too; the exec is judged again.
fn judge_line(line: &Line) -> Verdict {
    let forbidden = line.commands.iter().flat_map(|command| &command.words).any(|word| word.text == FORBIDDEN);
    if forbidden { deny("forbidden", "no program gets this argument", "") } else { allow() }
}

portcullis_sdk::export!(Canary);

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::FileOpKind;
    use portcullis_sdk::testing::{exec, line, session};

    fn allows(subject: Subject) -> bool {
        matches!(Canary::judge(session("INFRA_FULL", "cps"), subject), Verdict::Allow(_))
    }

    #[test]
    fn all_but_the_canary_is_allowed() {
        assert!(allows(exec("/usr/bin/true", &["true"])));
        assert!(allows(exec("/usr/bin/python3", &["python3", "-c", "1"])));
        assert!(allows(line("id; ls", &[])), "the exec decides");
        assert!(!allows(exec("/usr/bin/id", &["ls"])));
        assert!(!allows(exec("/usr/bin/true", &["true", "FORBIDDEN"])));
        assert!(!allows(line("true FORBIDDEN", &[])));
        let read = |path: &str| allows(Subject::File(FileOp { kind: FileOpKind::Read, path: path.into(), to: None }));
        assert!(read("/tmp/x") && read("/tmp/FORBIDDEN") && !read("/tmp/FORBIDDEN/x"));
    }
}
