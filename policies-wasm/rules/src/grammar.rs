//! What the arguments of a program may be: its options with their values, and the shapes of its operands or its subcommands.

use crate::pattern::{Place, matches, shown};
use portcullis_profile::{self as profile, OptionForm, OptionName, Pattern, Shape, Value};
use portcullis_sdk::argv::Name;
use portcullis_sdk::{Options, Refusal, quote};

/// A grammar, ready to be used.
pub(crate) struct Grammar {
    options: Options,
    values: Vec<(OptionName, Pattern)>,
    rest: Rest,
}

enum Rest {
    Shapes(Vec<Shape>),
    Subcommands(Vec<(Vec<String>, Grammar)>),
}

/// Why arguments do not fit, and how far they did.
pub(crate) struct Mismatch {
    pub(crate) refusal: Refusal,
    /// What fitted before: of several rows, the one that got farthest has the reason that helps.
    pub(crate) depth: usize,
}

fn mismatch(what: &'static str, reason: String, depth: usize) -> Mismatch {
    Mismatch { refusal: Refusal::new(what, reason), depth }
}

impl Grammar {
    /// Arranges a grammar. What the option reader keeps by reference is kept for good: it is part of the snapshot.
    pub(crate) fn new(grammar: profile::Grammar) -> Self {
        let profile::Grammar { options, first, rest } = grammar;
        let (mut flags, mut valued, mut attached, mut long) = (String::new(), String::new(), String::new(), Vec::new());
        let mut values = Vec::new();
        for OptionForm { name, value } in options {
            match (&name, &value) {
                (OptionName::Short(letter), Value::None) => flags.push(*letter),
                (OptionName::Short(letter), Value::Needed(_)) => valued.push(*letter),
                (OptionName::Short(letter), Value::Attached(_)) => attached.push(*letter),
                (OptionName::Long(name), Value::None) => long.push(kept(name.clone())),
                (OptionName::Long(name), Value::Needed(_)) => long.push(kept(format!("{name}="))),
                (OptionName::Long(name), Value::Attached(_)) => long.push(kept(format!("{name}?"))),
            }
            if let Value::Needed(pattern) | Value::Attached(pattern) = value {
                values.push((name, pattern));
            }
        }
        let options = Options::flags(kept(flags), Vec::leak(long)).valued(kept(valued)).attached(kept(attached));
        let rest = match rest {
            profile::Rest::Shapes(shapes) => Rest::Shapes(shapes),
            profile::Rest::Subcommands(all) => Rest::Subcommands(all.into_iter().map(|one| (one.names, Self::new(one.grammar))).collect()),
        };
        Self { options: if first { options.first() } else { options }, values, rest }
    }

    /// Whether arguments fit, the command's name not among them.
    pub(crate) fn check(&self, args: &[&[u8]], place: Place<'_>) -> Result<(), Mismatch> {
        let parsed = self.options.parse(args).map_err(|refusal| Mismatch { refusal, depth: 0 })?;
        for given in &parsed.options {
            let Some(value) = given.value else { continue };
            let is = |name: &OptionName| match (name, given.name) {
                (OptionName::Short(letter), Name::Short(byte)) => *letter == char::from(byte),
                (OptionName::Long(name), Name::Long(given)) => name == given,
                (OptionName::Short(_), Name::Long(_)) | (OptionName::Long(_), Name::Short(_)) => false,
            };
            let Some((_, pattern)) = self.values.iter().find(|(name, _)| is(name)) else { continue };
            if !matches(pattern, value, place) {
                let name = match given.name {
                    Name::Short(letter) => format!("-{}", char::from(letter)),
                    Name::Long(name) => format!("--{name}"),
                };
                return Err(mismatch("value", format!("{} is not a value for {name}, which takes {}", quote(value), short(&shown(pattern))), 1));
            }
        }
        match &self.rest {
            Rest::Shapes(shapes) => shapes_check(shapes, &parsed.operands, place),
            Rest::Subcommands(subcommands) => {
                let Some((name, rest)) = parsed.operands.split_first() else { return Err(mismatch("subcommand", "it needs a subcommand".to_owned(), 1)) };
                let found = subcommands.iter().find(|(names, _)| names.iter().any(|known| known.as_bytes() == *name));
                let Some((_, grammar)) = found else {
                    return Err(mismatch("subcommand", format!("{} is not among the allowed subcommands", quote(name)), 1));
                };
                grammar.check(rest, place).map_err(|m| Mismatch { depth: m.depth + 2, ..m })
            }
        }
    }
}

fn shapes_check(shapes: &[Shape], operands: &[&[u8]], place: Place<'_>) -> Result<(), Mismatch> {
    let mut nearest = None::<Mismatch>;
    for shape in shapes {
        match shape_check(shape, operands, place) {
            Ok(()) => return Ok(()),
            Err(mismatch) if nearest.as_ref().is_none_or(|known| known.depth < mismatch.depth) => nearest = Some(mismatch),
            Err(_) => {}
        }
    }
    Err(nearest.unwrap_or_else(|| mismatch("operand", "no form of it is allowed".to_owned(), 0)))
}

fn shape_check(shape: &Shape, operands: &[&[u8]], place: Place<'_>) -> Result<(), Mismatch> {
    for (at, pattern) in shape.words.iter().enumerate() {
        let Some(word) = operands.get(at) else {
            return Err(mismatch("operand", format!("it lacks {}", short(&shown(pattern))), at + 1));
        };
        if !matches(pattern, word, place) {
            return Err(mismatch("operand", format!("{} is not {}", quote(word), short(&shown(pattern))), at + 1));
        }
    }
    let more = operands.get(shape.words.len()..).unwrap_or_default();
    let wrong = more.iter().position(|word| !shape.more.as_ref().is_some_and(|pattern| matches(pattern, word, place)));
    let Some(at) = wrong else { return Ok(()) };
    let word = quote(more.get(at).copied().unwrap_or_default());
    let reason = match &shape.more {
        None => format!("{word} is one argument too many"),
        Some(pattern) => format!("{word} is not {}", short(&shown(pattern))),
    };
    Err(mismatch("operand", reason, shape.words.len() + at + 1))
}

/// A reason has room for 512 bytes.
fn short(text: &str) -> String {
    const LENGTH: usize = 160;
    if text.len() <= LENGTH { text.to_owned() } else { format!("{}...", text.get(..text.floor_char_boundary(LENGTH)).unwrap_or_default()) }
}

fn kept(text: String) -> &'static str {
    text.leak()
}
