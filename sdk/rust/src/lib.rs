//! What a policy module in Rust is written with.
//!
//! A module is a type that implements [`Guest`] and is handed to [`export!`]:
//!
//! ```
//! use portcullis_sdk::{Description, Guest, Session, Subject, Verdict, allow, deny};
//!
//! struct Nothing;
//!
//! impl Guest for Nothing {
//!     fn describe() -> Description {
//!         Description {
//!             name: "NOTHING".into(), version: "1".into(), action: "INFRA_DIAG".into(), roles: vec!["cps".into()], pure: true, allowed: vec![],
//!         }
//!     }
//!     fn judge(_session: Session, subject: Subject) -> Verdict {
//!         match subject {
//!             Subject::Exec(exec) if exec.path == b"/usr/bin/true" => allow(),
//!             _ => deny("nothing", "only /usr/bin/true may run", "true"),
//!         }
//!     }
//! }
//! portcullis_sdk::export!(Nothing);
//! ```
//!
//! Most modules are a table instead: one [`Program`] a row, each with a grammar of its arguments ([`Options`]) and, where that
//! does not say enough, a function. [`Table::judge_exec`] and [`Table::judge_command`] do the rest, the same way for a line and for
//! an exec. Everything that a row does not name is refused: an option that nobody thought of is not allowed. Rows hold on all
//! roles of targets or on some ([`On`]), a table adds to another one that it [contains](Table), and what needs another user, or
//! tighter limits than the session's, has a [`Confine`].
//!
//! All of it is constant data: nothing is built when an instance starts, which it does for each question.
//!
//! The crate builds for the host as well, so that rules are unit-tested without a runtime (see [`testing`]). Only what `log` and
//! `memo` offer needs the judge.

pub mod argv;
pub mod confine;
pub mod denial;
pub mod elevate;
pub mod path;
pub mod program;
pub mod table;
pub mod testing;

pub use argv::{Arguments, Options, Order};
pub use confine::Confine;
pub use denial::{Refusal, allow, deny, quote};
pub use path::PathSet;
pub use program::{Asked, Call, Image, Program, Rest, Rule};
pub use table::{On, Table};

pub use abi::portcullis::policy::types::{
    AllowedForm, Children, Command, CommandKind, Confinement, Counters, Denial, Description, Exec, FileOp, FileOpKind, Forward, Line, Network, Question,
    Redirect, RedirectKind, Session, Subject, Verdict, Word, WordKind,
};
pub use abi::portcullis::policy::{log, memo};
pub use abi::{Guest, export};

#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::restriction, unreachable_pub, reason = "generated from policy.wit, where each item is documented")]
pub mod abi {
    wit_bindgen::generate!({
        path: "../wit",
        world: "policy",
        additional_derives: [PartialEq, Eq],
        pub_export_macro: true,
        default_bindings_module: "portcullis_sdk::abi",
    });
}
