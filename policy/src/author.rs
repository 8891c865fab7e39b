//! What an author of policies needs and a judge does not: modules without a compiler, tests, explanations.
//!
//! ```text
//! profile.toml --Source--> keys known? --profile--> types --compile--> Profile --bake--> component
//! cases.toml   --Source--> keys known? --cases----> types ----------> questions --Module::judge--> passed | diff
//! ```
//!
//! Every answer comes from the [`Evaluator`](crate::Evaluator) that the judge uses, under its limits. What is wrong with a file is
//! a [`Problem`]: file, line, column, and the line itself.

mod bake;
mod cases;
mod check;
mod compile;
mod confine;
mod explain;
mod keys;
mod length;
mod nearest;
mod pattern;
mod profile;
mod question;
mod source;
mod week;

pub use bake::{BakeError, Core};
pub use cases::{Case, Cases, Expected, Failure, Outcome, Report, read_cases};
pub use check::{Facts, inspect};
pub use compile::{SCHEMA as PROFILE_SCHEMA, compile};
pub use explain::{Explanation, Near, explain};
pub use question::{LineParser, Setting, exec_subject, words};
pub use source::{Problem, Problems, Source};
