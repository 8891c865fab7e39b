//! Temporary accounts: the name that an operator logs in with, and the uid that the session runs as.

use serde::{Deserialize, Serialize};
use std::fmt;

/// First uid of the range that temporary accounts are drawn from: above everything that systemd's table and Debian's
/// policy assign, below subordinate uids (100000).
pub const UID_FIRST: u32 = 70_000;
/// Last uid of that range.
pub const UID_LAST: u32 = 89_999;

/// Why a text is not an account name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an account name: it takes 2 to 31 characters, a-z first, then a-z, 0-9 and -")]
pub struct InvalidAccount(String);

/// A temporary account's name, valid as a Unix user name: `op-` and a few characters of the request's id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountName {
    type Error = InvalidAccount;
    fn try_from(text: String) -> Result<Self, InvalidAccount> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if first && rest && (2..=31).contains(&text.len()) { Ok(Self(text)) } else { Err(InvalidAccount(text)) }
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> String {
        name.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A uid inside [`UID_FIRST`]..=[`UID_LAST`]: never root, never an account of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct AccountUid(u32);

/// A uid outside the range of temporary accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("uid {0} is outside the range of temporary accounts, {UID_FIRST} to {UID_LAST}")]
pub struct InvalidUid(u32);

impl AccountUid {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for AccountUid {
    type Error = InvalidUid;
    fn try_from(uid: u32) -> Result<Self, InvalidUid> {
        if (UID_FIRST..=UID_LAST).contains(&uid) { Ok(Self(uid)) } else { Err(InvalidUid(uid)) }
    }
}

impl From<AccountUid> for u32 {
    fn from(uid: AccountUid) -> u32 {
        uid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_mean_something_else_are_refused() {
        for bad in ["", "a", "-op", "root/../x", "op 1", "Op-1", "1op", "op\n", "op-\u{e9}"] {
            assert!(AccountName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert_eq!(AccountName::try_from("op-7f3a".to_owned()).unwrap().as_str(), "op-7f3a");
    }

    #[test]
    fn system_uids_are_refused() {
        for bad in [0, 1000, 65_534, 69_999, 90_000, u32::MAX] {
            assert!(AccountUid::try_from(bad).is_err(), "{bad}");
        }
    }
}
