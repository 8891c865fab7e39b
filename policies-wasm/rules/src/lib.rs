//! A policy module that a declarative profile is baked into: `portcullis policy build profile.toml`.
//!
//! Compiled once, this is a core module without rules. The build hands it a [`Profile`](portcullis_profile::Profile), lets it read
//! and arrange that ([`baked`]), and keeps a snapshot of its memory: the snapshot is the module that a node loads, and its fresh
//! instance for each question begins with everything read already. Without a profile it denies everything.
//!
//! | module | idea |
//! | --- | --- |
//! | [`baked`] | how a profile gets in |
//! | [`pattern`] | what one word may be |
//! | [`grammar`] | what the arguments of a program may be |
//! | [`rules`] | the rows about programs, and which of them decides |
//! | [`line`](mod@line) | a line of the shell, command by command |
//! | [`files`] | SFTP and forwarded connections |
//! | [`nearest`] | which name was meant |

mod baked;
mod count;
mod files;
mod grammar;
mod line;
mod nearest;
mod pattern;
mod rules;

use count::Memo;
use portcullis_sdk::{AllowedForm, Description, Guest, Session, Subject, Verdict, deny};
use rules::Rules;

struct Baked;

impl Guest for Baked {
    fn describe() -> Description {
        baked::rules().map_or_else(nothing, Rules::describe)
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        match baked::rules() {
            None => deny("no-profile", "no profile was built into this module", ""),
            Some(rules) => rules.judge(&session, &subject, &mut Memo),
        }
    }
}

/// What a module without a profile says: it is for nothing.
fn nothing() -> Description {
    let allowed: Vec<AllowedForm> = Vec::new();
    Description { name: "rules".into(), version: "0".into(), action: "none".into(), roles: vec!["none".into()], pure: true, allowed }
}

portcullis_sdk::export!(Baked);

#[cfg(test)]
mod tests;
