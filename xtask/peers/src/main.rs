//! Other policy engines on one set of rules: `peers ENGINE PROFILE COMMANDS [COUNT]`.
//!
//! ENGINE is `native` (the rules as Rust, compiled for this machine), `regorus` (as Rego, on the engine's bytecode machine) or
//! `cedar`. PROFILE is the file of which Portcullis makes its module; the others get it translated, row by row. COMMANDS has one
//! command a line, words between blanks, the program as an absolute path.
//!
//! Without COUNT it prints 1 for each command that is allowed and 0 for each other, one a line, so that engines can be compared
//! before they are timed. With COUNT it asks so many questions, in turn, and prints the nanoseconds of each: from the command's
//! words to the verdict, the making of the engine's own input included, in one thread, the engine reused for as long as it likes.
//!
//! The translation is made so that it is easy for the others: options and operands are told apart for them, and paths need no
//! normalising. It is a straightforward one; nobody who knows these engines better than their manuals has tuned it.
#![forbid(unsafe_code)]

mod cedar;
mod rego;
mod rules;

use anyhow::{Context as _, Result, bail};
use rules::{Question, Rules};
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

/// Questions that are not counted: the first ones find nothing in any cache.
const WARM: usize = 1000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (engine, profile, commands, count) = match words[..] {
        [engine, profile, commands] => (engine, profile, commands, None),
        [engine, profile, commands, count] => (engine, profile, commands, Some(count.parse::<usize>()?)),
        _ => bail!("usage: peers native|regorus|cedar PROFILE COMMANDS [COUNT]"),
    };
    let rules = Rules::parse(&read(profile)?)?;
    let commands = read(commands)?;
    let questions = commands.lines().map(Question::parse).collect::<Result<Vec<_>>>()?;
    match engine {
        "native" => run(&questions, count, |question| Ok(rules.allow(question))),
        "regorus" => {
            let mut engine = rego::Rego::new(&rules)?;
            run(&questions, count, |question| engine.allow(question))
        }
        "cedar" => {
            let engine = cedar::Cedar::new(&rules)?;
            run(&questions, count, |question| engine.allow(question))
        }
        other => bail!("{other:?} is not native, regorus or cedar"),
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn run(questions: &[Question], count: Option<usize>, mut allow: impl FnMut(&Question) -> Result<bool>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(count) = count else {
        for question in questions {
            writeln!(out, "{}", u8::from(allow(question)?))?;
        }
        return Ok(());
    };
    let mut taken = Vec::with_capacity(count);
    for (n, question) in questions.iter().cycle().take(WARM + count).enumerate() {
        let begun = Instant::now();
        let verdict = allow(black_box(question))?;
        let nanoseconds = begun.elapsed().as_nanos();
        black_box(verdict);
        if n >= WARM {
            taken.push(nanoseconds);
        }
    }
    Ok(taken.iter().try_for_each(|nanoseconds| writeln!(out, "{nanoseconds}"))?)
}
