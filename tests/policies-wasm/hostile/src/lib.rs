//! INFRA_CPS_ONLY for tests: allows everything, but misbehaves when a program's argument asks for it, each time in another way.
//!
//! What becomes of it is the judge's business: an answer that is none is a denial and a fault, and no other session notices.

use portcullis_sdk::{Description, Exec, Guest, Session, Subject, Verdict, allow, deny, log, memo};

/// What it may be asked to do, by the argument that asks for it.
pub const WAYS: [&str; 8] = ["hang", "grow", "recurse", "trap", "huge", "steer", "chatter", "hoard"];

/// The module.
#[derive(Debug)]
pub struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        Description {
            name: "HOSTILE".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            action: "INFRA_CPS_ONLY".into(),
            roles: vec!["cps".into()],
            pure: false,
            allowed: vec![],
        }
    }

    fn judge(_session: Session, subject: Subject) -> Verdict {
        match subject {
            Subject::Exec(exec) => misbehave(&exec),
            Subject::Line(_) | Subject::File(_) | Subject::Forward(_) => allow(),
        }
    }
}

fn misbehave(exec: &Exec) -> Verdict {
    let asks_for = |way: &&&str| exec.argv.iter().any(|argument| argument == way.as_bytes());
    match WAYS.iter().find(asks_for).copied() {
        Some("hang") => loop {
            std::hint::black_box(());
        },
        Some("grow") => {
            let mut all = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1_u8; 1 << 16]));
            }
        }
        Some("recurse") => deny("depth", &depth(std::hint::black_box(0)).to_string(), ""),
        Some("trap") => std::process::abort(),
        Some("huge") => deny("huge", &"x".repeat(2 << 20), ""),
        Some("steer") => deny("steer", "\u{1b}[2J\u{1b}]0;owned\u{7}", ""),
        Some("chatter") => {
            (0..5000).for_each(|n| log::write(log::Level::Error, &format!("chatter {n}")));
            allow()
        }
        Some("hoard") => {
            (0..100).for_each(|n| memo::set(&format!("key {n}"), &[1]));
            allow()
        }
        _ => allow(),
    }
}

#[allow(unconditional_recursion, reason = "it is to run out of stack")]
fn depth(n: u64) -> u64 {
    std::hint::black_box(depth(n + 1)) + n
}

portcullis_sdk::export!(Hostile);

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_sdk::testing::{exec, session};

    #[test]
    fn without_being_asked_it_behaves() {
        let judge = |argument: &str| Hostile::judge(session("INFRA_CPS_ONLY", "cps"), exec("/usr/bin/true", &["true", argument]));
        assert!(matches!(judge("x"), Verdict::Allow(_)));
        assert!(matches!(judge("huge"), Verdict::Deny(_)));
    }
}
