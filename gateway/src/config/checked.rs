//! The file as it is meant.

use super::{duration, raw};
use portcullis_model::action::Role;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// Where everything is kept: keys, grants, the store, evidence.
    pub data: PathBuf,
    /// This node.
    pub node: Node,
    /// The SSH server.
    pub ssh: Ssh,
    /// The controller's API.
    pub api: Api,
    /// The targets that the controller serves.
    pub targets: Vec<Target>,
    /// Users of the unprivileged processes.
    pub users: Users,
    /// The folder of policy modules, one `ACTION.role.wasm` each.
    pub modules: PathBuf,
    /// The file of policy admins: the OpenSSH public keys whose signature a pushed module needs, one a line.
    pub policy_admins: PathBuf,
    /// Addresses of this node, or near it, to which connections may be forwarded where the policy allows it as well.
    pub forward_near: Vec<SocketAddr>,
    /// The other programs.
    pub programs: Programs,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name as a target.
    pub target: String,
    /// What it is in its rack.
    pub role: Role,
    /// Where temporary accounts are named for the host's own programs; none for nowhere.
    pub userdb: Option<PathBuf>,
    /// Where profiles of this node's own are; none for the built-in ones.
    pub profiles: Option<PathBuf>,
}

/// A target of the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is in its rack.
    pub role: Role,
}

/// Which algorithms the SSH server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Modern ones, post-quantum key exchange first.
    Default,
    /// Approved ones only. The implementations are not a validated module.
    Fips,
}

/// The SSH server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Algorithms.
    pub profile: Profile,
    /// Time from connecting to being authenticated.
    pub login_grace: Duration,
    /// Unauthenticated connections at a time.
    pub max_startups: usize,
    /// Unauthenticated connections at a time from one address (one /64 for IPv6).
    pub max_startups_per_source: usize,
    /// Connections at a time.
    pub max_connections: usize,
    /// Sessions at a time on one connection.
    pub max_sessions: usize,
    /// Silence after which the client is asked whether it is still there; three unanswered end the connection.
    pub keepalive: Duration,
}

/// The controller's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The address that it listens on, and that the command line and the gateway dial.
    pub listen: SocketAddr,
}

/// Names or numbers of users, resolved when the processes are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Runs the gateway.
    pub gateway: String,
    /// Runs the judge.
    pub judge: String,
    /// Runs the controller.
    pub controller: String,
}

/// Programs that `serve` starts; none means beside the running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The warden.
    pub warden: Option<PathBuf>,
    /// The judge.
    pub judge: Option<PathBuf>,
    /// The mediating shell.
    pub shell: Option<PathBuf>,
    /// The file server.
    pub sftp: Option<PathBuf>,
    /// The forwarder.
    pub forward: Option<PathBuf>,
}

/// What is wrong, and where in the text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) offset: usize,
    pub(super) problem: String,
}

type Checked<T> = Result<T, Wrong>;

fn wrong<T, V>(value: &Spanned<V>, problem: impl std::fmt::Display) -> Checked<T> {
    Err(Wrong { offset: value.span().start, problem: problem.to_string() })
}

pub(super) fn check(file: &Path, raw: raw::Raw) -> Checked<Config> {
    let data = match &raw.data {
        Some(data) => absolute("data", data)?,
        None => PathBuf::from("/var/lib/portcullis"),
    };
    let node = Node {
        target: node_name(raw.node.target.as_ref())?,
        role: raw.node.role.as_ref().map_or(Ok(Role::Generic), role)?,
        userdb: userdb(raw.node.userdb.as_ref())?,
        profiles: raw.node.profiles.as_ref().map(|path| absolute("node.profiles", path)).transpose()?,
    };
    let targets = targets(&raw.targets, &node)?;
    let modules = match &raw.modules.path {
        Some(path) => absolute("modules.path", path)?,
        None => data.join("modules"),
    };
    let policy_admins = match &raw.policy.admins {
        Some(path) => absolute("policy.admins", path)?,
        None => data.join("trust/policy-admins"),
    };
    let program = |key: &str, path: &Option<Spanned<String>>| path.as_ref().map(|path| absolute(key, path)).transpose();
    Ok(Config {
        file: file.to_owned(),
        ssh: ssh(&raw.ssh)?,
        forward_near: raw.forward.near.iter().map(near).collect::<Checked<_>>()?,
        api: Api { listen: raw.api.listen.as_ref().map_or(Ok(SocketAddr::from(([127, 0, 0, 1], 7022))), api_address)? },
        users: Users {
            gateway: user(raw.users.gateway.as_ref(), "portcullis")?,
            judge: user(raw.users.judge.as_ref(), "portcullis-judge")?,
            controller: user(raw.users.controller.as_ref(), "portcullis-controller")?,
        },
        programs: Programs {
            warden: program("programs.warden", &raw.programs.warden)?,
            judge: program("programs.judge", &raw.programs.judge)?,
            shell: program("programs.shell", &raw.programs.shell)?,
            sftp: program("programs.sftp", &raw.programs.sftp)?,
            forward: program("programs.forward", &raw.programs.forward)?,
        },
        data,
        node,
        targets,
        modules,
        policy_admins,
    })
}

fn near(address: &Spanned<String>) -> Checked<SocketAddr> {
    match address.get_ref().parse::<SocketAddr>() {
        Ok(parsed) if parsed.port() != 0 => Ok(parsed),
        _ => wrong(address, format_args!("forward.near has {:?}; it takes addresses with a port, such as 127.0.0.1:22 or [::1]:22", address.get_ref())),
    }
}

fn absolute(key: &str, path: &Spanned<String>) -> Checked<PathBuf> {
    let text = path.get_ref();
    let plain = Path::new(text).components().all(|part| !matches!(part, std::path::Component::ParentDir));
    if text.starts_with('/') && plain && !text.contains('\0') {
        Ok(PathBuf::from(text))
    } else {
        wrong(path, format_args!("{key} is {text:?}; it takes an absolute path without `..`"))
    }
}

fn userdb(path: Option<&Spanned<String>>) -> Checked<Option<PathBuf>> {
    match path {
        None => Ok(Some(PathBuf::from("/run/userdb"))),
        Some(path) if path.as_ref().is_empty() => Ok(None),
        Some(path) => absolute("node.userdb", path).map(Some),
    }
}

fn node_name(name: Option<&Spanned<String>>) -> Checked<String> {
    if let Some(name) = name {
        return target_name("node.target", name);
    }
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    if is_target_name(&host) {
        Ok(host)
    } else {
        Err(Wrong { offset: 0, problem: format!("the host name {host:?} cannot be this node's name; set node.target") })
    }
}

fn is_target_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)) && !name.starts_with(['-', '.'])
}

fn target_name(key: &str, name: &Spanned<String>) -> Checked<String> {
    let text = name.get_ref();
    if is_target_name(text) {
        Ok(text.clone())
    } else {
        wrong(name, format_args!("{key} is {text:?}; it takes 1 to 63 of a-z, 0-9, - and . and starts with a letter or digit"))
    }
}

fn role(text: &Spanned<String>) -> Checked<Role> {
    text.get_ref().parse().or_else(|error: portcullis_model::action::UnknownRole| wrong(text, error))
}

fn targets(raw: &[raw::Target], node: &Node) -> Checked<Vec<Target>> {
    if raw.is_empty() {
        return Ok(vec![Target { name: node.target.clone(), role: node.role }]);
    }
    let mut seen = BTreeSet::new();
    raw.iter()
        .map(|target| {
            let name = target_name("target.name", &target.name)?;
            if !seen.insert(name.clone()) {
                return wrong(&target.name, format_args!("target {name:?} is there twice"));
            }
            Ok(Target { name, role: role(&target.role)? })
        })
        .collect()
}

fn ssh(raw: &raw::Ssh) -> Checked<Ssh> {
    let listen = match &raw.listen {
        None => vec![SocketAddr::from(([127, 0, 0, 1], 2222))],
        Some(list) if list.get_ref().is_empty() => return wrong(list, "ssh.listen is empty; it takes addresses as in [\"127.0.0.1:2222\"]"),
        Some(list) => list.get_ref().iter().map(|one| address("ssh.listen", one)).collect::<Checked<_>>()?,
    };
    let profile = match &raw.profile {
        None => Profile::Default,
        Some(text) => match text.get_ref().as_str() {
            "default" => Profile::Default,
            "fips" => Profile::Fips,
            other => return wrong(text, format_args!("ssh.profile is {other:?}; there are \"default\" and \"fips\"")),
        },
    };
    let max_startups = number("ssh.max_startups", raw.max_startups.as_ref(), 100, 1..=10_000)?;
    Ok(Ssh {
        listen,
        profile,
        login_grace: length("ssh.login_grace", raw.login_grace.as_ref(), 30, 1..=600)?,
        max_startups,
        max_startups_per_source: number("ssh.max_startups_per_source", raw.max_startups_per_source.as_ref(), 20.min(max_startups), 1..=10_000)?,
        max_connections: number("ssh.max_connections", raw.max_connections.as_ref(), 1000, 1..=100_000)?,
        max_sessions: number("ssh.max_sessions", raw.max_sessions.as_ref(), 10, 1..=100)?,
        keepalive: length("ssh.keepalive", raw.keepalive.as_ref(), 30, 1..=3600)?,
    })
}

fn address(key: &str, text: &Spanned<String>) -> Checked<SocketAddr> {
    let value = text.get_ref();
    value.parse().or_else(|_| wrong(text, format_args!("{key} has {value:?}; it takes an IP address and a port, as in \"127.0.0.1:2222\" or \"[::1]:2222\"")))
}

fn api_address(text: &Spanned<String>) -> Checked<SocketAddr> {
    let address = address("api.listen", text)?;
    if !address.ip().is_loopback() {
        // the API speaks plain HTTP: its tokens may not leave the machine
        return wrong(text, format_args!("api.listen is {address}; without TLS it takes a loopback address"));
    }
    if address.port() == 0 {
        return wrong(text, "api.listen has port 0; the command line and the gateway have to know the port");
    }
    Ok(address)
}

fn number(key: &str, value: Option<&Spanned<u32>>, default: usize, allowed: RangeInclusive<u32>) -> Checked<usize> {
    let Some(value) = value else { return Ok(default) };
    if allowed.contains(value.get_ref()) {
        Ok(*value.get_ref() as usize)
    } else {
        wrong(value, format_args!("{key} is {}; it takes {} to {}", value.get_ref(), allowed.start(), allowed.end()))
    }
}

fn length(key: &str, value: Option<&Spanned<String>>, default: u64, allowed: RangeInclusive<u64>) -> Checked<Duration> {
    let Some(value) = value else { return Ok(Duration::from_secs(default)) };
    let length = duration::parse(value.get_ref()).or_else(|error| wrong(value, format_args!("{key}: {error}")))?;
    if allowed.contains(&length.as_secs()) {
        Ok(length)
    } else {
        wrong(value, format_args!("{key} is {}; it takes {}s to {}s", value.get_ref(), allowed.start(), allowed.end()))
    }
}

fn user(value: Option<&Spanned<raw::User>>, default: &str) -> Checked<String> {
    let Some(value) = value else { return Ok(default.to_owned()) };
    match value.get_ref() {
        raw::User::Number(number) => Ok(number.to_string()),
        raw::User::Name(name) => {
            let plain = !name.is_empty() && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && !name.starts_with('-');
            if plain { Ok(name.clone()) } else { wrong(value, format_args!("{name:?} is not a user name")) }
        }
    }
}
