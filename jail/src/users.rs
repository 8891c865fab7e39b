//! Who a session's processes can become, beside its own account: root, and those users of the host that the profile names. There
//! is no look-up but this list, which is also what the jail's `/etc/passwd` says.

use portcullis_model::verdict::Confinement;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// A user of the jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
}

/// Whom a session's processes can become, and who makes them so.
#[derive(Debug)]
pub struct Others {
    pub(crate) users: Vec<User>,
    /// The keeper's end of the socket of the jail's init.
    pub(crate) init: OwnedFd,
}

/// The search path of what runs as another user.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What another user's program gets of its caller's environment when the policy does not say: nothing that steers a program.
const PLAIN: &[&str] = &["COLUMNS", "LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LINES", "TERM", "TZ"];

/// The environment of a program whose children nobody is asked about: what it finds, and what it reads at its start, is not its
/// caller's choice. What is kept of the caller's is `kept`.
pub(crate) fn without_steering(kept: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let own = [("HOME", "/"), ("PATH", PATH), ("SHELL", "/usr/bin/bash")];
    with_own(kept, &own)
}

fn with_own(kept: Vec<Vec<u8>>, own: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let is_own = |entry: &[u8]| own.iter().any(|(name, _)| entry.split(|b| *b == b'=').next() == Some(name.as_bytes()));
    let entries = own.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    kept.into_iter().filter(|entry| !is_own(entry) && is_plain(entry)).chain(entries).collect()
}

/// Whether a variable names no file of its caller's choice: TZ, LANG and their like can.
fn is_plain(entry: &[u8]) -> bool {
    let Some(at) = entry.iter().position(|byte| *byte == b'=') else { return false };
    let (name, value) = entry.split_at(at);
    let steers = name == b"TZ" || name == b"TERM" || name.starts_with(b"LC_") || name.starts_with(b"LANG");
    let value = value.strip_prefix(b"=").unwrap_or(value);
    let outside = value.starts_with(b"/") || value.starts_with(b":") || value.windows(2).any(|pair| pair == b"..");
    !steers || (!outside && (name == b"TZ" || !value.contains(&b'/')))
}

impl User {
    /// Root.
    pub(crate) fn root() -> Self {
        Self { name: "root".to_owned(), uid: 0, gid: 0, home: "/root".to_owned() }
    }

    /// Its line in `/etc/passwd`; nobody logs in as it.
    pub(crate) fn line(&self) -> String {
        let Self { name, uid, gid, home } = self;
        format!("{name}:x:{uid}:{gid}:{name}:{home}:/usr/sbin/nologin\n")
    }

    /// The whole environment of a program that runs as it, from what its caller's was cut to. Who the caller is, stands in it by the names
    /// that programs know; the group of a session's account has the account's number.
    pub(crate) fn environment(&self, kept: Vec<Vec<u8>>, caller: u32) -> Vec<Vec<u8>> {
        let caller = caller.to_string();
        let own = [
            ("HOME", self.home.as_str()), ("USER", &self.name), ("LOGNAME", &self.name), ("PATH", PATH), ("SHELL", "/usr/bin/bash"), ("SUDO_UID", &caller), ("SUDO_GID", &caller),
        ];
        with_own(kept, &own)
    }

    /// The variables that a program which runs as it may keep.
    pub(crate) fn variables(confinement: &Confinement) -> Vec<String> {
        confinement.environment.clone().unwrap_or_else(|| PLAIN.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// Root, and the users among `wanted` that the host has: with numbers of their own, and plain names and homes.
pub(crate) fn host_users(wanted: &[String], account: u32) -> Vec<User> {
    named(&std::fs::read_to_string("/etc/passwd").unwrap_or_default(), wanted, account)
}

fn named(text: &str, wanted: &[String], account: u32) -> Vec<User> {
    let mut users = vec![User::root()];
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        let is_wanted = wanted.iter().any(|wanted| wanted == name) && !users.iter().any(|user| user.name == *name);
        // neither root under another name, nor in root's group, nor the session itself
        if is_wanted && uid != 0 && gid != 0 && uid != account && home.starts_with('/') {
            users.push(User { name: (*name).to_owned(), uid, gid, home: (*home).to_owned() });
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_callers_steers_a_trusted_program() {
        let kept = ["PATH=/tmp/p", "HOME=/tmp/h", "TERM=vt100", "TZ=/tmp/x", "TZ=:/tmp/x", "LANG=../../tmp", "LC_ALL=a/b", "LINES=3"].map(|entry| entry.as_bytes().to_vec()).to_vec();
        let given: Vec<String> = without_steering(kept).into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect();
        assert_eq!(given, ["TERM=vt100", "LINES=3", "HOME=/", &format!("PATH={PATH}"), "SHELL=/usr/bin/bash"]);
        assert!(is_plain(b"TZ=Europe/Vienna") && !is_plain(b"TZ=Europe/../x") && is_plain(b"LINES=/"));
    }

    #[test]
    fn users_are_those_that_are_named_and_nobody_is_root_but_root() {
        let text = "root:x:0:0::/root:/bin/sh\ntoor:x:0:7::/x:\necra:x:801:802::/home/ecra:/bin/bash\nwheel:x:9:0::/x:\nme:x:70000:70000::/x:\nother:x:5:5::/x:\nbad\nx:y:z:\necra:x:1:1::/y:\nrel:x:6:6::x:";
        let wanted = ["ecra", "toor", "wheel", "me", "rel", "none", "root"].map(str::to_owned);
        let found = named(text, &wanted, 70_000);
        assert_eq!(found.iter().map(|user| (user.name.as_str(), user.uid, user.gid)).collect::<Vec<_>>(), [("root", 0, 0), ("ecra", 801, 802)]);
    }

    #[test]
    fn what_names_the_user_is_the_users_own() {
        let kept = ["PATH=/tmp/evil", "TERM=vt100", "HOME=/home/op", "HOMES=x", "SUDO_UID=0"].map(|text| text.as_bytes().to_vec()).to_vec();
        let environment = User::root().environment(kept, 70_001);
        let text: Vec<&str> = environment.iter().map(|entry| str::from_utf8(entry).unwrap()).collect();
        assert_eq!(text, ["TERM=vt100", "HOMES=x", "HOME=/root", "USER=root", "LOGNAME=root", &format!("PATH={PATH}"), "SHELL=/usr/bin/bash", "SUDO_UID=70001", "SUDO_GID=70001"]);
    }
}
