//! A profile from words to what is baked: every name resolved, every bound of the policy ABI kept. All problems are found at once.

use super::confine::confinement;
use super::length::milliseconds;
use super::profile::{Command, Profile, Shell, Subcommand, Text, Window};
use super::source::{Problem, Problems, Source};
use super::{keys, pattern, week};
use portcullis_model::action::{Action, Role};
use portcullis_profile::{self as baked, COUNTED_MAX, Days, OptionForm, Pattern};
use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

/// The JSON Schema of a profile, for editors.
pub const SCHEMA: &str = include_str!("../../../sdk/profile/profile.schema.json");

/// Rows that `describe` has room for, two of them for the shell.
const ROWS_MAX: usize = 510;
/// Bytes of a rule's name: what is wrong is added to it, and the whole has 64.
const RULE_MAX: usize = 48;
/// Folders of programs when a profile names none.
const PROGRAMS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Built-ins when a profile names none: what neither runs nor loads anything.
const BUILTINS: &[&str] = &[
    ":", "[", "[[", "((", "bg", "break", "caller", "cd", "continue", "declare", "dirs", "disown", "echo", "exit", "export", "false", "fg", "getopts", "help", "history", "jobs", "kill",
    "let", "local", "logout", "popd", "printf", "pushd", "pwd", "read", "readonly", "return", "set", "shift", "suspend", "test", "time", "times", "true", "type", "typeset", "ulimit",
    "umask", "unset", "wait",
];
/// Built-ins that run or load what nobody judged, or hide what runs.
const NEVER: &[&str] = &["eval", "source", ".", "enable", "bind", "builtin", "command", "complete", "compgen", "compopt", "coproc", "exec", "fc", "alias", "hash", "mapfile", "readarray"];
/// Variables when a profile names none.
const VARIABLES: [&str; 3] = ["LANG", "LC_*", "TZ"];

/// Where a profile is worked on: its source, its sets and windows, and what is wrong with it so far.
pub(super) struct Bench<'a> {
    source: &'a Source,
    sets: pattern::Sets,
    windows: BTreeMap<String, baked::Window>,
    problems: Vec<Problem>,
}

/// A result whose error is written down.
pub(super) trait Checked<T> {
    fn checked(self, bench: &mut Bench<'_>, span: Range<usize>) -> Option<T>;
}

impl<T> Checked<T> for Result<T, String> {
    fn checked(self, bench: &mut Bench<'_>, span: Range<usize>) -> Option<T> {
        self.map_err(|problem| bench.wrong(span, problem)).ok()
    }
}

/// Makes a profile of a file.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it.
pub fn compile(source: &Source) -> Result<baked::Profile, Problems> {
    let one = |error: &toml::de::Error| Problems(vec![source.toml_problem(error)]);
    let document = toml::de::DeTable::parse(source.text()).map_err(|error| one(&error))?;
    let schema = serde_json::from_str(SCHEMA).map_err(|error| Problems(vec![source.problem(0..0, format!("the schema of this program is broken: {error}"))]))?;
    let unknown = keys::unknown(source, document.get_ref(), &schema);
    if !unknown.is_empty() {
        return Err(Problems(unknown));
    }
    let profile: Profile = toml::from_str(source.text()).map_err(|error| one(&error))?;
    let mut bench = Bench { source, sets: BTreeMap::new(), windows: BTreeMap::new(), problems: Vec::new() };
    let baked = bench.profile(&profile);
    let mut problems = bench.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    if problems.is_empty() { Ok(baked) } else { Err(Problems(problems)) }
}

impl Bench<'_> {
    pub(super) fn wrong(&mut self, span: Range<usize>, problem: impl Into<String>) {
        let problem = self.source.problem(span, problem);
        self.problems.push(problem);
    }

    pub(super) fn wrong_first(&mut self, texts: &[Text], problem: &str) {
        self.wrong(texts.first().map_or(0..0, Text::span), problem);
    }

    /// A text that is not empty, has at most so many bytes and no control characters.
    pub(super) fn bounded(&mut self, text: &Text, bytes: usize) -> String {
        let value = text.get_ref();
        if value.is_empty() {
            self.wrong(text.span(), "it is empty");
        } else if value.len() > bytes {
            self.wrong(text.span(), format!("it has {} bytes; there is room for {bytes}", value.len()));
        } else if value.chars().any(char::is_control) {
            self.wrong(text.span(), "it holds control characters");
        }
        value.clone()
    }

    pub(super) fn paths(&mut self, all: &[Text], most: usize) -> Vec<baked::Text> {
        let paths = pattern::paths(all, &self.sets).unwrap_or_else(|(span, problem)| {
            self.wrong(span, problem);
            Vec::new()
        });
        if paths.len() > most {
            self.wrong_first(all, &format!("these are {} paths; there is room for {most}", paths.len()));
        }
        paths
    }

    fn known<T: FromStr<Err: std::fmt::Display>>(&mut self, text: &Text) {
        let parsed = text.get_ref().parse::<T>().map(drop).map_err(|error| error.to_string());
        parsed.checked(self, text.span());
    }

    fn profile(&mut self, profile: &Profile) -> baked::Profile {
        for (name, paths) in &profile.paths {
            let plain = paths.iter().filter_map(|text| pattern::path(text.get_ref()).checked(self, text.span())).collect();
            self.sets.insert(name.clone(), plain);
        }
        for (name, window) in &profile.window {
            if let Some(window) = self.window(name, window) {
                self.windows.insert(name.clone(), window);
            }
        }
        let module = &profile.module;
        self.known::<Action>(&module.action);
        module.roles.iter().for_each(|role| self.known::<Role>(role));
        if module.roles.is_empty() || module.roles.len() > 16 {
            self.wrong(module.name.span(), "a module is for 1 to 16 roles");
        }
        let commands: Vec<baked::Command> = profile.command.iter().map(|row| self.command(row)).collect();
        self.counts(profile, &commands);
        let (builtins, variables, redirects) = self.shell(&profile.shell);
        let strings = |defaults: &[&str]| defaults.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        baked::Profile {
            name: self.bounded(&module.name, 64),
            version: self.bounded(&module.version, 64),
            action: module.action.get_ref().clone(),
            roles: module.roles.iter().map(|role| role.get_ref().clone()).collect(),
            programs: module.programs.as_ref().map_or_else(|| strings(&PROGRAMS), |all| all.iter().map(|folder| self.folder(folder)).collect()),
            help: module.help.as_ref().map_or_else(|| "allowed".to_owned(), |help| self.bounded(help, 256)),
            commands,
            builtins,
            variables,
            redirects,
            files_read: self.paths(&profile.files.read, 1024),
            files_write: self.paths(&profile.files.write, 1024),
            forward: profile.forward.allow.iter().filter_map(|text| self.forward(text)).collect(),
        }
    }

    fn folder(&mut self, text: &Text) -> String {
        let path = pattern::path(text.get_ref()).and_then(|path| match path.0.as_slice() {
            [baked::Piece::Plain(_)] => Ok(()),
            _ => Err("a folder of programs is the same for everybody: it has no placeholders".to_owned()),
        });
        path.checked(self, text.span());
        text.get_ref().clone()
    }

    fn forward(&mut self, text: &Text) -> Option<(Pattern, Pattern)> {
        let parts = text.get_ref().rsplit_once(':').filter(|(host, port)| !host.is_empty() && !port.is_empty());
        let (host, port) = parts.ok_or_else(|| format!("`{}` is not HOST:PORT", text.get_ref().escape_debug())).checked(self, text.span())?;
        let host = pattern::word(host, &self.sets).checked(self, text.span())?;
        let port = pattern::word(port, &self.sets).checked(self, text.span())?;
        Some((host, port))
    }

    fn window(&mut self, name: &str, window: &Window) -> Option<baked::Window> {
        let mut days = if window.days.is_empty() { 0b111_1111 } else { 0 };
        for text in &window.days {
            days |= week::days(text.get_ref()).checked(self, text.span())?.0;
        }
        let from = week::time(window.from.get_ref()).checked(self, window.from.span());
        let to = week::time(window.to.get_ref()).checked(self, window.to.span());
        let ahead = week::offset(window.zone.get_ref()).checked(self, window.zone.span());
        Some(baked::Window { name: name.to_owned(), days: Days(days), from: from?, to: to?, ahead: ahead? })
    }

    fn shell(&mut self, shell: &Shell) -> (Vec<String>, Vec<String>, Vec<baked::Text>) {
        let strings = |defaults: &[&str]| defaults.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for name in shell.builtins.iter().flatten().filter(|name| NEVER.contains(&name.get_ref().as_str())) {
            self.wrong(name.span(), format!("the built-in {} cannot be allowed: it runs, loads or hides what nobody judged", name.get_ref()));
        }
        let builtins = shell.builtins.as_ref().map_or_else(|| strings(BUILTINS), |all| all.iter().map(|name| self.bounded(name, 64)).collect());
        let variables = shell.variables.as_ref().map_or_else(|| strings(&VARIABLES), |all| all.iter().map(|name| self.bounded(name, 128)).collect());
        (builtins, variables, self.paths(&shell.redirects, 1024))
    }

    fn command(&mut self, row: &Command) -> baked::Command {
        let names: Vec<String> = row.names.iter().map(|name| self.program(name)).collect();
        if names.is_empty() {
            self.wrong_first(&row.names, "a row is about at least one program: names is empty");
        }
        let first = names.first().map_or("", String::as_str);
        let rule = match &row.rule {
            Some(rule) => self.rule(rule),
            None => rule_of(first),
        };
        let form = row.form.as_ref().map_or_else(|| form_of(first, row), |form| self.bounded(form, 256));
        let when = row.when.iter().filter_map(|name| self.named_window(name)).collect();
        let at_most = row.at_most.as_ref().map(|most| {
            if *most.get_ref() == 0 {
                self.wrong(most.span(), "never is said by deny, with a reason");
            }
            *most.get_ref()
        });
        baked::Command {
            rule,
            note: row.note.as_ref().map_or_else(String::new, |note| self.bounded(note, 512)),
            hint: row.hint.as_ref().map_or_else(|| form.clone(), |hint| self.bounded(hint, 256)),
            script: row.script,
            arguments: self.arguments(row),
            when,
            at_most,
            answer: self.answer(row),
            names,
            form,
        }
    }

    fn program(&mut self, name: &Text) -> String {
        let text = name.get_ref();
        let fine = if text.contains('/') {
            pattern::path(text).and_then(|path| if matches!(path.0.as_slice(), [baked::Piece::Plain(_)]) { Ok(()) } else { Err("a program's path has no placeholders".to_owned()) })
        } else if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '?' | '|' | '@' | '{')) {
            Err(format!("`{}` is no name of a program: a name has no blanks and no patterns", text.escape_debug()))
        } else {
            Ok(())
        };
        fine.checked(self, name.span());
        self.bounded(name, 256)
    }

    fn rule(&mut self, rule: &Text) -> String {
        let word = rule.get_ref().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !word {
            self.wrong(rule.span(), "a rule's name is one word of a-z, 0-9 and -");
        }
        self.bounded(rule, RULE_MAX)
    }

    fn named_window(&mut self, name: &Text) -> Option<baked::Window> {
        let known = self.windows.get(name.get_ref()).cloned();
        let near = super::nearest::meant(name.get_ref(), self.windows.keys().map(String::as_str)).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        known.ok_or_else(|| format!("there is no window `{}`{near}", name.get_ref().escape_debug())).checked(self, name.span())
    }

    fn arguments(&mut self, row: &Command) -> baked::Arguments {
        let has_grammar = row.options.is_some() || row.operands.is_some() || !row.subcommand.is_empty();
        if let Some(any) = &row.arguments {
            if has_grammar {
                self.wrong(any.span(), "arguments = \"any\" leaves nothing for options, operands and subcommands to say");
            }
            return baked::Arguments::Any;
        }
        if row.script {
            self.wrong_first(&row.names, "a script's arguments stand behind those of its interpreter and are not judged: it takes arguments = \"any\"");
        }
        // a row that refuses a program as a whole
        if row.deny.is_some() && !has_grammar {
            return baked::Arguments::Any;
        }
        let options = self.options(row.options.as_deref().unwrap_or_default());
        if row.subcommand.is_empty() {
            let shapes = self.shapes(row.operands.as_deref());
            return baked::Arguments::Grammar(baked::Grammar { options, first: row.options_first, rest: baked::Rest::Shapes(shapes) });
        }
        if let Some(operands) = &row.operands {
            self.wrong_first(operands, "subcommands have operands of their own; the row's would never be read");
        }
        let subcommands = row.subcommand.iter().map(|one| self.subcommand(one)).collect();
        baked::Arguments::Grammar(baked::Grammar { options, first: true, rest: baked::Rest::Subcommands(subcommands) })
    }

    fn subcommand(&mut self, one: &Subcommand) -> baked::Subcommand {
        let names = one.names.iter().map(|name| self.bounded(name, 64)).collect();
        let rest = baked::Rest::Shapes(self.shapes(one.operands.as_deref()));
        baked::Subcommand { names, grammar: baked::Grammar { options: self.options(&one.options), first: false, rest } }
    }

    fn shapes(&mut self, operands: Option<&[Text]>) -> Vec<baked::Shape> {
        let none = || vec![baked::Shape { words: Vec::new(), more: None }];
        operands.map_or_else(none, |all| all.iter().filter_map(|text| pattern::shape(text.get_ref(), &self.sets).checked(self, text.span())).collect())
    }

    fn options(&mut self, all: &[Text]) -> Vec<OptionForm> {
        let mut options: Vec<OptionForm> = Vec::new();
        for text in all {
            for option in pattern::option(text.get_ref(), &self.sets).checked(self, text.span()).into_iter().flatten() {
                if options.iter().any(|known| known.name == option.name) {
                    self.wrong(text.span(), "this option stands there already");
                }
                options.push(option);
            }
        }
        options
    }

    fn answer(&mut self, row: &Command) -> baked::Answer {
        let confined = row.run_as.as_ref().map(Text::span).or(row.confine.as_ref().map(toml::Spanned::span));
        if let (Some(deny), Some(ask)) = (&row.deny, &row.ask) {
            self.wrong(ask.span(), format!("the row is refused already, because {}", deny.get_ref().escape_debug()));
        }
        if let (Some(span), true) = (confined, row.deny.is_some() || row.ask.is_some()) {
            self.wrong(span, "a confinement goes with a row that allows: what is refused does not run, and what people allow runs as the session does");
        }
        if let Some(reason) = &row.deny {
            return baked::Answer::Deny(self.bounded(reason, 400));
        }
        let Some(ask) = row.ask.as_ref().map(toml::Spanned::get_ref) else {
            return baked::Answer::Allow(confinement(self, row.run_as.as_ref(), row.confine.as_ref()));
        };
        self.bounded(&ask.prompt, 512);
        if ask.approvers.len() > 16 {
            self.wrong_first(&ask.approvers, "there are at most 16 approvers");
        }
        baked::Answer::Ask {
            prompt: pattern::placeholders(ask.prompt.get_ref(), true).checked(self, ask.prompt.span()).unwrap_or(baked::Text(Vec::new())),
            approvers: ask.approvers.iter().map(|name| self.bounded(name, 128)).collect(),
            expires_ms: milliseconds(ask.expires.get_ref()).checked(self, ask.expires.span()).unwrap_or(0),
        }
    }

    fn counts(&mut self, profile: &Profile, commands: &[baked::Command]) {
        if let Some(row) = profile.command.get(ROWS_MAX) {
            self.wrong_first(&row.names, &format!("there is room for {ROWS_MAX} rows"));
        }
        let mut counted: Vec<&str> = commands.iter().filter(|row| row.at_most.is_some()).map(|row| row.rule.as_str()).collect();
        counted.sort_unstable();
        counted.dedup();
        if counted.len() > COUNTED_MAX {
            self.wrong(0..0, format!("{} rules count; there is room for {COUNTED_MAX}", counted.len()));
        }
    }
}

/// A rule's name from a program's.
fn rule_of(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default().to_lowercase();
    let word: String = name.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).take(RULE_MAX).collect();
    if word.is_empty() { "command".to_owned() } else { word }
}

/// A form for people from the row's own words, where it is short enough.
fn form_of(name: &str, row: &Command) -> String {
    let texts = |all: &[Text]| all.iter().map(|text| text.get_ref().clone()).collect::<Vec<_>>();
    let mut form = name.rsplit('/').next().unwrap_or_default().to_owned();
    if row.arguments.is_some() {
        form.push_str(" ...");
    }
    for option in texts(row.options.as_deref().unwrap_or_default()) {
        form.push_str(&format!(" [{option}]"));
    }
    let subcommands: Vec<String> = row.subcommand.iter().map(|one| texts(&one.names).join("|")).collect();
    let shapes = if subcommands.is_empty() { texts(row.operands.as_deref().unwrap_or_default()) } else { subcommands };
    match shapes.as_slice() {
        [] => {}
        [one] => form.push_str(&format!(" {one}")),
        many => form.push_str(&format!(" ({})", many.join(" | "))),
    }
    let mut form = form.trim_end().replace(char::is_control, " ");
    if form.len() > 250 {
        form.truncate(form.floor_char_boundary(250));
        form.push_str("...");
    }
    if form.is_empty() { "command".to_owned() } else { form }
}

#[cfg(test)]
mod tests;
