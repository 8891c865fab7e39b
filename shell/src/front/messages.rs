//! What the operator is told, one line each, on standard error. Nothing that came from outside reaches the terminal as it is.

use crate::client::ExecDenial;
use jiff::Timestamp;
use portcullis_model::bytes::printable;
use portcullis_model::id::AmendmentId;
use portcullis_model::wire::shell::{Notice, Waits};
use std::io::{IsTerminal as _, Write as _};

/// Writes a line to standard error. Whether somebody still reads it is no matter.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Writes text to standard output at once.
pub(crate) fn show(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Text from outside, made harmless.
pub(crate) fn safe(text: &str) -> String {
    printable(text.as_bytes())
}

/// A line that was denied.
pub(crate) fn denial(notice: &Notice) -> String {
    format!("portcullis: denied by {}", reason(notice))
}

/// An exec that was denied.
pub(crate) fn exec_denial(denial: &ExecDenial) -> String {
    let times = if denial.times > 1 { format!(" ({} times)", denial.times) } else { String::new() };
    format!("portcullis: {}{times}: denied by {}", printable(&denial.path), reason(&denial.notice))
}

/// Something that waits for an approval.
pub(crate) fn waits(waits: &Waits) -> String {
    let Waits { line, question, prompt, approvers, until } = waits;
    let what = if line.is_some() { "this line" } else { "a program" };
    let who = if approvers.is_empty() { "the request's approvers".to_owned() } else { safe(&approvers.join(", ")) };
    let until = i64::try_from(until.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let until = until.map_or_else(String::new, |until| format!(" until {} UTC", until.strftime("%Y-%m-%d %H:%M:%S")));
    let way_out = if std::io::stderr().is_terminal() { "; Ctrl-C withdraws it" } else { "" };
    format!("portcullis: {what} waits for an approval: {} (question {question}, put to {who}{until}{way_out})", safe(prompt))
}

/// A proposal that was put to the approvers.
pub(crate) fn put(amendment: &AmendmentId, text: &str) -> String {
    let way_out = if std::io::stderr().is_terminal() { "; Ctrl-C withdraws it" } else { "" };
    format!("portcullis: {} waits for an approver ({amendment}{way_out})", safe(text))
}

fn reason(notice: &Notice) -> String {
    let hint = if notice.denial.hint.is_empty() { String::new() } else { format!("; try: {}", safe(&notice.denial.hint)) };
    format!("{} (rule {}): {}{hint}", safe(&notice.by), safe(&notice.denial.rule), safe(&notice.denial.reason))
}

/// A message of the keeper.
pub(crate) fn message(text: &str) -> String {
    format!("portcullis: {}", safe(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::verdict::Denial;

    #[test]
    fn a_denial_is_one_line_and_cannot_steer_the_terminal() {
        let notice = |hint: &str| Notice {
            by: "INFRA_DIAG@4f2a".into(),
            denial: Denial { rule: "docker-mounts".into(), reason: "mounts of / are not allowed".into(), hint: hint.into() },
        };
        assert_eq!(denial(&notice("docker ps")), "portcullis: denied by INFRA_DIAG@4f2a (rule docker-mounts): mounts of / are not allowed; try: docker ps");
        assert_eq!(denial(&notice("\x1b[2J\n")), "portcullis: denied by INFRA_DIAG@4f2a (rule docker-mounts): mounts of / are not allowed; try: \\x1b[2J\\n");
        assert_eq!(denial(&notice("ls \u{202e}sl")), "portcullis: denied by INFRA_DIAG@4f2a (rule docker-mounts): mounts of / are not allowed; try: ls \\u{202e}sl");
        let exec = ExecDenial { path: b"/usr/bin/\xff".to_vec(), notice: notice(""), times: 3 };
        assert_eq!(exec_denial(&exec), "portcullis: /usr/bin/\\xff (3 times): denied by INFRA_DIAG@4f2a (rule docker-mounts): mounts of / are not allowed");
    }

    #[test]
    fn what_waits_cannot_hide_what_it_is() {
        let waits = waits(&Waits {
            line: Some(1),
            question: portcullis_model::id::QuestionId::from_entropy([7; portcullis_model::id::QuestionId::ENTROPY]),
            prompt: "restart \u{202e}tnega\u{200b}?".into(),
            approvers: vec!["eve\u{2066}\x1b[2K".into()],
            until: portcullis_model::time::UnixMs(0),
        });
        assert!(waits.contains("restart \\u{202e}tnega\\u{200b}? (question q-") && waits.contains("put to eve\\u{2066}\\x1b[2K"), "{waits}");
    }
}
