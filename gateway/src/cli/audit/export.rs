//! `portcullis audit export`: a folder that can be checked anywhere, by itself.

use super::super::screen::shown;
use super::super::{CliError, Outcome, Screen};
use super::Place;
use anyhow::{Context as _, bail};
use portcullis_model::id::SessionId;
use portcullis_recording::{Register, log, sessions_in};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Copies everything, or the recordings of some sessions.
pub(super) fn run(screen: Screen, place: &Place, dir: &Path, only: &[SessionId]) -> Result<Outcome, CliError> {
    fs::create_dir(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let to = Place::of(dir);
    // the log first: what it says of a recording is on the disk before it says so
    let checkpoint = log::export(&place.audit, &to.audit).context("the audit log cannot be exported")?;
    let mut register = Register::default();
    if let Some(fault) = log::check(&to.audit, to.kept, None, &[], |entry| register.note(entry)).faults.first() {
        tracing::warn!(%fault, "the audit log that is exported is not good");
    }
    fs::create_dir(&to.evidence).with_context(|| format!("cannot make the folder {}", to.evidence.display()))?;
    let there = sessions_in(&place.evidence).with_context(|| format!("cannot read the recordings in {}", place.evidence.display()))?;
    if let Some(missing) = only.iter().find(|session| !there.contains(session)) {
        return Err(anyhow::anyhow!("there is no recording of session {missing}").into());
    }
    let mut copied = 0_u64;
    // those that were let in since are not in the copy of the log
    let wanted = |session: &&SessionId| if only.is_empty() { register.sessions.contains_key(session) } else { only.contains(session) };
    for session in there.iter().filter(wanted) {
        copy(&place.evidence.join(session.as_str()), &to.evidence.join(session.as_str()))?;
        copied += 1;
    }
    let value = json!({ "folder": dir, "recordings": copied, "entries": checkpoint.size, "root": checkpoint.root.to_string() });
    screen.show(&value, |screen| screen.line(&format!("{}: {copied} recordings, {} entries", shown(&dir.display().to_string()), checkpoint.size)))?;
    Ok(Outcome::Done)
}

/// Copies a session's files.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make the folder {}", to.display()))?;
    // one that is sealed meanwhile is copied as what it has become
    while !copied_whole(from, to)? {}
    Ok(())
}

/// Whether no file went while they were copied.
fn copied_whole(from: &Path, to: &Path) -> anyhow::Result<bool> {
    let mut entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?.collect::<std::io::Result<Vec<_>>>()?;
    // the file that was written first: it goes once the pieces are there
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let path = entry.path();
        if !entry.file_type()?.is_file() {
            bail!("{} is not a file", path.display());
        }
        match fs::copy(&path, to.join(entry.file_name())) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            other => drop(other.with_context(|| format!("cannot copy {}", path.display()))?),
        }
    }
    Ok(true)
}
