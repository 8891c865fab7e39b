//! `portcullis alert list`: what sessions did that their lines do not explain.

use super::api::{Api, As};
use super::screen::time;
use super::{CliError, Desk, Outcome};
use crate::config::duration;
use clap::Subcommand;
use portcullis_control::api::types::{AlertView, Page};
use portcullis_model::alert::Ancestor;
use portcullis_model::bytes::printable;
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use std::time::{Duration, SystemTime};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List alerts, newest first
    List {
        /// Only those of this session
        #[arg(long)]
        session: Option<SessionId>,
        /// Only those that were heard in so much time, as in 1h
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        since: Option<Duration>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    let Verb::List { session, since, limit } = verb;
    let session = session.map_or(String::new(), |session| format!("&session={session}"));
    let now = UnixMs::from_system(SystemTime::now()).0;
    let since = since.map_or(String::new(), |since| format!("&since={}", now.saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))));
    let page: Page<AlertView> = Api::new(desk, As::Auditor)?.get(&format!("/v1/alerts?limit={limit}{session}{since}")).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|view| {
            let alert = &view.alert;
            [time(alert.at), alert.kind.name().to_owned(), view.operator.clone(), alert.session.to_string(), what(view), chain(&alert.chain), said(view)]
        });
        screen.table(["TIME", "ALERT", "OPERATOR", "SESSION", "WHAT", "CALLED BY", "WHY"], rows.collect())
    })?;
    Ok(Outcome::Done)
}

/// What an alert is about.
fn what(view: &AlertView) -> String {
    view.alert.exec.as_ref().map_or(String::new(), |exec| {
        let arguments = exec.argv.iter().skip(1).map(|word| printable(word));
        std::iter::once(printable(&exec.path)).chain(arguments).collect::<Vec<_>>().join(" ")
    })
}

fn chain(chain: &[Ancestor]) -> String {
    let one = |ancestor: &Ancestor| {
        let words = ancestor.argv.iter().map(|word| printable(word)).collect::<Vec<_>>().join(" ");
        format!("{} {}", ancestor.pid, if words.is_empty() { printable(&ancestor.exe) } else { words })
    };
    chain.iter().map(one).collect::<Vec<_>>().join(" < ")
}

fn said(view: &AlertView) -> String {
    match view.alert.suppressed {
        0 => view.text.clone(),
        count => format!("{} ({count} more before it are not told)", view.text),
    }
}

/// An alert in one line.
pub(super) fn line(view: &AlertView) -> String {
    format!("alert {}  {}: {}, called by {}: {}", time(view.alert.at), view.alert.kind.name(), what(view), chain(&view.alert.chain), said(view))
}
