//! Why a module answers as it does, as far as that can be told from outside: what it was shown, what it said, and which of the
//! forms that it allows is nearest.

use super::nearest::distance;
use super::question::Setting;
use crate::fault::Fault;
use crate::module::{Module, Sitting};
use portcullis_model::bytes::printable;
use portcullis_model::subject::Subject;
use portcullis_model::verdict::Verdict;

/// Longest command that forms are compared with, in characters; the rest says little about which was meant.
const COMPARED: usize = 120;
/// How many forms are told.
const FORMS: usize = 3;

/// What a module said about one question.
#[derive(Debug)]
pub struct Explanation {
    /// What it was asked about.
    pub subject: Subject,
    /// Its answer, or why there is none, which is a denial.
    pub answer: Result<Verdict, Fault>,
    /// The forms that it allows and that are nearest, the nearest first; empty for what is allowed.
    pub nearest: Vec<Near>,
}

/// A form that a module allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The form.
    pub form: String,
    /// What the module says about it.
    pub note: String,
    /// How many characters lie between it and what was asked for.
    pub distance: usize,
}

/// Asks a module one question in a session's first moment, and looks for what would have been allowed.
#[must_use]
pub fn explain(module: &Module, setting: &Setting, subject: Subject) -> Explanation {
    let answer = module.judge(&mut Sitting::new(&setting.facts), setting.now, setting.counters, subject.clone());
    let nearest = if matches!(answer, Ok(Verdict::Allow(_))) { Vec::new() } else { nearest(module, &subject) };
    Explanation { subject, answer, nearest }
}

fn nearest(module: &Module, subject: &Subject) -> Vec<Near> {
    let command = match subject {
        Subject::Exec(exec) => {
            let name = exec.argv.first().map_or(&[][..], |name| name.rsplit(|b| *b == b'/').next().unwrap_or_default());
            let words: Vec<&[u8]> = std::iter::once(name).chain(exec.argv.iter().skip(1).map(Vec::as_slice)).collect();
            printable(&words.join(&b' '))
        }
        Subject::Line(line) if line.commands.len() == 1 => printable(&line.text),
        // which of several commands was refused, nobody says but the module
        Subject::Line(_) | Subject::File(_) | Subject::Forward(_) => return Vec::new(),
    };
    let command: String = command.chars().take(COMPARED).collect();
    let first = command.split(' ').next().unwrap_or_default();
    let mut near: Vec<(usize, Near)> = Vec::new();
    for row in &module.info().allowed {
        let form: String = row.form.chars().take(COMPARED).collect();
        // a program of another name is of use only when a slip of the finger may have meant it
        let names = form.split([' ', ',', '|']).map(|name| distance(first, name)).min().unwrap_or(usize::MAX);
        if names > 1 + first.chars().count() / 4 {
            continue;
        }
        let between = distance(&command, &form);
        near.push((names, Near { form: row.form.clone(), note: row.note.clone(), distance: between }));
    }
    near.sort_by_key(|(names, near)| (*names, near.distance));
    near.into_iter().map(|(_, near)| near).take(FORMS).collect()
}
