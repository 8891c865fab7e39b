//! Files and the session itself.

use super::{all_writable, last_writable, no_operands};
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, quote};

pub(crate) const ROWS: &[Program] = &[
    Program::any(&["ls", "dir", "vdir"], "ls -l PATH", "lists"),
    Program::any(&["stat"], "stat PATH", "facts of a file"),
    Program::options(&["file"], "file PATH", "kind of a file; not -C, which writes", &FILE).example("file PATH"),
    Program::any(&["readlink"], "readlink -f PATH", "follows links"),
    Program::any(&["realpath"], "realpath PATH", "follows links"),
    Program::any(&["basename"], "basename PATH", "part of a path"),
    Program::any(&["dirname"], "dirname PATH", "part of a path"),
    Program::any(&["pwd"], "pwd", "where"),
    Program::custom(&["tree"], "tree PATH", "lists; to its output only", tree),
    Program::options(&["du"], "du -sh PATH", "space of files", &DU),
    Program::any(&["df"], "df -h", "space of file systems"),
    Program::any(&["id"], "id", "who"),
    Program::any(&["whoami"], "whoami", "who"),
    Program::any(&["groups"], "groups", "who"),
    Program::any(&["logname"], "logname", "who"),
    Program::any(&["who"], "who", "who"),
    Program::any(&["w", "w.procps"], "w", "who"),
    Program::any(&["tty"], "tty", "terminal"),
    Program::any(&["stty"], "stty -a", "terminal"),
    Program::any(&["clear"], "clear", "terminal"),
    Program::any(&["tput"], "tput cols", "terminal"),
    Program::any(&["reset", "tset"], "reset", "terminal"),
    Program::any(&["locale"], "locale", "language"),
    Program::any(&["getent"], "getent passwd NAME", "names as the jail has them"),
    Program::any(&["printenv"], "printenv", "environment"),
    Program::checked(&["env"], "env", "shows the environment; runs nothing in another", &ENV, no_operands),
    Program::any(&["cal", "ncal"], "cal", "calendar"),
    Program::any(&["sleep"], "sleep 10", "waits"),
    Program::any(&["true"], "true", "status"),
    Program::any(&["false"], "false", "status"),
    Program::any(&["test", "["], "test -e PATH", "status"),
    Program::any(&["expr"], "expr 1 + 1", "calculates"),
    Program::any(&["which", "which.debianutils"], "which NAME", "finds a program").script(),
    Program::checked(&["date"], "date +FORMAT", "shows the time; does not set it", &DATE, shows_time).example("date"),
    Program::checked(&["tee"], "tee FILE", "writes in the home and the writable folders", &TEE, all_writable).example("tee /tmp/FILE"),
    Program::checked(&["mkdir"], "mkdir PATH", "in the home and the writable folders", &MKDIR, all_writable).example("mkdir /tmp/NAME"),
    Program::checked(&["touch"], "touch PATH", "in the home and the writable folders", &TOUCH, all_writable).example("touch /tmp/NAME"),
    Program::checked(&["rm"], "rm FILE", "in the home and the writable folders", &RM, all_writable).example("rm /tmp/NAME"),
    Program::checked(&["rmdir"], "rmdir PATH", "in the home and the writable folders", &MKDIR, all_writable).example("rmdir /tmp/NAME"),
    Program::checked(&["cp"], "cp FILE /tmp", "into the home and the writable folders", &CP, last_writable),
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

const DU: Options = Options::flags(
    "0abcDhHklLmPsSx",
    &[
        "all", "apparent-size", "block-size=", "bytes", "count-links", "dereference", "exclude=", "help", "human-readable", "inodes", "max-depth=", "no-dereference", "null",
        "one-file-system", "separate-dirs", "si", "summarize", "threshold=", "time?", "time-style=", "total", "version",
    ],
)
.valued("Bdt");

const DATE: Options = Options::flags("uR", &["date=", "help", "iso-8601?", "reference=", "rfc-3339=", "rfc-email", "universal", "utc", "version"]).valued("dr").attached("I");

/// An operand without `+` sets the clock.
fn shows_time(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.iter().all(|operand| operand.starts_with(b"+")) { Ok(()) } else { Err(Refusal::new("set", "it would set the clock")) }
}

const ENV: Options = Options::flags("0", &["null", "help", "version"]);

const TEE: Options = Options::flags("aip", &["append", "ignore-interrupts", "help", "version"]);
const MKDIR: Options = Options::flags("pv", &["parents", "verbose", "help", "version"]).valued("m");
const TOUCH: Options = Options::flags("acmf", &["no-create", "help", "version", "date=", "time="]).valued("dt");
const RM: Options = Options::flags("dfiIrRv", &["force", "recursive", "dir", "verbose", "one-file-system", "preserve-root", "help", "version"]);
const CP: Options = Options::flags(
    "adfHiLnpPrRTuvx",
    &["archive", "dereference", "force", "interactive", "no-clobber", "no-dereference", "no-target-directory", "recursive", "update", "verbose", "help", "version"],
);
