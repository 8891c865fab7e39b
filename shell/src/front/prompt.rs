//! The prompt: `op-7f3a@node1 INFRA_DIAG ~ [126] $ `.

use super::messages::safe;
use portcullis_model::bytes::printable;
use portcullis_model::session::SessionFacts;
use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, PromptViMode};
use std::borrow::Cow;

/// What comes before the lines of a command that goes on.
pub(super) const MORE: &str = "> ";

/// The prompt of one line.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    who: String,
    action: String,
    place: String,
    status: i32,
}

impl Shown {
    pub(super) fn new(facts: &SessionFacts, cwd: &[u8], home: Option<&[u8]>, status: i32) -> Self {
        Self { who: format!("{}@{}", safe(&facts.account), safe(&facts.target)), action: facts.action.to_string(), place: place(cwd, home), status }
    }

    /// The prompt without colours.
    pub(super) fn plain(&self) -> String {
        let status = if self.status == 0 { String::new() } else { format!("[{}] ", self.status) };
        format!("{} {} {} {status}$ ", self.who, self.action, self.place)
    }
}

fn place(cwd: &[u8], home: Option<&[u8]>) -> String {
    match home.filter(|home| home.len() > 1).and_then(|home| cwd.strip_prefix(home)) {
        Some(b"") => "~".to_owned(),
        Some(rest) if rest.starts_with(b"/") => format!("~{}", printable(rest)),
        _ => printable(cwd),
    }
}

impl Prompt for Shown {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        let status = if self.status == 0 { String::new() } else { format!("\x1b[31m[{}]\x1b[0m ", self.status) };
        Cow::Owned(format!("\x1b[32m{}\x1b[0m \x1b[33m{}\x1b[0m \x1b[34m{}\x1b[0m {status}", self.who, self.action, self.place))
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(if matches!(mode, PromptEditMode::Vi(PromptViMode::Normal)) { ": " } else { "$ " })
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed(MORE)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = if matches!(search.status, PromptHistorySearchStatus::Failing) { "failing " } else { "" };
        Cow::Owned(format!("({failing}search: {}) ", safe(&search.term)))
    }

    fn get_prompt_color(&self) -> reedline::Color {
        reedline::Color::Default
    }

    fn get_indicator_color(&self) -> reedline::Color {
        reedline::Color::Default
    }

    fn get_prompt_multiline_color(&self) -> reedline::Color {
        reedline::Color::Default
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn home_is_a_tilde() {
        let home = Some(b"/home/op".as_slice());
        for (cwd, shown) in [("/home/op", "~"), ("/home/op/x", "~/x"), ("/home/operator", "/home/operator"), ("/", "/"), ("/a\nb", "/a\\nb")] {
            assert_eq!(place(cwd.as_bytes(), home), shown);
        }
        assert_eq!(place(b"/x", Some(b"/")), "/x");
    }
}
