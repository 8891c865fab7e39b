//! The warden's command line, and what it means once checked.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use portcullis_jail::profile::{self, ProfileError};
use portcullis_model::action::{Action, Role};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Keeps grants, opens sessions, and ends them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of this node: grants for another are refused
    #[arg(long)]
    pub(crate) target: String,
    /// Role of this node: cps, host, cell or generic
    #[arg(long)]
    pub(crate) role: Role,
    /// Folder for grants and revocations
    #[arg(long)]
    pub(crate) state: PathBuf,
    /// Folder for recordings
    #[arg(long)]
    pub(crate) evidence: PathBuf,
    /// Folder for the audit log
    #[arg(long)]
    pub(crate) audit: PathBuf,
    /// Group that may read recordings and the audit log
    #[arg(long)]
    pub(crate) evidence_gid: Option<u32>,
    /// Socket on which the gateway is served
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// User that the gateway runs as; nobody else is served
    #[arg(long)]
    pub(crate) gateway_uid: u32,
    /// The judge's socket
    #[arg(long)]
    pub(crate) judge: PathBuf,
    /// The judge's socket for policies; without it, the modules of the judge's folder judge and none can be pushed
    #[arg(long)]
    pub(crate) judge_policies: Option<PathBuf>,
    /// File with the controller's public key: 32 bytes in hexadecimal or base64
    #[arg(long)]
    pub(crate) controller_key: PathBuf,
    /// The mediating shell's program
    #[arg(long)]
    pub(crate) shell: PathBuf,
    /// The file server's program, for SFTP and scp; without it, neither is served
    #[arg(long)]
    pub(crate) sftp: Option<PathBuf>,
    /// The forwarder's program; without it, no connection is forwarded
    #[arg(long)]
    pub(crate) forward: Option<PathBuf>,
    /// An address and port of this node, or near it, to which connections may be forwarded if the policy allows it; may be repeated
    #[arg(long)]
    pub(crate) forward_near: Vec<SocketAddr>,
    /// Folder of profiles of this node's own, which win over the built-in ones of their names
    #[arg(long)]
    pub(crate) profiles: Option<PathBuf>,
    /// What an operator is told when a session begins; may be repeated
    #[arg(long)]
    pub(crate) notice: Vec<String>,
    /// Folder in which temporary accounts are named for the host's programs, as systemd's user database wants it; without it
    /// they are not
    #[arg(long)]
    pub(crate) userdb: Option<PathBuf>,
    /// Most sessions at a time
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub(crate) max_sessions: u16,
}

/// Reads the controller's public key.
///
/// # Errors
/// When the file cannot be read, holds no key, or could have been written by another user than the warden's.
pub(crate) fn controller_key(path: &Path) -> anyhow::Result<VerifyingKey> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the controller's key {}", path.display()))?;
    parse_key(text.trim()).with_context(|| format!("{} holds no Ed25519 public key (32 bytes in hexadecimal or base64)", path.display()))
}

fn parse_key(text: &str) -> Option<VerifyingKey> {
    let bytes = if text.len() == 64 { from_hex(text)? } else { STANDARD.decode(text).ok()?.try_into().ok()? };
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (!key.is_weak()).then_some(key)
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect();
    bytes?.try_into().ok()
}

impl Args {
    /// Checks what can be checked before anything is opened, and makes the folder of recordings.
    ///
    /// # Errors
    /// One line about the first thing that is wrong.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.target.is_empty() && self.target.len() <= 253, "--target is empty or too long");
        let others = [("file server", &self.sftp), ("forwarder", &self.forward)].into_iter().filter_map(|(what, path)| Some((what, path.as_ref()?)));
        for (what, path) in std::iter::once(("shell", &self.shell)).chain(others) {
            let program = fs::metadata(path).with_context(|| format!("cannot use the {what} {}", path.display()))?;
            ensure!(program.is_file() && program.permissions().mode() & 0o111 != 0, "the {what} {} is not a program", path.display());
            ensure!(path.is_absolute(), "the {what} {} is not an absolute path", path.display());
        }
        for (option, path) in [("--judge", &self.judge), ("--evidence", &self.evidence), ("--audit", &self.audit)] {
            ensure!(path.is_absolute(), "{option} {} is not an absolute path", path.display());
        }
        if let Some(folder) = &self.profiles {
            check_profiles(folder, self.role)?;
        }
        let judge = self.judge.parent().filter(|folder| folder.is_dir());
        ensure!(judge.is_some(), "the folder of the judge's socket {} is not there", self.judge.display());
        if self.notice.iter().any(|text| text.len() > 2000) || self.notice.len() > 8 {
            bail!("--notice: at most 8, of at most 2000 bytes each");
        }
        Ok(())
    }
}

/// Whether nobody but root, or the warden's user, writes in the folder of profiles, and all of them are sound that sessions here may need.
fn check_profiles(folder: &Path, role: Role) -> anyhow::Result<()> {
    ensure!(folder.is_absolute(), "--profiles {} is not an absolute path", folder.display());
    let named = || format!("cannot use the folder of profiles {}", folder.display());
    let entries = fs::read_dir(folder).with_context(named)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().with_context(named)?;
    for path in std::iter::once(folder.to_owned()).chain(entries) {
        let about = fs::metadata(&path).with_context(|| format!("cannot use {}", path.display()))?;
        let own = [0, rustix::process::geteuid().as_raw()].contains(&about.uid());
        ensure!(own && about.permissions().mode() & 0o022 == 0, "{} can be written by others than root: what it says would be theirs", path.display());
    }
    for action in Action::ALL {
        match profile::load(folder, action, role) {
            Ok(_) | Err(ProfileError::None(_)) => {}
            Err(error) => return Err(anyhow::Error::new(error).context(named())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn profiles_are_sound_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("INFRA_DIAG.cps.toml");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let why = |role| format!("{:#}", check_profiles(folder.path(), role).unwrap_err());
        fs::write(&path, "include = ['INFRA_DIAG.generic']\n[limits]\nrecording-mib = 1").unwrap();
        mode(&path, 0o644);
        check_profiles(folder.path(), Role::Cps).unwrap();
        mode(&path, 0o664);
        assert!(why(Role::Cps).contains("INFRA_DIAG.cps.toml can be written by others"), "{}", why(Role::Cps));
        mode(&path, 0o644);
        mode(folder.path(), 0o757);
        assert!(why(Role::Cps).contains("can be written by others"));
        mode(folder.path(), 0o755);
        fs::write(&path, "limit = 1").unwrap();
        assert!(why(Role::Cps).contains("line 1"), "{}", why(Role::Cps));
        check_profiles(folder.path(), Role::Cell).unwrap();
        assert!(check_profiles(Path::new("relative"), Role::Cps).is_err() && check_profiles(&folder.path().join("none"), Role::Cps).is_err());
    }

    #[test]
    fn a_key_is_read_in_both_forms() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let hex: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(parse_key(&hex), Some(key));
        assert_eq!(parse_key(&STANDARD.encode(key.as_bytes())), Some(key));
        for bad in ["", "00", &"0".repeat(64), &"g".repeat(64), hex.strip_prefix('e').unwrap_or("x"), "AAAA"] {
            assert_eq!(parse_key(bad), None, "{bad:?}");
        }
    }
}
