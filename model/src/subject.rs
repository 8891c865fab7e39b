//! What a session wants to do: the thing that is judged. Texts are bytes as the kernel has them, never made into UTF-8.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest line that is judged, in bytes; a longer one is denied.
pub const LINE_MAX: usize = 64 * 1024;
/// Most commands in one line; more are denied.
pub const LINE_COMMANDS_MAX: usize = 256;
/// Most bytes of one exec's arguments together; more are denied.
pub const ARGV_BYTES_MAX: usize = 256 * 1024;
/// Most arguments of one exec; more are denied.
pub const ARGV_MAX: usize = 8192;
/// Most bytes of one exec's environment together; more are denied.
pub const ENV_BYTES_MAX: usize = 256 * 1024;

/// One thing that a session wants to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A line that the operator entered, before anything of it runs.
    Line(Line),
    /// An execve anywhere in the session's tree.
    Exec(Exec),
    /// A file operation over SFTP.
    File(FileOp),
    /// A forwarded connection.
    Forward(Forward),
}

/// A line, parsed. The shell that parsed it is not trusted: what a line leads to is judged again, exec by exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The text as entered, at most [`LINE_MAX`] bytes.
    #[serde(with = "crate::bytes")]
    pub text: Vec<u8>,
    /// Every simple command in it, nested ones (substitutions, loops, functions) too, in the order of the text.
    pub commands: Vec<Command>,
    /// The directory that the line would run in.
    #[serde(with = "crate::bytes")]
    pub cwd: Vec<u8>,
}

/// One simple command of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Its words, the command's name first; empty when there are assignments or redirections only.
    pub words: Vec<Word>,
    /// Names that it assigns in front (`LANG=C ls`).
    #[serde(with = "crate::bytes::list")]
    pub assignments: Vec<Vec<u8>>,
    /// Its redirections.
    pub redirects: Vec<Redirect>,
    /// How deep it is nested in substitutions, groups and functions; 0 at the top.
    pub depth: u8,
    /// What the shell takes the name for.
    pub kind: CommandKind,
}

/// What the shell takes a command's name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandKind {
    /// A program: an exec will follow.
    External,
    /// Something that bash does itself.
    Builtin,
    /// A function that this line, or an earlier one, defined.
    Function,
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Its value when it is literal, otherwise its source text.
    #[serde(with = "crate::bytes")]
    pub text: Vec<u8>,
    /// How much of the value is known before it runs.
    pub kind: WordKind,
}

/// How much of a word's value is known before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordKind {
    /// The text is the value.
    Literal,
    /// File names will replace it.
    Pattern,
    /// A variable, substitution or arithmetic decides.
    Dynamic,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The descriptor that is redirected; none for `&>`.
    pub fd: Option<u32>,
    /// What happens to it.
    pub kind: RedirectKind,
    /// The file, descriptor or text.
    pub target: Word,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedirectKind {
    /// `<`
    Read,
    /// `>` and `>|`
    Write,
    /// `>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `<&` and `>&`
    Duplicate,
    /// `<<` and `<<<`
    Here,
}

/// An execve, as the kernel would run it: after `#!` was expanded, in the jail's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exec {
    /// Canonical path of the image that runs, in the jail: an interpreter when the file is a script.
    #[serde(with = "crate::bytes")]
    pub path: Vec<u8>,
    /// Arguments as the image will see them.
    #[serde(with = "crate::bytes::list")]
    pub argv: Vec<Vec<u8>>,
    /// The scripts that `#!` led through, outermost first, as canonical paths.
    #[serde(with = "crate::bytes::list")]
    pub scripts: Vec<Vec<u8>>,
    /// The directory that it would run in.
    #[serde(with = "crate::bytes")]
    pub cwd: Vec<u8>,
    /// The caller's real uid in the jail.
    pub uid: u32,
    /// Whether its standard input is the session's terminal.
    pub tty: bool,
    /// Command names of the callers, nearest first, at most 8.
    #[serde(with = "crate::bytes::list")]
    pub parents: Vec<Vec<u8>>,
    /// The accepted line that was running when it was asked, if any.
    #[serde(with = "crate::bytes::option")]
    pub line: Option<Vec<u8>>,
}

/// A file operation over SFTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOp {
    /// What is done.
    pub kind: FileOpKind,
    /// Canonical path in the jail.
    #[serde(with = "crate::bytes")]
    pub path: Vec<u8>,
    /// The new name, for a rename or a link.
    #[serde(with = "crate::bytes::option")]
    pub to: Option<Vec<u8>>,
    /// What is set, for `SetAttributes`. Evidence, and for people who are asked: modules judge by path and kind.
    #[serde(default)]
    pub attributes: Option<Attributes>,
}

/// Attributes of a file that are set, each only if it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Permissions.
    pub mode: Option<u32>,
    /// Numbers of the user and of the group.
    pub owner: Option<(u32, u32)>,
    /// Bytes: what is longer is cut, what is shorter is filled with zeros.
    pub size: Option<u64>,
    /// Times of the last access and of the last change, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.mode.map(|mode| format!("mode {mode:04o}")),
            self.owner.map(|(user, group)| format!("owner {user}:{group}")),
            self.size.map(|size| format!("size {size}")),
            self.times.map(|(access, change)| format!("times {access} {change}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl FileOp {
    /// It in words, the paths by `shown`: all of it, so that no two different operations look the same.
    #[must_use]
    pub fn in_words(&self, shown: impl Fn(&[u8]) -> String) -> String {
        let Self { kind, path, to, attributes } = self;
        let to = to.as_ref().map_or(String::new(), |to| format!(" -> {}", shown(to)));
        let set = attributes.as_ref().map_or(String::new(), |attributes| format!(" ({attributes})"));
        format!("{kind:?} {}{to}{set}", shown(path))
    }
}

/// What a file operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileOpKind {
    Read, Write, List, Stat, Rename, Remove, MakeDirectory, SetAttributes, Link,
}

/// A connection that the client wants to have forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Host as the client named it.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Subject {
    /// The noun for messages and records.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
            Self::Forward(_) => "forward",
        }
    }
}
