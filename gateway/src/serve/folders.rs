//! The data folder: who owns what, and who may read it.
//!
//! | folder | owner | mode | why |
//! | --- | --- | --- | --- |
//! | the data folder, `run` | this process | 755 | the others pass through |
//! | `run/judge` | judge | 755 | the judge makes its socket in it |
//! | `controller` | controller | 700 | store, signing key, tokens |
//! | `trust` | controller, group of the gateway | 2755 | the node's token is for the gateway alone, the key for all |
//! | `gateway` | gateway | 700 | host keys |
//! | `warden` | this process | 700 | grants |
//! | `evidence`, `audit` | this process, group of the controller | 750 | recordings, the audit log: the warden writes, the controller reads |
//! | `modules` | this process | 755 | policy modules |

use super::plan::config_copy;
use super::users::{Account, Users};
use crate::config::Config;
use crate::layout::Layout;
use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, Uid};
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Held while everything runs: two of these on one data folder would end each other's sessions.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Makes what is missing and sets owners and modes.
pub(super) fn prepare(config: &Config, layout: &Layout, users: &Users) -> anyhow::Result<Lock> {
    let own = users.own;
    let gateway = users.gateway().unwrap_or(own);
    let controller = users.controller().unwrap_or(own);
    let judge = users.judge().unwrap_or(own);

    std::fs::create_dir_all(layout.data()).with_context(|| format!("data folder {}: cannot be made", layout.data().display()))?;
    folder(layout.data(), own, 0o755)?;
    let lock = lock(layout.data())?;
    if users.gateway().is_some() {
        everybody_reaches(layout.data())?;
    }
    empty_run(&layout.run())?;
    folder(&layout.run(), own, 0o755)?;
    folder(&layout.judge_run(), judge, 0o755)?;
    folder(&layout.controller(), controller, 0o700)?;
    folder(&layout.trust(), Account { uid: controller.uid, gid: gateway.gid }, 0o2755)?;
    folder(&layout.gateway(), gateway, 0o700)?;
    folder(&layout.warden(), own, 0o700)?;
    for evidence in [layout.evidence(), layout.audit()] {
        folder(&evidence, Account { uid: own.uid, gid: controller.gid }, 0o750)?;
    }
    if config.modules == layout.data().join("modules") {
        folder(&config.modules, own, 0o755)?;
    } else if !config.modules.is_dir() {
        bail!("modules.path {}: there is no such folder", config.modules.display());
    }
    let copy = config_copy(layout);
    std::fs::copy(&config.file, &copy).with_context(|| format!("{}: cannot be copied to {}", config.file.display(), copy.display()))?;
    rustix::fs::chmod(&copy, Mode::from_raw_mode(0o644)).with_context(|| format!("{}: cannot be made readable", copy.display()))?;
    Ok(lock)
}

fn folder(path: &Path, owner: Account, mode: u32) -> anyhow::Result<()> {
    let make = || -> std::io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // a link planted here would hand the owner somebody else's folder
        let found = std::fs::symlink_metadata(path)?;
        if !found.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        if (found.uid(), found.gid()) != (owner.uid, owner.gid) {
            let (uid, gid) = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
            rustix::fs::chownat(rustix::fs::CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
        Ok(())
    };
    make().with_context(|| format!("folder {}: cannot be made and given to user {}, mode {mode:o}", path.display(), owner.uid))
}

fn lock(data: &Path) -> anyhow::Result<Lock> {
    let path = data.join("lock");
    // nobody else opens it: a lock is held by whoever can read a file
    let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("data folder {}: another portcullis serve runs on it", data.display());
    }
    Ok(Lock { _file: file })
}

/// Sockets of an earlier run, and nothing else, are in it.
fn empty_run(run: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(run) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("{}: cannot be emptied", run.display())),
        _ => Ok(()),
    }
}

/// The other users must be able to go to their folders.
fn everybody_reaches(data: &Path) -> anyhow::Result<()> {
    for folder in data.ancestors().skip(1) {
        let mode = std::fs::metadata(folder).with_context(|| format!("{}: cannot be looked at", folder.display()))?.mode();
        if mode & 0o001 == 0 {
            bail!("data folder {}: other users cannot pass through {} (mode {:o}); choose another place for data", data.display(), folder.display(), mode & 0o7777);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_no_planted_links() {
        let data = tempfile::tempdir().unwrap();
        let first = lock(data.path()).unwrap();
        assert_eq!(std::fs::metadata(data.path().join("lock")).unwrap().mode() & 0o077, 0, "whoever can open it can hold it");
        assert!(lock(data.path()).unwrap_err().to_string().contains("another portcullis serve"));
        drop(first);
        lock(data.path()).unwrap();

        let own = Account { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        let folder_path = data.path().join("trust");
        folder(&folder_path, own, 0o2755).unwrap();
        assert_eq!(std::fs::metadata(&folder_path).unwrap().mode() & 0o7777, 0o2755);
        let planted = data.path().join("gateway");
        std::os::unix::fs::symlink("/etc", &planted).unwrap();
        assert!(folder(&planted, own, 0o700).is_err());
    }
}
