//! Commands of the front end itself: `why` and `allowed`. They are answered from what the shell was told already; nothing
//! runs, so nobody is asked.

use super::Front;
use super::messages::{safe, say, show};
use crate::terminal::Terminal;
use jiff::Timestamp;
use portcullis_model::bytes::printable;
use portcullis_model::subject::{Command, CommandKind, Line, WordKind};
use portcullis_model::wire::judge::{AllowedForm, ModuleInfo};
use portcullis_model::wire::shell::Notice;
use std::fmt::Write as _;

/// A command of the front end itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// `why`
    Why,
    /// `allowed [WORD]`
    Allowed(Option<String>),
}

/// What was denied.
#[derive(Debug)]
pub(super) enum What {
    /// A line, and its commands when it could be parsed.
    Line {
        /// as entered
        text: Vec<u8>,
        /// as judged
        commands: Vec<Command>,
    },
    /// An exec.
    Exec {
        /// the program
        path: Vec<u8>,
    },
}

/// The last denial.
#[derive(Debug)]
pub(super) struct Past {
    what: What,
    notice: Notice,
    at: Timestamp,
    policy: Option<String>,
}

impl Past {
    pub(super) fn now(what: What, notice: Notice, module: Option<&ModuleInfo>) -> Self {
        let policy = module.map(|module| format!("{} {}, digest {}", safe(&module.name), safe(&module.version), module.digest));
        Self { what, notice, at: Timestamp::now(), policy }
    }
}

impl Own {
    /// The front end's command that `line` is, if it is one: alone, and all of it literal.
    pub(super) fn from_line(line: &Line) -> Option<Self> {
        let [command] = line.commands.as_slice() else { return None };
        let plain = command.assignments.is_empty() && command.redirects.is_empty() && command.kind == CommandKind::External;
        let words: Option<Vec<&str>> = command.words.iter().map(|word| if word.kind == WordKind::Literal { std::str::from_utf8(&word.text).ok() } else { None }).collect();
        match words?.as_slice() {
            ["why"] if plain => Some(Self::Why),
            ["allowed"] if plain => Some(Self::Allowed(None)),
            ["allowed", word] if plain => Some(Self::Allowed(Some((*word).to_owned()))),
            _ => None,
        }
    }
}

impl Front {
    /// Runs one; returns its status.
    pub(super) fn own(&self, own: &Own, terminal: Option<&Terminal>) -> u8 {
        let (text, status) = match own {
            Own::Why => match &self.past {
                Some(past) => (why(past), 0),
                None => ("nothing was denied in this session so far".to_owned(), 1),
            },
            Own::Allowed(word) => match self.keeper.module() {
                None => ("no policy judges this session now: everything is denied".to_owned(), 1),
                Some(module) => {
                    let width = terminal.and_then(|terminal| rustix::termios::tcgetwinsize(terminal).ok()).map(|size| usize::from(size.ws_col));
                    allowed(&module.allowed, word.as_deref(), width)
                }
            },
        };
        if status == 0 {
            let _ = show(&format!("{text}\n"));
        } else {
            say(&format!("portcullis: {text}"));
        }
        status
    }
}

/// The last denial at length.
fn why(past: &Past) -> String {
    let mut text = format!("The last denial, at {:.0} UTC", past.at.strftime("%Y-%m-%d %H:%M:%S"));
    let denial = &past.notice.denial;
    match &past.what {
        What::Line { text: line, .. } => {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let _ = write!(text, "\n  line      {}", printable(line));
        }
        What::Exec { path } => {
            let _ = write!(text, "\n  exec      {}, while the line ran", printable(path));
        }
    }
    if let What::Line { commands, .. } = &past.what {
        for (index, command) in commands.iter().enumerate() {
            let _ = write!(text, "\n  {}{}", if index == 0 { "judged as " } else { "          " }, described(command));
        }
    }
    let _ = write!(text, "\n  by        {}\n  rule      {}\n  reason    {}", safe(&past.notice.by), safe(&denial.rule), safe(&denial.reason));
    if !denial.hint.is_empty() {
        let _ = write!(text, "\n  try       {}", safe(&denial.hint));
    }
    match &past.policy {
        Some(policy) => {
            let _ = write!(text, "\n  policy    {policy}");
        }
        None => text.push_str("\n  policy    none was there to judge"),
    }
    text.push_str("\n'allowed' lists what may be run here.");
    text
}

/// A command as it was compared.
fn described(command: &Command) -> String {
    let mut words: Vec<String> = command.assignments.iter().map(|name| format!("{}=..", printable(name))).collect();
    words.extend(command.words.iter().map(|word| printable(&word.text)));
    let kind = match command.kind {
        CommandKind::External => "program",
        CommandKind::Builtin => "built-in",
        CommandKind::Function => "function",
    };
    let unknown = command.words.iter().filter(|word| word.kind != WordKind::Literal).count();
    let unknown = if unknown > 0 { format!(", {unknown} words known only when it runs") } else { String::new() };
    let redirects = if command.redirects.is_empty() { String::new() } else { format!(", {} redirections", command.redirects.len()) };
    format!("{} ({kind}{redirects}{unknown})", words.join(" "))
}

/// The forms that contain `word`, in two columns where there is a width.
fn allowed(forms: &[AllowedForm], word: Option<&str>, width: Option<usize>) -> (String, u8) {
    let wanted = word.unwrap_or_default().to_lowercase();
    let forms: Vec<(String, String)> = forms
        .iter()
        .filter(|form| form.form.to_lowercase().contains(&wanted) || form.note.to_lowercase().contains(&wanted))
        .map(|form| (safe(&form.form), safe(&form.note)))
        .collect();
    if forms.is_empty() {
        let what = word.map_or("nothing is listed as allowed here".to_owned(), |word| format!("nothing that is allowed here matches {}", safe(word)));
        return (what, 1);
    }
    let Some(width) = width.filter(|width| *width >= 40) else {
        return (forms.iter().map(|(form, note)| format!("{form}\t{note}")).collect::<Vec<_>>().join("\n"), 0);
    };
    let longest = forms.iter().map(|(form, _)| form.chars().count()).max().unwrap_or_default();
    let column = longest.min(width / 2);
    let lines = forms.iter().flat_map(|(form, note)| {
        let fits = form.chars().count() <= column;
        let mut wrapped = wrap(note, width.saturating_sub(column + 2));
        let first = if fits && !wrapped.is_empty() { wrapped.remove(0) } else { String::new() };
        let head = format!("{form:column$}  {first}").trim_end().to_owned();
        std::iter::once(head).chain(wrapped.into_iter().map(move |line| format!("{:column$}  {line}", ""))).collect::<Vec<_>>()
    });
    (lines.collect::<Vec<_>>().join("\n"), 0)
}

/// Breaks text into lines of at most `width` characters, at spaces where it can.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Functions, parse};

    #[test]
    fn only_a_plain_command_is_the_front_ends() {
        let own = |text: &str| Own::from_line(&parse(text.as_bytes(), b"/", &Functions::new()).unwrap().line);
        assert_eq!(own("why"), Some(Own::Why));
        assert_eq!(own("allowed 'docker'"), Some(Own::Allowed(Some("docker".into()))));
        for other in ["why; ls", "why x", "why > x", "X=1 why", "allowed $x", "allowed a b", "$(why)", "why() { :; }; why"] {
            assert_eq!(own(other), None, "{other}");
        }
    }

    #[test]
    fn forms_are_filtered_and_fit_the_terminal() {
        let form = |form: &str, note: &str| AllowedForm { form: form.into(), note: note.into() };
        let forms = [form("docker ps [-a]", "lists containers, running ones or all of them"), form("journalctl -u UNIT", "logs\x1b[2J")];
        assert_eq!(allowed(&forms, None, None), ("docker ps [-a]\tlists containers, running ones or all of them\njournalctl -u UNIT\tlogs\\x1b[2J".into(), 0));
        let (text, _) = allowed(&forms, Some("DOCKER"), Some(40));
        assert_eq!(text, "docker ps [-a]  lists containers,\n                running ones or all of\n                them");
        assert_eq!(allowed(&forms, Some("rm"), Some(80)).1, 1);
    }
}
