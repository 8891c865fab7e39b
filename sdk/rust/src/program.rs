//! One row of a table: a program, the arguments that it may have, and what it is then held to.
//!
//! ```
//! use portcullis_sdk::{Options, Program};
//!
//! const ROWS: &[Program] = &[
//!     Program::any(&["cat"], "cat FILE", "reads files"),
//!     Program::options(&["diff"], "diff -u FILE FILE", "compares; without -l, which starts pr", &Options::flags("u", &["brief"])),
//!     Program::refused(&["gdb"], "it would look into other programs", "ps -ef"),
//! ];
//! ```

use crate::argv::{Arguments, Options};
use crate::confine::Confine;
use crate::denial::Refusal;
use crate::table::Table;
use crate::{Session, path};

/// One program that may run, or is refused with a reason of its own. Made by [`Program::any`] and its like, and narrowed by
/// what follows them.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The names that it may be called by. The first stands in rules, with a dash for what is none of `a-z0-9-`.
    pub names: &'static [&'static str],
    /// The names of its file where they are others; empty when they are the same.
    pub files: &'static [&'static str],
    /// Where its file may lie beside the table's folders; `*` stands for anything within one component.
    pub folders: &'static [&'static str],
    /// What is allowed, for people: `docker ps|images|logs`.
    pub form: &'static str,
    /// What it is for, or how it is bounded.
    pub note: &'static str,
    /// A command that the row allows: tests hold it to that. What denials offer, too.
    pub example: &'static str,
    /// Which arguments it may have.
    pub rule: Rule,
    /// What its file may be.
    pub image: Image,
    /// How it is asked for.
    pub asked: Asked,
    /// What the process is held to; none for what the session is held to anyway.
    pub confine: Option<&'static Confine>,
}

/// Which arguments a program may have.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Any: it reads what the session may read anyway, and writes to its output alone.
    Any,
    /// These options and any operands.
    Options(&'static Options),
    /// These options, and what the function accepts.
    Checked(&'static Options, Check),
    /// What the function accepts, for programs that do not read options as others do.
    Custom(fn(&Call<'_>) -> Result<(), Refusal>),
    /// Another command, after these options and so many operands. It is judged at the same time as far as it is known, and
    /// again when it is executed.
    Runs(&'static Options, usize, Rest),
    /// `sudo`: another command as another user (see [`crate::elevate`]). The verdict is that command's.
    Sudo,
    /// `su`: a shell of one of the table's accounts.
    Su,
    /// None: it does not run, for this reason.
    Refused(&'static str),
}

/// A look at arguments that a grammar has read.
pub type Check = fn(&Call<'_>, &Arguments<'_>) -> Result<(), Refusal>;

/// Whether a wrapper passes its command on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It does: the arguments are judged with the wrapper's.
    Complete,
    /// It adds arguments: they are left to the command's own exec.
    Grows,
}

/// What the file of a program may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Compiled. A script of the same name is refused: it was not this that was thought of.
    Compiled,
    /// Compiled or a script of any interpreter; a script's arguments are judged as the program's.
    Script,
}

/// How a row is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By its name. When it is held to another user, `sudo` in front is understood as well, and changes nothing.
    ByName,
    /// By `sudo` in front only: by its name alone it is another row's.
    BySudo,
}

impl Program {
    const fn row(names: &'static [&'static str], form: &'static str, note: &'static str, rule: Rule) -> Self {
        Self { names, files: &[], folders: &[], form, note, example: form, rule, image: Image::Compiled, asked: Asked::ByName, confine: None }
    }

    /// A row that is allowed with any arguments.
    #[must_use]
    pub const fn any(names: &'static [&'static str], form: &'static str, note: &'static str) -> Self {
        Self::row(names, form, note, Rule::Any)
    }

    /// A row with options from a grammar, and any operands.
    #[must_use]
    pub const fn options(names: &'static [&'static str], form: &'static str, note: &'static str, options: &'static Options) -> Self {
        Self::row(names, form, note, Rule::Options(options))
    }

    /// A row with options from a grammar, and what the function accepts.
    #[must_use]
    pub const fn checked(names: &'static [&'static str], form: &'static str, note: &'static str, options: &'static Options, check: Check) -> Self {
        Self::row(names, form, note, Rule::Checked(options, check))
    }

    /// A row with what the function accepts.
    #[must_use]
    pub const fn custom(names: &'static [&'static str], form: &'static str, note: &'static str, check: fn(&Call<'_>) -> Result<(), Refusal>) -> Self {
        Self::row(names, form, note, Rule::Custom(check))
    }

    /// A row that runs another command, after these options and so many operands.
    #[must_use]
    pub const fn runs(names: &'static [&'static str], form: &'static str, options: &'static Options, operands: usize, rest: Rest) -> Self {
        Self::row(names, form, "the command is judged as if it stood alone", Rule::Runs(options, operands, rest))
    }

    /// A row of a rule of its own.
    #[must_use]
    pub const fn ruled(names: &'static [&'static str], form: &'static str, note: &'static str, rule: Rule) -> Self {
        Self::row(names, form, note, rule)
    }

    /// A row that is refused for this reason; `instead` is a command that is allowed, empty when there is none.
    #[must_use]
    pub const fn refused(names: &'static [&'static str], reason: &'static str, instead: &'static str) -> Self {
        Self { example: instead, ..Self::row(names, "", "", Rule::Refused(reason)) }
    }

    /// The same with an example, where the form is none.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// The same, whose file has other names than it is called by.
    #[must_use]
    pub const fn files(self, files: &'static [&'static str]) -> Self {
        Self { files, ..self }
    }

    /// The same, which may lie in these folders as well.
    #[must_use]
    pub const fn folders(self, folders: &'static [&'static str]) -> Self {
        Self { folders, ..self }
    }

    /// The same, which may be a script.
    #[must_use]
    pub const fn script(self) -> Self {
        Self { image: Image::Script, ..self }
    }

    /// The same, asked for by `sudo` only.
    #[must_use]
    pub const fn by_sudo(self) -> Self {
        Self { asked: Asked::BySudo, ..self }
    }

    /// The same, so confined.
    #[must_use]
    pub const fn confined(self, confine: &'static Confine) -> Self {
        Self { confine: Some(confine), ..self }
    }

    /// Whether it is called by `name`.
    pub(crate) fn is_called(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes() == name)
    }

    /// Whether its file may be named `name`.
    pub(crate) fn is_file(&self, name: &[u8]) -> bool {
        let files = if self.files.is_empty() { self.names } else { self.files };
        files.iter().any(|known| known.as_bytes() == name)
    }

    /// Whether its file may lie in `folder` beside the table's own.
    pub(crate) fn is_in(&self, folder: &[u8]) -> bool {
        self.folders.iter().any(|pattern| path::matches(pattern, folder))
    }
}

/// A command whose arguments are judged.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name that it is called by.
    pub name: &'a [u8],
    /// Its arguments, the name not among them.
    pub args: &'a [&'a [u8]],
    /// The directory that it would run in.
    pub cwd: &'a [u8],
    /// Who asks.
    pub session: &'a Session,
    /// Whether it has a terminal, as far as it is known.
    pub terminal: bool,
    /// The row that it is judged by.
    pub row: &'static Program,
    /// The table that the row is of.
    pub table: &'a Table,
}

impl Call<'_> {
    /// Whether an operand names something that the session may write: in the table's writable folders, or below the account's
    /// home.
    #[must_use]
    pub fn may_write(&self, operand: &[u8]) -> bool {
        self.table.may_write(self.session, operand, self.cwd)
    }
}
