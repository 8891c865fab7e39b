//! What the controller reads of recordings: the list of commands of a session, and the facts and the end of one
//! that it missed.
//!
//! Reading is bounded in bytes, in commands and in how many read at once; a recording that is longer is told in part, and
//! read whole by who downloads it.

use crate::api::types::{CommandView, PolicyUse, RecordingView};
use crate::domain::actor::UserRole;
use crate::domain::policy::module_id::ModuleId;
use portcullis_model::bytes::printable;
use portcullis_model::event::EventKind;
use portcullis_model::receipt::Receipt;
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::subject::Subject;
use portcullis_model::transfer::{Moved, TransferEnd};
use portcullis_recording::{Body, ReadError, Reader, Source, Tail};
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use tokio::sync::Semaphore;

/// Most bytes of a recording that are read for a list of commands.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most commands of a list.
const COMMANDS_MAX: usize = 10_000;
/// Most changes of the module that judges that are told.
const POLICIES_MAX: usize = 1000;
/// Most characters of one command that are told.
const TEXT_MAX: usize = 4096;

/// Recordings that are read at the same time.
static READERS: Semaphore = Semaphore::const_new(2);

/// Roles that may read recordings: the customer's, the auditor's and the provider's security staff; never operators.
pub(crate) const READ_BY: [UserRole; 3] = [UserRole::Approver, UserRole::Auditor, UserRole::ProviderSecurity];

/// Whether the role may read recordings.
pub(crate) fn may_read(role: UserRole) -> bool {
    READ_BY.contains(&role)
}

/// Opens a recording, closed or not, and says how many bytes it has: regular files, and no symbolic link in their place.
pub(crate) fn open(path: &Path) -> io::Result<(Source, u64)> {
    Source::open(path)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _turn = READERS.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok()
}

/// What a recording says; none when it is not there.
pub(crate) async fn view(path: PathBuf) -> Option<RecordingView> {
    blocking(move || read(&path)).await?
}

/// The facts in a recording's first frame; none when it does not read.
pub(crate) async fn facts(path: PathBuf) -> Option<SessionFacts> {
    blocking(move || {
        let (file, _) = open(&path).ok()?;
        let first = Reader::new(file).ok()?.next()?.ok()?;
        match first.body {
            Body::Event(event) => match event.kind {
                EventKind::Started { facts, .. } => Some(*facts),
                _ => None,
            },
            Body::Output(_) | Body::ErrorOutput(_) | Body::Input(_) => None,
        }
    })
    .await?
}

/// The end in a recording: its receipt, and how the program ended; none when it has no end, or is too long to look.
pub(crate) async fn end(path: PathBuf) -> Option<(Receipt, Option<ExitStatus>)> {
    blocking(move || {
        let (file, bytes) = open(&path).ok()?;
        if bytes > BYTES_MAX {
            return None;
        }
        let (mut receipt, mut exit) = (None, None);
        for frame in Reader::new(file).ok()? {
            let Body::Event(event) = frame.ok()?.body else { continue };
            match event.kind {
                EventKind::Ended(found) => receipt = Some(found),
                EventKind::Exited(found) => exit = Some(found),
                _ => {}
            }
        }
        Some((receipt?, exit))
    })
    .await?
}

fn read(path: &Path) -> Option<RecordingView> {
    let (file, bytes) = match open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(RecordingView { bytes: 0, state: format!("unreadable: {error}"), ended: None, policies: vec![], commands: vec![], truncated: true }),
    };
    let mut view = RecordingView { bytes, state: String::new(), ended: None, policies: vec![], commands: vec![], truncated: bytes > BYTES_MAX };
    view.state = match commands(file.take(BYTES_MAX), &mut view) {
        Ok(_) if view.truncated => "partly read".to_owned(),
        Ok(Some(Tail::Closed)) => "complete".to_owned(),
        Ok(Some(Tail::Open | Tail::Torn { .. }) | None) => "open".to_owned(),
        Err(error) => format!("damaged: {error}"),
    };
    Some(view)
}

fn commands(input: io::Take<Source>, view: &mut RecordingView) -> Result<Option<Tail>, ReadError> {
    let mut reader = Reader::new(input)?;
    let mut places = BTreeMap::new();
    for frame in &mut reader {
        let frame = frame?;
        let Body::Event(event) = frame.body else { continue };
        let (pid, subject, denial) = match event.kind {
            EventKind::Allowed { pid, subject, .. } => (pid, subject, None),
            EventKind::Denied { pid, subject, denial, .. } => (pid, subject, Some(denial)),
            EventKind::Started { policy, .. } | EventKind::PolicyChanged { policy, .. } => {
                if view.policies.len() < POLICIES_MAX {
                    view.policies.push(PolicyUse { since: event.at, digest: policy.map(ModuleId) });
                }
                continue;
            }
            EventKind::Ended(receipt) => {
                view.ended = Some(receipt.cause);
                continue;
            }
            EventKind::Transferred { decision, moved, end } => {
                came_to(view, places.get(&decision), moved_in_words(&moved, end));
                continue;
            }
            EventKind::Tried { decision, address } => {
                came_to(view, places.get(&decision), format!("tried {address}"));
                continue;
            }
            EventKind::Connected { decision, address } => {
                came_to(view, places.get(&decision), format!("connected to {address}"));
                continue;
            }
            _ => continue,
        };
        if view.commands.len() >= COMMANDS_MAX {
            view.truncated = true;
            return Ok(None);
        }
        let allowed = denial.is_none();
        if allowed && matches!(subject, Subject::File(_) | Subject::Forward(_)) {
            places.insert(frame.seq, view.commands.len());
        }
        let (rule, reason) = denial.map_or_else(Default::default, |denial| (denial.rule, denial.reason));
        view.commands.push(CommandView {
            at: event.at,
            kind: subject.noun().to_owned(),
            pid,
            text: text(&subject),
            allowed,
            rule: cut(printable(rule.as_bytes())),
            reason: cut(printable(reason.as_bytes())),
            outcome: String::new(),
        });
    }
    Ok(reader.tail())
}

/// Adds to what came of a command.
fn came_to(view: &mut RecordingView, place: Option<&usize>, what: String) {
    let Some(command) = place.and_then(|place| view.commands.get_mut(*place)) else { return };
    if command.outcome.len() < TEXT_MAX {
        let parts = [std::mem::take(&mut command.outcome), what];
        command.outcome = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    }
}

fn moved_in_words(moved: &Moved, end: TransferEnd) -> String {
    let from = if moved.offset == 0 { String::new() } else { format!(" from byte {}", moved.offset) };
    let digest = moved.sha256.map_or_else(|| "not in order".to_owned(), |digest| format!("SHA-256 {digest}"));
    let end = match end {
        TransferEnd::Closed => "closed",
        TransferEnd::Cut => "cut",
    };
    format!("{} bytes{from}, {digest}, {end}", moved.bytes)
}

fn text(subject: &Subject) -> String {
    cut(match subject {
        Subject::Line(line) => printable(&line.text),
        Subject::Exec(exec) => {
            let arguments = exec.argv.iter().skip(1).map(|argument| printable(argument));
            std::iter::once(printable(&exec.path)).chain(arguments).take(256).collect::<Vec<_>>().join(" ")
        }
        Subject::File(file) => file.in_words(printable),
        Subject::Forward(forward) => format!("{}:{}", printable(forward.host.as_bytes()), forward.port),
    })
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
