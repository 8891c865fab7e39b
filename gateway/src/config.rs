//! The configuration file: read once, in two steps, before anything is bound or started.
//!
//! [`raw`] is the file as written: every key known, everything else refused. [`checked`] is the file as meant: addresses
//! are addresses, roles are roles, sizes are inside their limits. Every error names the file and the line, and says what
//! would have been allowed; a key that is missing has a default that is safe on one machine.

mod checked;
pub mod duration;
mod raw;

pub use checked::{Api, Config, Node, Profile, Programs, Ssh, Target, Users};

use std::path::{Path, PathBuf};

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/portcullis/portcullis.toml";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// the file
        file: PathBuf,
        /// what the system said
        source: std::io::Error,
    },
    /// Something in the file is not allowed.
    #[error("{}:{line}: {problem}", file.display())]
    Invalid {
        /// the file
        file: PathBuf,
        /// the line, from 1
        line: usize,
        /// what is wrong with it, and what would be right
        problem: String,
    },
}

impl Config {
    /// Reads and checks `file`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file and the line.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(file, &text)
    }

    /// Checks `text`, which is said to be the contents of `file`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let at = |offset: usize, problem: String| ConfigError::Invalid { file: file.to_owned(), line: line_of(text, offset), problem };
        let raw: raw::Raw = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            // the reader's messages may run over several lines: an error of ours is one
            at(offset, error.message().lines().collect::<Vec<_>>().join("; "))
        })?;
        checked::check(file, raw).map_err(|checked::Wrong { offset, problem }| at(offset, problem))
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("p.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_one_machine_on_loopback() {
        let config = parse("[node]\ntarget = 'n1'").unwrap();
        assert_eq!(config.ssh.listen, ["127.0.0.1:2222".parse().unwrap()]);
        assert!(config.api.listen.ip().is_loopback());
        assert_eq!(config.modules, Path::new("/var/lib/portcullis/modules"));
        assert_eq!(config.policy_admins, Path::new("/var/lib/portcullis/trust/policy-admins"));
        assert_eq!(config.targets, [Target { name: "n1".into(), role: portcullis_model::action::Role::Generic }]);
        assert_eq!((config.ssh.max_startups, config.ssh.max_sessions, config.ssh.login_grace.as_secs()), (100, 10, 30));
        assert_eq!(config.users.judge, "portcullis-judge");
    }

    #[test]
    fn the_shipped_example_is_valid() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/portcullis.toml");
        let config = Config::load(Path::new(example)).unwrap();
        assert_eq!(config.ssh.profile, Profile::Default);
    }

    #[test]
    fn every_complaint_names_the_line_and_what_is_allowed() {
        for (text, line, part) in [
            ("data = 3", 1, "string"),
            ("\ndata = 'here'", 2, "absolute path"),
            ("data = '/a/../etc'", 1, "without `..`"),
            ("[node]\nrole = 'server'", 2, "there are cps, host, cell and generic"),
            ("[node]\ntarget = 'a b'", 2, "1 to 63 of a-z"),
            ("[node]\ntarget = '../x'", 2, "starts with a letter or digit"),
            ("[ssh]\n\nprofile = 'none'", 3, "\"default\" and \"fips\""),
            ("[ssh]\nlisten = ['localhost:22']", 2, "an IP address and a port"),
            ("[ssh]\nlisten = [\n'127.0.0.1:22',\n'22']", 4, "an IP address and a port"),
            ("[ssh]\nlisten = []", 2, "is empty"),
            ("[ssh]\nlogin_grace = '0s'", 2, "it takes 1s to 600s"),
            ("[ssh]\nlogin_grace = '30'", 2, "write a number and s, m, h or d"),
            ("[ssh]\nlogin_grace = 30", 2, "string"),
            ("[ssh]\nmax_startups = 0", 2, "1 to 10000"),
            ("[ssh]\nmax_startups = -1", 2, "-1"),
            ("[ssh]\nmax_sessions = 101", 2, "1 to 100"),
            ("[ssh]\npassword = true", 2, "unknown field `password`"),
            ("[sshd]", 1, "unknown field `sshd`"),
            ("[api]\nlisten = '0.0.0.0:7022'", 2, "loopback"),
            ("[api]\nlisten = '127.0.0.1:0'", 2, "port"),
            ("[[target]]\nname = 'a'", 1, "role"),
            ("[[target]]\nname = 'a'\nrole = 'cps'\n[[target]]\nname = 'a'\nrole = 'cps'", 5, "twice"),
            ("[users]\ngateway = '-rf'", 2, "not a user name"),
            ("[users]\ngateway = 1.5", 2, "a user name or a number"),
            ("[policy]\nadmins = 'keys'", 2, "policy.admins is \"keys\"; it takes an absolute path"),
            ("[policy]\nkeys = 'a'", 2, "unknown field `keys`"),
            ("[node\n", 1, ""),
            ("data = '/a'\ndata = '/b'", 2, "duplicate"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("p.toml:{line}: ")), "{text:?}: {error}");
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{text:?}: {error}");
        }
    }
}
