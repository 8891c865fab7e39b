//! `portcullis audit verify` and `portcullis session verify`: what is wrong with evidence, first of all the first thing.

use super::super::screen::{shown, time};
use super::super::{CliError, Outcome, Screen};
use super::Place;
use anyhow::Context as _;
use portcullis_model::id::SessionId;
use portcullis_recording::log::{self, Kept, LogCheck, VerifierKey};
use portcullis_recording::{RecordingCheck, Register, Standing, check_all, check_recording};
use serde_json::json;
use std::path::Path;

/// A key as it was typed, or the file that has it.
pub(super) fn key(text: &str) -> Result<VerifierKey, CliError> {
    let read = if text.contains('+') { text.to_owned() } else { std::fs::read_to_string(text).with_context(|| format!("cannot read the key {text}"))? };
    read.parse().map_err(|error| CliError::Usage(format!("{text}: {error}")))
}

/// Checks the log and all recordings.
pub(super) fn all(screen: Screen, place: &Place, expected: Option<&str>, witnesses: &[String]) -> Result<Outcome, CliError> {
    super::readable(&place.audit)?;
    let expected = expected.map(key).transpose()?;
    let witnesses = witnesses.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
    let mut register = Register::default();
    let log = log::check(&place.audit, place.kept, expected.as_ref(), &witnesses, |entry| register.note(entry));
    let mut recordings = Vec::new();
    check_all(&place.evidence, &register, |check| recordings.push(check)).with_context(|| format!("cannot read the recordings in {}", place.evidence.display()))?;
    tell(screen, Some(&log), &recordings)
}

/// Checks one session's recording, by its folder, against the log that lies where an export has it.
pub(crate) fn folder(screen: Screen, folder: &Path, audit: Option<&Path>) -> Result<Outcome, CliError> {
    let folder = folder.canonicalize().with_context(|| format!("cannot use {}", folder.display()))?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let session: SessionId = name.parse().map_err(|error| CliError::Usage(format!("{}: {error}", folder.display())))?;
    let beside = folder.parent().and_then(Path::parent).map(|base| base.join("audit")).filter(|audit| audit.is_dir());
    one(screen, &folder, &session, audit.or(beside.as_deref()).map(|audit| (audit, Kept::Copy)))
}

/// Checks one session's recording.
pub(crate) fn one(screen: Screen, folder: &Path, session: &SessionId, audit: Option<(&Path, Kept)>) -> Result<Outcome, CliError> {
    let mut register = Register::default();
    let log = match audit {
        Some((audit, kept)) => {
            super::readable(audit)?;
            Some(log::check(audit, kept, None, &[], |entry| register.note(entry)))
        }
        None => None,
    };
    let check = check_recording(folder, session, register.sessions.get(session));
    let check = match &log {
        Some(_) if !register.sessions.contains_key(session) => {
            let faults = [vec![portcullis_recording::RecordingFault::Stranger], check.faults].concat();
            RecordingCheck { faults, ..check }
        }
        _ => check,
    };
    tell(screen, log.as_ref(), &[check])
}

fn tell(screen: Screen, log: Option<&LogCheck>, recordings: &[RecordingCheck]) -> Result<Outcome, CliError> {
    let bad = recordings.iter().filter(|check| !check.faults.is_empty()).count();
    let good = bad == 0 && log.is_none_or(|log| log.faults.is_empty());
    let value = json!({
        "good": good,
        "log": log.map(|log| json!({
            "key": log.key.as_ref().map(ToString::to_string),
            "size": log.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
            "root": log.checkpoint.as_ref().map(|checkpoint| checkpoint.root.to_string()),
            "entries": log.entries,
            "witnesses": log.witnesses.iter().map(|(name, at)| json!({ "name": name, "at": at })).collect::<Vec<_>>(),
            "faults": log.faults.iter().map(|fault| json!({ "fault": fault, "text": fault.to_string() })).collect::<Vec<_>>(),
        })),
        "recordings": recordings.iter().map(|check| json!({
            "session": check.session,
            "standing": check.standing,
            "frames": check.frames,
            "bytes": check.bytes,
            "head": check.head,
            "faults": check.faults.iter().map(|fault| json!({ "fault": fault, "text": fault.to_string() })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    screen.show(&value, |screen| {
        match log {
            Some(log) => tell_log(screen, log)?,
            None => screen.line("log: none here; the recording is checked by itself, which finds no recording that was made anew")?,
        }
        for check in recordings {
            tell_recording(screen, check)?;
        }
        let total = recordings.len();
        screen.line(&if good { format!("good: {total} recordings") } else { format!("NOT GOOD: {bad} of {total} recordings") })
    })?;
    Ok(if good { Outcome::Done } else { Outcome::Failed })
}

fn tell_log(screen: Screen, log: &LogCheck) -> std::io::Result<()> {
    if let (Some(key), Some(checkpoint)) = (&log.key, &log.checkpoint) {
        screen.line(&format!("log: {} entries, {} signed, root {}", log.entries, checkpoint.size, checkpoint.root))?;
        screen.line(&format!("key: {}", shown(&key.to_string())))?;
    }
    for (name, at) in &log.witnesses {
        screen.line(&format!("witness: {} at {}", shown(name), time(*at)))?;
    }
    log.faults.iter().try_for_each(|fault| screen.line(&format!("log: BAD: {}", shown(&fault.to_string()))))
}

fn tell_recording(screen: Screen, check: &RecordingCheck) -> std::io::Result<()> {
    let standing = match &check.standing {
        Standing::Sealed => "sealed".to_owned(),
        Standing::Closed => "closed, not sealed yet".to_owned(),
        Standing::Open => "not closed: the session runs, or its end is missing".to_owned(),
        Standing::None(why) => format!("no recording: {why}"),
    };
    let verdict = if check.faults.is_empty() { "good" } else { "BAD" };
    screen.line(&format!("{}: {verdict}, {}, {} frames, {} bytes", check.session, shown(&standing), check.frames, check.bytes))?;
    check.faults.iter().try_for_each(|fault| screen.line(&format!("{}: {}", check.session, shown(&fault.to_string()))))
}
