//! Patterns as authors write them.
//!
//! | written | is |
//! | --- | --- |
//! | `status` | that word |
//! | `*.service`, `ssh?` | a word, `*` standing for any characters and `?` for one |
//! | `*` | any word |
//! | `@logs` | a path in the set `logs` |
//! | `{number}`, `{number:1-100}` | a number |
//! | `{account}.log` | a word with a fact of the session in it |
//! | `a\|b` | one of these |
//!
//! In operands, a last word with `...` behind it stands for any number of further ones.

use super::profile::Text as Written;
use portcullis_profile::{OptionForm, OptionName, Pattern, Piece, Shape, Text, Value};
use std::collections::BTreeMap;

/// Sets of paths by their names.
pub(super) type Sets = BTreeMap<String, Vec<Text>>;

/// One word.
pub(super) fn word(text: &str, sets: &Sets) -> Result<Pattern, String> {
    let mut alternatives = text.split('|').map(|one| alternative(one, sets)).collect::<Result<Vec<_>, _>>()?;
    Ok(if alternatives.len() == 1 { alternatives.remove(0) } else { Pattern::Either(alternatives) })
}

fn alternative(text: &str, sets: &Sets) -> Result<Pattern, String> {
    if text == "*" {
        return Ok(Pattern::Any);
    }
    if let Some(name) = text.strip_prefix('@') {
        return set(name, sets).cloned().map(Pattern::Path);
    }
    if let Some(range) = text.strip_prefix("{number").and_then(|rest| rest.strip_suffix('}')) {
        return number(range).ok_or_else(|| format!("`{}` is no range of numbers: write {{number}} or {{number:1-100}}", text.escape_debug()));
    }
    if text.contains(['{', '}']) {
        let text = placeholders(text, false)?;
        return Ok(Pattern::Text(text));
    }
    Ok(Pattern::Glob(text.to_owned()))
}

fn number(range: &str) -> Option<Pattern> {
    if range.is_empty() {
        return Some(Pattern::Number(0, u64::MAX));
    }
    let (least, most) = range.strip_prefix(':')?.split_once('-')?;
    let (least, most) = (least.parse().ok()?, if most.is_empty() { u64::MAX } else { most.parse().ok()? });
    (least <= most).then_some(Pattern::Number(least, most))
}

fn set<'a>(name: &str, sets: &'a Sets) -> Result<&'a Vec<Text>, String> {
    sets.get(name).ok_or_else(|| {
        let near = super::nearest::meant(name, sets.keys().map(String::as_str)).map_or_else(String::new, |near| format!("; did you mean `@{near}`?"));
        format!("there is no set of paths `{}`{near}", name.escape_debug())
    })
}

/// Text with placeholders; `{command}` is one in prompts only.
pub(super) fn placeholders(text: &str, prompt: bool) -> Result<Text, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("`{}` opens a placeholder and does not close it", text.escape_debug()))?;
        let known = || Piece::NAMES.iter().filter(|(_, piece)| prompt || *piece != Piece::Command);
        let Some((_, piece)) = known().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = known().map(|(name, _)| *name).collect();
            let advice = super::nearest::meant(name, names.iter().copied()).map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean {{{near}}}?"));
            return Err(format!("there is no placeholder {{{}}} here; {advice}", name.escape_debug()));
        };
        if !before.is_empty() {
            pieces.push(Piece::Plain(before.to_owned()));
        }
        pieces.push(piece.clone());
        rest = after;
    }
    if rest.contains('}') || pieces.iter().any(|piece| matches!(piece, Piece::Plain(part) if part.contains('}'))) {
        return Err(format!("`{}` closes a placeholder that it did not open", text.escape_debug()));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest.to_owned()));
    }
    Ok(Text(pieces))
}

/// A path: absolute, or below a home, without `.`, `..` and doubled slashes.
pub(super) fn path(text: &str) -> Result<Text, String> {
    let plain = text.strip_prefix("{home}").unwrap_or(text);
    let rooted = text.starts_with('/') || text.starts_with("{home}") && (plain.is_empty() || plain.starts_with('/'));
    if !rooted {
        return Err(format!("`{}` is not an absolute path: it begins with / or {{home}}", text.escape_debug()));
    }
    let parts = plain.strip_prefix('/').unwrap_or(plain);
    if text != "/" && !plain.is_empty() && parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("`{}` is not a plain path: it has no `.`, `..`, doubled or last slash", text.escape_debug()));
    }
    if text.contains(['*', '?']) {
        return Err(format!("`{}` is a pattern; a path stands for itself and everything below it", text.escape_debug()));
    }
    placeholders(text, false)
}

/// Paths, and sets of them by their names.
pub(super) fn paths(all: &[Written], sets: &Sets) -> Result<Vec<Text>, (std::ops::Range<usize>, String)> {
    let mut paths = Vec::new();
    for one in all {
        let found = match one.get_ref().strip_prefix('@') {
            Some(name) => set(name, sets).cloned(),
            None => path(one.get_ref()).map(|path| vec![path]),
        };
        paths.extend(found.map_err(|problem| (one.span(), problem))?);
    }
    Ok(paths)
}

/// Operands: words between blanks.
pub(super) fn shape(text: &str, sets: &Sets) -> Result<Shape, String> {
    let mut words = Vec::new();
    let mut more = None;
    let mut all = text.split_whitespace().peekable();
    while let Some(one) = all.next() {
        match one.strip_suffix("...") {
            Some(_) if all.peek().is_some() => return Err(format!("`{}` stands for any number of words, so nothing can follow it", one.escape_debug())),
            Some("") => return Err("... stands behind the pattern that it repeats, as in *...".to_owned()),
            Some(repeated) => more = Some(word(repeated, sets)?),
            None => words.push(word(one, sets)?),
        }
    }
    Ok(Shape { words, more })
}

/// Options: `-a`, `-la` (both), `-n VALUE`, `-i[VALUE]`, `--all`, `--lines=VALUE`, `--color[=VALUE]`.
pub(super) fn option(text: &str, sets: &Sets) -> Result<Vec<OptionForm>, String> {
    let wrong = || format!("`{}` is no option: write -a, -la, -n VALUE, -i[VALUE], --all, --lines=VALUE or --color[=VALUE]", text.escape_debug());
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = if let Some((name, rest)) = long.split_once("[=") {
            (name, Value::Attached(word(rest.strip_suffix(']').ok_or_else(wrong)?, sets)?))
        } else if let Some((name, pattern)) = long.split_once('=') {
            (name, Value::Needed(word(pattern, sets)?))
        } else {
            (long, Value::None)
        };
        let is_name = !name.is_empty() && !name.starts_with('-') && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        return if is_name { Ok(vec![OptionForm { name: OptionName::Long(name.to_owned()), value }]) } else { Err(wrong()) };
    }
    let short = text.strip_prefix('-').ok_or_else(wrong)?;
    let is_letter = |c: char| c.is_ascii_graphic() && !matches!(c, '-' | '=' | '[' | ']');
    let mut letters = short.chars();
    let first = letters.next().filter(|c| is_letter(*c)).ok_or_else(wrong)?;
    let rest = letters.as_str();
    let one = |value| vec![OptionForm { name: OptionName::Short(first), value }];
    if let Some(pattern) = rest.strip_prefix(' ') {
        return Ok(one(Value::Needed(word(pattern.trim(), sets)?)));
    }
    if let Some(pattern) = rest.strip_prefix('[') {
        return Ok(one(Value::Attached(word(pattern.strip_suffix(']').ok_or_else(wrong)?, sets)?)));
    }
    if !short.chars().all(is_letter) {
        return Err(wrong());
    }
    Ok(short.chars().map(|letter| OptionForm { name: OptionName::Short(letter), value: Value::None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Sets {
        BTreeMap::from([("logs".to_owned(), vec![path("/var/log").unwrap()])])
    }

    #[test]
    fn words_are_what_they_look_like() {
        let plain = |text: &str| Pattern::Glob(text.to_owned());
        assert_eq!(word("status|show", &sets()), Ok(Pattern::Either(vec![plain("status"), plain("show")])));
        assert_eq!(word("*", &sets()), Ok(Pattern::Any));
        assert_eq!(word("@logs", &sets()), Ok(Pattern::Path(vec![Text(vec![Piece::Plain("/var/log".into())])])));
        assert_eq!(word("{number:1-9}", &sets()), Ok(Pattern::Number(1, 9)));
        assert_eq!(word("{number}", &sets()), Ok(Pattern::Number(0, u64::MAX)));
        assert_eq!(word("{account}.log", &sets()), Ok(Pattern::Text(Text(vec![Piece::Account, Piece::Plain(".log".into())]))));
        for bad in ["@log", "{number:9-1}", "{number:x}", "{nobody}", "{account", "account}", "{command}"] {
            assert!(word(bad, &sets()).is_err(), "{bad}");
        }
        assert!(word("@log", &sets()).unwrap_err().ends_with("did you mean `@logs`?"));
        assert!(word("{acount}", &sets()).unwrap_err().ends_with("did you mean {account}?"));
        assert!(placeholders("{operator}: {command}?", true).is_ok());
    }

    #[test]
    fn options_have_their_usual_forms() {
        let count = |text: &str| option(text, &sets()).map(|all| all.len());
        for (text, want) in [("-a", 1), ("-la", 2), ("-n {number}", 1), ("-i[*]", 1), ("--all", 1), ("--lines={number}", 1), ("--color[=auto|never]", 1), ("-4", 1)] {
            assert_eq!(count(text), Ok(want), "{text}");
        }
        for bad in ["", "a", "-", "--", "---x", "-n=5", "--a b", "-i[*", "--x[=*", "-é", "--=x"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        for good in ["/", "/var/log", "{home}", "{home}/x", "/u01/{account}"] {
            assert!(path(good).is_ok(), "{good}");
        }
        for bad in ["", "var", "/var/", "/a//b", "/a/../b", "{home}x", "{account}/x", "/a/*", "{home}/"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_shape_may_end_in_any_number_of_words() {
        let shape = |text: &str| shape(text, &sets()).map(|shape| (shape.words.len(), shape.more.is_some()));
        assert_eq!((shape(""), shape("status *..."), shape("cat @logs")), (Ok((0, false)), Ok((1, true)), Ok((2, false))));
        assert!(shape("* ... x").is_err() && shape("...").is_err() && shape("*... x").is_err());
    }
}
