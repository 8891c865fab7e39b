//! The temporary account as the host sees it: `ps`, `ls` and the journal show a name instead of a number.
//!
//! A drop-in of the user database (<https://systemd.io/USER_RECORD/>, <https://systemd.io/USER_GROUP_API/>): nss-systemd reads
//! it without a daemon where it is configured, nobody else minds. It gives no way in: no password, no shell, and it is gone
//! with the grant, or with the next boot.

use portcullis_model::grant::Grant;
use serde_json::json;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

/// Marks the records that are ours.
const SERVICE: &str = "portcullis";

/// An account's files; removed when dropped.
#[derive(Debug)]
pub(crate) struct HostName {
    files: Vec<PathBuf>,
}

impl HostName {
    /// Names the account of a grant in this folder, which is made.
    ///
    /// # Errors
    /// When a file cannot be written, or one that is not ours has its name.
    pub(crate) fn announce(folder: &Path, grant: &Grant) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let (name, uid) = (grant.account.as_str(), grant.uid.get());
        let real = format!("{} under {} (Portcullis)", grant.operator, grant.request);
        let user = json!({
            "userName": name, "realName": real.replace([':', '\n'], " "), "uid": uid, "gid": uid, "disposition": "dynamic", "service": SERVICE,
            "homeDirectory": format!("/home/{name}"), "shell": "/usr/sbin/nologin", "locked": true,
        });
        let group = json!({ "groupName": name, "gid": uid, "disposition": "dynamic", "service": SERVICE });
        let mut all = Self { files: Vec::new() };
        for (kind, record) in [("user", user), ("group", group)] {
            let (file, link) = (folder.join(format!("{name}.{kind}")), folder.join(format!("{uid}.{kind}")));
            fs::OpenOptions::new().write(true).create_new(true).open(&file).and_then(|mut file| io::Write::write_all(&mut file, record.to_string().as_bytes()))?;
            all.files.push(file);
            symlink(format!("{name}.{kind}"), &link)?;
            all.files.push(link);
        }
        Ok(all)
    }
}

impl Drop for HostName {
    fn drop(&mut self) {
        for file in &self.files {
            if let Err(error) = fs::remove_file(file) {
                tracing::warn!(file = %file.display(), %error, "a record of a temporary account is left");
            }
        }
    }
}

/// Removes what an earlier warden that did not end by itself has left.
pub(crate) fn sweep(folder: &Path) {
    let ours = |path: &Path| fs::read(path).is_ok_and(|text| serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|record| record.get("service").is_some_and(|service| service == SERVICE)));
    let found: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| ours(path)).collect();
    for path in found {
        // a link is read as what it leads to, so it goes as well; what is gone already was one
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warden::grants::tests::grant;

    #[test]
    fn an_account_has_a_name_as_long_as_its_grant() {
        let folder = tempfile::tempdir().unwrap();
        let grant = grant(1);
        let (name, uid) = (grant.account.to_string(), grant.uid.get());
        let named = HostName::announce(folder.path(), &grant).unwrap();
        for file in [format!("{name}.user"), format!("{uid}.user")] {
            let record: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join(file)).unwrap()).unwrap();
            assert_eq!((record["userName"].as_str(), record["uid"].as_u64(), record["locked"].as_bool()), (Some(name.as_str()), Some(uid.into()), Some(true)));
        }
        let group: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join(format!("{uid}.group"))).unwrap()).unwrap();
        assert_eq!(group["groupName"].as_str(), Some(name.as_str()));
        assert!(HostName::announce(folder.path(), &grant).is_err(), "a name that is there is not taken over");
        drop(named);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_our_own_leftovers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        std::mem::forget(HostName::announce(folder.path(), &grant(1)).unwrap());
        fs::write(folder.path().join("other.user"), r#"{"userName":"other","service":"other"}"#).unwrap();
        fs::write(folder.path().join("broken.user"), "{").unwrap();
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["broken.user", "other.user"]);
    }
}
