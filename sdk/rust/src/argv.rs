//! Grammar of a command's arguments, as GNU's getopt_long reads them.
//!
//! Only what a grammar names is understood; the rest is an error. That is stricter than getopt in one way on purpose: a long
//! option has to be written in full, because an abbreviation means whatever the program's next version makes of it.

use crate::denial::{Refusal, quote};

/// The options that a command may be given.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Short options without a value: `la` for `-l` and `-a`, combined or not.
    pub flags: &'static str,
    /// Short options with a value, attached or in the next argument: `n` for `-n 5` and `-n5`.
    pub valued: &'static str,
    /// Short options with a value that is attached or missing: `i` for `-i` and `-i:22`.
    pub attached: &'static str,
    /// Long options: `all` takes no value, `lines=` takes one, `color?` may take one after `=`.
    pub long: &'static [&'static str],
    /// Where options may stand.
    pub order: Order,
}

/// Where options may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Anywhere before `--`, as most programs take them.
    Anywhere,
    /// Before the first operand only: what comes after belongs to a subcommand or another command.
    First,
}

impl Options {
    /// No options at all.
    pub const NONE: Self = Self { flags: "", valued: "", attached: "", long: &[], order: Order::Anywhere };

    /// Short options without a value and long ones.
    #[must_use]
    pub const fn flags(flags: &'static str, long: &'static [&'static str]) -> Self {
        Self { flags, long, ..Self::NONE }
    }

    /// The same and short options with a value.
    #[must_use]
    pub const fn valued(self, valued: &'static str) -> Self {
        Self { valued, ..self }
    }

    /// The same and short options with an attached value.
    #[must_use]
    pub const fn attached(self, attached: &'static str) -> Self {
        Self { attached, ..self }
    }

    /// The same, before the first operand only.
    #[must_use]
    pub const fn first(self) -> Self {
        Self { order: Order::First, ..self }
    }

    /// Reads arguments, the command's name not among them.
    ///
    /// # Errors
    /// The first argument that the grammar does not have.
    pub fn parse<'a>(&self, args: &[&'a [u8]]) -> Result<Arguments<'a>, Refusal> {
        let mut parsed = Arguments::default();
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                b"--" => {
                    parsed.operands.extend(rest);
                    break;
                }
                [b'-', b'-', long @ ..] => self.long(long, &mut rest, &mut parsed)?,
                [b'-', short @ ..] if !short.is_empty() => self.short(short, &mut rest, &mut parsed)?,
                operand => {
                    parsed.operands.push(operand);
                    if self.order == Order::First {
                        parsed.operands.extend(rest);
                        break;
                    }
                }
            }
        }
        Ok(parsed)
    }

    fn long<'a>(&self, text: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>, parsed: &mut Arguments<'a>) -> Result<(), Refusal> {
        let (name, value) = match text.iter().position(|b| *b == b'=') {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        let Some(spec) = self.long.iter().find(|spec| spec.trim_end_matches(['=', '?']).as_bytes() == name) else {
            return Err(Refusal::new("option", format!("--{} is not among the allowed options", quote(name))));
        };
        let name = spec.trim_end_matches(['=', '?']);
        let value = match (spec.as_bytes().last(), value) {
            (Some(b'?'), value) | (Some(b'='), value @ Some(_)) => value,
            (Some(b'='), None) => Some(rest.next().ok_or_else(|| Refusal::new("option", format!("--{name} lacks its value")))?),
            (_, None) => None,
            (_, Some(_)) => return Err(Refusal::new("option", format!("--{name} takes no value"))),
        };
        parsed.options.push(Given { name: Name::Long(name), value });
        Ok(())
    }

    fn short<'a>(&self, text: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>, parsed: &mut Arguments<'a>) -> Result<(), Refusal> {
        let mut text = text;
        while let [letter, after @ ..] = text {
            let is_in = |set: &str| set.as_bytes().contains(letter);
            let attached = (!after.is_empty()).then_some(after);
            let value = if is_in(self.flags) {
                text = after;
                None
            } else if is_in(self.valued) {
                text = &[];
                let next = attached.or_else(|| rest.next());
                Some(next.ok_or_else(|| Refusal::new("option", format!("-{} lacks its value", quote(&[*letter]))))?)
            } else if is_in(self.attached) {
                text = &[];
                attached
            } else {
                return Err(Refusal::new("option", format!("-{} is not among the allowed options", quote(&[*letter]))));
            };
            parsed.options.push(Given { name: Name::Short(*letter), value });
        }
        Ok(())
    }
}

/// Arguments, read by a grammar.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Arguments<'a> {
    /// The options in their order.
    pub options: Vec<Given<'a>>,
    /// The operands in their order.
    pub operands: Vec<&'a [u8]>,
}

/// An option as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given<'a> {
    /// Its name.
    pub name: Name,
    /// Its value, when it has one.
    pub value: Option<&'a [u8]>,
}

/// An option's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `-x`
    Short(u8),
    /// `--name`
    Long(&'static str),
}

impl<'a> Arguments<'a> {
    /// Whether an option was given, by its short or its long name.
    #[must_use]
    pub fn has(&self, short: u8, long: &str) -> bool {
        self.values(short, long).next().is_some()
    }

    /// The values that were given to an option, by its short or its long name; none for one given without.
    pub fn values(&self, short: u8, long: &str) -> impl Iterator<Item = Option<&'a [u8]>> {
        let is = move |name| match name {
            Name::Short(letter) => letter == short,
            Name::Long(name) => name == long,
        };
        self.options.iter().filter(move |given| is(given.name)).map(|given| given.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options::flags("la", &["all", "lines=", "color?"]).valued("n").attached("i");

    fn parse(options: &Options, line: &'static str) -> Result<String, String> {
        let args: Vec<&[u8]> = line.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parsed = options.parse(&args).map_err(|refusal| refusal.reason)?;
        let options = parsed.options.iter().map(|given| match (given.name, given.value) {
            (Name::Short(letter), None) => text(&[letter]),
            (Name::Short(letter), Some(value)) => format!("{}={}", text(&[letter]), text(value)),
            (Name::Long(name), None) => name.to_owned(),
            (Name::Long(name), Some(value)) => format!("{name}={}", text(value)),
        });
        Ok(format!("{} | {}", options.collect::<Vec<_>>().join(" "), parsed.operands.iter().map(|o| text(o)).collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn arguments_are_read_as_getopt_reads_them() {
        for (line, want) in [
            ("-la x -n5 y", "l a n=5 | x y"),
            ("-ln 5", "l n=5 | "),
            ("-n -l", "n=-l | "),
            ("-i -i:22", "i i=:22 | "),
            ("--all --lines=5 --lines 6 --color --color=no", "all lines=5 lines=6 color color=no | "),
            ("-- -x --all", " | -x --all"),
            ("-l - -a", "l a | -"),
            ("--lines --all", "lines=--all | "),
        ] {
            assert_eq!(parse(&OPTIONS, line).as_deref(), Ok(want), "{line}");
        }
        assert_eq!(parse(&OPTIONS.first(), "-l run -x --foo").as_deref(), Ok("l | run -x --foo"));
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for line in ["-x", "-lx", "--al", "--allx", "--all=1", "--lines", "-n", "-ln", "--=", "--\u{1b}"] {
            assert!(parse(&OPTIONS, line).is_err(), "{line}");
        }
    }
}
