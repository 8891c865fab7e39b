//! The shell's own rule about its engine: lines may not change how the engine reads lines.
//!
//! The parser knows one bash: without aliases, extglob, POSIX mode, keyword mode and history expansion, in a locale where
//! what is ASCII is ASCII. The engine sets this again before each line; within a line, this rule keeps it so. It is there
//! for agreement, not for safety: who gets around it (`eval "$x"`) has his line judged as something else, and each exec as
//! what it is.

use super::{Refused, denied};
use portcullis_model::subject::{CommandKind, Word, WordKind};

/// Options of `shopt` that change what a line means.
const SHOPT: &[&str] = &["expand_aliases", "extglob", "extquote", "interactive_comments", "restricted_shell"];
/// Options of `set -o` that do, or that would stop the engine from running what it is handed.
const SET_NAMES: &[&str] = &["keyword", "noexec", "onecmd", "posix"];
/// The same as letters.
const SET_LETTERS: &[u8] = b"knrt";
/// Variables that put bash into another mode as soon as they are set.
const MODES: &[&[u8]] = &[b"BASH_COMPAT", b"POSIXLY_CORRECT"];
/// Variables that name the engine's character set.
const LOCALES: &[&[u8]] = &[b"LANG", b"LC_ALL", b"LC_CTYPE"];

/// The words of a command without `builtin` and `command` in front.
pub(super) fn effective(words: &[Word]) -> &[Word] {
    let mut rest = words;
    while let [first, tail @ ..] = rest {
        let wrapper = first.kind == WordKind::Literal && matches!(first.text.as_slice(), b"builtin" | b"command");
        let option = rest.len() < words.len() && first.kind == WordKind::Literal && matches!(first.text.as_slice(), b"-p" | b"--");
        if !wrapper && !option {
            break;
        }
        rest = tail;
    }
    rest
}

fn changes(what: &str) -> Refused {
    denied("engine", format!("{what} would make the shell read lines in another way than they are judged"))
}

/// Checks one command.
pub(super) fn check(words: &[Word], kind: CommandKind, assignments: &[(Vec<u8>, Word)]) -> Result<(), Refused> {
    // in front of a program an assignment is the program's alone
    if kind != CommandKind::External || words.is_empty() {
        assignments.iter().try_for_each(|(name, value)| assignment(name, value))?;
    }
    if kind != CommandKind::Builtin {
        return Ok(());
    }
    let Some((name, args)) = effective(words).split_first() else { return Ok(()) };
    match name.text.as_slice() {
        b"alias" => match args.iter().find(|arg| arg.kind != WordKind::Literal || arg.text.contains(&b'=')) {
            Some(_) => Err(denied("engine", "aliases are off: they would make the shell read lines in another way than they are judged; define a function instead")),
            None => Ok(()),
        },
        b"fc" => fc(args),
        b"enable" if !args.is_empty() => Err(changes("enable")),
        b"shopt" => shopt(args),
        b"set" => set(args),
        b"declare" | b"export" | b"local" | b"readonly" | b"typeset" => args.iter().try_for_each(declared),
        _ => Ok(()),
    }
}

/// `fc` lists, and nothing else: it would run lines that nobody judged as lines.
fn fc(args: &[Word]) -> Result<(), Refused> {
    let options: Vec<&[u8]> = args.iter().take_while(|arg| arg.text.starts_with(b"-") && arg.text.len() > 1).map(|arg| arg.text.get(1..).unwrap_or_default()).collect();
    let lists = options.iter().any(|letters| letters.contains(&b'l'));
    let plain = options.iter().all(|letters| letters.iter().all(|letter| matches!(letter, b'l' | b'n' | b'r' | b'0'..=b'9')));
    if lists && plain && args.iter().all(|arg| arg.kind == WordKind::Literal) {
        return Ok(());
    }
    Err(Refused::Denied(portcullis_model::verdict::Denial {
        rule: "engine".to_owned(),
        reason: "fc would run lines that were not judged; !string and Ctrl-X Ctrl-E bring a line back to the prompt".to_owned(),
        hint: "fc -l".to_owned(),
    }))
}

fn shopt(args: &[Word]) -> Result<(), Refused> {
    let sets = args.iter().any(|arg| arg.kind != WordKind::Literal || (arg.text.starts_with(b"-") && arg.text.iter().any(|c| matches!(c, b's' | b'u'))));
    if !sets {
        return Ok(());
    }
    args.iter().try_for_each(|arg| match std::str::from_utf8(&arg.text) {
        _ if arg.kind != WordKind::Literal => Err(changes("an option that is known only when the line runs")),
        Ok(name) if SHOPT.contains(&name) || SET_NAMES.contains(&name) || name.starts_with("compat") => Err(changes(&format!("shopt {name}"))),
        Ok(_) => Ok(()),
        Err(_) => Err(changes("this shopt")),
    })
}

fn set(args: &[Word]) -> Result<(), Refused> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg.kind != WordKind::Literal {
            return Err(Refused::Denied(portcullis_model::verdict::Denial {
                rule: "engine".to_owned(),
                reason: "set with words that are known only when the line runs could change how the shell reads lines".to_owned(),
                hint: "set -- ...".to_owned(),
            }));
        }
        let letters = match arg.text.split_first() {
            Some((b'-' | b'+', letters)) if !letters.is_empty() && letters != b"-" => letters,
            // the positional parameters begin
            _ => return Ok(()),
        };
        if let Some(letter) = letters.iter().find(|letter| SET_LETTERS.contains(letter)) {
            return Err(changes(&format!("set -{}", char::from(*letter))));
        }
        if letters.contains(&b'o') {
            let Some(name) = args.next() else { return Ok(()) };
            match std::str::from_utf8(&name.text) {
                Ok(name_text) if name.kind == WordKind::Literal && !SET_NAMES.contains(&name_text) => {}
                _ => return Err(changes(&format!("set -o {}", portcullis_model::bytes::printable(&name.text)))),
            }
        }
    }
    Ok(())
}

fn declared(arg: &Word) -> Result<(), Refused> {
    let name = arg.text.split(|byte| *byte == b'=').next().unwrap_or_default();
    let value = arg.text.get(name.len() + 1..).map(<[u8]>::to_vec);
    match value {
        Some(value) => assignment(name, &Word { text: value, kind: arg.kind }),
        None => Ok(()),
    }
}

fn assignment(name: &[u8], value: &Word) -> Result<(), Refused> {
    let shown = portcullis_model::bytes::printable(name);
    if MODES.contains(&name) {
        return Err(changes(&format!("setting {shown}")));
    }
    if LOCALES.contains(&name) && !(value.kind == WordKind::Literal && is_plain_locale(&value.text)) {
        return Err(changes(&format!("setting {shown} to another character set than UTF-8 or C")));
    }
    Ok(())
}

/// Whether in the locale `name` every ASCII byte is an ASCII character, wherever it stands.
#[must_use]
pub(crate) fn is_plain_locale(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let charset = name.split(|byte| *byte == b'.').nth(1).map(|rest| rest.split(|byte| *byte == b'@').next().unwrap_or_default());
    matches!(name.as_slice(), b"" | b"c" | b"posix") || matches!(charset, Some(b"utf-8" | b"utf8"))
}
