//! Commands of the front end itself. `why` and `allowed` are answered from what the shell was told already, `request` by the
//! controller; nothing runs, so no policy is asked.

use super::allowed::allowed;
use super::messages::{safe, say, show};
use super::request::{self, Asked};
use super::{Front, FrontError, INTERRUPTED};
use crate::client::Wished;
use crate::terminal::Terminal;
use jiff::Timestamp;
use portcullis_model::bytes::printable;
use portcullis_model::subject::{Command, CommandKind, Line, WordKind};
use portcullis_model::wire::judge::ModuleInfo;
use portcullis_model::wire::shell::Notice;
use std::fmt::Write as _;

/// The names of the front end's own commands.
pub(super) const NAMES: &[&str] = &["allowed", "request", "why"];

/// A command of the front end itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// `why`
    Why,
    /// `allowed [WORD]`
    Allowed(Option<String>),
    /// `request ...`
    Request(Asked),
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
        // a question mark in a sentence is no pattern that anybody expands
        let sentence = command.words.first().is_some_and(|word| word.kind == WordKind::Literal && word.text == b"request");
        let is_known = |kind: WordKind| kind == WordKind::Literal || (sentence && kind == WordKind::Pattern);
        let words: Option<Vec<&str>> = command.words.iter().map(|word| if is_known(word.kind) { std::str::from_utf8(&word.text).ok() } else { None }).collect();
        match words?.as_slice() {
            ["why"] if plain => Some(Self::Why),
            ["request", words @ ..] if plain => Some(Self::Request(request::asked(words))),
            ["allowed"] if plain => Some(Self::Allowed(None)),
            ["allowed", word] if plain => Some(Self::Allowed(Some((*word).to_owned()))),
            _ => None,
        }
    }
}

impl Front {
    /// Runs one; returns its status.
    pub(super) fn own(&mut self, own: &Own, terminal: Option<&Terminal>) -> Result<u8, FrontError> {
        let (text, status) = match own {
            Own::Request(Asked::Wish(wish)) => match self.keeper.wish(wish.clone(), &self.interrupts)? {
                Wished::Done(text) => (text.lines().map(safe).collect::<Vec<_>>().join("\n"), 0),
                Wished::Refused(why) => (format!("request: {}", safe(&why)), 1),
                Wished::Withdrawn => ("request: withdrawn, unless an approver was faster".to_owned(), INTERRUPTED),
                Wished::GivenUp => ("request: given up; what was sent may have been done".to_owned(), INTERRUPTED),
            },
            Own::Request(Asked::Help) => (request::HELP.to_owned(), 0),
            Own::Request(Asked::Wrong(why)) => (format!("request: {why}; 'request help' says more"), 2),
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
        Ok(status)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Functions, parse};
    use portcullis_model::wish::Wish;

    #[test]
    fn only_a_plain_command_is_the_front_ends() {
        let own = |text: &str| Own::from_line(&parse(text.as_bytes(), b"/", &Functions::new()).unwrap().line);
        assert_eq!(own("why"), Some(Own::Why));
        assert_eq!(own("allowed 'docker'"), Some(Own::Allowed(Some("docker".into()))));
        assert!(matches!(own("request close 'disk 3' replaced"), Some(Own::Request(Asked::Wish(_)))));
        assert!(matches!(own("request message is it that [a-z] one?"), Some(Own::Request(Asked::Wish(Wish::Message { text }))) if text == "is it that [a-z] one?"));
        assert!(matches!(own("request close"), Some(Own::Request(Asked::Wrong(_)))));
        for other in ["request; ls", "request close $x", "why; ls", "why x", "why > x", "X=1 why", "allowed $x", "allowed a b", "$(why)", "why() { :; }; why"] {
            assert_eq!(own(other), None, "{other}");
        }
    }
}
