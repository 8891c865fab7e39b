//! A table of programs, and how a line and an exec are looked up in it.
//!
//! | judged at | the program is known by | and the arguments |
//! | --- | --- | --- |
//! | the line | its name as typed, or its path when it has one | as far as all of them are literal; the others are left to the exec |
//! | the exec | the canonical path of the image, or of the script that `#!` led through | as the kernel passes them |
//!
//! At the exec a name in `argv[0]` counts as well: many programs do something else under another name, so it has to be one
//! that the row lists.

use crate::argv::{Arguments, Options};
use crate::denial::{Refusal, allow, quote};
use crate::path;
use crate::{AllowedForm, Command, Denial, Exec, Session, Verdict, WordKind};

/// How many commands may be wrapped in each other.
const WRAPPERS: u8 = 4;

/// One program that may run, or is refused with a reason of its own.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its file's names, and the names that it may be called by. The first stands in rules: one word of `a-z0-9-`.
    pub names: &'static [&'static str],
    /// What is allowed, for people: `docker ps|images|logs`.
    pub form: &'static str,
    /// What it is for, or how it is bounded.
    pub note: &'static str,
    /// A command that is allowed, for those that are not.
    pub hint: &'static str,
    /// Which arguments it may have.
    pub rule: Rule,
}

/// Which arguments a program may have.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Any: it reads what the session may read anyway, and writes to its output alone.
    Any,
    /// These options and any operands.
    Options(&'static Options),
    /// These options, and what the function accepts.
    Checked(&'static Options, fn(&Call<'_>, &Arguments<'_>) -> Result<(), Refusal>),
    /// What the function accepts, for programs that do not read options as others do.
    Custom(fn(&Call<'_>) -> Result<(), Refusal>),
    /// Another command, after these options and so many operands. It is judged at the same time as far as it is known, and
    /// again when it is executed.
    Runs(&'static Options, usize, Rest),
    /// A script of any interpreter, which may have any arguments; its children are judged one by one.
    Script,
    /// None: it does not run, for this reason.
    Refused(&'static str),
}

/// Whether a wrapper passes its command on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It does: the arguments are judged with the wrapper's.
    Complete,
    /// It adds arguments: they are left to the command's own exec.
    Grows,
}

/// A command whose arguments are judged.
#[derive(Debug)]
pub struct Call<'a> {
    /// The name that it is called by.
    pub name: &'a [u8],
    /// Its arguments, the name not among them.
    pub args: &'a [&'a [u8]],
    /// The directory that it would run in.
    pub cwd: &'a [u8],
    /// Who asks.
    pub session: &'a Session,
}

impl Call<'_> {
    /// Whether an operand names something in `set` or below the account's home.
    #[must_use]
    pub fn may_write(&self, set: path::PathSet, operand: &[u8]) -> bool {
        may_write(self.session, set, operand, self.cwd)
    }
}

/// Whether `target`, taken from `cwd`, is in `set` or below the account's home.
#[must_use]
pub fn may_write(session: &Session, set: path::PathSet, target: &[u8], cwd: &[u8]) -> bool {
    let home = [b"/home/", session.account.as_bytes()].concat();
    set.contains(target, cwd) || path::within(&path::normal(target, cwd), &home)
}

/// A table of programs.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The rows. A name stands in one row only.
    pub programs: &'static [&'static [Program]],
    /// The folders that programs are run from, exactly; what the node installs, nobody in a session can write there.
    pub folders: &'static [&'static str],
    /// Names of interpreters, with any version behind them: `python` for `python3.11`.
    pub interpreters: &'static [&'static str],
    /// A command that shows what is allowed, as the hint for what is not listed.
    pub help: &'static str,
}

impl Table {
    /// The rows for people: those that allow something.
    #[must_use]
    pub fn allowed(&self) -> Vec<AllowedForm> {
        let rows = self.rows().filter(|program| !matches!(program.rule, Rule::Refused(_)));
        rows.map(|program| AllowedForm { form: program.form.to_owned(), note: program.note.to_owned() }).collect()
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &'static Program> {
        self.programs.iter().flat_map(|group| group.iter())
    }

    fn find(&self, name: &[u8]) -> Option<&'static Program> {
        self.rows().find(|program| program.names.iter().any(|n| n.as_bytes() == name))
    }

    /// Judges an exec. What is not listed, not installed, or called by another name is refused.
    #[must_use]
    pub fn judge_exec(&self, session: &Session, exec: &Exec) -> Verdict {
        match self.exec(session, exec) {
            Ok(()) => allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    fn exec(&self, session: &Session, exec: &Exec) -> Result<(), Denial> {
        let file = exec.scripts.first().unwrap_or(&exec.path);
        for part in exec.scripts.iter().chain([&exec.path]) {
            self.installed(part)?;
        }
        let program = self.known(path::name(file))?;
        if !exec.scripts.is_empty() {
            return match program.rule {
                Rule::Script => Ok(()),
                Rule::Refused(reason) => Err(refused(program, reason)),
                Rule::Any | Rule::Options(_) | Rule::Checked(..) | Rule::Custom(_) | Rule::Runs(..) => {
                    Err(denied(program, Refusal::new("script", "it is a script on this node, and only its compiled form is judged")))
                }
            };
        }
        let Some((called, args)) = exec.argv.split_first() else {
            return Err(denied(program, Refusal::new("name", "it is called without a name")));
        };
        let called = path::name(called);
        if !program.names.iter().any(|name| name.as_bytes() == called) {
            let reason = format!("it is called by the name {:?}, under which it may be another program", quote(called));
            return Err(denied(program, Refusal::new("name", reason)));
        }
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        self.call(program, &Call { name: called, args: &args, cwd: &exec.cwd, session }, 0)
    }

    /// Judges a program of a line; its name has to be literal.
    ///
    /// # Errors
    /// The refusal.
    pub fn judge_command(&self, session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
        let Some((name, rest)) = command.words.split_first() else { return Ok(()) };
        let program = self.typed(&name.text)?;
        if rest.iter().any(|word| word.kind != WordKind::Literal) {
            return match program.rule {
                Rule::Refused(reason) => Err(refused(program, reason)),
                _ => Ok(()),
            };
        }
        let args: Vec<&[u8]> = rest.iter().map(|word| word.text.as_slice()).collect();
        self.call(program, &Call { name: path::name(&name.text), args: &args, cwd, session }, 0)
    }

    fn call(&self, program: &'static Program, call: &Call<'_>, depth: u8) -> Result<(), Denial> {
        let outcome = match program.rule {
            Rule::Any | Rule::Script => Ok(()),
            Rule::Options(options) => options.parse(call.args).map(drop),
            Rule::Checked(options, check) => options.parse(call.args).and_then(|parsed| check(call, &parsed)),
            Rule::Custom(check) => check(call),
            Rule::Runs(options, operands, rest) => {
                let parsed = options.parse(call.args).map_err(|refusal| denied(program, refusal))?;
                return self.inner(parsed.operands.get(operands..).unwrap_or_default(), rest, call, depth);
            }
            Rule::Refused(reason) => return Err(refused(program, reason)),
        };
        outcome.map_err(|refusal| denied(program, refusal))
    }

    /// The command that a wrapper runs: by name, because the wrapper looks for it itself. A wrapper in a wrapper is followed,
    /// to [`WRAPPERS`].
    fn inner(&self, words: &[&[u8]], rest: Rest, call: &Call<'_>, depth: u8) -> Result<(), Denial> {
        let Some((name, args)) = words.split_first() else { return Ok(()) };
        let program = self.typed(name)?;
        if depth >= WRAPPERS {
            return Err(denied(program, Refusal::new("depth", "it is wrapped too often")));
        }
        match (rest, program.rule) {
            (_, Rule::Refused(reason)) => Err(refused(program, reason)),
            (Rest::Complete, _) | (Rest::Grows, Rule::Runs(..)) => self.call(program, &Call { name: path::name(name), args, ..*call }, depth + 1),
            (Rest::Grows, _) => Ok(()),
        }
    }

    /// A program by what somebody typed or handed to a wrapper: a name, or the path of an installed program.
    fn typed(&self, text: &[u8]) -> Result<&'static Program, Denial> {
        if text.contains(&b'/') {
            self.installed(text)?;
        }
        self.known(path::name(text))
    }

    fn installed(&self, file: &[u8]) -> Result<(), Denial> {
        let folder = path::folder(file);
        if self.folders.iter().any(|known| known.as_bytes() == folder) {
            return Ok(());
        }
        Err(Denial {
            rule: "not-installed".to_owned(),
            reason: format!("{} is not in a folder of installed programs", quote(file)),
            hint: self.help.to_owned(),
        })
    }

    fn known(&self, name: &[u8]) -> Result<&'static Program, Denial> {
        if let Some(program) = self.find(name) {
            return Ok(program);
        }
        let versioned = |known: &&&str| {
            let rest = name.strip_prefix(known.as_bytes());
            rest.is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')))
        };
        let (rule, reason) = match self.interpreters.iter().find(versioned) {
            Some(_) => ("interpreter", format!("{} runs code that nobody can judge", quote(name))),
            None => ("not-listed", format!("{} is not on the list of allowed commands", quote(name))),
        };
        Err(Denial { rule: rule.to_owned(), reason, hint: self.help.to_owned() })
    }
}

fn denied(program: &Program, refusal: Refusal) -> Denial {
    let name = program.names.first().copied().unwrap_or_default();
    let hint = refusal.hint.unwrap_or(program.hint).to_owned();
    Denial { rule: format!("{name}-{}", refusal.what), reason: format!("{name}: {}", refusal.reason), hint }
}

fn refused(program: &Program, reason: &str) -> Denial {
    let name = program.names.first().copied().unwrap_or_default();
    Denial { rule: name.to_owned(), reason: format!("{name}: {reason}"), hint: program.hint.to_owned() }
}
