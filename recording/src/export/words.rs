//! What is decided, in words that fit a line.

use crate::summary::Damage;
use portcullis_model::bytes::printable;
use portcullis_model::event::EventKind;
use portcullis_model::subject::{FileOpKind, Subject};
use portcullis_model::verdict::Denial;

/// Longest label, in characters.
const LABEL_MAX: usize = 200;

/// What an exported film is marked with where this happened; none for what a viewer does not look for.
pub(super) fn label(kind: &EventKind) -> Option<String> {
    let label = match kind {
        EventKind::Allowed { subject: Subject::Line(line), .. } => printable(&line.text),
        EventKind::Allowed { subject: subject @ (Subject::File(_) | Subject::Forward(_)), .. } => what(subject),
        EventKind::Denied { subject, denial, .. } => format!("denied by {}: {}", printable(denial.rule.as_bytes()), what(subject)),
        EventKind::Asked { question, .. } => format!("asked: {}", printable(question.ask.prompt.as_bytes())),
        EventKind::Killed { difference, .. } => format!("killed: {}", printable(difference.as_bytes())),
        _ => return None,
    };
    Some(cut(label))
}

/// A subject.
pub(super) fn what(subject: &Subject) -> String {
    match subject {
        Subject::Line(line) => printable(&line.text),
        Subject::Exec(exec) => {
            let arguments = exec.argv.iter().skip(1).map(|argument| printable(argument));
            std::iter::once(printable(&exec.path)).chain(arguments).collect::<Vec<_>>().join(" ")
        }
        Subject::File(file) => {
            let to = file.to.as_ref().map_or_else(String::new, |to| format!(" to {}", printable(to)));
            format!("{} {}{to}", verb(file.kind), printable(&file.path))
        }
        Subject::Forward(forward) => format!("connect to {}:{}", printable(forward.host.as_bytes()), forward.port),
    }
}

/// Why not.
pub(super) fn why(denial: &Denial) -> String {
    format!("{} (rule {})", printable(denial.reason.as_bytes()), printable(denial.rule.as_bytes()))
}

/// What a recording lacks.
pub(super) fn missing(damage: &Damage) -> String {
    match damage {
        Damage::BadFrame { seq, reason } => format!("frame {seq} is not what was written: {}; what follows it is left out", printable(reason.as_bytes())),
        Damage::Torn { at } => format!("the last frame, at byte {at}, is not whole"),
        Damage::NotClosed => "the session's end is not there: it still runs, or the recording was cut off".to_owned(),
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LABEL_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn verb(kind: FileOpKind) -> &'static str {
    match kind {
        FileOpKind::Read => "read",
        FileOpKind::Write => "write",
        FileOpKind::List => "list",
        FileOpKind::Stat => "look at",
        FileOpKind::Rename => "rename",
        FileOpKind::Remove => "remove",
        FileOpKind::MakeDirectory => "make the folder",
        FileOpKind::SetAttributes => "change the attributes of",
        FileOpKind::Link => "link",
    }
}
