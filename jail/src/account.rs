//! The account files of a jail: root, nobody, the session's temporary account, and of the host's users those that the profile names.

use crate::spec::JailSpec;
use crate::users::User;
use std::path::Path;

/// What the session's processes run as, and what that is called.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Groups of the host that the session is a member of.
    pub(crate) groups: Vec<(String, u32)>,
    /// Whom its processes can become, if the policy says so.
    pub(crate) users: Vec<User>,
    shell: &'static str,
}

/// The group that owns terminals, on every Linux.
pub(crate) const TTY_GID: u32 = 5;

impl Account {
    /// The account of a session that runs as `uid` and `gid`.
    pub(crate) fn new(spec: &JailSpec, uid: u32, gid: u32, groups: Vec<(String, u32)>, users: Vec<User>) -> Self {
        Self { name: spec.facts.account.clone(), uid, gid, groups, users, shell: spec.engine }
    }

    /// Its home folder.
    pub(crate) fn home(&self) -> String {
        format!("/home/{}", self.name)
    }

    /// The files that name users and groups: path and content.
    pub(crate) fn files(&self) -> [(&'static str, String); 4] {
        let Self { name, uid, gid, shell, .. } = self;
        let others: String = self.users.iter().filter(|user| user.uid != 0).map(User::line).collect();
        let passwd = format!(
            "root:x:0:0:root:/root:/usr/sbin/nologin\n{name}:x:{uid}:{gid}:temporary account:/home/{name}:{shell}\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n{others}"
        );
        let mut group = format!("root:x:0:\ntty:x:{TTY_GID}:\n{name}:x:{gid}:\nnogroup:x:65534:\n");
        for (other, gid) in &self.groups {
            group.push_str(&format!("{other}:x:{gid}:{name}\n"));
        }
        for user in self.users.iter().filter(|user| user.uid != 0) {
            group.push_str(&format!("{}:x:{}:\n", user.name, user.gid));
        }
        let switch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n";
        [("/etc/passwd", passwd), ("/etc/group", group), ("/etc/nsswitch.conf", switch.to_owned()), ("/etc/shells", format!("{shell}\n"))]
    }
}

/// The groups among `wanted` that the host has. Root's is never among them, nor is anything but plain names.
pub(crate) fn host_groups(wanted: &[String]) -> Vec<(String, u32)> {
    named(&std::fs::read_to_string(Path::new("/etc/group")).unwrap_or_default(), wanted)
}

fn named(text: &str, wanted: &[String]) -> Vec<(String, u32)> {
    let mut found: Vec<(String, u32)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(gid)) = (fields.next(), fields.nth(1).and_then(|gid| gid.parse().ok())) else { continue };
        if gid != 0 && wanted.iter().any(|w| w == name) && !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), gid));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_taken_by_name_and_never_root() {
        let text = "root:x:0:\nadm:x:4:syslog\nadm:x:99:\nwheel:x:0:\nbad\nx:y\n";
        let wanted: Vec<String> = ["adm", "root", "wheel", "none", "bad"].map(String::from).into();
        assert_eq!(named(text, &wanted), [("adm".to_owned(), 4)]);
    }
}
