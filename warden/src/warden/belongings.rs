//! What the sessions of a grant share, its home and its `/tmp`: made for the first session, ended with the grant.

use portcullis_jail::folders::{self, Folders};
use portcullis_jail::profile;
use portcullis_model::grant::Grant;
use portcullis_model::id::GrantId;
use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Of all grants.
#[derive(Debug)]
pub(crate) enum Belongings {
    /// Each session has its own: without root nothing can be shared between user namespaces.
    Apart,
    /// They are shared, below this folder.
    Shared {
        /// the folder
        place: PathBuf,
        /// those that were made
        all: HashMap<GrantId, Folders>,
    },
}

impl Belongings {
    /// Gives this process mounts of its own, where it is root.
    ///
    /// # Errors
    /// When it cannot have them, or the folder below `state` cannot be made.
    pub(crate) fn prepare(state: &Path, root: bool) -> anyhow::Result<Self> {
        if !root {
            return Ok(Self::Apart);
        }
        folders::own_mounts()?;
        let place = state.join("belongings");
        match DirBuilder::new().mode(0o700).create(&place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(anyhow::Error::new(error).context(place.display().to_string())),
            _ => sweep(&place),
        }
        Ok(Self::Shared { place, all: HashMap::new() })
    }

    /// Where those of a grant are, made when there are none yet; none where each session has its own.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(crate) fn of(&mut self, grant: &Grant) -> anyhow::Result<Option<PathBuf>> {
        let Self::Shared { place, all } = self else { return Ok(None) };
        if let Some(made) = all.get(&grant.id) {
            return Ok(Some(made.place().to_owned()));
        }
        let mib = profile::built_in(grant.action, grant.role)?.limits.tmp_mib;
        let uid = grant.uid.get();
        let made = Folders::make(place.join(grant.id.as_str()), uid, uid, mib)?;
        let place = made.place().to_owned();
        all.insert(grant.id.clone(), made);
        Ok(Some(place))
    }

    /// Ends those of a grant that has ended.
    pub(crate) fn end(&mut self, grant: &GrantId) {
        if let Self::Shared { all, .. } = self {
            all.remove(grant);
        }
    }

    /// Ends those whose grant is not like this.
    pub(crate) fn retain(&mut self, keep: impl Fn(&GrantId) -> bool) {
        if let Self::Shared { all, .. } = self {
            all.retain(|grant, _| keep(grant));
        }
    }
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
