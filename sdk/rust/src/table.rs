//! A table of programs, and how a line and an exec are looked up in it.
//!
//! | judged at | the program is known by | and the arguments |
//! | --- | --- | --- |
//! | the line | its name as typed, or its path when it has one | as far as all of them are literal; the others are left to the exec |
//! | the exec | the canonical path of the image, or of the script that `#!` led through | as the kernel passes them |
//!
//! At the exec a name in `argv[0]` counts as well: many programs do something else under another name, so it has to be one
//! that the row lists.
//!
//! A table may contain another one: what that allows stays allowed, with the same verdict, because its rows are asked first. Of
//! several rows for one name the first that allows decides, and when none does, the last one says why.
//!
//! ```
//! use portcullis_sdk::{Confine, On, Options, Program, Table};
//!
//! const LOOK: Table = Table { programs: &[On::every(&[Program::any(&["uptime"], "uptime", "load")])], ..Table::NONE };
//! const ROOT: Confine = Confine::as_user("root");
//! const RESTART: Table = Table {
//!     contains: Some(&LOOK),
//!     programs: &[On::roles(&["host"], &[Program::options(&["reboot"], "reboot", "restarts the node", &Options::NONE).confined(&ROOT)])],
//!     ..LOOK
//! };
//! ```

use crate::argv::Options;
use crate::confine::Confine;
use crate::denial::{Refusal, allow, quote};
use crate::elevate::{self, Elevation};
use crate::path;
use crate::program::{Asked, Call, Image, Program, Rest, Rule};
use crate::{AllowedForm, Command, Confinement, Denial, Exec, Session, Verdict, WordKind};

/// How many commands may be wrapped in each other.
const WRAPPERS: u8 = 4;
/// How many tables may contain each other; what is deeper is not there.
const LAYERS: usize = 8;

/// Things that hold on targets of some roles.
#[derive(Debug, Clone, Copy)]
pub struct On<T: 'static> {
    /// The roles; empty for every one.
    pub roles: &'static [&'static str],
    /// The things.
    pub these: &'static [T],
}

impl<T> On<T> {
    /// On every role.
    #[must_use]
    pub const fn every(these: &'static [T]) -> Self {
        Self { roles: &[], these }
    }

    /// On these roles.
    #[must_use]
    pub const fn roles(roles: &'static [&'static str], these: &'static [T]) -> Self {
        Self { roles, these }
    }

    /// Whether `role` is one of them.
    #[must_use]
    pub fn holds(&self, role: &str) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }
}

/// A table of programs.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The table that it adds to.
    pub contains: Option<&'static Table>,
    /// Its own rows.
    pub programs: &'static [On<Program>],
    /// Folders that its sessions write, beside the account's home.
    pub writable: &'static [On<&'static str>],
    /// Users that its sessions may become by `su`, and run what they may run themselves as by `sudo -u`. Each names its user.
    pub accounts: &'static [On<Confine>],
    /// The folders that programs are run from, exactly; what the node installs, nobody in a session can write there.
    pub folders: &'static [&'static str],
    /// Names of interpreters, with any version behind them: `python` for `python3.11`.
    pub interpreters: &'static [&'static str],
    /// A command that shows what is allowed, as the hint for what is not listed.
    pub help: &'static str,
}

/// What is allowed: so confined, or as the session is.
type Permit = Option<Confinement>;

impl Table {
    /// An empty table, which refuses everything; the rest of one that names what it needs.
    pub const NONE: Self = Self { contains: None, programs: &[], writable: &[], accounts: &[], folders: &["/usr/bin", "/usr/sbin", "/bin", "/sbin"], interpreters: &[], help: "" };

    /// The rows for people: those that allow something.
    #[must_use]
    pub fn allowed(&self) -> Vec<AllowedForm> {
        let rows = self.rows().filter(|(_, program)| !matches!(program.rule, Rule::Refused(_)));
        rows.map(|(roles, program)| AllowedForm { form: program.form.to_owned(), note: note(roles, program) }).collect()
    }

    /// All rows with the roles that each is for, those of contained tables first.
    pub fn rows(&self) -> impl Iterator<Item = (&'static [&'static str], &'static Program)> {
        self.layers().flat_map(|table| table.programs).flat_map(|group| group.these.iter().map(|program| (group.roles, program)))
    }

    /// The folders that a session on `role` writes, beside the account's home.
    pub fn writable_on<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        self.layers().flat_map(|table| table.writable).filter(move |group| group.holds(role)).flat_map(|group| group.these.iter().copied())
    }

    /// The users that a session on `role` may become.
    pub fn accounts_on<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'static Confine> + 'a {
        self.layers().flat_map(|table| table.accounts).filter(move |group| group.holds(role)).flat_map(|group| group.these)
    }

    /// Whether `target`, taken from `cwd`, is in a folder that the session may write, or below its account's home. By the text:
    /// where links lead is held by the mounts.
    #[must_use]
    pub fn may_write(&self, session: &Session, target: &[u8], cwd: &[u8]) -> bool {
        let target = path::normal(target, cwd);
        let home = [b"/home/", session.account.as_bytes()].concat();
        path::within(&target, &home) || self.writable_on(&session.role).any(|folder| path::within(&target, folder.as_bytes()))
    }

    /// The tables from the innermost to this one.
    fn layers(&self) -> impl Iterator<Item = &Table> {
        let mut layers = [None; LAYERS];
        let mut next = Some(self);
        for place in layers.iter_mut().rev() {
            *place = next;
            next = next.and_then(|table| table.contains);
        }
        layers.into_iter().flatten()
    }

    fn rows_on<'a>(&'a self, role: &'a str) -> RowsOn<'a> {
        let mut layers = [None; LAYERS];
        for (place, table) in layers.iter_mut().zip(self.layers()) {
            *place = Some(table);
        }
        RowsOn { role, layers, groups: &[], rows: &[] }
    }

    /// Judges an exec. What is not listed, not installed, or called by another name is refused.
    #[must_use]
    pub fn judge_exec(&self, session: &Session, exec: &Exec) -> Verdict {
        match self.exec(session, exec) {
            Ok(None) => allow(),
            Ok(Some(confinement)) => Verdict::Allow(confinement),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    fn exec(&self, session: &Session, exec: &Exec) -> Result<Permit, Denial> {
        let file = exec.scripts.first().unwrap_or(&exec.path);
        let name = path::name(file);
        let mut argv: Vec<&[u8]> = exec.argv.iter().map(Vec::as_slice).collect();
        let is_script = !exec.scripts.is_empty();
        if is_script {
            // the interpreter and what stands between; where the file itself lies is the row's matter
            exec.scripts.iter().skip(1).chain([&exec.path]).try_for_each(|part| self.installed(part))?;
            argv = script_argv(&argv, exec.scripts.len(), |called| self.rows_on(&session.role).any(|row| row.is_file(name) && row.is_called(called)));
        }
        let mut why = None;
        for row in self.rows_on(&session.role).filter(|row| row.asked == Asked::ByName && row.is_file(name)) {
            match self.exec_as(row, file, is_script, &argv, exec, session) {
                Ok(permit) => return Ok(permit),
                // another name of the same file is another row's
                Err(Refused::Name(denial)) => why = why.or(Some(denial)),
                Err(Refused::Row(denial)) => why = Some(denial),
            }
        }
        match why {
            Some(denial) => Err(denial),
            None => self.installed(file).and(Err(self.unknown(name))),
        }
    }

    fn exec_as(&self, row: &'static Program, file: &[u8], is_script: bool, argv: &[&[u8]], exec: &Exec, session: &Session) -> Result<Permit, Refused> {
        self.located(row, file, session).map_err(Refused::Row)?;
        if let (Rule::Refused(reason), true) = (row.rule, argv.first().is_none_or(|called| row.is_called(path::name(called)))) {
            return Err(if argv.is_empty() { Refused::Name(refused(row, reason)) } else { Refused::Row(refused(row, reason)) });
        }
        if is_script && row.image == Image::Compiled {
            return Err(Refused::Row(denied(row, Refusal::new("script", "it is a script on this node, and only its compiled form is judged"))));
        }
        let Some((called, args)) = argv.split_first() else {
            return Err(Refused::Name(denied(row, Refusal::new("name", "it is called without a name"))));
        };
        let called = path::name(called);
        if !row.is_called(called) {
            let reason = format!("it is called by the name {:?}, under which it may be another program", quote(called));
            return Err(Refused::Name(denied(row, Refusal::new("name", reason))));
        }
        let call = Call { name: called, args, cwd: &exec.cwd, session, terminal: exec.tty, table: self, row };
        self.row(row, &call, 0).map_err(Refused::Row)
    }

    /// Judges a program of a line; its name has to be literal.
    ///
    /// # Errors
    /// The refusal.
    pub fn judge_command(&self, session: &Session, command: &Command, cwd: &[u8]) -> Result<(), Denial> {
        let Some((name, rest)) = command.words.split_first() else { return Ok(()) };
        if rest.iter().any(|word| word.kind != WordKind::Literal) {
            return self.typed(session, &name.text, &|row| match row.rule {
                Rule::Refused(reason) => Err(refused(row, reason)),
                _ => Ok(None),
            }).map(drop);
        }
        let args: Vec<&[u8]> = rest.iter().map(|word| word.text.as_slice()).collect();
        self.command(session, &name.text, &args, cwd, session.tty, 0).map(drop)
    }

    fn command(&self, session: &Session, name: &[u8], args: &[&[u8]], cwd: &[u8], terminal: bool, depth: u8) -> Result<Permit, Denial> {
        self.typed(session, name, &|row| self.row(row, &Call { name: path::name(name), args, cwd, session, terminal, table: self, row }, depth))
    }

    /// The first answer that allows, of the rows for what somebody typed or handed to a wrapper: a name, or the path of an
    /// installed program.
    fn typed(&self, session: &Session, text: &[u8], judge: &dyn Fn(&'static Program) -> Result<Permit, Denial>) -> Result<Permit, Denial> {
        let name = path::name(text);
        let mut why = None;
        for row in self.rows_on(&session.role).filter(|row| row.asked == Asked::ByName && row.is_called(name)) {
            let answer = if text.contains(&b'/') { self.located(row, text, session).and_then(|()| judge(row)) } else { judge(row) };
            match answer {
                Ok(permit) => return Ok(permit),
                Err(denial) => why = Some(denial),
            }
        }
        if let Some(denial) = why {
            return Err(denial);
        }
        if text.contains(&b'/') {
            self.installed(text)?;
        }
        Err(self.unknown(name))
    }

    fn row(&self, row: &'static Program, call: &Call<'_>, depth: u8) -> Result<Permit, Denial> {
        let outcome = match row.rule {
            Rule::Any => Ok(Vec::new()),
            Rule::Options(options) => options.parse(call.args).map(|parsed| parsed.operands),
            Rule::Checked(options, check) => options.parse(call.args).and_then(|parsed| check(call, &parsed).map(|()| parsed.operands)),
            Rule::Custom(check) => check(call).map(|()| Vec::new()),
            Rule::Runs(options, operands, rest) => return self.wrapped(row, call, options, operands, rest, depth).map(|()| told(row, call, &[])),
            Rule::Sudo => return elevate::sudo(call.args).map_err(|refusal| denied(row, refusal)).and_then(|asked| self.elevated(row, call, &asked, depth)),
            Rule::Su => return elevate::su(call.args).map_err(|refusal| denied(row, refusal)).and_then(|asked| self.elevated(row, call, &asked, depth)),
            Rule::Refused(reason) => return Err(refused(row, reason)),
        };
        outcome.map(|operands| told(row, call, &operands)).map_err(|refusal| denied(row, refusal))
    }

    /// The command that a wrapper runs: by name, because the wrapper looks for it itself. A wrapper in a wrapper is followed,
    /// to [`WRAPPERS`].
    fn wrapped(&self, row: &'static Program, call: &Call<'_>, options: &Options, operands: usize, rest: Rest, depth: u8) -> Result<(), Denial> {
        let parsed = options.parse(call.args).map_err(|refusal| denied(row, refusal))?;
        let Some((name, args)) = parsed.operands.get(operands..).unwrap_or_default().split_first() else { return Ok(()) };
        self.typed(call.session, name, &|inner| {
            if depth >= WRAPPERS {
                return Err(denied(inner, Refusal::new("depth", "it is wrapped too often")));
            }
            match (rest, inner.rule) {
                (_, Rule::Refused(reason)) => Err(refused(inner, reason)),
                (Rest::Complete, _) | (Rest::Grows, Rule::Runs(..)) => self.row(inner, &Call { name: path::name(name), args, row: inner, ..*call }, depth + 1),
                (Rest::Grows, _) => Ok(None),
            }
        }).map(drop)
    }

    /// A command as another user: one that its row holds to that user, or, when the user is one of the accounts, what the
    /// session may run itself.
    fn elevated(&self, row: &'static Program, call: &Call<'_>, asked: &Elevation<'_>, depth: u8) -> Result<Permit, Denial> {
        let role = &call.session.role;
        let is_user = |confine: &&Confine| confine.run_as.is_some_and(|user| user.as_bytes() == asked.user);
        let account = self.accounts_on(role).find(is_user);
        let Some((name, args)) = asked.command.split_first() else {
            let refusal = || denied(row, Refusal::new("user", format!("nobody becomes {} in this action on this node", quote(asked.user))));
            return account.map(|account| Some(account.told(call.session, &[]))).ok_or_else(refusal);
        };
        let mut why = None;
        for inner in self.rows_on(role).filter(|inner| inner.is_called(path::name(name)) && !matches!(inner.rule, Rule::Sudo | Rule::Su)) {
            let own = inner.confine.filter(is_user_of(asked.user)).is_some();
            let as_account = account.filter(|_| inner.asked == Asked::ByName && inner.confine.is_none_or(|confine| confine.run_as.is_none()));
            if !own && as_account.is_none() {
                continue;
            }
            let judged = if name.contains(&b'/') { self.located(inner, name, call.session) } else { Ok(()) };
            match judged.and_then(|()| self.row(inner, &Call { name: path::name(name), args, row: inner, ..*call }, depth + 1)) {
                Ok(permit) => return Ok(match as_account {
                    Some(account) if !own => {
                        let account = account.told(call.session, &[]);
                        Some(match permit {
                            Some(permit) => Confinement { run_as: account.run_as, capabilities: account.capabilities, ..permit },
                            None => account,
                        })
                    }
                    _ => permit,
                }),
                Err(denial) => why = Some(denial),
            }
        }
        if let Some(denial) = why {
            return Err(denial);
        }
        if self.rows_on(role).any(|inner| inner.is_called(path::name(name))) {
            return Err(denied(row, Refusal::new("command", format!("{} is not run as {} in this action on this node", quote(name), quote(asked.user)))));
        }
        Err(self.unknown(path::name(name)))
    }

    /// Whether a row's file may be this one. What the session can write is no installed program, wherever it lies.
    #[inline(never)]
    fn located(&self, row: &Program, file: &[u8], session: &Session) -> Result<(), Denial> {
        if row.is_in(path::folder(file)) && !self.may_write(session, file, b"/") { Ok(()) } else { self.installed(file) }
    }

    #[inline(never)]
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

    /// The denial of a name that no row has.
    #[inline(never)]
    fn unknown(&self, name: &[u8]) -> Denial {
        let versioned = |known: &&&str| {
            let rest = name.strip_prefix(known.as_bytes());
            rest.is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')))
        };
        let (rule, reason) = match self.interpreters.iter().find(versioned) {
            Some(_) => ("interpreter", format!("{} runs code that nobody can judge", quote(name))),
            None => ("not-listed", format!("{} is not on the list of allowed commands", quote(name))),
        };
        Denial { rule: rule.to_owned(), reason, hint: self.help.to_owned() }
    }
}

/// The rows for a role, from the innermost table on. A type of its own, because every lookup goes through it: the module stays small.
struct RowsOn<'a> {
    role: &'a str,
    /// The tables that are left, the next one first.
    layers: [Option<&'a Table>; LAYERS],
    groups: &'static [On<Program>],
    rows: &'static [Program],
}

impl Iterator for RowsOn<'_> {
    type Item = &'static Program;

    #[inline(never)]
    fn next(&mut self) -> Option<&'static Program> {
        loop {
            if let Some((row, rest)) = self.rows.split_first() {
                self.rows = rest;
                return Some(row);
            }
            if let Some((group, rest)) = self.groups.split_first() {
                self.groups = rest;
                self.rows = if group.holds(self.role) { group.these } else { &[] };
                continue;
            }
            let table = self.layers.iter_mut().find_map(Option::take)?;
            self.groups = table.programs;
        }
    }
}

/// Why a row does not allow an exec of its file.
enum Refused {
    /// It is called by a name that is not the row's.
    Name(Denial),
    /// The row says no.
    Row(Denial),
}

/// What the node is told about a process of this row; nothing when the row has nothing to say.
#[inline(never)]
fn told(row: &Program, call: &Call<'_>, operands: &[&[u8]]) -> Permit {
    let confine = row.confine?;
    let paths = if confine.wants_operands() { operands.iter().map(|operand| String::from_utf8_lossy(&path::normal(operand, call.cwd)).into_owned()).collect() } else { Vec::new() };
    Some(confine.told(call.session, &paths))
}

fn is_user_of(user: &[u8]) -> impl Fn(&&'static Confine) -> bool + '_ {
    move |confine| confine.run_as.is_some_and(|name| name.as_bytes() == user)
}

/// A script's own arguments: what stands behind its name. In front stand, for each level of `#!`, the interpreter and at most one
/// word of the script's first line, neither of which the caller chose.
fn script_argv<'a>(argv: &[&'a [u8]], levels: usize, is_name: impl Fn(&[u8]) -> bool) -> Vec<&'a [u8]> {
    let at = argv.iter().take(2 * levels + 1).skip(1).position(|word| is_name(path::name(word)));
    argv.get(at.map_or(argv.len(), |at| at + 1)..).unwrap_or_default().to_vec()
}

fn note(roles: &[&str], program: &Program) -> String {
    let mut note = program.note.to_owned();
    if let Some(user) = program.confine.and_then(|confine| confine.run_as) {
        note = format!("{note}{}as {user}", if note.is_empty() { "" } else { "; " });
    }
    if roles.is_empty() { note } else { format!("{}: {note}", roles.join(", ")) }
}

#[inline(never)]
fn denied(program: &Program, refusal: Refusal) -> Denial {
    let name = program.names.first().copied().unwrap_or_default();
    let hint = refusal.hint.unwrap_or(program.example).to_owned();
    Denial { rule: format!("{}-{}", rule_name(name), refusal.what), reason: format!("{name}: {}", refusal.reason), hint }
}

#[inline(never)]
fn refused(program: &Program, reason: &str) -> Denial {
    let name = program.names.first().copied().unwrap_or_default();
    Denial { rule: rule_name(name), reason: format!("{name}: {reason}"), hint: program.example.to_owned() }
}

/// A program's name as one word of `a-z0-9-`: `vm_maker` is `vm-maker`.
fn rule_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect()
}
