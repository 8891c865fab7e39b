//! The environment that the shell starts with: fixed, but for the language and the kind of terminal.

use crate::spec::JailSpec;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/portcullis/bin";
const VALUE_MAX: usize = 64;

/// The variables of the shell, as `NAME=value`.
pub(crate) fn of(spec: &JailSpec) -> Vec<String> {
    let account = &spec.facts.account;
    let mut variables = vec![
        format!("PATH={PATH}"),
        format!("HOME=/home/{account}"),
        format!("USER={account}"),
        format!("LOGNAME={account}"),
        format!("SHELL={}", spec.engine),
    ];
    if let Some(terminal) = &spec.terminal {
        let term = if plain(&terminal.term) { &terminal.term } else { "dumb" };
        variables.push(format!("TERM={term}"));
    }
    let language = spec.environment.iter().filter(|(name, value)| is_language(name) && plain(value));
    variables.extend(language.take(16).map(|(name, value)| format!("{name}={value}")));
    if !variables.iter().any(|v| v.starts_with("LANG=")) {
        variables.push("LANG=C.UTF-8".to_owned());
    }
    variables
}

fn is_language(name: &str) -> bool {
    name == "LANG" || name.strip_prefix("LC_").is_some_and(|rest| !rest.is_empty() && rest.len() <= 32 && rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

// no slash: a locale or a terminal's description named by path would be read from wherever the operator wrote it
fn plain(value: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-' | b'+' | b',' | b':');
    (1..=VALUE_MAX).contains(&value.len()) && value.bytes().all(allowed) && !value.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_language_comes_from_the_client() {
        for name in ["LANG", "LC_ALL", "LC_CTYPE"] {
            assert!(is_language(name), "{name}");
        }
        for name in ["LC_", "LANGUAGE", "LD_PRELOAD", "LC_x", "BASH_ENV", "PATH"] {
            assert!(!is_language(name), "{name}");
        }
        for value in ["", "/tmp/x", "../x", "a\nb", "$(id)", "\u{e9}"] {
            assert!(!plain(value), "{value:?}");
        }
        assert!(plain("de_CH.UTF-8") && plain("xterm-256color") && plain("C"));
    }
}
