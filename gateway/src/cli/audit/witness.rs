//! `portcullis audit cosign`: another node signs what this one's log says, so that a second history of it would be found.
//!
//! A witness remembers, for each log, the largest checkpoint that it has signed, and signs one only that contains it.

use super::super::screen::shown;
use super::super::{CliError, Outcome, Screen};
use super::Place;
use anyhow::{Context as _, bail, ensure};
use portcullis_model::digest::Digest;
use portcullis_model::time::UnixMs;
use portcullis_recording::log::{self, CHECKPOINT, Kept, LogKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a witness has signed last of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// The log's key.
    key: String,
    size: u64,
    root: Digest,
}

/// Checks the log in an export and adds the witness' signature to its checkpoint.
pub(super) fn cosign(screen: Screen, dir: &Path, key: &Path) -> Result<Outcome, CliError> {
    let signed = sign(&Place::of(dir).audit, key)?;
    let value = json!({ "origin": signed.0, "size": signed.1, "witness": signed.2 });
    screen.show(&value, |screen| screen.line(&format!("{}: {} entries, cosigned; the witness' key is {}", shown(&signed.0), signed.1, shown(&signed.2))))?;
    Ok(Outcome::Done)
}

fn sign(audit: &Path, key: &Path) -> anyhow::Result<(String, u64, String)> {
    let secret = fs::read_to_string(key).with_context(|| format!("cannot read the witness' key {}", key.display()))?;
    let witness = LogKey::from_secret(&secret).with_context(|| format!("{} is no witness' key", key.display()))?;
    let found = log::check(audit, Kept::Copy, None, &[], |_| ());
    if let Some(fault) = found.faults.first() {
        bail!("the log is not signed: {fault}");
    }
    let checkpoint = found.checkpoint.context("there is no checkpoint")?;
    let log = found.key.context("the log has no key")?;
    ensure!(checkpoint.origin != witness.name(), "{} is its own log: a witness is another node", checkpoint.origin);
    let memory = memory(key);
    let mut seen = remembered(&memory)?;
    if let Some(before) = seen.get(&checkpoint.origin) {
        ensure!(before.key == log.to_string(), "{} had the key {} when it was signed before, and has {} now", checkpoint.origin, before.key, log);
        ensure!(before.size <= checkpoint.size, "{} had {} entries when it was signed before, and has {} now", checkpoint.origin, before.size, checkpoint.size);
        let root = log::root_at(audit, before.size)?;
        ensure!(root == Some(before.root), "{} is another history: its first {} entries are not those that were signed before", checkpoint.origin, before.size);
    }
    // first what is remembered: a signature that is forgotten could be given to another history
    seen.insert(checkpoint.origin.clone(), Seen { key: log.to_string(), size: checkpoint.size, root: checkpoint.root });
    replace(&memory, serde_json::to_string_pretty(&seen)?.as_bytes())?;
    let path = audit.join(CHECKPOINT);
    let note = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // exactly what was checked, whatever lies there by now
    ensure!(log::open_checkpoint(&note, &log).is_ok_and(|now| now == checkpoint), "{} has changed while it was checked", path.display());
    replace(&path, log::cosign(&note, &witness, UnixMs::from_system(SystemTime::now()))?.as_bytes())?;
    Ok((checkpoint.origin, checkpoint.size, witness.witness().to_string()))
}

fn memory(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".witnessed");
    PathBuf::from(name)
}

fn remembered(path: &Path) -> anyhow::Result<BTreeMap<String, Seen>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read what was signed before, {}", path.display())),
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} does not say what was signed before", path.display())),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let write = || -> std::io::Result<()> {
        // in a folder of somebody else's: whatever lies there under this name is not written through
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::File::options().write(true).create_new(true).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::audit::AuditEvent;
    use portcullis_model::boot::BootId;
    use portcullis_recording::log::Book;

    /// An export of a log whose entries say `text`.
    fn exported(folder: &Path, text: &str, count: u64) -> PathBuf {
        let live = tempfile::tempdir().unwrap();
        let (mut book, _) = Book::open(live.path(), LogKey::new("portcullis/node1", [1; 32]).unwrap(), BootId([1; 16]), None).unwrap();
        for n in 0..count {
            book.append(AuditEvent::Alert { session: None, rule: "test".into(), detail: format!("{text} {n}") }).unwrap();
        }
        book.commit().unwrap();
        book.checkpoint().unwrap();
        let to = folder.join(format!("{text}{count}/audit"));
        log::export(live.path(), &to).unwrap();
        to
    }

    #[test]
    fn a_witness_signs_what_grows_and_no_other_history() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("audit.key");
        let witness = LogKey::new("portcullis/node2", [2; 32]).unwrap();
        fs::write(&key, witness.to_secret()).unwrap();
        let first = exported(folder.path(), "a", 3);
        sign(&first, &key).unwrap();
        assert_eq!(log::check(&first, Kept::Copy, None, &[witness.verifier()], |_| ()).faults, []);
        // the entries' times are not those of the first export: another history of the same length, and a shorter one
        let error = sign(&exported(folder.path(), "b", 3), &key).unwrap_err();
        assert!(error.to_string().contains("another history"), "{error}");
        let error = sign(&exported(folder.path(), "c", 2), &key).unwrap_err();
        assert!(error.to_string().contains("had 3 entries"), "{error}");
        sign(&first, &key).unwrap();
        let own = folder.path().join("own.key");
        fs::write(&own, LogKey::new("portcullis/node1", [1; 32]).unwrap().to_secret()).unwrap();
        assert!(sign(&first, &own).unwrap_err().to_string().contains("another node"));
        // what it has signed is not forgotten by damage
        fs::write(memory(&key), "{").unwrap();
        assert!(sign(&first, &key).is_err());
    }
}
