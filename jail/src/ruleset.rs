//! Landlock: a second opinion on the mounts, by path. Files are read where the jail shows them, written in the temporary
//! folders and writable views only, executed from the folders for programs only; abstract sockets and signals end at the
//! jail. It holds where a mistake in the mounts would not, and follows processes wherever they go.

use crate::profile::Access as Use;
use crate::sys::confine::landlock_abi;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope,
};
use std::path::PathBuf;

/// The first version of Landlock with scopes, which keep abstract sockets and signals inside.
pub(crate) const SCOPES_ABI: i32 = 6;

/// A place with a right of its own, as the jail has it.
#[derive(Debug, Clone)]
pub(crate) struct Ruled {
    pub(crate) path: PathBuf,
    pub(crate) access: Use,
    pub(crate) folder: bool,
}

/// Why there is no Landlock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesetFault {
    #[error("the kernel has no Landlock")]
    Absent,
    #[error("the ruleset was refused")]
    Ruleset(#[from] RulesetError),
    #[error("cannot open {path} for its rule")]
    Path { path: PathBuf, source: PathFdError },
    #[error("the kernel enforces only a part of the ruleset")]
    Partial,
}

/// Puts the calling thread and all that it starts under the ruleset, for good.
pub(crate) fn restrict(places: &[Ruled]) -> Result<(), RulesetFault> {
    let version = landlock_abi().ok_or(RulesetFault::Absent)?;
    let abi = ABI::from(version);
    let all = AccessFs::from_all(abi);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all)?;
    if version >= SCOPES_ABI {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut created = ruleset.create()?.no_new_privs(false);
    let fixed: [(&str, BitFlags<AccessFs>); 3] = [
        // what is shown may be read: the mounts say what that is
        ("/", read),
        ("/dev", read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev),
        ("/dev/shm", written(all)),
    ];
    let rules = fixed.into_iter().map(|(path, rights)| (PathBuf::from(path), rights, true));
    let rules = rules.chain(places.iter().map(|place| {
        let rights = match place.access {
            Use::Read => read,
            Use::Execute => read | AccessFs::Execute,
            Use::Write => written(all),
        };
        (place.path.clone(), rights, place.folder)
    }));
    for (path, rights, folder) in rules {
        let rights = rights & all & if folder { all } else { AccessFs::from_file(abi) };
        let place = PathFd::new(&path).map_err(|source| RulesetFault::Path { path, source })?;
        created = created.add_rule(PathBeneath::new(place, rights))?;
    }
    let status = created.restrict_self()?;
    if status.ruleset == RulesetStatus::FullyEnforced { Ok(()) } else { Err(RulesetFault::Partial) }
}

/// Everything but what would make a device, or run.
fn written(all: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    all & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}
