//! INFRA_HYPERVISOR for tests: allows everything, but has people asked about what has one of these words among its arguments.
//!
//! | word | asked about | whom, for how long |
//! | --- | --- | --- |
//! | `ASK` | the exec | the request's approvers, ten minutes |
//! | `ASK-LINE` | the line, and the exec | the same |
//! | `ASK-BO` | the exec | `bo`, ten minutes |
//! | `ASK-BRIEFLY` | the exec | the request's approvers, a second and a half |
//!
//! Never installed outside of tests.

use portcullis_sdk::{Description, Guest, Question, Session, Subject, Verdict, allow};

/// The module.
#[derive(Debug)]
pub struct Asking;

const MINUTES: u64 = 600_000;

impl Guest for Asking {
    fn describe() -> Description {
        Description {
            name: "ASKING".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            action: "INFRA_HYPERVISOR".into(),
            roles: vec!["cps".into()],
            pure: false,
            allowed: vec![],
        }
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        let (words, of_line): (Vec<Vec<u8>>, bool) = match subject {
            Subject::Exec(exec) => (exec.argv, false),
            Subject::Line(line) => (line.commands.into_iter().flat_map(|command| command.words).map(|word| word.text).collect(), true),
            Subject::File(_) | Subject::Forward(_) => return allow(),
        };
        let has = |wanted: &[u8]| words.iter().any(|word| word == wanted);
        let ask = |approvers: &[&str], ms: u64| {
            let approvers = approvers.iter().map(|name| (*name).to_owned()).collect();
            Verdict::Ask(Question { prompt: "may this be run?".into(), approvers, expiry: session.now.saturating_add(ms) })
        };
        if has(b"ASK-LINE") || (!of_line && has(b"ASK")) {
            return ask(&[], MINUTES);
        }
        if !of_line && has(b"ASK-BO") {
            return ask(&["bo"], MINUTES);
        }
        if !of_line && has(b"ASK-BRIEFLY") {
            return ask(&[], 1500);
        }
        allow()
    }
}

portcullis_sdk::export!(Asking);

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::testing::{exec, line, session};

    fn asks(subject: Subject) -> bool {
        matches!(Asking::judge(session("INFRA_HYPERVISOR", "cps"), subject), Verdict::Ask(_))
    }

    #[test]
    fn words_have_people_asked() {
        assert!(asks(exec("/usr/bin/echo", &["echo", "ASK"])) && !asks(line("echo ASK", &[])));
        assert!(asks(exec("/usr/bin/echo", &["echo", "ASK-LINE"])) && asks(line("echo ASK-LINE", &[])));
        assert!(!asks(exec("/usr/bin/echo", &["echo", "x"])));
    }
}
