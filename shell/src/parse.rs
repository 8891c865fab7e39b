//! Text to [`Line`]: what bash would run, found without running it. Pure: no I/O.
//!
//! There is one parser (brush-parser, bash's grammar) and no early answer: every simple command of the text is listed,
//! also those in substitutions, groups, loops, conditionals, functions, here-documents, arithmetic and in the literal
//! text that `eval` and `trap` are given. Whatever is not understood is refused, and so is whatever would make the engine
//! read later lines in another way than they are judged ([`engine_rule`]). Before anything is parsed, [`caps`] bounds it.
//!
//! Limits. What a word becomes is known only for literal ones; `eval "$x"` and `source` run what nobody has seen here.
//! The parser is not bash's own: where the two disagree, the line is judged as something it is not, or refused although it
//! is bash (a `case` with bare patterns inside `$(..)`, extglob outside of it). Neither matters to
//! the boundary: each exec that follows is judged again, by what the kernel is asked to run.

mod ansi_c;
mod builtins;
mod caps;
mod deadline;
mod engine_rule;
mod text;
mod units;
mod walk;
mod word;

pub use builtins::is_builtin;
pub use deadline::Deadlined;
pub use units::{Collector, joined, units};
pub(crate) use builtins::all as all_builtins;
pub(crate) use engine_rule::is_plain_locale;

use brush_parser::{ParseError, Parser, ParserOptions};
use portcullis_model::subject::Line;
use portcullis_model::verdict::Denial;
use std::collections::BTreeSet;

/// Names of functions that earlier lines defined.
pub type Functions = BTreeSet<Vec<u8>>;

/// A line and what it does to the functions that later lines may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The line.
    pub line: Line,
    /// Whether there is nothing in it that could run: blanks and comments. A line without commands may be arithmetic.
    pub blank: bool,
    /// Functions that it defines.
    pub defines: Functions,
    /// Functions that it removes by name.
    pub removes: Functions,
}

/// Why there is no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The text ends in the middle of something: more may make it whole.
    #[error("{message}")]
    Incomplete {
        /// the parser's words
        message: String,
        /// what has to come
        wants: Wants,
    },
    /// It is refused by one of the shell's own rules.
    #[error("{}", .0.reason)]
    Denied(Denial),
}

/// What an incomplete text waits for: a line without it cannot complete the text, so that nothing is parsed in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// A line that contains this character.
    Char(char),
    /// A line that is this word, leading tabs aside: the end of a here-document.
    Line(Vec<String>),
    /// Anything.
    Anything,
}

impl Wants {
    /// Whether `line` could complete the text.
    #[must_use]
    pub fn may_end_with(&self, line: &[u8]) -> bool {
        match self {
            Self::Char(c) => line.contains(&u8::try_from(*c).unwrap_or(b'\n')),
            Self::Line(tags) => {
                let line = String::from_utf8_lossy(line);
                tags.iter().any(|tag| line.trim_start_matches('\t').trim_end_matches('\n').contains(tag.as_str()))
            }
            Self::Anything => true,
        }
    }
}

pub(crate) fn denied(rule: &str, reason: impl Into<String>) -> Refused {
    Refused::Denied(Denial { rule: rule.to_owned(), reason: reason.into(), hint: String::new() })
}

/// The options that parser and engine agree on: bash without extglob and POSIX mode.
pub(crate) fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

pub(crate) fn program(source: &str) -> Result<brush_parser::ast::Program, Refused> {
    let parsed = |source: &str| Parser::new(source.as_bytes(), &options()).parse_program();
    parsed(source).or_else(|error| without_select(source).map_or(Err(error), |source| parsed(&source))).map_err(|error| match refused(&error) {
        Refused::Incomplete { .. } if closes_too_much(source) => denied("syntax", "the line closes what it did not open"),
        refused => refused,
    })
}

/// The text with each reserved `select` as a `for` of the same length, which the parser knows: what runs in it, and what it
/// sets, are the same. None when there is none.
fn without_select(source: &str) -> Option<String> {
    let tokens = brush_parser::tokenize_str(source).ok()?;
    let mut text: Vec<char> = source.chars().collect();
    let (mut begins, mut any) = (true, false);
    for token in &tokens {
        match token {
            brush_parser::Token::Operator(operator, _) => begins = operator != "<" && operator != ">",
            brush_parser::Token::Word(word, place) => {
                if begins && word == "select" {
                    text.splice(place.start.index..place.start.index + 6, "for   ".chars());
                    any = true;
                }
                begins = begins && matches!(word.as_str(), "{" | "if" | "while" | "until" | "then" | "else" | "elif" | "do" | "!" | "time");
            }
        }
    }
    any.then(|| text.into_iter().collect())
}

/// Whether a reserved word that closes something stands where a command begins, and nothing is open: to the parser this
/// looks as if more might come.
fn closes_too_much(source: &str) -> bool {
    let Ok(tokens) = brush_parser::tokenize_str(source) else { return false };
    let (mut open, mut begins) = (0_usize, true);
    for token in &tokens {
        let word = match token {
            brush_parser::Token::Operator(operator, _) => {
                begins = operator != "<" && operator != ">";
                continue;
            }
            brush_parser::Token::Word(word, _) => word.as_str(),
        };
        let reserved = begins;
        begins = false;
        match word {
            "{" => (open, begins) = (open + 1, true),
            "if" | "while" | "until" if reserved => (open, begins) = (open + 1, true),
            "for" | "case" | "select" if reserved => open += 1,
            "then" | "else" | "elif" | "do" | "fi" | "done" | "esac" | "}" if reserved && open == 0 => return true,
            "then" | "else" | "elif" | "do" | "!" | "time" if reserved => begins = true,
            "fi" | "done" | "esac" | "}" if reserved => open -= 1,
            _ => {}
        }
    }
    false
}

fn refused(error: &ParseError) -> Refused {
    let message = error.to_string();
    let wants = match error {
        ParseError::ParsingAtEndOfInput => Wants::Anything,
        ParseError::Tokenizing { inner, .. } if inner.is_incomplete() => wants(&inner.to_string()),
        ParseError::ParsingNear(_) | ParseError::Tokenizing { .. } => return denied("syntax", message),
    };
    Refused::Incomplete { message, wants }
}

/// The parser's error type does not say what it waits for other than in words.
fn wants(message: &str) -> Wants {
    let tags = message.split_once("tag(s) [").and_then(|(_, rest)| rest.split_once("] found")).map(|(tags, _)| tags);
    match tags {
        Some(tags) => Wants::Line(tags.split(", ").map(|tag| tag.trim_matches(|c: char| c == '"' || c == '\'' || c == '\\' || c.is_whitespace()).to_owned()).collect()),
        None if message.contains("single quote") => Wants::Char('\''),
        None if message.contains("double quote") => Wants::Char('"'),
        None if message.contains("backquote") => Wants::Char('`'),
        None => Wants::Anything,
    }
}

/// Parses `text`, which would run in `cwd`.
///
/// # Errors
/// [`Refused`] when it is over a cap, is not bash, ends too early or breaks a rule of the shell's own.
pub fn parse(text: &[u8], cwd: &[u8], functions: &Functions) -> Result<Parsed, Refused> {
    caps::check(text)?;
    let source = text::to_source(text)?;
    if trailing_backslash(&source) {
        return Err(Refused::Incomplete { message: "the line goes on after its last backslash".to_owned(), wants: Wants::Anything });
    }
    let program = program(&source)?;
    let mut walk = walk::Walk::new(functions, &source);
    walk.program(&program)?;
    let blank = program.complete_commands.is_empty();
    let walk::Walk { commands, defines, removes, .. } = walk;
    Ok(Parsed { line: Line { text: text.to_vec(), commands, cwd: cwd.to_vec() }, blank, defines, removes })
}

/// Whether a backslash that nothing escapes is the last character, newlines after it aside: bash would go on reading.
fn trailing_backslash(source: &str) -> bool {
    let body = source.strip_suffix('\n').unwrap_or(source);
    (body.len() - body.trim_end_matches('\\').len()) % 2 == 1
}

#[cfg(test)]
mod tests;
