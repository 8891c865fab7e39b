//! find: its expression is a language, of which the tests and the printing are allowed.

use super::is_in;
use portcullis_sdk::{Call, Program, Refusal, quote};

pub(crate) const ROWS: &[Program] = &[Program::custom(&["find"], "find PATH [TESTS] [-print|-print0|-ls|-printf FORMAT|-prune|-quit]", "searches; does not run, delete or write", find).example("find PATH -name PATTERN -print")];

/// Words without a value.
const ALONE: &[&str] = &[
    "(", ")", "!", ",", "-a", "-and", "-o", "-or", "-not", "-true", "-false", "-d", "-depth", "-daystart", "-follow", "-mount", "-xdev", "-noleaf", "-warn", "-nowarn",
    "-ignore_readdir_race", "-noignore_readdir_race", "-empty", "-executable", "-readable", "-writable", "-nouser", "-nogroup", "-print", "-print0", "-ls", "-prune", "-quit", "-help",
    "--help", "-version", "--version",
];
/// Words with one value, whatever it looks like.
const VALUED: &[&str] = &[
    "-amin", "-anewer", "-atime", "-cmin", "-cnewer", "-context", "-ctime", "-fstype", "-gid", "-group", "-ilname", "-iname", "-inum", "-ipath", "-iregex", "-iwholename", "-links",
    "-lname", "-maxdepth", "-mindepth", "-mmin", "-mtime", "-name", "-newer", "-path", "-perm", "-printf", "-regex", "-regextype", "-samefile", "-size", "-type", "-uid", "-used",
    "-user", "-wholename", "-xtype",
];

fn find(call: &Call<'_>) -> Result<(), Refusal> {
    let mut words = call.args.iter().copied().skip_while(|word| matches!(*word, b"-H" | b"-L" | b"-P")).peekable();
    // the places to search: everything up to the first word of the expression
    while words.next_if(|word| !word.starts_with(b"-") && !matches!(*word, b"(" | b"!" | b")" | b",")).is_some() {}
    while let Some(word) = words.next() {
        if is_in(ALONE, word) {
            continue;
        }
        if is_in(VALUED, word) || is_newer(word) {
            words.next();
            continue;
        }
        let refusal = match word {
            b"-exec" | b"-execdir" | b"-ok" | b"-okdir" => Refusal::new("exec", format!("{} would run a program", quote(word))),
            b"-delete" => Refusal::new("delete", "-delete would delete"),
            b"-fprint" | b"-fprint0" | b"-fprintf" | b"-fls" => Refusal::new("write", format!("{} would write a file", quote(word))).hint("find PATH -print > /tmp/FILE"),
            word => Refusal::new("expression", format!("{} is not among the allowed tests and actions", quote(word))),
        };
        return Err(refusal);
    }
    Ok(())
}

/// `-newerXY`
fn is_newer(word: &[u8]) -> bool {
    matches!(word.strip_prefix(b"-newer"), Some([b'a' | b'B' | b'c' | b'm', b'a' | b'B' | b'c' | b'm' | b't']))
}
