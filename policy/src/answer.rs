//! Answers, checked. What is over a bound of the policy ABI, or not in its form, is no answer: nothing is cut or repaired.

use crate::abi::types;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::{Ask, Children, Confinement, Denial, Network, Verdict};
use portcullis_model::wire::judge::AllowedForm;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidAnswer {
    field: &'static str,
    problem: &'static str,
}

fn invalid(field: &'static str, problem: &'static str) -> InvalidAnswer {
    InvalidAnswer { field, problem }
}

/// What a module says about itself, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) action: String,
    pub(crate) roles: Vec<String>,
    pub(crate) pure: bool,
    pub(crate) allowed: Vec<AllowedForm>,
}

/// A verdict, checked.
pub(crate) fn verdict(answer: types::Verdict) -> Result<Verdict, InvalidAnswer> {
    Ok(match answer {
        types::Verdict::Allow(answer) => Verdict::Allow(confinement(answer)?),
        types::Verdict::Deny(types::Denial { rule, reason, hint }) => {
            let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if !rule.bytes().all(is_word) {
                return Err(invalid("rule", "is not one word of a-z, 0-9 and -"));
            }
            Verdict::Deny(Denial { rule: required("rule", rule, 64)?, reason: required("reason", reason, 512)?, hint: text("hint", hint, 256)? })
        }
        types::Verdict::Ask(types::Question { prompt, approvers, expiry }) => {
            Verdict::Ask(Ask { prompt: required("prompt", prompt, 512)?, approvers: list("approvers", approvers, 16, 128)?, expiry: UnixMs(expiry) })
        }
    })
}

/// A description, checked.
pub(crate) fn description(answer: types::Description) -> Result<Description, InvalidAnswer> {
    let types::Description { name, version, action, roles, pure, allowed } = answer;
    if allowed.len() > 512 {
        return Err(invalid("allowed", "has too many entries"));
    }
    let form = |row: types::AllowedForm| -> Result<AllowedForm, InvalidAnswer> {
        Ok(AllowedForm { form: required("form", row.form, 256)?, note: text("note", row.note, 512)? })
    };
    Ok(Description {
        name: required("name", name, 64)?,
        version: required("version", version, 64)?,
        action: required("action", action, 64)?,
        roles: list("roles", roles, 16, 64)?,
        pure,
        allowed: allowed.into_iter().map(form).collect::<Result<_, _>>()?,
    })
}

fn confinement(answer: types::Confinement) -> Result<Confinement, InvalidAnswer> {
    const WEEK_MS: u64 = 7 * 24 * 3_600_000;
    let types::Confinement { run_as, read, write, execute, network, children, capabilities, environment, time_limit_ms } = answer;
    if time_limit_ms.is_some_and(|ms| ms == 0 || ms > WEEK_MS) {
        return Err(invalid("time-limit-ms", "is out of range"));
    }
    if !capabilities.iter().all(|name| name.starts_with("CAP_")) {
        return Err(invalid("capabilities", "holds what is no capability's name"));
    }
    Ok(Confinement {
        run_as: run_as.map(|user| required("run-as", user, 64)).transpose()?,
        read: paths("read", read)?,
        write: paths("write", write)?,
        execute: paths("execute", execute)?,
        network: match network {
            types::Network::Session => Network::Session,
            types::Network::None => Network::None,
            types::Network::Ports(ports) if ports.len() <= 64 => Network::Ports(ports),
            types::Network::Ports(_) => return Err(invalid("ports", "has too many entries")),
        },
        children: match children {
            types::Children::Judged => Children::Judged,
            types::Children::Trusted => Children::Trusted,
            types::Children::Forbidden => Children::Forbidden,
        },
        capabilities: list("capabilities", capabilities, 64, 64)?,
        environment: environment.map(|names| list("environment", names, 64, 128)).transpose()?,
        time_limit_ms,
    })
}

fn paths(field: &'static str, paths: Option<Vec<String>>) -> Result<Option<Vec<String>>, InvalidAnswer> {
    let Some(paths) = paths else { return Ok(None) };
    if !paths.iter().all(|path| path.starts_with('/')) {
        return Err(invalid(field, "holds a path that is not absolute"));
    }
    list(field, paths, 64, 4096).map(Some)
}

fn list(field: &'static str, entries: Vec<String>, count: usize, bytes: usize) -> Result<Vec<String>, InvalidAnswer> {
    if entries.len() > count {
        return Err(invalid(field, "has too many entries"));
    }
    entries.into_iter().map(|entry| required(field, entry, bytes)).collect()
}

fn required(field: &'static str, value: String, bytes: usize) -> Result<String, InvalidAnswer> {
    if value.is_empty() { Err(invalid(field, "is empty")) } else { text(field, value, bytes) }
}

fn text(field: &'static str, value: String, bytes: usize) -> Result<String, InvalidAnswer> {
    if value.len() > bytes {
        return Err(invalid(field, "is too long"));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid(field, "holds control characters"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow() -> types::Confinement {
        types::Confinement {
            run_as: None,
            read: None,
            write: None,
            execute: None,
            network: types::Network::Session,
            children: types::Children::Judged,
            capabilities: vec![],
            environment: None,
            time_limit_ms: None,
        }
    }

    fn deny(rule: &str, reason: &str, hint: &str) -> types::Verdict {
        types::Verdict::Deny(types::Denial { rule: rule.into(), reason: reason.into(), hint: hint.into() })
    }

    #[test]
    fn answers_at_their_bounds_are_taken_and_over_them_refused() {
        let long = |n| "x".repeat(n);
        assert_eq!(verdict(types::Verdict::Allow(allow())), Ok(Verdict::Allow(Confinement::default())));
        assert!(verdict(deny(&long(64), &long(512), &long(256))).is_ok());
        for bad in [
            deny("", "x", ""),
            deny("x", "", ""),
            deny(&long(65), "x", ""),
            deny("x", &long(513), ""),
            deny("x", "x", &long(257)),
            deny("Two words", "x", ""),
            deny("x", "\x1b[2J", ""),
            deny("x", "x", "a\nb"),
            deny("x", "\u{9b}", ""),
            types::Verdict::Ask(types::Question { prompt: String::new(), approvers: vec![], expiry: 0 }),
            types::Verdict::Ask(types::Question { prompt: "x".into(), approvers: vec!["x".into(); 17], expiry: 0 }),
            types::Verdict::Allow(types::Confinement { run_as: Some(String::new()), ..allow() }),
            types::Verdict::Allow(types::Confinement { read: Some(vec!["var".into()]), ..allow() }),
            types::Verdict::Allow(types::Confinement { write: Some(vec!["/x".into(); 65]), ..allow() }),
            types::Verdict::Allow(types::Confinement { execute: Some(vec![format!("/{}", long(4096))]), ..allow() }),
            types::Verdict::Allow(types::Confinement { network: types::Network::Ports(vec![1; 65]), ..allow() }),
            types::Verdict::Allow(types::Confinement { capabilities: vec!["root".into()], ..allow() }),
            types::Verdict::Allow(types::Confinement { time_limit_ms: Some(0), ..allow() }),
            types::Verdict::Allow(types::Confinement { time_limit_ms: Some(u64::MAX), ..allow() }),
        ] {
            assert!(verdict(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_of_a_confinement_is_lost() {
        let all = types::Confinement {
            run_as: Some("root".into()),
            read: Some(vec!["/a".into()]),
            write: Some(vec!["/b".into()]),
            execute: Some(vec![]),
            network: types::Network::Ports(vec![443]),
            children: types::Children::Forbidden,
            capabilities: vec!["CAP_NET_RAW".into()],
            environment: Some(vec!["LANG".into()]),
            time_limit_ms: Some(5),
        };
        let want = Confinement {
            run_as: Some("root".into()),
            read: Some(vec!["/a".into()]),
            write: Some(vec!["/b".into()]),
            execute: Some(vec![]),
            network: Network::Ports(vec![443]),
            children: Children::Forbidden,
            capabilities: vec!["CAP_NET_RAW".into()],
            environment: Some(vec!["LANG".into()]),
            time_limit_ms: Some(5),
        };
        assert_eq!(verdict(types::Verdict::Allow(all)), Ok(Verdict::Allow(want)));
    }
}
