//! Reading and shaping text.

use super::{any, options};
use portcullis_sdk::argv::Name;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, Rule};

pub(super) const ROWS: &[Program] = &[
    any(&["cat"], "cat FILE", "reads files"),
    any(&["tac"], "tac FILE", "reads files"),
    any(&["head"], "head -n 20 FILE", "reads files"),
    any(&["tail"], "tail -f FILE", "reads files"),
    any(&["grep"], "grep PATTERN FILE", "searches files"),
    Program { names: &["egrep", "fgrep"], form: "egrep PATTERN FILE", note: "searches files", hint: "grep -E PATTERN FILE", rule: Rule::Script },
    any(&["wc"], "wc -l FILE", "counts"),
    any(&["cut"], "cut -d: -f1 FILE", "columns"),
    any(&["tr"], "tr a-z A-Z", "characters"),
    any(&["nl"], "nl FILE", "numbers lines"),
    any(&["rev"], "rev FILE", "reverses lines"),
    any(&["fold"], "fold -w 80 FILE", "folds lines"),
    any(&["expand"], "expand FILE", "tabs to blanks"),
    any(&["unexpand"], "unexpand FILE", "blanks to tabs"),
    any(&["column"], "column -t FILE", "columns"),
    any(&["paste"], "paste FILE FILE", "joins lines"),
    any(&["join"], "join FILE FILE", "joins lines"),
    any(&["comm"], "comm FILE FILE", "compares"),
    any(&["cmp"], "cmp FILE FILE", "compares"),
    options(&["diff"], "diff -u FILE FILE", "compares; without -l, which starts pr", "diff -u FILE FILE", &DIFF),
    any(&["od"], "od -c FILE", "shows bytes"),
    any(&["hexdump", "hd"], "hexdump -C FILE", "shows bytes"),
    any(&["strings", "x86_64-linux-gnu-strings", "aarch64-linux-gnu-strings"], "strings FILE", "shows texts in a binary"),
    any(&["base64"], "base64 FILE", "encodes"),
    any(&["cksum"], "cksum FILE", "checksum"),
    any(&["md5sum"], "md5sum FILE", "checksum"),
    any(&["sha1sum"], "sha1sum FILE", "checksum"),
    any(&["sha256sum"], "sha256sum FILE", "checksum"),
    any(&["sha512sum"], "sha512sum FILE", "checksum"),
    any(&["jq"], "jq FILTER FILE", "reads JSON"),
    any(&["numfmt"], "numfmt --to=iec NUMBER", "numbers"),
    any(&["echo"], "echo TEXT", "writes text"),
    any(&["printf"], "printf FORMAT", "writes text"),
    any(&["seq"], "seq 10", "numbers"),
    any(&["yes"], "yes | head", "repeats"),
    options(&["sort"], "sort -k2 -n FILE", "sorts; to its output only, and without a program to compress", "sort FILE", &SORT),
    Program { names: &["uniq"], form: "uniq -c FILE", note: "drops repeats; to its output only", hint: "uniq FILE", rule: Rule::Checked(&UNIQ, one_operand) },
    Program { names: &["less", "pager"], form: "less FILE", note: "pager; what it starts by ! or | is judged like all else", hint: "less FILE", rule: Rule::Checked(&LESS, less) },
    options(&["more"], "more FILE", "pager; what it starts by ! is judged like all else", "more FILE", &MORE),
    Program { names: &["gzip"], form: "gzip -dc FILE", note: "unpacks to its output; tests, lists", hint: "gzip -dc FILE", rule: Rule::Checked(&GZIP, to_output) },
    Program { names: &["xz"], form: "xz -dc FILE", note: "unpacks to its output; tests, lists", hint: "xz -dc FILE", rule: Rule::Checked(&GZIP, one_mode_to_output) },
    Program { names: &["zcat"], form: "zcat FILE", note: "unpacks to its output", hint: "zcat FILE", rule: Rule::Script },
];

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

