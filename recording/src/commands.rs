//! The list of what was asked for in a session: lines, execs and the rest, each with its decision and what became of it.

use crate::reader::{Body, ReadError, Reader};
use crate::summary::Damage;
use portcullis_model::decision::Authority;
use portcullis_model::event::EventKind;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::transfer::{Moved, TransferEnd};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// One thing that a session wanted to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The decision's number in the recording.
    pub seq: u64,
    /// Time since the recording began.
    pub elapsed: Duration,
    /// The wall clock.
    pub at: UnixMs,
    /// The process that asked, on the node; 0 for a line.
    pub pid: u32,
    /// What it wanted.
    pub subject: Subject,
    /// The decision.
    pub verdict: Verdict,
    /// On whose authority.
    pub authority: Authority,
    /// What became of it; none while nothing did.
    pub outcome: Option<Outcome>,
}

/// A decision, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It could go on.
    Allowed,
    /// It could not.
    Denied {
        /// the rule's name
        rule: String,
        /// why
        reason: String,
    },
}

/// What became of something allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The kernel loaded the image that was allowed.
    Verified,
    /// It did not happen: the kernel refused it, or its caller died.
    Lapsed,
    /// The kernel had loaded something else; the process was killed before its first instruction.
    Killed(String),
    /// The line was done, with this status.
    Done(i32),
    /// The file was read, or written.
    Transferred {
        /// how much of it
        moved: Moved,
        /// whether to its end
        end: TransferEnd,
    },
    /// The connection stood, to this address.
    Connected(std::net::SocketAddr),
    /// None of these addresses answered.
    Tried(Vec<std::net::SocketAddr>),
}

/// What was asked for in a session, as far as its recording can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commands {
    /// In order.
    pub list: Vec<Command>,
    /// What the recording lacks, and the list with it.
    pub damage: Option<Damage>,
}

/// Reads what was asked for, in order, from the recording at `path`. The list grows with the session; an exec takes about a
/// kilobyte.
///
/// # Errors
/// [`ReadError`], when the file is not a recording of a known version or cannot be read.
pub fn commands(path: &Path) -> Result<Commands, ReadError> {
    let mut reader = Reader::open(path)?;
    let mut list: Vec<Command> = Vec::new();
    let mut damage = None;
    let mut places = BTreeMap::new();
    let mut line = None;
    for frame in &mut reader {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                damage = Some(Damage::from_error(error)?);
                break;
            }
        };
        let Body::Event(event) = frame.body else { continue };
        let mut resolve = |place: Option<usize>, outcome| {
            if let Some(command) = place.and_then(|place| list.get_mut(place)) {
                command.outcome = Some(outcome);
            }
        };
        let (pid, subject, verdict, authority) = match event.kind {
            EventKind::Allowed { pid, subject, authority, .. } => (pid, subject, Verdict::Allowed, authority),
            EventKind::Denied { pid, subject, denial, authority } => {
                (pid, subject, Verdict::Denied { rule: denial.rule, reason: denial.reason }, authority)
            }
            EventKind::Verified { decision, .. } => {
                resolve(places.remove(&decision), Outcome::Verified);
                continue;
            }
            EventKind::Lapsed { decision, .. } => {
                resolve(places.remove(&decision), Outcome::Lapsed);
                continue;
            }
            EventKind::Killed { decision, difference, .. } => {
                resolve(decision.and_then(|decision| places.remove(&decision)), Outcome::Killed(difference));
                continue;
            }
            EventKind::Transferred { decision, moved, end } => {
                resolve(places.remove(&decision), Outcome::Transferred { moved, end });
                continue;
            }
            EventKind::Connected { decision, address } => {
                resolve(places.remove(&decision), Outcome::Connected(address));
                continue;
            }
            EventKind::Tried { decision, address } => {
                if let Some(command) = places.get(&decision).and_then(|place| list.get_mut(*place)) {
                    match &mut command.outcome {
                        Some(Outcome::Tried(addresses)) => addresses.push(address),
                        outcome => *outcome = Some(Outcome::Tried(vec![address])),
                    }
                }
                continue;
            }
            EventKind::LineDone { status } => {
                resolve(line.take(), Outcome::Done(status));
                continue;
            }
            EventKind::Started { .. }
            | EventKind::Asked { .. }
            | EventKind::Answered { .. }
            | EventKind::Wished(_)
            | EventKind::Noted(_)
            | EventKind::Alert(_)
            | EventKind::Extended { .. }
            | EventKind::Resized(_)
            | EventKind::Masked { .. }
            | EventKind::Carried { .. }
            | EventKind::Judge { .. }
            | EventKind::PolicyChanged { .. }
            | EventKind::Signalled { .. }
            | EventKind::Exited(_)
            | EventKind::Ended(_) => continue,
        };
        if verdict == Verdict::Allowed {
            match subject {
                Subject::Line(_) => line = Some(list.len()),
                Subject::Exec(_) | Subject::File(_) | Subject::Forward(_) => drop(places.insert(frame.seq, list.len())),
            }
        }
        list.push(Command { seq: frame.seq, elapsed: frame.elapsed, at: frame.at, pid, subject, verdict, authority, outcome: None });
    }
    let damage = damage.or_else(|| reader.tail().and_then(Damage::from_tail));
    Ok(Commands { list, damage })
}
