//! The programs: beside this one, unless the configuration says otherwise.

use crate::config;
use rustix::fs::Access;
use std::path::{Path, PathBuf};

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) own: PathBuf,
    pub(super) warden: PathBuf,
    pub(super) judge: PathBuf,
    pub(super) shell: PathBuf,
    pub(super) sftp: PathBuf,
    pub(super) forward: PathBuf,
}

/// A program that cannot be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("the path of this program is not known")]
    Own(#[source] std::io::Error),
    #[error("{}: not a program that can be run; set programs.{key}, or put it beside {}", path.display(), own.display())]
    Missing { key: &'static str, path: PathBuf, own: PathBuf },
}

pub(super) fn find(configured: &config::Programs) -> Result<Programs, ProgramError> {
    let own = std::env::current_exe().map_err(ProgramError::Own)?;
    let find = |key: &'static str, configured: &Option<PathBuf>| {
        let path = configured.clone().unwrap_or_else(|| own.with_file_name(format!("portcullis-{key}")));
        if is_program(&path) { Ok(path) } else { Err(ProgramError::Missing { key, path, own: own.clone() }) }
    };
    let (warden, judge, shell) = (find("warden", &configured.warden)?, find("judge", &configured.judge)?, find("shell", &configured.shell)?);
    let (sftp, forward) = (find("sftp", &configured.sftp)?, find("forward", &configured.forward)?);
    // the keeper takes them from beside the shell
    for name in ["portcullis-confine", "portcullis-cage"] {
        let path = shell.with_file_name(name);
        if !is_program(&path) {
            return Err(ProgramError::Missing { key: "shell", path, own });
        }
    }
    Ok(Programs { own, warden, judge, shell, sftp, forward })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}
