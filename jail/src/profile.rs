//! What a session sees, as data: one TOML file an action and role, `INFRA_DIAG.cps.toml`, each including others by name.
//!
//! ```toml
//! include = ["base"]            # their views come first; what is set here wins
//! proc = "private"              # or "host": the node's processes are shown, read-only
//! network = "host"              # or "none": no interface at all
//! users = ["ecra"]              # users of the host that a policy can have programs run as, beside root, where they exist
//! groups = ["adm"]              # groups of the host that the session's processes are members of, where they exist
//!
//! [[view]]
//! path = "/var/log"             # the host's own, at the same place
//! access = "read"               # or "execute": read, and programs run; or "write": read and written, nothing runs
//! optional = true               # a host without it is no error
//!
//! [limits]
//! processes = 512
//! open-files = 1024
//! file-size-mib = 1024          # of one file
//! tmp-mib = 64                  # /tmp and /home/ACCOUNT, each
//! shm-mib = 16                  # /dev/shm
//! recording-mib = 1024          # of the recording of a session, which ends before it is longer
//! memory-mib = 2048             # of all the processes of a session together, or of each where there is no memory controller
//! transfer-mib = 16384          # of one session's SFTP, scp or forwarded connection, both ways together
//! ```
//! A node's own profile wins over the built-in one of its name; that is what it includes by its own name.
//!
//! A view shows the host's files with the host's permissions: a writable view is written where the session's uid may write.
//! A folder that holds sockets of the host must not be a view: a socket can be connected to through a read-only mount.

use portcullis_model::action::{Action, Role};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// What a session sees, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The parts of the host's file system, in the order in which they are mounted.
    pub views: Vec<View>,
    /// Which processes `/proc` shows.
    pub proc: Proc,
    /// The network.
    pub network: Network,
    /// Names of groups of the host.
    pub groups: Vec<String>,
    /// Names of users of the host that programs can run as, beside root.
    pub users: Vec<String>,
    /// Limits.
    pub limits: Limits,
}

/// A part of the host's file system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Where, on the host and in the jail.
    pub path: PathBuf,
    /// What can be done there.
    pub access: Access,
    /// Whether a host without it is all right.
    #[serde(default)]
    pub optional: bool,
}

/// What can be done in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Files are read.
    Read,
    /// Files are read, and programs run.
    Execute,
    /// Files are read and written; nothing runs.
    Write,
}

/// Which processes `/proc` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proc {
    /// The session's own.
    Private,
    /// The node's, with other users' details hidden by the kernel. `$$` and `/proc/self` differ then.
    Host,
}

/// The network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The node's.
    Host,
    /// None.
    None,
}

/// Limits of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// processes and threads
    pub processes: u32,
    /// open descriptors of one process
    pub open_files: u32,
    /// MiB of one file
    pub file_size_mib: u32,
    /// MiB of `/tmp`, and of the home folder
    pub tmp_mib: u32,
    /// MiB of `/dev/shm`
    pub shm_mib: u32,
    /// MiB of memory, the folders in memory included
    pub memory_mib: u32,
    /// MiB that a session without a shell may carry, both ways together
    pub transfer_mib: u32,
    /// MiB of its recording
    pub recording_mib: u32,
}

pub(crate) const DEFAULTS: Limits = Limits { processes: 512, open_files: 1024, file_size_mib: 1024, tmp_mib: 64, shm_mib: 16, memory_mib: 2048, transfer_mib: 16 * 1024, recording_mib: 1024 };

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No profile has this name.
    #[error("there is no profile {0}: sessions of that kind cannot be opened on this node")]
    None(String),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// which
        path: PathBuf,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// A profile does not parse.
    #[error("profile {name} does not parse")]
    Syntax {
        /// which
        name: String,
        /// where, and why
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A profile includes too many levels of others.
    #[error("profile {0} includes others more than 8 levels deep")]
    Depth(String),
    /// A view that cannot be shown.
    #[error("profile {name}: view {}: {problem}", path.display())]
    View {
        /// which profile
        name: String,
        /// which view
        path: PathBuf,
        /// why not
        problem: &'static str,
    },
    /// A limit that no session could live with.
    #[error("profile {name}: {limit} must be at least {least}")]
    Limit {
        /// which profile
        name: String,
        /// which limit
        limit: &'static str,
        /// its least value
        least: u32,
    },
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../profiles/", $name, ".toml")))),*] };
}

const BUILT_IN: &[(&str, &str)] = &embedded![
    "base",
    "INFRA_CPS_ONLY.cps",
    "INFRA_DIAG.cps",
    "INFRA_DIAG.host",
    "INFRA_DIAG.cell",
    "INFRA_DIAG.generic",
    "INFRA_UPDATE_RESTART.cps",
    "INFRA_UPDATE_RESTART.host",
    "INFRA_UPDATE_RESTART.cell",
    "INFRA_UPDATE_RESTART.generic",
    "INFRA_HYPERVISOR.cps",
    "INFRA_HYPERVISOR.host",
    "INFRA_HYPERVISOR.cell",
    "INFRA_FULL.cps",
    "INFRA_FULL.host",
    "INFRA_FULL.cell",
    "INFRA_FULL.generic",
];

/// The profile that Portcullis brings for an action on a role.
///
/// # Errors
/// There is none for them.
pub fn built_in(action: Action, role: Role) -> Result<Profile, ProfileError> {
    resolve(&format!("{action}.{role}"), &|name| Ok(embedded(name)))
}

/// The profile for an action on a role from `folder`, where a file wins over the built-in profile of its name.
///
/// # Errors
/// There is none for them, or a file is not as it should be.
pub fn load(folder: &Path, action: Action, role: Role) -> Result<Profile, ProfileError> {
    let source = |name: &str| {
        let path = folder.join(format!("{name}.toml"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(embedded(name)),
            Err(source) => Err(ProfileError::Read { path, source }),
        }
    };
    resolve(&format!("{action}.{role}"), &source)
}

/// The profile of a node: from its folder, if it has one, else what Portcullis brings.
///
/// # Errors
/// As [`load`].
pub fn of_node(folder: Option<&Path>, action: Action, role: Role) -> Result<Profile, ProfileError> {
    folder.map_or_else(|| built_in(action, role), |folder| load(folder, action, role))
}

fn embedded(name: &str) -> Option<String> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
}

type Source<'a> = &'a dyn Fn(&str) -> Result<Option<String>, ProfileError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    include: Vec<String>,
    proc: Option<Proc>,
    network: Option<Network>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    view: Vec<View>,
    #[serde(default)]
    limits: WrittenLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenLimits {
    processes: Option<u32>,
    open_files: Option<u32>,
    file_size_mib: Option<u32>,
    tmp_mib: Option<u32>,
    shm_mib: Option<u32>,
    memory_mib: Option<u32>,
    transfer_mib: Option<u32>,
    recording_mib: Option<u32>,
}

fn resolve(name: &str, source: Source<'_>) -> Result<Profile, ProfileError> {
    let mut profile = Profile { views: Vec::new(), proc: Proc::Private, network: Network::Host, groups: Vec::new(), users: Vec::new(), limits: DEFAULTS };
    add(&mut profile, name, source, 8)?;
    let least = [
        ("processes", profile.limits.processes, 8),
        ("open-files", profile.limits.open_files, 64),
        ("file-size-mib", profile.limits.file_size_mib, 1),
        ("tmp-mib", profile.limits.tmp_mib, 1),
        ("shm-mib", profile.limits.shm_mib, 1),
        ("memory-mib", profile.limits.memory_mib, 64),
        ("transfer-mib", profile.limits.transfer_mib, 1),
        ("recording-mib", profile.limits.recording_mib, 1),
    ];
    match least.into_iter().find(|(_, value, least)| value < least) {
        Some((limit, _, least)) => Err(ProfileError::Limit { name: name.to_owned(), limit, least }),
        None => Ok(profile),
    }
}

fn add(profile: &mut Profile, name: &str, source: Source<'_>, depth: u32) -> Result<(), ProfileError> {
    let depth = depth.checked_sub(1).ok_or_else(|| ProfileError::Depth(name.to_owned()))?;
    let text = source(name)?.ok_or_else(|| ProfileError::None(name.to_owned()))?;
    let written: Written = toml::from_str(&text).map_err(|e| ProfileError::Syntax { name: name.to_owned(), source: Box::new(e) })?;
    for included in &written.include {
        // a name, never a path
        if !included.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) || included.starts_with('.') {
            return Err(ProfileError::None(included.clone()));
        }
        let built_in = |name: &str| Ok(embedded(name));
        add(profile, included, if included == name { &built_in } else { source }, depth)?;
    }
    for view in written.view {
        let path = check(&view.path).map_err(|problem| ProfileError::View { name: name.to_owned(), path: view.path.clone(), problem })?;
        profile.views.retain(|earlier| earlier.path != path);
        profile.views.push(View { path, ..view });
    }
    profile.proc = written.proc.unwrap_or(profile.proc);
    profile.network = written.network.unwrap_or(profile.network);
    profile.groups.extend(written.groups);
    profile.users.extend(written.users);
    let (limits, set) = (&mut profile.limits, written.limits);
    limits.processes = set.processes.unwrap_or(limits.processes);
    limits.open_files = set.open_files.unwrap_or(limits.open_files);
    limits.file_size_mib = set.file_size_mib.unwrap_or(limits.file_size_mib);
    limits.tmp_mib = set.tmp_mib.unwrap_or(limits.tmp_mib);
    limits.shm_mib = set.shm_mib.unwrap_or(limits.shm_mib);
    limits.memory_mib = set.memory_mib.unwrap_or(limits.memory_mib);
    limits.transfer_mib = set.transfer_mib.unwrap_or(limits.transfer_mib);
    limits.recording_mib = set.recording_mib.unwrap_or(limits.recording_mib);
    Ok(())
}

/// The path without repeated or final slashes, if it can be a view.
fn check(path: &Path) -> Result<PathBuf, &'static str> {
    if !path.is_absolute() {
        return Err("must start with /");
    }
    if path.components().any(|c| matches!(c, Component::ParentDir)) {
        return Err("must not contain ..");
    }
    let path: PathBuf = path.components().collect();
    let whole = ["/", "/etc", "/home", "/var", "/run", "/var/run"];
    if whole.iter().any(|taken| path == Path::new(taken)) {
        return Err("is the jail's own; name what is needed in it");
    }
    let own = ["/proc", "/dev", "/tmp", "/run/portcullis", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/nsswitch.conf", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    if own.iter().any(|taken| path.starts_with(taken)) {
        return Err("is the jail's own");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Profile, ProfileError> {
        resolve("p", &|name| Ok(if name == "p" { Some(text.to_owned()) } else { embedded(name) }))
    }

    #[test]
    fn every_built_in_profile_is_sound() {
        let mut found = 0;
        for action in Action::ALL {
            for role in Role::ALL {
                match built_in(action, role) {
                    Ok(profile) => {
                        found += 1;
                        assert!(profile.views.iter().any(|v| v.path == Path::new("/usr")), "{action}.{role}");
                        let outside = |v: &&View| v.access == Access::Execute && !v.optional;
                        assert!(profile.views.iter().filter(outside).all(|v| v.path.starts_with("/usr")), "{action}.{role}");
                    }
                    Err(ProfileError::None(_)) => {}
                    Err(error) => panic!("{action}.{role}: {error:?}"),
                }
            }
        }
        assert_eq!(found, BUILT_IN.len() - 1);
        assert!(matches!(built_in(Action::InfraCpsOnly, Role::Cell), Err(ProfileError::None(_))));
    }

    /// The folders that each action works in, and how, where a node has them.
    #[test]
    fn folders_of_the_roles_are_shown_as_the_actions_use_them() {
        use Access::{Execute, Read, Write};
        let (cps, host, cell) = (Role::Cps, Role::Host, Role::Cell);
        for (action, role, path, access) in [
            (Action::InfraCpsOnly, cps, "/u01", Write),
            (Action::InfraCpsOnly, cps, "/opt/oci/exacc", Write),
            (Action::InfraCpsOnly, cps, "/var/log", Read),
            (Action::InfraCpsOnly, cps, "/opt/oracle.cellos", Read),
            (Action::InfraCpsOnly, cps, "/usr/local/nessus/results", Read),
            (Action::InfraCpsOnly, cps, "/opt/nessus/var/nessus/logs", Read),
            (Action::InfraDiag, cps, "/u01", Write),
            (Action::InfraDiag, cps, "/opt/oci/exacc/exacloud/log", Read),
            (Action::InfraDiag, cps, "/opt/oracle.cellos", Execute),
            (Action::InfraDiag, host, "/opt/oracle", Execute),
            (Action::InfraDiag, cell, "/opt/oracle.SupportTools", Execute),
            (Action::InfraUpdateRestart, cps, "/u01", Write),
            (Action::InfraHypervisor, cps, "/u01", Write),
            (Action::InfraHypervisor, host, "/home/dbmadmin", Write),
            (Action::InfraHypervisor, cell, "/home/celladmin", Write),
        ] {
            let profile = built_in(action, role).unwrap();
            assert_eq!(profile.views.iter().find(|view| view.path == Path::new(path)).map(|view| view.access), Some(access), "{action}.{role}: {path}");
        }
        // no way on: not even a network to try it with
        assert_eq!(built_in(Action::InfraCpsOnly, cps).unwrap().network, Network::None);
        for action in Action::ALL {
            for role in [cps, host, cell] {
                let is_there = action != Action::InfraCpsOnly || role == cps;
                assert_eq!(built_in(action, role).is_ok(), is_there, "{action}.{role}");
            }
        }
    }

    #[test]
    fn what_is_set_later_wins() {
        let profile = of("include = ['base']\nproc = 'host'\n[[view]]\npath = '/usr//'\naccess = 'execute'\n[limits]\nprocesses = 9").unwrap();
        let usr: Vec<_> = profile.views.iter().filter(|v| v.path == Path::new("/usr")).collect();
        assert_eq!((usr.len(), usr[0].access), (1, Access::Execute));
        assert_eq!((profile.proc, profile.limits.processes), (Proc::Host, 9));
    }

    #[test]
    fn mistakes_are_named() {
        use std::error::Error as _;
        let error = of("network = 'host'\nnetwrk = 'none'\n").unwrap_err();
        assert!(error.source().unwrap().to_string().contains("line 2"), "{error:?}");
        for bad in ["usr", "/", "/etc", "/a/../b", "/proc/sys", "/dev", "/tmp/x", "/etc/passwd", "/run"] {
            let text = format!("[[view]]\npath = '{bad}'\naccess = 'read'");
            assert!(matches!(of(&text), Err(ProfileError::View { .. })), "{bad}");
        }
        let round = |name: &str| Ok(Some(format!("include = ['{}']", if name == "p" { "q" } else { "p" })));
        assert!(matches!(resolve("p", &round), Err(ProfileError::Depth(_))));
        assert!(matches!(of("include = ['p']"), Err(ProfileError::None(_))));
        assert!(matches!(of("include = ['../p']"), Err(ProfileError::None(_))));
        assert!(matches!(of("[limits]\nprocesses = 0"), Err(ProfileError::Limit { .. })));
    }

    #[test]
    fn a_folder_wins_over_what_is_built_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("INFRA_FULL.cps.toml"), "include = ['base']\nnetwork = 'none'").unwrap();
        assert_eq!(load(folder.path(), Action::InfraFull, Role::Cps).unwrap().network, Network::None);
        assert_eq!(load(folder.path(), Action::InfraDiag, Role::Cps).unwrap(), built_in(Action::InfraDiag, Role::Cps).unwrap());
        assert_eq!(of_node(Some(folder.path()), Action::InfraFull, Role::Cps).unwrap().network, Network::None);
        std::fs::write(folder.path().join("INFRA_FULL.cps.toml"), "include = ['INFRA_FULL.cps']\n[limits]\nmemory-mib = 64").unwrap();
        let mut own = built_in(Action::InfraFull, Role::Cps).unwrap();
        own.limits.memory_mib = 64;
        assert_eq!(load(folder.path(), Action::InfraFull, Role::Cps).unwrap(), own);
        assert_eq!(of_node(None, Action::InfraFull, Role::Cps).unwrap().network, Network::Host);
    }
}
