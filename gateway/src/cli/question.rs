//! `portcullis request questions|question|answer`: what sessions want to do that an approver has to agree to.

use super::api::{Api, As};
use super::request::word;
use super::screen::{Screen, shown, time};
use super::{CliError, Desk, Outcome};
use portcullis_control::api::types::{Page, QuestionState, QuestionView, Why};
use portcullis_model::asking::{AskEnd, Choice};
use portcullis_model::bytes::printable;
use portcullis_model::id::QuestionId;
use portcullis_model::subject::{Exec, Forward, Line, Subject, WordKind};

/// Most characters of what is asked about in a list; all of it is in [`show`].
const BRIEF: usize = 80;

pub(super) async fn list(desk: &Desk, state: Option<String>, limit: u32) -> Result<Outcome, CliError> {
    let names = QuestionState::ALL.map(QuestionState::name);
    let filter = match state {
        Some(state) if names.contains(&state.as_str()) => format!("&state={state}"),
        Some(state) => return Err(CliError::Usage(format!("--state {state:?} is not a state; there are {}", names.join(", ")))),
        None => String::new(),
    };
    let page: Page<QuestionView> = Api::new(desk, As::Auditor)?.get(&format!("/v1/questions?limit={limit}{filter}")).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|question| {
            let what = brief(&text(&question.asked.subject));
            [question.asked.id.to_string(), progress(question), time(question.asked.ask.expiry), question.operator.clone(), question.asked.ask.prompt.clone(), what]
        });
        screen.table(["ID", "STATE", "UNTIL", "OPERATOR", "QUESTION", "ABOUT"], rows.collect())
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn show(desk: &Desk, id: &QuestionId) -> Result<Outcome, CliError> {
    let question: QuestionView = Api::new(desk, As::Auditor)?.get(&format!("/v1/questions/{id}")).await?;
    desk.screen.show(&question, |screen| describe(screen, &question))?;
    Ok(Outcome::Done)
}

pub(super) async fn answer(desk: &Desk, id: &QuestionId, choice: Choice, reason: String) -> Result<Outcome, CliError> {
    let verb = match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
    };
    let question: QuestionView = Api::new(desk, As::Approver)?.post(&format!("/v1/questions/{id}/{verb}"), &Why { reason }).await?;
    desk.screen.show(&question, |screen| screen.line(&shown(&format!("{id}: {}", progress(&question)))))?;
    let as_answered = match choice {
        Choice::Approve => AskEnd::WentOn,
        Choice::Reject => AskEnd::Rejected,
    };
    Ok(if question.end == Some(as_answered) { Outcome::Done } else { Outcome::Failed })
}

/// The beginning of a text, and how much of it is not shown.
fn brief(text: &str) -> String {
    match text.chars().count().saturating_sub(BRIEF) {
        0 => text.to_owned(),
        more => format!("{}… (+{more}: see `request question`)", text.chars().take(BRIEF).collect::<String>()),
    }
}

/// State and outcome in a few words.
fn progress(question: &QuestionView) -> String {
    let answer = question.answer.as_ref().map(|answer| match answer.choice {
        Choice::Approve => format!("approved by {}", answer.by),
        Choice::Reject => format!("rejected by {}", answer.by),
    });
    let end = match question.end {
        None => None,
        Some(AskEnd::Rejected) if answer.is_some() => None,
        Some(AskEnd::WentOn) => Some("went on".to_owned()),
        Some(AskEnd::Void) => Some("did not go on".to_owned()),
        Some(end) => Some(end.name().replace('-', " ")),
    };
    match (answer, end) {
        (Some(answer), Some(end)) => format!("{answer}, {end}"),
        (Some(answer), None) if question.end.is_none() => format!("{answer}, the node has not said what came of it"),
        (Some(answer), None) => answer,
        (None, Some(end)) => end,
        (None, None) if question.state == QuestionState::Over => "lapsed".to_owned(),
        (None, None) => word(&question.state),
    }
}

fn describe(screen: Screen, question: &QuestionView) -> std::io::Result<()> {
    let asked = &question.asked;
    let approvers = if asked.ask.approvers.is_empty() { "the request's approvers".to_owned() } else { asked.ask.approvers.join(", ") };
    screen.fields(&[
        ("question", asked.id.to_string()),
        ("state", progress(question)),
        ("asked", asked.ask.prompt.clone()),
        ("put to", approvers),
        ("until", time(asked.ask.expiry)),
        ("operator", question.operator.clone()),
        ("action", question.action.to_string()),
        ("target", asked.target.clone()),
        ("request", question.request.to_string()),
        ("session", asked.session.to_string()),
        ("policy", asked.policy.to_string()),
        (asked.subject.noun(), text(&asked.subject)),
    ])?;
    if let Subject::Exec(exec) = &asked.subject {
        let parents = exec.parents.iter().map(|name| printable(name)).collect::<Vec<_>>().join(" < ");
        let line = exec.line.as_ref().map_or(String::new(), |line| printable(line));
        let scripts = exec.scripts.iter().map(|path| printable(path)).collect::<Vec<_>>().join(", ");
        screen.fields(&[("program", printable(&exec.path)), ("scripts", scripts), ("directory", printable(&exec.cwd)), ("as user", user(exec.uid, question)), ("started by", parents), ("in the line", line)])?;
    }
    if let Subject::Line(line) = &asked.subject {
        screen.fields(&[("directory", printable(&line.cwd))])?;
        // what the module judged, and what an approval covers; the shell that read it from the text is not trusted
        for command in line.commands.iter().filter(|command| !command.words.is_empty()) {
            let words = command.words.iter().map(|word| if word.kind == WordKind::Literal { quoted(&word.text) } else { format!("<{}>", printable(&word.text)) });
            screen.fields(&[("command", words.collect::<Vec<_>>().join(" "))])?;
        }
    }
    match &question.answer {
        Some(answer) if !answer.comment.is_empty() => screen.line(&shown(&format!("{} said: {}", answer.by, answer.comment))),
        Some(_) | None => Ok(()),
    }
}

/// Whose process it would be.
fn user(uid: u32, question: &QuestionView) -> String {
    match uid {
        0 => "root".to_owned(),
        uid => format!("uid {uid} ({} under {})", question.operator, question.request),
    }
}

/// What is asked about, all of it, so that no two different things look the same.
fn text(subject: &Subject) -> String {
    match subject {
        Subject::Line(Line { text, .. }) => printable(text),
        Subject::Exec(Exec { argv, .. }) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        Subject::File(operation) => operation.in_words(quoted),
        Subject::Forward(Forward { host, port }) => format!("{host}:{port}"),
    }
}

/// A word as a shell would have to be given it.
fn quoted(word: &[u8]) -> String {
    let plain = !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte));
    if plain { printable(word) } else { format!("'{}'", printable(word).replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_arguments_look_different() {
        assert_eq!(quoted(b"a b"), "'a b'");
        assert_eq!(quoted(b""), "''");
        assert_eq!(quoted(b"x=1"), "x=1");
        assert_eq!(quoted(b"it's"), "'it'\\''s'");
        assert_eq!(quoted(b"\x1b[2J"), "'\\x1b[2J'");
    }
}
