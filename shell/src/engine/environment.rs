//! The engine's environment: an allow-list. Whatever else there is stays outside, above all what makes programs load or
//! run something (LD_*, BASH_ENV, ENV, PROMPT_COMMAND, BASH_FUNC_*, LESSOPEN, GIT_*).

use crate::parse::is_plain_locale;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Where programs are found; the operator's own PATH never counts.
const PATH: &str = "/usr/bin:/usr/sbin:/bin:/sbin:/run/portcullis/bin";
/// Names that are passed on as they are.
const PASSED: &[&str] = &["HOME", "LOGNAME", "SHELL", "TERM", "TZ", "USER"];
/// Names that are the configuration's, and what they are when it does not say.
const CONFIGURED: &[(&str, &str)] = &[("EDITOR", "vim"), ("LESSSECURE", "1"), ("PAGER", "less"), ("VISUAL", "vim")];

/// The engine's environment, from the one that the jail gave to this process.
#[must_use]
pub fn environment(own: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let mut kept: Vec<(OsString, OsString)> = vec![("PATH".into(), PATH.into())];
    let mut configured: Vec<(&str, OsString)> = CONFIGURED.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    for (name, value) in own {
        let Some(text) = name.to_str() else { continue };
        if let Some((_, configured)) = configured.iter_mut().find(|(name, _)| *name == text) {
            *configured = value;
        } else if PASSED.contains(&text) || (is_locale(text) && is_plain_locale(value.as_bytes())) {
            kept.push((name, value));
        }
    }
    kept.extend(configured.into_iter().map(|(name, value)| (name.into(), value)));
    kept
}

/// Names of the client's locale. Another character set than UTF-8 would let bash see other characters than were judged.
fn is_locale(name: &str) -> bool {
    name == "LANG" || name.strip_prefix("LC_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// A variable's value in a list.
pub(crate) fn value<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_passes() {
        let own = [
            ("HOME", "/h"), ("PATH", "/tmp"), ("LD_PRELOAD", "x"), ("BASH_ENV", "x"), ("PROMPT_COMMAND", "x"), ("BASH_FUNC_ls%%", "() { :; }"), ("LC_ALL", "ja_JP.SJIS"),
            ("LANG", "de_DE.UTF-8"), ("LC_x", "C"), ("PAGER", "cat"), ("SSH_CLIENT", "x"), ("SHELLOPTS", "posix"), ("LESSOPEN", "x"), ("GIT_PAGER", "x"), ("TERM", "xterm"),
        ];
        let mut kept = environment(own.map(|(name, value)| (name.into(), value.into())));
        kept.sort();
        let kept: Vec<String> = kept.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(kept, ["EDITOR=vim", "HOME=/h", "LANG=de_DE.UTF-8", "LESSSECURE=1", "PAGER=cat", "PATH=/usr/bin:/usr/sbin:/bin:/sbin:/run/portcullis/bin", "TERM=xterm", "VISUAL=vim"]);
    }
}
