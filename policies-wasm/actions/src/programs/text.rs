//! Reading and shaping text.

use portcullis_sdk::argv::Name;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal};

pub(crate) const ROWS: &[Program] = &[
    Program::any(&["cat"], "cat FILE", "reads files"),
    Program::any(&["tac"], "tac FILE", "reads files"),
    Program::any(&["head"], "head -n 20 FILE", "reads files"),
    Program::any(&["tail"], "tail -f FILE", "reads files"),
    Program::any(&["grep"], "grep PATTERN FILE", "searches files"),
    Program::any(&["egrep", "fgrep"], "egrep PATTERN FILE", "searches files").script(),
    Program::any(&["wc"], "wc -l FILE", "counts"),
    Program::any(&["cut"], "cut -d: -f1 FILE", "columns"),
    Program::any(&["tr"], "tr a-z A-Z", "characters"),
    Program::any(&["nl"], "nl FILE", "numbers lines"),
    Program::any(&["rev"], "rev FILE", "reverses lines"),
    Program::any(&["fold"], "fold -w 80 FILE", "folds lines"),
    Program::any(&["expand"], "expand FILE", "tabs to blanks"),
    Program::any(&["unexpand"], "unexpand FILE", "blanks to tabs"),
    Program::any(&["column"], "column -t FILE", "columns"),
    Program::any(&["paste"], "paste FILE FILE", "joins lines"),
    Program::any(&["join"], "join FILE FILE", "joins lines"),
    Program::any(&["comm"], "comm FILE FILE", "compares"),
    Program::any(&["cmp"], "cmp FILE FILE", "compares"),
    Program::options(&["diff"], "diff -u FILE FILE", "compares; without -l, which starts pr", &DIFF).example("diff -u FILE FILE"),
    Program::any(&["od"], "od -c FILE", "shows bytes"),
    Program::any(&["hexdump", "hd"], "hexdump -C FILE", "shows bytes"),
    Program::checked(&["strings", "x86_64-linux-gnu-strings", "aarch64-linux-gnu-strings"], "strings FILE", "shows texts in a binary; no options from a file (@FILE)", &STRINGS, no_response_file),
    Program::any(&["base64"], "base64 FILE", "encodes"),
    Program::any(&["cksum"], "cksum FILE", "checksum"),
    Program::any(&["md5sum"], "md5sum FILE", "checksum"),
    Program::any(&["sha1sum"], "sha1sum FILE", "checksum"),
    Program::any(&["sha256sum"], "sha256sum FILE", "checksum"),
    Program::any(&["sha512sum"], "sha512sum FILE", "checksum"),
    Program::any(&["jq"], "jq FILTER FILE", "reads JSON"),
    Program::any(&["numfmt"], "numfmt --to=iec NUMBER", "numbers"),
    Program::any(&["echo"], "echo TEXT", "writes text"),
    Program::any(&["printf"], "printf FORMAT", "writes text"),
    Program::any(&["seq"], "seq 10", "numbers"),
    Program::any(&["yes"], "yes | head", "repeats"),
    Program::options(&["sort"], "sort -k2 -n FILE", "sorts; to its output only, and without a program to compress", &SORT).example("sort FILE"),
    Program::checked(&["uniq"], "uniq -c FILE", "drops repeats; to its output only", &UNIQ, one_operand).example("uniq FILE"),
    Program::checked(&["less", "pager"], "less FILE", "pager; what it starts by ! or | is judged like all else", &LESS, less),
    Program::options(&["more"], "more FILE", "pager; what it starts by ! is judged like all else", &MORE).example("more FILE"),
    Program::checked(&["gzip"], "gzip -dc FILE", "unpacks to its output; tests, lists", &GZIP, to_output),
    Program::checked(&["xz"], "xz -dc FILE", "unpacks to its output; tests, lists", &GZIP, one_mode_to_output),
    Program::any(&["zcat"], "zcat FILE", "unpacks to its output").script(),
];

const STRINGS: Options = Options::flags("afow", &["all", "bytes=", "encoding=", "help", "include-all-whitespace", "print-file-name", "radix=", "version"]).valued("ent");

/// A word that begins with an at sign is replaced by what that file holds, as options.
fn no_response_file(call: &Call<'_>, _: &Arguments<'_>) -> Result<(), Refusal> {
    if call.args.iter().any(|word| word.starts_with(b"@")) { Err(Refusal::new("file", "options would be read from a file").hint("strings ./@FILE")) } else { Ok(()) }
}

const DIFF: Options = Options::flags(
    "abBcdeiNpqrstTuwyZE",
    &["brief", "color?", "context?", "ignore-all-space", "ignore-blank-lines", "ignore-case", "ignore-space-change", "recursive", "side-by-side", "text", "unified?", "help", "version"],
)
.valued("CIUWxX");

const SORT: Options = Options::flags(
    "bdfgiMhnRrVcCmsuz",
    &[
        "check?", "debug", "dictionary-order", "field-separator=", "general-numeric-sort", "help", "human-numeric-sort", "ignore-case", "ignore-leading-blanks", "key=", "merge",
        "month-sort", "numeric-sort", "parallel=", "random-sort", "reverse", "sort=", "stable", "unique", "version", "version-sort", "zero-terminated",
    ],
)
.valued("ktS");

const UNIQ: Options = Options::flags(
    "cdDiuz",
    &["all-repeated?", "check-chars=", "count", "group?", "help", "ignore-case", "repeated", "skip-chars=", "skip-fields=", "unique", "version", "zero-terminated"],
)
.valued("fsw");

/// A second operand would be written.
fn one_operand(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.len() > 1 { Err(Refusal::new("output", "its second file would be written").hint("uniq FILE > /tmp/FILE")) } else { Ok(()) }
}

/// No log file, key file or tag file.
const LESS: Options = Options::flags(
    "aAcCeEfFgGiIJKmMnNqQrRsSuUVwWX",
    &[
        "chop-long-lines", "help", "ignore-case", "IGNORE-CASE", "LINE-NUMBERS", "line-numbers", "no-init", "quit-at-eof", "QUIT-AT-EOF", "quit-if-one-screen", "RAW-CONTROL-CHARS",
        "raw-control-chars", "squeeze-blank-lines", "version",
    ],
)
.valued("bhjpxyz");

/// `+G`, `+F`, `+20` and `+/text` look; `+!` and the like do more.
fn less(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let looks = |command: &[u8]| matches!(command, b"G" | b"F" | b"g") || command.starts_with(b"/") || command.iter().all(u8::is_ascii_digit);
    // less reads what follows a number in the same word as more options: -b5o/tmp/x has a log written
    let numbers = arguments.options.iter().filter(|given| matches!(given.name, Name::Short(b'b' | b'h' | b'j' | b'x' | b'y' | b'z')));
    if numbers.filter_map(|given| given.value).flatten().any(|b| !b.is_ascii_digit() && !matches!(b, b'-' | b'.' | b',')) {
        return Err(Refusal::new("option", "its value is not a number"));
    }
    // less ends a value at a dollar sign and reads what follows as options
    if arguments.options.iter().filter_map(|given| given.value).any(|value| value.contains(&b'$')) {
        return Err(Refusal::new("option", "a dollar sign in a value would begin another option"));
    }
    match arguments.operands.iter().filter_map(|operand| operand.strip_prefix(b"+")).find(|command| !looks(command)) {
        None => Ok(()),
        Some(_) => Err(Refusal::new("command", "of the commands at start +G, +F, +NUMBER and +/TEXT are allowed")),
    }
}

const MORE: Options = Options::flags("dlefcpsu", &["silent", "logical", "exit-on-eof", "no-pause", "print-over", "clean-print", "squeeze", "plain", "lines=", "help", "version"]).valued("n");

const GZIP: Options = Options::flags(
    "cdfkltqvVh",
    &["stdout", "to-stdout", "decompress", "uncompress", "keep", "list", "test", "quiet", "verbose", "help", "version"],
);

fn to_output(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let to_output = arguments.has(b'c', "stdout") || arguments.has(b'c', "to-stdout");
    let looks = arguments.has(b'l', "list") || arguments.has(b't', "test") || arguments.has(b'h', "help") || arguments.has(b'V', "version");
    let is_filter = arguments.operands.is_empty();
    if to_output || looks || is_filter { Ok(()) } else { Err(Refusal::new("output", "without -c it would replace the file")) }
}

/// Of xz's modes the last one counts: `-t -d` is `-d`.
fn one_mode_to_output(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let to_output = arguments.has(b'c', "stdout") || arguments.has(b'c', "to-stdout");
    let unpacks = arguments.has(b'd', "decompress") || arguments.has(b'd', "uncompress");
    if unpacks && !to_output && !arguments.operands.is_empty() {
        return Err(Refusal::new("output", "without -c it would replace the file"));
    }
    self::to_output(call, arguments)
}

