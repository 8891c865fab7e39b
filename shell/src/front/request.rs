//! `request ...`: what an operator wants of the access itself, read from the words of a line.

use portcullis_model::wish::Wish;

/// What `request help` says.
pub(super) const HELP: &str = "\
request [status]                                        how this access stands
request extend --for TIME [--reason WHY]                more time, as in 1h or 30m; an approver decides
request share OPERATOR [--key 'KEY'] [--reason WHY]     another operator beside you; an approver decides
request message TEXT...                                 say something to the approvers
request messages                                        what was said
request close REASON...                                 the work is done: ends every session under this access
What waits for an approver is taken back by Ctrl-C. Without --key, the operator's key is the one that was approved last.";

/// What the words mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Something for the controller.
    Wish(Wish),
    /// How to use it.
    Help,
    /// Nothing, for this reason.
    Wrong(String),
}

/// Reads the words behind `request`.
pub(super) fn asked(words: &[&str]) -> Asked {
    read(words).unwrap_or_else(Asked::Wrong)
}

fn read(words: &[&str]) -> Result<Asked, String> {
    let nothing_more = |rest: &[&str]| if rest.is_empty() { Ok(()) } else { Err(format!("'{}' is too much", rest.join(" "))) };
    let (verb, rest) = words.split_first().map_or(("status", [].as_slice()), |(verb, rest)| (*verb, rest));
    let wish = match verb {
        "status" | "messages" => {
            nothing_more(rest)?;
            if verb == "status" { Wish::Status } else { Wish::Messages }
        }
        "close" => Wish::Close { reason: text(rest, "say what was done: request close REASON")? },
        "message" | "say" => Wish::Message { text: text(rest, "say something: request message TEXT")? },
        "extend" => {
            let Options { time, reason, key: None, others } = options(rest)? else { return Err("--key is for share".to_owned()) };
            nothing_more(&others)?;
            let for_s = time.ok_or("say for how long: request extend --for 1h")?;
            Wish::Extend { for_s, reason }
        }
        "share" => {
            let Options { time: None, reason, key, others } = options(rest)? else { return Err("--for is for extend".to_owned()) };
            let (operator, rest) = others.split_first().ok_or("say with whom: request share OPERATOR")?;
            nothing_more(rest)?;
            Wish::Share { operator: (*operator).to_owned(), key: key.unwrap_or_default(), reason }
        }
        "help" | "--help" | "-h" => return Ok(Asked::Help),
        other => return Err(format!("there is no '{other}'")),
    };
    if wish.fits() { Ok(Asked::Wish(wish)) } else { Err("it is too long".to_owned()) }
}

fn text(words: &[&str], missing: &str) -> Result<String, String> {
    if words.is_empty() { Err(missing.to_owned()) } else { Ok(words.join(" ")) }
}

/// Options, and what is none.
#[derive(Debug, Default)]
struct Options<'a> {
    time: Option<u64>,
    reason: String,
    key: Option<String>,
    others: Vec<&'a str>,
}

fn options<'a>(words: &[&'a str]) -> Result<Options<'a>, String> {
    let mut found = Options::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').filter(|(name, _)| name.starts_with("--")).map_or((word, None), |(name, value)| (name, Some(value)));
        if !name.starts_with('-') {
            found.others.push(word);
            continue;
        }
        let mut value = || value.or_else(|| words.next()).ok_or_else(|| format!("{name} needs a value"));
        match name {
            "--for" => found.time = Some(seconds(value()?)?),
            "--key" => found.key = Some(value()?.to_owned()),
            // the last option takes all the rest: nobody quotes a sentence gladly
            "--reason" => {
                let first = value()?;
                found.reason = std::iter::once(first).chain(words.by_ref()).collect::<Vec<_>>().join(" ");
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(found)
}

/// A length of time, as in `90m` or `1h30m`, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is no length of time; write it as 30m, 2h or 1h30m");
    let (mut total, mut number) = (0u64, None::<u64>);
    for c in text.chars() {
        let Some(digit) = c.to_digit(10) else {
            let unit = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)].into_iter().find(|(name, _)| *name == c).ok_or_else(bad)?.1;
            let more = number.take().and_then(|number| number.checked_mul(unit)).ok_or_else(bad)?;
            total = total.checked_add(more).ok_or_else(bad)?;
            continue;
        };
        number = Some(number.unwrap_or(0).checked_mul(10).and_then(|number| number.checked_add(u64::from(digit))).ok_or_else(bad)?);
    }
    if number.is_some() || total == 0 { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Wish {
        match asked(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>()) {
            Asked::Wish(wish) => wish,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words_become_wishes() {
        assert_eq!((wish(""), wish("status"), wish("messages")), (Wish::Status, Wish::Status, Wish::Messages));
        assert_eq!(wish("close disk 3 replaced"), Wish::Close { reason: "disk 3 replaced".into() });
        assert_eq!(wish("extend --for 1h30m"), Wish::Extend { for_s: 5400, reason: String::new() });
        assert_eq!(wish("extend --for=10m --reason the rebuild is slow"), Wish::Extend { for_s: 600, reason: "the rebuild is slow".into() });
        assert_eq!(wish("share bob"), Wish::Share { operator: "bob".into(), key: String::new(), reason: String::new() });
        let key = asked(&["share", "bob", "--key", "ssh-ed25519 AAAA", "--reason", "he", "knows"]);
        assert_eq!(key, Asked::Wish(Wish::Share { operator: "bob".into(), key: "ssh-ed25519 AAAA".into(), reason: "he knows".into() }));
        assert_eq!(wish("message --now or never"), Wish::Message { text: "--now or never".into() });
        assert_eq!(asked(&["help"]), Asked::Help);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bad in ["close", "extend", "extend 1h", "extend --for", "extend --for 1", "extend --for 0h", "extend --for 99999999999999999999h", "extend --for 1h --key k",
            "share", "share a b", "share --for 1h a", "share -x a", "message", "status now", "revoke", "extend --for 1h more"] {
            assert!(matches!(asked(&bad.split(' ').collect::<Vec<_>>()), Asked::Wrong(_)), "{bad}");
        }
        assert!(matches!(asked(&["message", &"x".repeat(1001)]), Asked::Wrong(_)));
    }
}
