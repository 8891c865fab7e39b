//! Which execs the accepted lines explain. What follows from it is an alert, never a decision: an exec is judged all the same.
//!
//! # What explains an exec
//! Who asks is found by walking up from the process that calls exec to the nearest one that has been through an exec of this session itself
//! (the shell and its engine were through the first two):
//!
//! | the nearest one is | explained when |
//! | --- | --- |
//! | a program that was let go on | its own exec was: what it starts is judged, and is its doing |
//! | the engine, or a copy of it (a subshell, a job) | an accepted line, this one or an earlier one, names the program as a command; or one was accepted of which that cannot be known |
//! | the shell's front end | never: it starts its engine and nothing else |
//! | none that is known: its parent has ended and left it to the jail's init | there was an accepted line |
//!
//! Earlier lines count, because jobs, functions and traps go on. A name is compared as a word, or as what is behind its last slash. That it
//! cannot be known which programs a line starts is so for a command whose name is not literal (`$x`), for the built-ins that run text or bring
//! in names (`eval`, `source`, `trap`, `alias` ...), and for assignments to what bash runs by itself (`PROMPT_COMMAND`). From such a line on
//! everything that the engine asks for is explained.
//!
//! # Limits
//! What is explained need not be what the operator meant: a line that names `cat` explains each `cat`. A process that is left to init is taken for
//! a job. An exec that the guard's own rules refuse is on record and is not looked at. Names are taken from the shell's analysis of a line, and a shell that was taken over can name whatever its module allows.

use portcullis_model::subject::{Command, CommandKind, Exec, Line, WordKind};
use std::collections::{BTreeSet, HashMap};

/// Most names that are kept; past this nothing that the engine asks for is unexplained.
const NAMES_MAX: usize = 4096;
/// Most programs that are kept, before those that have ended are forgotten.
const PROGRAMS_MAX: usize = 4096;

/// Built-ins that run text, or bring in names that are in no line.
const OPENING: &[&[u8]] = &[
    b".", b"source", b"eval", b"trap", b"alias", b"enable", b"complete", b"compgen", b"bind", b"mapfile", b"readarray", b"fc", b"coproc",
];
/// Built-ins whose other words name a program.
const WRAPPING: &[&[u8]] = &[b"command", b"exec", b"builtin", b"time"];
/// Variables whose text bash runs by itself.
const RUN: &[&[u8]] = &[b"PROMPT_COMMAND", b"BASH_ENV", b"ENV", b"PS0", b"PS1", b"PS2", b"PS4"];

/// Who asks for an exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The engine, or a copy of it.
    Engine,
    /// A program; whether its own exec was explained.
    Program(bool),
    /// The front end.
    Shell,
    /// A process whose parent has ended.
    Orphan,
}

/// What is known of a session's lines and programs.
#[derive(Debug, Default)]
pub(super) struct Explaining {
    shell: Option<u32>,
    engine: Option<u32>,
    programs: HashMap<u32, Program>,
    names: BTreeSet<Vec<u8>>,
    /// Whether a line was accepted whose programs cannot be known.
    open: bool,
    lines: u64,
    /// The commands of the line that was accepted last, and its number.
    last: Option<(u32, Vec<Command>)>,
}

/// A program that was let go on.
#[derive(Debug, Clone)]
struct Program {
    started: Option<u64>,
    explained: bool,
    callers: Vec<u32>,
}

impl Explaining {
    /// One of the two first execs: of the shell, then of its engine.
    pub(super) fn begun(&mut self, pid: u32) {
        if self.shell.is_none() {
            self.shell = Some(pid);
        } else {
            self.engine.get_or_insert(pid);
        }
    }

    /// A line was accepted.
    pub(super) fn accepted(&mut self, id: u32, line: &Line) {
        self.lines += 1;
        for command in &line.commands {
            self.command(command);
        }
        self.last = Some((id, line.commands.clone()));
    }

    fn command(&mut self, command: &Command) {
        let runs = |text: &[u8]| RUN.iter().any(|name| text.strip_prefix(*name).is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b'=' | b'+' | b'['))));
        self.open |= command.assignments.iter().any(|name| runs(name));
        let Some((first, rest)) = command.words.split_first() else { return };
        if first.kind != WordKind::Literal {
            self.open = true;
            return;
        }
        let name = first.text.as_slice();
        if command.kind == CommandKind::Builtin {
            // `declare PROMPT_COMMAND=x`, `printf -v PROMPT_COMMAND x`
            self.open |= OPENING.contains(&name) || rest.iter().any(|word| runs(&word.text));
        }
        self.name(name);
        if WRAPPING.contains(&name) {
            self.open |= rest.iter().any(|word| word.kind != WordKind::Literal);
            rest.iter().for_each(|word| self.name(&word.text));
        }
    }

    fn name(&mut self, name: &[u8]) {
        if self.names.len() >= NAMES_MAX {
            self.open = true;
            return;
        }
        self.names.insert(last_part(name).to_vec());
    }

    /// Who asks, by the numbers of the process and of those above it. `started` tells when a process was started.
    pub(super) fn origin(&self, callers: &[u32], started: impl Fn(u32) -> Option<u64>) -> Origin {
        for pid in callers {
            match self.programs.get(pid) {
                // the number of one that ended may be another's by now
                Some(program) if program.started == started(*pid) => return Origin::Program(program.explained),
                _ if Some(*pid) == self.engine => return Origin::Engine,
                _ if Some(*pid) == self.shell => return Origin::Shell,
                Some(_) | None => {}
            }
        }
        Origin::Orphan
    }

    /// Why the accepted lines do not explain an exec; none when they do.
    pub(super) fn unexplained(&self, origin: Origin, exec: &Exec) -> Option<&'static str> {
        match origin {
            Origin::Program(true) => None,
            Origin::Program(false) => Some("it was started by a program that no accepted line explains"),
            Origin::Shell => Some("it was started by the session's own shell, which starts nothing but its engine"),
            Origin::Orphan if self.lines > 0 => None,
            Origin::Orphan => Some("it was started before any line was accepted"),
            Origin::Engine if self.lines > 0 && (self.open || self.is_named(exec)) => None,
            Origin::Engine => Some("no accepted line names it"),
        }
    }

    fn is_named(&self, exec: &Exec) -> bool {
        // a script runs as its interpreter; the name that was called is its first argument's, or its own
        let words = exec.argv.first().into_iter().chain(exec.scripts.first()).chain([&exec.path]);
        words.into_iter().any(|word| self.names.contains(last_part(word)))
    }

    /// Whether a refused exec is a command of the line of this number, word by word, so that the line's judgement knew all that the exec's did.
    pub(super) fn was_allowed_as(&self, line: Option<u32>, origin: Origin, exec: &Exec) -> bool {
        let Some((id, commands)) = &self.last else { return false };
        let is_it = |command: &Command| command.words.iter().all(|word| word.kind == WordKind::Literal) && command.words.iter().map(|word| &word.text).eq(&exec.argv);
        origin == Origin::Engine && line == Some(*id) && exec.scripts.is_empty() && commands.iter().any(is_it)
    }

    /// An exec was let go on.
    pub(super) fn proceeds(&mut self, pid: u32, callers: &[u32], explained: bool, started: impl Fn(u32) -> Option<u64>) {
        if self.programs.len() >= PROGRAMS_MAX {
            self.programs.retain(|pid, program| program.started.is_some() && started(*pid) == program.started);
        }
        self.programs.insert(pid, Program { started: started(pid), explained, callers: callers.to_vec() });
    }

    /// An exec that was let go on did not happen.
    pub(super) fn lapsed(&mut self, pid: u32) {
        self.programs.remove(&pid);
    }

    /// The numbers of those above a process that was let go on.
    pub(super) fn callers(&self, pid: u32) -> &[u32] {
        self.programs.get(&pid).map(|program| program.callers.get(1..).unwrap_or_default()).unwrap_or_default()
    }
}

fn last_part(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::subject::Word;

    fn command(kind: CommandKind, words: &[(&str, WordKind)]) -> Command {
        let words = words.iter().map(|(text, kind)| Word { text: text.as_bytes().to_vec(), kind: *kind }).collect();
        Command { words, assignments: vec![], redirects: vec![], depth: 0, kind }
    }

    fn line(commands: Vec<Command>) -> Line {
        Line { text: b"x".to_vec(), commands, cwd: b"/".to_vec() }
    }

    fn exec(argv: &[&str]) -> Exec {
        let argv: Vec<Vec<u8>> = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        let path = [b"/usr/bin/", last_part(&argv[0])].concat();
        Exec { path, argv, scripts: vec![], cwd: b"/".to_vec(), uid: 1, tty: false, parents: vec![], line: None }
    }

    const LITERAL: WordKind = WordKind::Literal;
    const SHELL: u32 = 10;
    const ENGINE: u32 = 11;

    fn begun() -> Explaining {
        let mut explaining = Explaining::default();
        explaining.begun(SHELL);
        explaining.begun(ENGINE);
        explaining
    }

    fn plain(explaining: &mut Explaining, words: &[&str]) {
        let words: Vec<_> = words.iter().map(|word| (*word, LITERAL)).collect();
        explaining.accepted(1, &line(vec![command(CommandKind::External, &words)]));
    }

    #[test]
    fn what_a_line_names_is_explained_and_nothing_else() {
        let mut explaining = begun();
        let started = |_| Some(1);
        let origin = explaining.origin(&[12, ENGINE, SHELL], started);
        assert_eq!(origin, Origin::Engine);
        assert!(explaining.unexplained(origin, &exec(&["ls"])).is_some(), "before any line");
        assert!(explaining.unexplained(Origin::Orphan, &exec(&["ls"])).is_some());
        plain(&mut explaining, &["/usr/bin/ls", "-l"]);
        assert_eq!(explaining.unexplained(origin, &exec(&["ls", "x"])), None);
        assert!(explaining.unexplained(origin, &exec(&["id"])).is_some());
        assert_eq!(explaining.unexplained(Origin::Orphan, &exec(&["id"])), None);
        assert!(explaining.unexplained(explaining.origin(&[12, SHELL], started), &exec(&["ls"])).is_some(), "the front end starts nothing");
        // a later line does not take an earlier one's jobs away
        plain(&mut explaining, &["true"]);
        assert_eq!(explaining.unexplained(origin, &exec(&["ls"])), None);
        explaining.accepted(3, &line(vec![command(CommandKind::Builtin, &[("exec", LITERAL), ("-a", LITERAL), ("x", LITERAL), ("vim", LITERAL)])]));
        assert_eq!(explaining.unexplained(origin, &exec(&["vim"])), None);
    }

    #[test]
    fn programs_answer_for_their_children_while_their_number_is_theirs() {
        let mut explaining = begun();
        plain(&mut explaining, &["find"]);
        explaining.proceeds(12, &[12, ENGINE, SHELL], true, |_| Some(5));
        explaining.proceeds(20, &[20, ENGINE, SHELL], false, |_| Some(6));
        let started = |pid| if pid == 12 { Some(5) } else { Some(6) };
        assert_eq!(explaining.unexplained(explaining.origin(&[13, 12, ENGINE, SHELL], started), &exec(&["id"])), None);
        assert!(explaining.unexplained(explaining.origin(&[21, 20, ENGINE], started), &exec(&["id"])).is_some());
        // it ended, and the engine's next copy has its number
        assert_eq!(explaining.origin(&[12, ENGINE, SHELL], |_| Some(9)), Origin::Engine);
        assert_eq!(explaining.callers(12), [ENGINE, SHELL]);
        explaining.lapsed(12);
        assert_eq!(explaining.origin(&[12, ENGINE, SHELL], started), Origin::Engine);
    }

    #[test]
    fn a_line_whose_programs_cannot_be_known_explains_all() {
        let opening = [
            command(CommandKind::External, &[("$x", WordKind::Dynamic)]),
            command(CommandKind::Builtin, &[("eval", LITERAL), ("$x", WordKind::Dynamic)]),
            command(CommandKind::Builtin, &[("trap", LITERAL), ("id", LITERAL), ("EXIT", LITERAL)]),
            command(CommandKind::Builtin, &[("declare", LITERAL), ("PROMPT_COMMAND=id", LITERAL)]),
            Command { assignments: vec![b"PROMPT_COMMAND".to_vec()], ..command(CommandKind::External, &[]) },
            command(CommandKind::Builtin, &[("command", LITERAL), ("$x", WordKind::Dynamic)]),
        ];
        for one in opening {
            let mut explaining = begun();
            explaining.accepted(1, &line(vec![one.clone()]));
            assert_eq!(explaining.unexplained(Origin::Engine, &exec(&["id"])), None, "{one:?}");
        }
        let mut explaining = begun();
        explaining.accepted(1, &line(vec![command(CommandKind::Builtin, &[("echo", LITERAL), ("PS1x=", LITERAL), ("$x", WordKind::Dynamic)])]));
        assert!(explaining.unexplained(Origin::Engine, &exec(&["id"])).is_some());
        (0..5000).for_each(|number| plain(&mut explaining, &[&number.to_string()]));
        assert_eq!(explaining.unexplained(Origin::Engine, &exec(&["id"])), None, "more names than are kept");
        for pid in 100..20_000 {
            explaining.proceeds(pid, &[pid], true, |_| None);
        }
        assert!(explaining.programs.len() <= PROGRAMS_MAX);
    }

    #[test]
    fn a_contradiction_is_of_the_very_words_in_the_line_that_runs() {
        let mut explaining = begun();
        explaining.accepted(4, &line(vec![command(CommandKind::External, &[("id", LITERAL), ("-u", LITERAL)]), command(CommandKind::External, &[("cat", LITERAL), ("$f", WordKind::Dynamic)])]));
        let is = |line, origin, argv: &[&str]| explaining.was_allowed_as(line, origin, &exec(argv));
        assert!(is(Some(4), Origin::Engine, &["id", "-u"]));
        assert!(!is(Some(4), Origin::Engine, &["id"]) && !is(Some(3), Origin::Engine, &["id", "-u"]) && !is(None, Origin::Engine, &["id", "-u"]));
        assert!(!is(Some(4), Origin::Program(true), &["id", "-u"]) && !is(Some(4), Origin::Engine, &["cat", "$f"]));
    }
}
