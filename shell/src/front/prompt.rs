//! The prompt: `op-7f3a@node1 INFRA_DIAG 58m ~ [126] $ `.

use super::messages::safe;
use crate::edit::screen::Style;
use portcullis_model::bytes::printable;
use portcullis_model::session::SessionFacts;
use portcullis_model::time::UnixMs;
use std::cell::Cell;
use std::rc::Rc;

/// What comes before the lines of a command that goes on.
pub(super) const MORE: &str = "> ";
/// The time that is left is red from here on, and renewed while nothing is typed.
pub(super) const SOON_MS: u64 = 5 * 60_000;

/// The prompt of one line.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    who: String,
    action: String,
    place: String,
    status: i32,
    end: Rc<Cell<UnixMs>>,
}

impl Shown {
    pub(super) fn new(facts: &SessionFacts, end: Rc<Cell<UnixMs>>, cwd: &[u8], home: Option<&[u8]>, status: i32) -> Self {
        Self { who: format!("{}@{}", safe(&facts.account), safe(&facts.target)), action: facts.action.to_string(), place: place(cwd, home), status, end }
    }

    /// The prompt without colours.
    pub(super) fn plain(&self) -> String {
        self.styled().into_iter().map(|(_, text)| text).collect()
    }

    /// The prompt as it is now.
    pub(super) fn styled(&self) -> Vec<(Style, String)> {
        let left = self.left();
        let mut parts = vec![(Style::Green, self.who.clone()), (Style::Yellow, format!(" {}", self.action)), (if left <= SOON_MS { Style::Red } else { Style::Plain }, format!(" {}", short(left))), (Style::Blue, format!(" {} ", self.place))];
        if self.status != 0 {
            parts.push((Style::Red, format!("[{}] ", self.status)));
        }
        parts.push((Style::Plain, "$ ".to_owned()));
        parts
    }

    /// Milliseconds until the session's end.
    pub(super) fn left(&self) -> u64 {
        self.end.get().since(UnixMs::from_system(std::time::SystemTime::now()))
    }
}

/// A span of time in as few characters as can be: `58m`, `2h05m`, `3d4h`.
fn short(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => "<1m".to_owned(),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes:02}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

fn place(cwd: &[u8], home: Option<&[u8]>) -> String {
    match home.filter(|home| home.len() > 1).and_then(|home| cwd.strip_prefix(home)) {
        Some(b"") => "~".to_owned(),
        Some(rest) if rest.starts_with(b"/") => format!("~{}", printable(rest)),
        _ => printable(cwd),
    }
}

#[cfg(test)]
mod tests {
    use super::{place, short};

    #[test]
    fn home_is_a_tilde() {
        let home = Some(b"/home/op".as_slice());
        for (cwd, shown) in [("/home/op", "~"), ("/home/op/x", "~/x"), ("/home/operator", "/home/operator"), ("/", "/"), ("/a\nb", "/a\\nb")] {
            assert_eq!(place(cwd.as_bytes(), home), shown);
        }
        assert_eq!(place(b"/x", Some(b"/")), "/x");
    }

    #[test]
    fn the_time_left_is_short() {
        assert_eq!([short(59_999), short(60_000), short(3_600_000 * 2 + 5 * 60_000), short(86_400_000 * 3 + 4 * 3_600_000)], ["<1m", "1m", "2h05m", "3d4h"]);
    }
}
