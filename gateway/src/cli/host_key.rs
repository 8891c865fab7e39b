//! `portcullis host-key ...`

use super::{CliError, Desk, Outcome};
use crate::ssh::hostkeys::{HostKeyError, HostKeys, Shown};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the keys' fingerprints; makes the keys when there are none yet
    List,
    /// Make new keys; the old ones are kept beside them, the server takes the new ones at its next start
    Rotate,
}

pub(super) fn run(desk: &Desk, verb: &Verb) -> Result<Outcome, CliError> {
    let (folder, profile) = (desk.layout.host_keys(), desk.config.ssh.profile);
    let failed = |error: HostKeyError| CliError::Failed(error.into());
    let keys = match verb {
        Verb::List => HostKeys::load_or_make(&folder, profile),
        Verb::Rotate => HostKeys::rotate(&folder, profile),
    };
    let keys = keys.map_err(failed)?.shown();
    desk.screen.show(&keys, |screen| {
        let rows = keys.iter().map(|Shown { kind, fingerprint, file, .. }| [kind.clone(), fingerprint.clone(), file.display().to_string()]);
        screen.table(["KIND", "FINGERPRINT", "FILE"], rows.collect())
    })?;
    Ok(Outcome::Done)
}
