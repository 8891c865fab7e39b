//! What a jail is to be like.

use crate::profile::Profile;
use portcullis_model::session::{PtyRequest, SessionFacts};
use std::path::PathBuf;

/// A jail that is to be built.
#[derive(Debug, Clone)]
pub struct JailSpec {
    /// The session that it is for.
    pub facts: SessionFacts,
    /// What the session sees.
    pub profile: Profile,
    /// Path of `portcullis-shell` on the host; the jail has it as `/run/portcullis/shell`.
    pub shell: PathBuf,
    /// Path of `portcullis-confine` on the host, by which a process is held to more than the jail; without it none can be.
    pub helper: Option<PathBuf>,
    /// Path of `portcullis-cage` on the host, which the jail has under the names of the cage commands; without it there are none.
    pub cage: Option<PathBuf>,
    /// Path in the jail of the program that is named as the account's login shell.
    pub engine: &'static str,
    /// What the session's processes run as.
    pub privilege: Privilege,
    /// The terminal, when the client asked for one; otherwise the shell gets pipes.
    pub terminal: Option<PtyRequest>,
    /// Where [`Folders`](crate::folders::Folders) are that it shares with the other sessions of its grant; none for a home and a
    /// `/tmp` of its own.
    pub folders: Option<PathBuf>,
    /// Variables from the client; only `LANG` and `LC_*` with plain values are taken.
    pub environment: Vec<(String, String)>,
}

/// What the session's processes run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// The caller is root; the session runs as another user.
    Root {
        /// the session's uid, not 0
        uid: u32,
        /// the session's gid, not 0
        gid: u32,
    },
    /// The caller is an ordinary user; the session runs as the caller, in a user namespace where nobody else exists.
    UserNamespace,
}
