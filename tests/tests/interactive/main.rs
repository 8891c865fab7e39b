//! The session's shell against plain bash: the same keys on two terminals, and the screens are compared. What bash has no
//! part in (denials, hints, what the policy allows) is looked at in [`own`].

#![expect(clippy::indexing_slicing, reason = "a test")]

mod own;
mod pair;

use anyhow::Result;
use pair::{Pair, compare};
use portcullis_tests::{Stage, StageOptions};

/// Keys as readline has them by default.
const EMACS: &[(&str, &[&str])] = &[
    ("typing and running", &["echo one", "\r"]),
    ("moving and inserting", &["echo three", "\x01", "\x1bf", "\x06", "one two ", "\x05!", "\r"]),
    ("deleting", &["echo abcdef", "\x02\x02", "\x04", "\x7f", "\x1b[D", "\x1b[3~", "\r"]),
    ("killing and yanking", &["echo one two three", "\x17", "\x17", "\x19", "\x19", "\r"]),
    ("a killed line", &["echo gone", "\x15", "echo new", "\r"]),
    ("killing to the end", &["echo one two", "\x1bb", "\x0b", "\x19\x19", "\r"]),
    ("words", &["echo one-two/three", "\x1b\x7f", "\x1b\x7f", "\x1b\x7f", "x", "\r"]),
    ("case", &["echo one two three", "\x01\x1bf", "\x1bu", "\x1bc", "\x1bl", "\r"]),
    ("transposing", &["ehco a", "\x01\x06\x06", "\x14", "\x05 b c", "\x1bt", "\r"]),
    ("undo", &["echo one", "\x17", "\x1f", "\r"]),
    ("history", &["echo first", "\r", "echo second", "\r", "\x10", "\x10", "\x0e", "\r"]),
    ("an edited entry", &["echo first", "\r", "\x1b[A", "\x7f\x7fxx", "\x1b[A", "\x1b[B", "\r"]),
    ("an unfinished line comes back", &["echo first", "\r", "echo unfini", "\x10", "\x0e", "shed", "\r"]),
    ("search", &["echo alpha", "\r", "echo beta", "\r", "\x12", "alp", "\r"]),
    ("search goes on", &["echo alpha", "\r", "echo alpine", "\r", "\x12alp", "\x12", "\x05 !", "\r"]),
    ("search fails and is given up", &["echo alpha", "\r", "half", "\x12zzqz", "\x07", "\x15", "echo on", "\r"]),
    ("search is left by a key", &["echo alpha beta", "\r", "\x12alpha", "\x05", " gamma", "\r"]),
    ("search and back", &["echo alpha", "\r", "echo alpine", "\r", "\x12al", "\x12", "\x7f", "\x07"]),
    ("the last argument", &["echo one two", "\r", "echo \x1b.", "\r", "echo three", "\r", "echo \x1b.\x1b.", "\r"]),
    ("counts", &["\x1b5x", "\x1b2\x02", "y", "\x03"]),
    ("a literal key", &["echo '\x16\x01'", "\x03"]),
    ("a given up line", &["echo never", "\x03", "echo on", "\r"]),
    ("comment", &["echo never run", "\x1b#", "echo on", "\r"]),
    ("clearing the screen", &["echo a", "\r", "echo b", "\x0c", "\r"]),
    ("a long line wraps", &["echo 1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 1234567890", "\x01", "\x1bf\x1bf", "INS", "\x05", "\x7f\x7f", "\r"]),
    ("a line that fills the row", &["echo 5678901234567890123456789012345678901234567890123456789", "x", "y", "\x7f", "\x7f", "\x7f", "\r"]),
    ("wide characters", &["echo 漢字かな", "\x02\x02", "x", "\x7f", "\x04", "\r"]),
    ("combining characters", &["echo e\u{301}a\u{308}o", "\x02\x02", "-", "\r"]),
    ("wide characters at the edge", &["echo 56789012345678901234567890123456789012345678901234漢字漢字漢字漢字", "\x02\x02\x02", "x", "\x01", "\x05", "\r"]),
    ("completion of a name", &["touch alone-file", "\r", "ls alo\t", "\r"]),
    ("completion of several", &["touch two-a two-b two-c", "\r", "ls tw\t", "\t", "\t", "b\t", "\r"]),
    ("completion in a folder", &["mkdir -p dir/sub; touch dir/sub/leaf", "\r", "cat di\t", "s\t", "\t", "\t", "\r"]),
    ("completion of strange names", &["touch 'a b$c'", "\r", "ls a\t", "\r", "ls 'a\t", "\r", "ls \"a\t", "\r"]),
    ("completion of nothing", &["ls zzqzz\t", "\x15echo on", "\r"]),
    ("operate and get next", &["echo A1", "\r", "echo B2", "\r", "\x10\x10", "\x0f", "\x03"]),
    ("a paste", &["\x1b[200~echo p1\necho p2\x1b[201~", "\r"]),
    ("a paste into a line", &["echo ab", "\x02", "\x1b[200~XY\x1b[201~", "\r"]),
];

/// Keys after `set -o vi`.
const VI: &[(&str, &[&str])] = &[
    ("vi: moving and inserting", &["echo one two", "\x1b", "b", "ix-", "\x1b", "A!", "\r"]),
    ("vi: words", &["echo one-two three", "\x1b", "0", "w", "w", "w", "x", "e", "x", "b", "x", "\r"]),
    ("vi: deleting", &["echo one two three", "\x1b", "b", "dw", "0", "wdw", "A", "\r"]),
    ("vi: changing", &["echo one two", "\x1b", "0w", "cw", "uno", "\x1b", "$", "r!", "\r"]),
    ("vi: putting", &["echo one two", "\x1b", "bdw", "0w", "P", "p", "\r"]),
    ("vi: finding", &["echo a-b-c-d", "\x1b", "0f-", "x", ";", "x", ",", "\r"]),
    ("vi: undo and again", &["echo abcd", "\x1b", "x", ".", "u", "\r"]),
    ("vi: history", &["echo first", "\r", "echo second", "\r", "\x1b", "k", "k", "j", "\r"]),
    ("vi: search", &["echo alpha", "\r", "echo beta", "\r", "\x1b", "/alp", "\r", "\r"]),
    ("vi: case and counts", &["echo abcdef", "\x1b", "0w", "3~", "2x", "\r"]),
];

/// What lines are, and what runs in them.
const SHELL: &[(&str, &[&str])] = &[
    ("a loop over lines", &["for i in 1 2", "\r", "do echo $i", "\r", "done", "\r", "\x10", "\r"]),
    ("a function", &["f() {", "\r", "echo in $1", "\r", "}", "\r", "f x", "\r"]),
    ("a here-document", &["cat <<E", "\r", "some text", "\r", "E", "\r"]),
    ("a quote over lines", &["echo 'a", "\r", "b'", "\r"]),
    ("giving up within a command", &["for i in 1 2", "\r", "do", "\r", "\x03", "echo on", "\r"]),
    ("a pipeline", &["seq 5 | sed -n '2,3p'", "\r"]),
    ("select", &["echo 2 | select x in one two; do echo got $x; break; done", "\r"]),
    ("subshells in subshells", &["( (echo in) ); ( ( exit 3 ) )", "\r", "echo $?", "\r"]),
    ("aliases are listed", &["alias", "\r"]),
    ("a process substitution as a target", &["echo to > >(cat); sleep 0.3", "\r"]),
    ("status", &["false", "\r", "(exit 7)", "\r", "true", "\r"]),
    ("a co-process", &["(coproc cat; echo to >&${COPROC[1]}; read -u ${COPROC[0]} back; echo got $back)", "\r"]),
    ("a trap", &["trap 'echo trapped' USR1; kill -USR1 $$", "\r", "trap - USR1", "\r"]),
    ("errexit in a subshell", &["(set -e; false; echo never)", "\r"]),
];

fn session(action: &str) -> Result<(Stage, Pair)> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant(action)?;
    let pair = Pair::start(&access, action)?;
    Ok((stage, pair))
}

#[test]
fn emacs_keys_are_bashs() -> Result<()> {
    let (_stage, mut pair) = session("INFRA_FULL")?;
    compare(&mut pair, EMACS)
}

#[test]
fn vi_keys_are_bashs() -> Result<()> {
    let (_stage, mut pair) = session("INFRA_FULL")?;
    pair.step(" set -o vi\r")?;
    compare(&mut pair, VI)
}

#[test]
fn lines_are_bashs() -> Result<()> {
    let (_stage, mut pair) = session("INFRA_FULL")?;
    compare(&mut pair, SHELL)
}

#[test]
fn a_resize_keeps_the_line() -> Result<()> {
    let (_stage, mut pair) = session("INFRA_FULL")?;
    pair.step("echo a line that is to be kept")?;
    pair.resize(20, 120)?;
    pair.step(" whole")?;
    pair.step("\r")?;
    pair.step("stty size\r")
}
