//! `portcullis audit ...`: the node's audit log, read and checked where it lies, or in an export of it.
//!
//! Nothing here asks the controller: what is evidence is checked from its files alone.

mod export;
mod told;
pub(super) mod verify;
mod witness;

use super::screen::{shown, time};
use super::{CliError, Desk, Outcome, Screen};
use anyhow::Context as _;
use portcullis_recording::log::Kept;
use clap::Subcommand;
use portcullis_model::audit::AuditEntry;
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use portcullis_recording::log::Pages;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the newest entries
    Tail {
        /// So many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Go on with what comes
        #[arg(long)]
        follow: bool,
    },
    /// Show the entries that fit
    Search {
        /// About this session
        #[arg(long)]
        session: Option<SessionId>,
        /// Of this kind, such as session-admitted
        #[arg(long)]
        kind: Option<String>,
        /// With this text, in any of its fields
        #[arg(long)]
        text: Option<String>,
        /// Not older than so many seconds
        #[arg(long, value_name = "SECONDS")]
        within: Option<u64>,
        /// In this export instead of this node's log
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
    },
    /// Copy the log and recordings into a new folder, to be checked anywhere
    Export {
        dir: PathBuf,
        /// Only these sessions' recordings; the log is always whole
        #[arg(long)]
        session: Vec<SessionId>,
    },
    /// Check the log, and every recording against it
    Verify {
        /// This export instead of this node's evidence
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
        /// The log's key, known from elsewhere: NAME+ID+KEY, or a file with it
        #[arg(long)]
        key: Option<String>,
        /// The key of a witness that has to have signed the checkpoint; may be repeated
        #[arg(long)]
        witness: Vec<String>,
    },
    /// Check an export of another node's log and sign its checkpoint as a witness
    Cosign {
        dir: PathBuf,
        /// The witness' own key: audit.key in the folder of its warden
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// What is done without a configuration; everything else is handed back.
pub(super) fn local(screen: Screen, verb: Verb) -> ControlFlow<Result<Outcome, CliError>, Verb> {
    match verb {
        Verb::Verify { export: Some(dir), key, witness } => ControlFlow::Break(verify::all(screen, &Place::of(&dir), key.as_deref(), &witness)),
        Verb::Search { session, kind, text, within, export: Some(dir) } => {
            ControlFlow::Break(search(screen, &Place::of(&dir), &Wanted { session, kind, text, within }))
        }
        Verb::Cosign { dir, key } => ControlFlow::Break(witness::cosign(screen, &dir, &key)),
        other => ControlFlow::Continue(other),
    }
}

/// Where a node's evidence lies: below its data folder, or in an export.
pub(super) struct Place {
    pub(super) audit: PathBuf,
    pub(super) evidence: PathBuf,
    pub(super) kept: Kept,
}

impl Place {
    pub(super) fn of(dir: &Path) -> Self {
        Self { audit: dir.join("audit"), evidence: dir.join("evidence"), kept: Kept::Copy }
    }
}

struct Wanted {
    session: Option<SessionId>,
    kind: Option<String>,
    text: Option<String>,
    within: Option<u64>,
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    let place = Place { audit: desk.layout.audit(), evidence: desk.layout.evidence(), kept: Kept::Node };
    match verb {
        Verb::Tail { lines, follow } => tail(desk.screen, &place, lines, follow).await,
        Verb::Search { session, kind, text, within, .. } => search(desk.screen, &place, &Wanted { session, kind, text, within }),
        Verb::Export { dir, session } => export::run(desk.screen, &place, &dir, &session),
        Verb::Verify { key, witness, .. } => verify::all(desk.screen, &place, key.as_deref(), &witness),
        Verb::Cosign { dir, key } => witness::cosign(desk.screen, &dir, &key),
    }
}

/// One entry, as a line of a table or one of JSON.
fn line(screen: Screen, entry: &AuditEntry) -> std::io::Result<()> {
    if screen.is_json() {
        return screen.line(&serde_json::to_string(entry)?);
    }
    let session = entry.event.session().map_or_else(|| "-".to_owned(), ToString::to_string);
    screen.line(&format!("{}\t{}\t{}\t{session}\t{}", entry.number, time(entry.at), entry.event.name(), shown(&told::told(&entry.event))))
}

fn entries(audit: &Path, from: u64) -> Result<(Vec<AuditEntry>, u64), CliError> {
    let mut next = from;
    let mut all = Vec::new();
    for page in Pages::from(audit, from) {
        let page = page.context("the audit log cannot be read")?;
        if page.number >= from {
            next = page.number + 1;
            all.push(serde_json::from_slice(&page.bytes).with_context(|| format!("entry {} cannot be read", page.number))?);
        }
    }
    Ok((all, next))
}

async fn tail(screen: Screen, place: &Place, lines: usize, follow: bool) -> Result<Outcome, CliError> {
    readable(&place.audit)?;
    let count = Pages::of(&place.audit).filter(Result::is_ok).count() as u64;
    let (found, mut next) = entries(&place.audit, count.saturating_sub(lines as u64))?;
    found.iter().try_for_each(|entry| line(screen, entry))?;
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    if !follow {
        return Ok(Outcome::Done);
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = &mut interrupt => return Ok(Outcome::Done),
        }
        let (found, after) = entries(&place.audit, next)?;
        next = after;
        found.iter().try_for_each(|entry| line(screen, entry))?;
    }
}

fn search(screen: Screen, place: &Place, wanted: &Wanted) -> Result<Outcome, CliError> {
    readable(&place.audit)?;
    let since = wanted.within.map(|seconds| UnixMs::from_system(std::time::SystemTime::now()).0.saturating_sub(seconds.saturating_mul(1000)));
    for page in Pages::of(&place.audit) {
        let page = page.context("the audit log cannot be read")?;
        if wanted.text.as_ref().is_some_and(|text| !String::from_utf8_lossy(&page.bytes).contains(text.as_str())) {
            continue;
        }
        let entry: AuditEntry = serde_json::from_slice(&page.bytes).with_context(|| format!("entry {} cannot be read", page.number))?;
        let fits = wanted.session.as_ref().is_none_or(|session| entry.event.session() == Some(session))
            && wanted.kind.as_ref().is_none_or(|kind| entry.event.name() == kind)
            && since.is_none_or(|since| entry.at.0 >= since);
        if fits {
            line(screen, &entry)?;
        }
    }
    Ok(Outcome::Done)
}

/// A log that is not there is not one without entries.
fn readable(audit: &Path) -> Result<(), CliError> {
    std::fs::read_dir(audit).with_context(|| format!("cannot read the audit log in {}", audit.display()))?;
    Ok(())
}
