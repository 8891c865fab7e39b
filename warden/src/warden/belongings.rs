//! What the sessions of a grant share: its home and its `/tmp`, and the account's name on the host. Made for the first session,
//! ended with the grant.

use super::host_name::{self, HostName};
use portcullis_jail::folders::{self, Folders};
use portcullis_jail::profile;
use portcullis_model::bytes::printable;
use portcullis_model::grant::Grant;
use portcullis_model::id::GrantId;
use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Of all grants.
#[derive(Debug)]
pub(crate) enum Belongings {
    /// Each session has its own: without root nothing can be shared between user namespaces.
    Apart,
    /// They are shared.
    Shared(Shared),
}

/// Those that were made.
#[derive(Debug)]
pub(crate) struct Shared {
    place: PathBuf,
    /// Where accounts are named, if they are.
    names: Option<PathBuf>,
    /// Where this node's own profiles are, if there are some.
    profiles: Option<PathBuf>,
    all: HashMap<GrantId, One>,
}

#[derive(Debug)]
struct One {
    uid: u32,
    folders: Folders,
    _name: Option<HostName>,
}

/// Why a session would not have its uid to itself.
#[derive(Debug, thiserror::Error)]
enum UidTaken {
    #[error("uid {0} is that of {1:?}, an account of this node")]
    Account(u32, String),
    #[error("uid {0} is that of another access that is still open")]
    Access(u32),
    #[error("{0}, which says whose uids there are, cannot be read")]
    Unread(&'static str, #[source] io::Error),
    #[error("processes of uid {0} run on this node already")]
    Processes(u32),
}

impl Belongings {
    /// Gives this process mounts of its own, where it is root. Accounts are named in the folder `names`.
    ///
    /// # Errors
    /// When it cannot have them, or the folder below `state` cannot be made.
    pub(crate) fn prepare(state: &Path, names: Option<PathBuf>, profiles: Option<PathBuf>, root: bool) -> anyhow::Result<Self> {
        if !root {
            return Ok(Self::Apart);
        }
        folders::own_mounts()?;
        let place = state.join("belongings");
        match DirBuilder::new().mode(0o700).create(&place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(anyhow::Error::new(error).context(place.display().to_string())),
            _ => sweep(&place),
        }
        if let Some(names) = &names {
            host_name::sweep(names);
        }
        Ok(Self::Shared(Shared { place, names, profiles, all: HashMap::new() }))
    }

    /// Where those of a grant are, made when there are none yet; none where each session has its own.
    ///
    /// # Errors
    /// When they cannot be made, or the grant's uid is somebody else's.
    pub(crate) fn of(&mut self, grant: &Grant) -> anyhow::Result<Option<PathBuf>> {
        let Self::Shared(shared) = self else { return Ok(None) };
        if let Some(made) = shared.all.get(&grant.id) {
            return Ok(Some(made.folders.place().to_owned()));
        }
        let uid = grant.uid.get();
        shared.is_free(uid)?;
        let mib = profile::of_node(shared.profiles.as_deref(), grant.action, grant.role)?.limits.tmp_mib;
        let folders = Folders::make(shared.place.join(grant.id.as_str()), uid, uid, mib)?;
        let place = folders.place().to_owned();
        // a name is for those who look; a session does not need it
        let named = shared.names.as_ref().map(|names| HostName::announce(names, grant)).transpose();
        let name = named.unwrap_or_else(|error| {
            tracing::warn!(account = %grant.account, %error, "the account has no name on this node");
            None
        });
        shared.all.insert(grant.id.clone(), One { uid, folders, _name: name });
        Ok(Some(place))
    }

    /// Ends those of a grant that has ended.
    pub(crate) fn end(&mut self, grant: &GrantId) {
        self.retain(|of| of != grant);
    }

    /// Ends those whose grant is not like this.
    pub(crate) fn retain(&mut self, keep: impl Fn(&GrantId) -> bool) {
        if let Self::Shared(shared) = self {
            shared.all.retain(|grant, _| keep(grant));
        }
    }
}

impl Shared {
    /// Whether nobody else has this uid: no account of the node, no other access, and nothing that an earlier one has left.
    fn is_free(&self, uid: u32) -> Result<(), UidTaken> {
        // the session's group has the same number
        for (file, fields) in [("/etc/passwd", 2..4), ("/etc/group", 2..3)] {
            let text = fs::read(file).map_err(|error| UidTaken::Unread(file, error))?;
            if let Some(account) = account_of(&text, uid, fields) {
                return Err(UidTaken::Account(uid, account));
            }
        }
        if self.all.values().any(|one| one.uid == uid) {
            return Err(UidTaken::Access(uid));
        }
        if has_processes(uid) { Err(UidTaken::Processes(uid)) } else { Ok(()) }
    }
}

/// The name of the row in which one of these fields is this number.
fn account_of(table: &[u8], uid: u32, fields: Range<usize>) -> Option<String> {
    let number = uid.to_string();
    let has = |row: &&[u8]| row.split(|byte| *byte == b':').skip(fields.start).take(fields.len()).any(|field| field == number.as_bytes());
    let row = table.split(|byte| *byte == b'\n').find(has)?;
    Some(printable(row.split(|byte| *byte == b':').next().unwrap_or_default()))
}

fn has_processes(uid: u32) -> bool {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = all.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    // the folder's owner would be root for one that lets nobody look at it
    let is_of = |status: &str| status.lines().find_map(|line| line.strip_prefix("Uid:")).is_some_and(|uids| uids.split_whitespace().any(|field| field.parse() == Ok(uid)));
    processes.filter_map(|process| fs::read(process.path().join("status")).ok()).any(|status| is_of(&String::from_utf8_lossy(&status)))
}

/// Removes the folders, empty by now, of an earlier warden that did not end by itself.
fn sweep(place: &Path) {
    for old in fs::read_dir(place).into_iter().flatten().flatten() {
        for path in [old.path().join("home"), old.path().join("tmp"), old.path()] {
            // one that is not empty was never one of ours
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_uid_is_is_seen() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nbroken\n\xff:x:5:5::/:/bin/sh\noracle:x:70001:1::/home/oracle:/bin/bash\nother:x:6:70002::/:/bin/sh\n";
        assert_eq!(account_of(passwd, 70_001, 2..4).as_deref(), Some("oracle"));
        assert_eq!(account_of(passwd, 70_002, 2..4).as_deref(), Some("other"));
        assert_eq!(account_of(passwd, 70_000, 2..4), None);
        assert_eq!(account_of(b"dba:x:70003:oracle\n", 70_003, 2..3).as_deref(), Some("dba"));
        assert!(has_processes(rustix::process::getuid().as_raw()) && !has_processes(89_996));
    }
}
