//! Files and the session itself.

use super::{any, options};
use crate::WRITABLE;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, Rule, quote};

pub(super) const ROWS: &[Program] = &[
    any(&["ls", "dir", "vdir"], "ls -l PATH", "lists"),
    any(&["stat"], "stat PATH", "facts of a file"),
    options(&["file"], "file PATH", "kind of a file; not -C, which writes", "file PATH", &FILE),
    any(&["readlink"], "readlink -f PATH", "follows links"),
    any(&["realpath"], "realpath PATH", "follows links"),
    any(&["basename"], "basename PATH", "part of a path"),
    any(&["dirname"], "dirname PATH", "part of a path"),
    any(&["pwd"], "pwd", "where"),
    Program { names: &["tree"], form: "tree PATH", note: "lists; to its output only", hint: "tree PATH", rule: Rule::Custom(tree) },
    any(&["du"], "du -sh PATH", "space of files"),
    any(&["df"], "df -h", "space of file systems"),
    any(&["id"], "id", "who"),
    any(&["whoami"], "whoami", "who"),
    any(&["groups"], "groups", "who"),
    any(&["logname"], "logname", "who"),
    any(&["who"], "who", "who"),
    any(&["w", "w.procps"], "w", "who"),
    any(&["tty"], "tty", "terminal"),
    any(&["stty"], "stty -a", "terminal"),
    any(&["clear"], "clear", "terminal"),
    any(&["tput"], "tput cols", "terminal"),
    any(&["reset", "tset"], "reset", "terminal"),
    any(&["locale"], "locale", "language"),
    any(&["getent"], "getent passwd NAME", "names as the jail has them"),
    any(&["printenv"], "printenv", "environment"),
    Program { names: &["env"], form: "env", note: "shows the environment; runs nothing in another", hint: "env", rule: Rule::Checked(&ENV, no_operands) },
    any(&["cal", "ncal"], "cal", "calendar"),
    any(&["sleep"], "sleep 10", "waits"),
    any(&["true"], "true", "status"),
    any(&["false"], "false", "status"),
    any(&["test", "["], "test -e PATH", "status"),
    any(&["expr"], "expr 1 + 1", "calculates"),
    Program { names: &["which", "which.debianutils"], form: "which NAME", note: "finds a program", hint: "type NAME", rule: Rule::Script },
    Program { names: &["date"], form: "date +FORMAT", note: "shows the time; does not set it", hint: "date", rule: Rule::Checked(&DATE, shows_time) },
    Program { names: &["tee"], form: "tee FILE", note: "writes in the home, /tmp and /u01", hint: "tee /tmp/FILE", rule: Rule::Checked(&TEE, all_writable) },
    Program { names: &["mkdir"], form: "mkdir PATH", note: "in the home, /tmp and /u01", hint: "mkdir /tmp/NAME", rule: Rule::Checked(&MKDIR, all_writable) },
    Program { names: &["touch"], form: "touch PATH", note: "in the home, /tmp and /u01", hint: "touch /tmp/NAME", rule: Rule::Checked(&TOUCH, all_writable) },
    Program { names: &["rm"], form: "rm FILE", note: "in the home, /tmp and /u01", hint: "rm /tmp/NAME", rule: Rule::Checked(&RM, all_writable) },
    Program { names: &["rmdir"], form: "rmdir PATH", note: "in the home, /tmp and /u01", hint: "rmdir /tmp/NAME", rule: Rule::Checked(&MKDIR, all_writable) },
    Program { names: &["cp"], form: "cp FILE /tmp", note: "into the home, /tmp and /u01", hint: "cp FILE /tmp", rule: Rule::Checked(&CP, last_writable) },
    Program {
        names: &["vim", "vi", "view", "vimdiff", "rvim", "rview", "vim.basic", "vim.tiny", "vim.nox"],
        form: "vim FILE",
        note: "editor; it can write in the home, /tmp and /u01 only, and what it starts (:!) is judged like all else",
        hint: "vim FILE",
        rule: Rule::Checked(&VIM, vim),
    },
];

/// Every letter of a group takes its value from the arguments behind the group, so `-Lo 1 FILE` writes a file: letters with a
/// value stand alone.
fn tree(call: &Call<'_>) -> Result<(), Refusal> {
    const LETTERS: &[u8] = b"adfilxpsughDFNqQrtUvcSnCAJX";
    const WORDS: &[&[u8]] = &[b"--dirsfirst", b"--du", b"--help", b"--inodes", b"--noreport", b"--si", b"--version"];
    let mut words = call.args.iter().copied();
    while let Some(word) = words.next() {
        let fine = match word {
            b"-L" | b"-P" | b"-I" | b"--charset" => words.next().is_some(),
            b"--" => return Ok(()),
            [b'-', b'-', ..] => WORDS.contains(&word) || word.starts_with(b"--charset="),
            [b'-', letters @ ..] => letters.iter().all(|letter| LETTERS.contains(letter)),
            _ => true,
        };
        if !fine {
            return Err(Refusal::new("option", format!("{} is not among the allowed options, or not by itself", quote(word))));
        }
    }
    Ok(())
}

const FILE: Options = Options::flags("bhikLNnprsvz0", &["brief", "dereference", "help", "mime", "mime-type", "version"]).valued("feFP");

const DATE: Options = Options::flags("uR", &["date=", "help", "iso-8601?", "reference=", "rfc-3339=", "rfc-email", "universal", "utc", "version"]).valued("dr").attached("I");

/// An operand without `+` sets the clock.
fn shows_time(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.iter().all(|operand| operand.starts_with(b"+")) { Ok(()) } else { Err(Refusal::new("set", "it would set the clock")) }
}

const ENV: Options = Options::flags("0", &["null", "help", "version"]);

fn no_operands(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("operand", "it would give a command another environment")) }
}

const TEE: Options = Options::flags("aip", &["append", "ignore-interrupts", "help", "version"]);
const MKDIR: Options = Options::flags("pv", &["parents", "verbose", "help", "version"]).valued("m");
const TOUCH: Options = Options::flags("acmf", &["no-create", "help", "version", "date=", "time="]).valued("dt");
const RM: Options = Options::flags("dfiIrRv", &["force", "recursive", "dir", "verbose", "one-file-system", "preserve-root", "help", "version"]);
const CP: Options = Options::flags(
    "adfHiLnpPrRTuvx",
    &["archive", "dereference", "force", "interactive", "no-clobber", "no-dereference", "no-target-directory", "recursive", "update", "verbose", "help", "version"],
);

fn all_writable(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.iter().all(|operand| call.may_write(WRITABLE, operand)) { Ok(()) } else { Err(outside()) }
}

fn last_writable(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.last() {
        Some(last) if !call.may_write(WRITABLE, last) => Err(outside()),
        _ => Ok(()),
    }
}

fn outside() -> Refusal {
    Refusal::new("path", "it may write in the home, /tmp and /u01 only")
}

/// No script, command or log file at start: they are not wanted to look at a file.
const VIM: Options = Options::flags("RMnbdLNvXZmhyoOp", &["clean", "help", "version", "noplugin", "not-a-term"]).first();

fn vim(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let fine = |operand: &&[u8]| match operand {
        [b'+', command @ ..] => command.iter().all(u8::is_ascii_digit),
        [b'-', _, ..] => false,
        _ => true,
    };
    if arguments.operands.iter().all(fine) { Ok(()) } else { Err(Refusal::new("command", "of the commands at start +NUMBER is allowed, and options come first")) }
}
