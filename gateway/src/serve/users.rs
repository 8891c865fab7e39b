//! As whom each process runs. With root each has a user of its own; without, all run as whoever started them.
//!
//! Users are looked up in /etc/passwd and nowhere else: a lookup over the network has no place in the start of a gate.

use crate::config;
use std::collections::BTreeMap;

/// A user's number and its group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Who runs what.
#[derive(Debug)]
pub(super) struct Users {
    /// This process.
    pub(super) own: Account,
    /// The others, when this one is root.
    separate: Option<Separate>,
}

#[derive(Debug)]
struct Separate {
    gateway: Account,
    judge: Account,
    controller: Account,
}

/// Why the users cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserError {
    #[error("/etc/passwd cannot be read")]
    Passwd(#[from] std::io::Error),
    #[error("users.{part}: there is no user {name}; make it with: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {name}")]
    Missing { part: &'static str, name: String },
    #[error("users.{part}: {name} is root; it has to be a user without privilege")]
    Root { part: &'static str, name: String },
    #[error("users.{one} and users.{other} are the same user; each process needs one of its own")]
    Shared { one: &'static str, other: &'static str },
}

impl Users {
    pub(super) fn gateway(&self) -> Option<Account> {
        self.separate.as_ref().map(|separate| separate.gateway)
    }

    pub(super) fn judge(&self) -> Option<Account> {
        self.separate.as_ref().map(|separate| separate.judge)
    }

    pub(super) fn controller(&self) -> Option<Account> {
        self.separate.as_ref().map(|separate| separate.controller)
    }
}

/// Finds the users of a configuration.
pub(super) fn resolve(users: &config::Users) -> Result<Users, UserError> {
    let own = Account { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    let separate = if own.uid == 0 { Some(separate(users, &std::fs::read_to_string("/etc/passwd")?)?) } else { None };
    Ok(Users { own, separate })
}

fn separate(users: &config::Users, passwd: &str) -> Result<Separate, UserError> {
    let found = Separate {
        gateway: find("gateway", &users.gateway, passwd)?,
        judge: find("judge", &users.judge, passwd)?,
        controller: find("controller", &users.controller, passwd)?,
    };
    let mut seen = BTreeMap::new();
    for (part, account) in [("gateway", found.gateway), ("judge", found.judge), ("controller", found.controller)] {
        if let Some(other) = seen.insert(account.uid, part) {
            return Err(UserError::Shared { one: other, other: part });
        }
    }
    Ok(found)
}

fn find(part: &'static str, name: &str, passwd: &str) -> Result<Account, UserError> {
    let wanted = name.parse::<u32>().ok();
    let entry = passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [user, _, uid, gid, ..] = fields.as_slice() else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        (*user == name || wanted == Some(uid)).then_some(Account { uid, gid })
    });
    // a number needs no entry: containers often have none
    let account = entry.or(wanted.map(|uid| Account { uid, gid: uid })).ok_or_else(|| UserError::Missing { part, name: name.to_owned() })?;
    if account.uid == 0 || account.gid == 0 { Err(UserError::Root { part, name: name.to_owned() }) } else { Ok(account) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken\ngate:x:501:601::/:\njudge:x:502:602::/:\nctl:x:503:603::/:\n";

    fn users(gateway: &str, judge: &str, controller: &str) -> Result<Separate, UserError> {
        separate(&config::Users { gateway: gateway.into(), judge: judge.into(), controller: controller.into() }, PASSWD)
    }

    #[test]
    fn names_and_numbers() {
        let found = users("gate", "502", "9000").unwrap();
        assert_eq!(found.gateway, Account { uid: 501, gid: 601 });
        assert_eq!(found.judge, Account { uid: 502, gid: 602 });
        assert_eq!(found.controller, Account { uid: 9000, gid: 9000 });
    }

    #[test]
    fn users_that_would_weaken_the_gate() {
        assert!(matches!(users("nobody-here", "judge", "ctl"), Err(UserError::Missing { part: "gateway", .. })));
        assert!(matches!(users("root", "judge", "ctl"), Err(UserError::Root { part: "gateway", .. })));
        assert!(matches!(users("gate", "0", "ctl"), Err(UserError::Root { part: "judge", .. })));
        assert!(matches!(users("gate", "judge", "501"), Err(UserError::Shared { one: "gateway", other: "controller" })));
        let line = users("gone", "judge", "ctl").unwrap_err().to_string();
        assert!(line.contains("useradd --system") && !line.contains('\n'), "{line}");
    }
}
