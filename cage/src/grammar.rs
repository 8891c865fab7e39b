//! What each command takes, and how its arguments are read: as the policy's table reads them (`Options` of the Rust SDK), so that both
//! mean the same by the same words. No abbreviation of a long option is one.

use crate::failure::Usage;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `sudols`
    Ls,
    /// `sudocat`
    Cat,
    /// `sudohead`
    Head,
    /// `sudotail`
    Tail,
    /// `sudocp`
    Cp,
    /// `sudorm`
    Rm,
    /// `sudovi`, as the operator
    Vi,
    /// `sudovi-read`, as root
    ViRead,
    /// `sudovi-write`, as root
    ViWrite,
}

/// The options of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    /// Short options without a value.
    pub flags: &'static str,
    /// Short options with one, attached or in the next argument.
    pub valued: &'static str,
    /// Long options; with `=` at the end for those with a value.
    pub long: &'static [&'static str],
}

const NOTHING: Grammar = Grammar { flags: "", valued: "", long: &[] };

impl Command {
    /// All of them.
    pub const ALL: [Self; 9] = [Self::Ls, Self::Cat, Self::Head, Self::Tail, Self::Cp, Self::Rm, Self::Vi, Self::ViRead, Self::ViWrite];

    /// The command of this name.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name().as_bytes() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ls => "sudols",
            Self::Cat => "sudocat",
            Self::Head => "sudohead",
            Self::Tail => "sudotail",
            Self::Cp => "sudocp",
            Self::Rm => "sudorm",
            Self::Vi => "sudovi",
            Self::ViRead => "sudovi-read",
            Self::ViWrite => "sudovi-write",
        }
    }

    /// What it takes.
    #[must_use]
    pub fn grammar(self) -> Grammar {
        match self {
            Self::Ls => Grammar { flags: "1AadhilnRrSt", valued: "", long: &["all", "almost-all", "directory", "human-readable", "inode", "numeric-uid-gid", "recursive", "reverse"] },
            Self::Cat => Grammar { flags: "n", valued: "", long: &["number"] },
            Self::Head => Grammar { flags: "qv", valued: "cn", long: &["bytes=", "lines=", "quiet", "verbose"] },
            Self::Tail => Grammar { flags: "fFqv", valued: "cn", long: &["bytes=", "follow", "lines=", "quiet", "verbose"] },
            Self::Cp => Grammar { flags: "fnRrv", valued: "", long: &["force", "no-clobber", "recursive", "verbose"] },
            Self::Rm => Grammar { flags: "dfRrv", valued: "", long: &["dir", "force", "recursive", "verbose"] },
            Self::Vi => Grammar { flags: "R", valued: "", long: &[] },
            Self::ViRead | Self::ViWrite => NOTHING,
        }
    }
}

/// Arguments, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    options: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What is no option, in order.
    pub operands: Vec<Vec<u8>>,
}

impl Arguments {
    /// Whether an option was given, by its short or its long name.
    #[must_use]
    pub fn has(&self, short: &str, long: &str) -> bool {
        self.options.iter().any(|(name, _)| name == short.as_bytes() || (!long.is_empty() && name == long.as_bytes()))
    }

    /// The last of several options that was given, as the place of its name in `names`, which are short.
    #[must_use]
    pub fn last_of(&self, names: &[&str]) -> Option<usize> {
        self.options.iter().rev().find_map(|(given, _)| names.iter().position(|name| name.as_bytes() == given))
    }

    /// The last value of an option, by its short or its long name.
    #[must_use]
    pub fn value(&self, short: &str, long: &str) -> Option<&[u8]> {
        self.options.iter().rev().find(|(name, _)| name == short.as_bytes() || name == long.as_bytes()).and_then(|(_, value)| value.as_deref())
    }
}

impl Grammar {
    /// Reads arguments, the command's name not among them.
    ///
    /// # Errors
    /// The first that it does not have.
    pub fn read(&self, arguments: &[Vec<u8>]) -> Result<Arguments, Usage> {
        let mut read = Arguments::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_slice() {
                b"--" => {
                    read.operands.extend(rest.cloned());
                    break;
                }
                [b'-', b'-', long @ ..] => self.long(long, &mut rest, &mut read)?,
                [b'-', short @ ..] if !short.is_empty() => self.short(short, &mut rest, &mut read)?,
                operand => read.operands.push(operand.to_vec()),
            }
        }
        Ok(read)
    }

    fn long<'a>(&self, text: &[u8], rest: &mut impl Iterator<Item = &'a Vec<u8>>, read: &mut Arguments) -> Result<(), Usage> {
        let unknown = || Usage::Option([b"--", text].concat());
        let (name, value) = match text.iter().position(|b| *b == b'=') {
            Some(at) => text.split_at_checked(at).map_or((text, None), |(name, value)| (name, value.strip_prefix(b"="))),
            None => (text, None),
        };
        let spec = self.long.iter().find(|spec| spec.trim_end_matches('=').as_bytes() == name).ok_or_else(unknown)?;
        let value = match (spec.ends_with('='), value) {
            (true, Some(value)) => Some(value.to_vec()),
            (true, None) => Some(rest.next().cloned().ok_or_else(|| Usage::Value([b"--", name].concat()))?),
            (false, None) => None,
            (false, Some(_)) => return Err(unknown()),
        };
        read.options.push((name.to_vec(), value));
        Ok(())
    }

    fn short<'a>(&self, text: &[u8], rest: &mut impl Iterator<Item = &'a Vec<u8>>, read: &mut Arguments) -> Result<(), Usage> {
        let mut text = text;
        while let [letter, after @ ..] = text {
            let value = if self.flags.as_bytes().contains(letter) {
                text = after;
                None
            } else if self.valued.as_bytes().contains(letter) {
                text = &[];
                let value = if after.is_empty() { rest.next().cloned() } else { Some(after.to_vec()) };
                Some(value.ok_or_else(|| Usage::Value(vec![b'-', *letter]))?)
            } else {
                return Err(Usage::Option(vec![b'-', *letter]));
            };
            read.options.push((vec![*letter], value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: Command, line: &str) -> Result<Arguments, Usage> {
        command.grammar().read(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// The policy judges by its own grammar: were the two not the same, something else would be done than was judged.
    #[test]
    fn the_policys_table_has_the_same_options() {
        let table = include_str!("../../policies-wasm/actions/src/programs/cage.rs");
        for (name, command) in [("LS", Command::Ls), ("CAT", Command::Cat), ("HEAD", Command::Head), ("TAIL", Command::Tail), ("CP", Command::Cp), ("RM", Command::Rm), ("VI", Command::Vi)] {
            let Grammar { flags, valued, long } = command.grammar();
            let values = if valued.is_empty() { String::new() } else { format!(".valued({valued:?})") };
            let row = format!("const {name}: Options = Options::flags({flags:?}, &{long:?}){values};");
            assert!(table.contains(&row), "the table lacks: {row}");
        }
        for command in Command::ALL {
            assert!(table.contains(&format!("&[{:?}]", command.name())), "{}", command.name());
        }
    }

    #[test]
    fn arguments_are_read_as_the_policy_reads_them() {
        let tail = read(Command::Tail, "-fn 5 x --bytes=+3 --lines 7 -- -q").unwrap();
        assert_eq!(tail.operands, [b"x".to_vec(), b"-q".to_vec()]);
        assert!(tail.has("f", "follow") && !tail.has("q", "quiet"));
        assert_eq!((tail.value("n", "lines"), tail.value("c", "bytes")), (Some(&b"7"[..]), Some(&b"+3"[..])));
        assert_eq!(read(Command::Head, "-n -5 x").unwrap().value("n", "lines"), Some(&b"-5"[..]));
        assert_eq!(read(Command::Cat, "- x").unwrap().operands.len(), 2);
        for (command, line) in [(Command::Ls, "--al"), (Command::Ls, "--all=x"), (Command::Ls, "-lZ"), (Command::Head, "-n"), (Command::Head, "--lines"), (Command::Rm, "--one-file-system"), (Command::Vi, "-u x"), (Command::ViRead, "-x")] {
            assert!(read(command, line).is_err(), "{line}");
        }
        assert_eq!(Command::of(b"sudovi-write"), Some(Command::ViWrite));
        assert_eq!(Command::of(b"sudo"), None);
    }
}
