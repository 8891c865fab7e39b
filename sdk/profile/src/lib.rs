//! A declarative profile, checked and ready to be answered from: what `portcullis policy build` bakes into the `rules` component.
//!
//! Both sides of the bake use this crate, so that neither can read it in another way than the other wrote it: the host compiles
//! a TOML file to a [`Profile`], the component answers questions from it. Nothing here judges, and nothing here reads files.
//! The types are plain: whatever had to be parsed (patterns, placeholders, times of day) is parsed already.

mod pattern;
mod window;

pub use pattern::{Pattern, Piece, Text};
pub use window::{Days, Window};

use serde::{Deserialize, Serialize};

/// Rows that may count: one key each of a session's memo, which has 64.
pub const COUNTED_MAX: usize = 60;

/// A whole profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The module's name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The action that it judges.
    pub action: String,
    /// The roles of targets that it judges.
    pub roles: Vec<String>,
    /// The folders that programs may lie in, exactly.
    pub programs: Vec<String>,
    /// What an operator is told to try when nothing is nearer.
    pub help: String,
    /// The rows about programs; the first that fits decides.
    pub commands: Vec<Command>,
    /// What bash may do itself.
    pub builtins: Vec<String>,
    /// Variables that a line may set; `*` and `?` stand for other characters.
    pub variables: Vec<String>,
    /// Folders that a line may write to by `>` and `>>`.
    pub redirects: Vec<Text>,
    /// Folders whose files may be fetched over SFTP.
    pub files_read: Vec<Text>,
    /// Folders whose files may be changed over SFTP.
    pub files_write: Vec<Text>,
    /// Connections that may be forwarded: a host and a port.
    pub forward: Vec<(Pattern, Pattern)>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The names of its file, and the names that it may be called by; a name with a slash is a canonical path.
    pub names: Vec<String>,
    /// The rule's name.
    pub rule: String,
    /// What is allowed, for people.
    pub form: String,
    /// What it is for, for people.
    pub note: String,
    /// A command that is allowed, for those that are not.
    pub hint: String,
    /// Whether the program may be a script, which its interpreter runs.
    pub script: bool,
    /// The arguments that it is about.
    pub arguments: Arguments,
    /// The windows in which it holds; empty for always.
    pub when: Vec<Window>,
    /// How often it may be allowed in one session.
    pub at_most: Option<u32>,
    /// What is answered.
    pub answer: Answer,
}

/// The arguments that a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arguments {
    /// Any.
    Any,
    /// Those that a grammar has.
    Grammar(Grammar),
}

/// A grammar of arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grammar {
    /// Its options.
    pub options: Vec<OptionForm>,
    /// Whether options may stand before the first operand only.
    pub first: bool,
    /// What may follow.
    pub rest: Rest,
}

/// What the operands may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// One of these shapes.
    Shapes(Vec<Shape>),
    /// A subcommand, with a grammar of its own.
    Subcommands(Vec<Subcommand>),
}

/// A subcommand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subcommand {
    /// Its names.
    pub names: Vec<String>,
    /// Its arguments.
    pub grammar: Grammar,
}

/// A sequence of operands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// One pattern an operand.
    pub words: Vec<Pattern>,
    /// What further operands may be, any number of them; none for no further ones.
    pub more: Option<Pattern>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionForm {
    /// Its name.
    pub name: OptionName,
    /// Its value.
    pub value: Value,
}

/// An option's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptionName {
    /// `-x`
    Short(char),
    /// `--name`
    Long(String),
}

/// An option's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// It takes none.
    None,
    /// It needs one.
    Needed(Pattern),
    /// It may have one, attached.
    Attached(Pattern),
}

/// What a row answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It may run.
    Allow(Confinement),
    /// It may not, for this reason.
    Deny(String),
    /// People are asked; when they agree, the session's own confinement holds.
    Ask {
        /// what they are asked
        prompt: Text,
        /// who may answer; empty for the request's approvers
        approvers: Vec<String>,
        /// milliseconds until the question lapses
        expires_ms: u64,
    },
}

/// What the kernel is to enforce. The default adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// The user to run as.
    pub run_as: Option<String>,
    /// Paths that it may read.
    pub read: Option<Vec<Text>>,
    /// Paths that it may write.
    pub write: Option<Vec<Text>>,
    /// Paths that it may execute.
    pub execute: Option<Vec<Text>>,
    /// The network.
    pub network: Network,
    /// Its children.
    pub children: Children,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// Names of variables that it may keep.
    pub environment: Option<Vec<String>>,
    /// Milliseconds that it may run.
    pub time_limit_ms: Option<u64>,
}

/// The network that a process may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Network {
    /// What the session has.
    #[default]
    Session,
    /// None.
    None,
    /// TCP connections to these ports.
    Ports(Vec<u16>),
}

/// What a process's children may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Children {
    /// Each is judged.
    #[default]
    Judged,
    /// None is asked about.
    Trusted,
    /// There may be none.
    Forbidden,
}

impl Profile {
    /// Whether the answers depend on the session's constants and the subject alone: no window, no count, no question that lapses.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.commands.iter().all(|row| row.when.is_empty() && row.at_most.is_none() && !matches!(row.answer, Answer::Ask { .. }))
    }
}
