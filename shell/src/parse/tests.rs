use super::*;
use portcullis_model::subject::{Command, CommandKind, LINE_COMMANDS_MAX, LINE_MAX, RedirectKind, Word, WordKind};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn word(word: &Word) -> String {
    let mark = match word.kind {
        WordKind::Literal => "",
        WordKind::Pattern => "?",
        WordKind::Dynamic => "$",
    };
    format!("{mark}<{}>", portcullis_model::bytes::printable(&word.text))
}

fn show(command: &Command) -> String {
    let mut parts = vec![command.depth.to_string()];
    parts.extend(command.assignments.iter().map(|name| format!("{}=", String::from_utf8_lossy(name))));
    parts.push(match command.kind {
        CommandKind::External => "x".into(),
        CommandKind::Builtin => "b".into(),
        CommandKind::Function => "f".into(),
    });
    parts.extend(command.words.iter().map(word));
    for redirect in &command.redirects {
        let sign = match redirect.kind {
            RedirectKind::Read => "<",
            RedirectKind::Write => ">",
            RedirectKind::Append => ">>",
            RedirectKind::ReadWrite => "<>",
            RedirectKind::Duplicate => "&",
            RedirectKind::Here => "<<",
        };
        parts.push(format!("{}{sign}{}", redirect.fd.map_or("*".to_owned(), |fd| fd.to_string()), word(&redirect.target)));
    }
    parts.join(" ")
}

fn shown(text: &str) -> Vec<String> {
    match parse(text.as_bytes(), b"/", &Functions::new()) {
        Ok(parsed) => parsed.line.commands.iter().map(show).collect(),
        Err(Refused::Incomplete { message, .. }) => vec![format!("incomplete: {message}")],
        Err(Refused::Denied(denial)) => vec![format!("denied: {}", denial.rule)],
    }
}

#[test]
fn every_command_of_a_line_is_listed() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# only a comment", &[]),
        ("ls", &["0 x <ls>"]),
        ("ls;rm x", &["0 x <ls>", "0 x <rm> <x>"]),
        ("ls && rm x || id", &["0 x <ls>", "0 x <rm> <x>", "0 x <id>"]),
        ("ls & id", &["0 x <ls>", "0 x <id>"]),
        ("ls\nrm x\n", &["0 x <ls>", "0 x <rm> <x>"]),
        ("! ls | grep -v 'a b' | wc -l", &["0 x <ls>", "0 x <grep> <-v> <a b>", "0 x <wc> <-l>"]),
        ("select x in a $(id); do rm $x; done", &["0 x= b", "1 x <id>", "1 x <rm> $<$x>"]),
        ("ls; if select x in a; do ls; done; then echo select; fi", &["0 x <ls>", "1 x= b", "2 x <ls>", "1 b <echo> <select>"]),
        ("echo '; select x in'; select y in b; do id; done", &["0 b <echo> <; select x in>", "0 y= b", "1 x <id>"]),
        ("ls > >(rm x)", &["0 x <ls> 1&$<>( rm x )>", "1 x <rm> <x>"]),
        ("time ls |& cat", &["0 x <ls> 2&<1>", "0 x <cat>"]),
        ("'l's \"-\"l\\a $'\\x41'", &["0 x <ls> <-la> <A>"]),
        ("\\rm x", &["0 x <rm> <x>"]),
        ("l\\\ns", &["0 x <ls>"]),
        ("\"a\\\nb\"", &["0 x <ab>"]),
        ("ls *.c a?b [ab] '*'", &["0 x <ls> ?<*.c> ?<a?b> ?<[ab]> <*>"]),
        ("[ -f x ] && [[ -d $(pwd) ]]", &["0 b <[> <-f> <x> <]>", "1 b <pwd>"]),
        ("ls $x \"$y\" ${z} ~ ~root/x a~", &["0 x <ls> $<$x> $<\"$y\"> $<${z}> $<~> $<~root/x> <a~>"]),
        ("$x y", &["0 x $<$x> <y>"]),
        ("`echo rm` x", &["0 x $<`echo rm`> <x>", "1 b <echo> <rm>"]),
        ("echo $(rm x) `rm y`", &["0 b <echo> $<$(rm x)> $<`rm y`>", "1 x <rm> <x>", "1 x <rm> <y>"]),
        ("echo \"a $(rm \"b c\") d\"", &["0 b <echo> $<\"a $(rm \"b c\") d\">", "1 x <rm> <b c>"]),
        ("echo '$(rm x)' \\$\\(rm\\)", &["0 b <echo> <$(rm x)> <$(rm)>"]),
        ("echo `echo \\`rm x\\``", &["0 b <echo> $<`echo \\\\`rm x\\\\``>", "1 b <echo> $<`rm x`>", "2 x <rm> <x>"]),
        ("echo $(echo $(rm x))", &["0 b <echo> $<$(echo $(rm x))>", "1 b <echo> $<$(rm x)>", "2 x <rm> <x>"]),
        ("echo $((1 + $(rm x)))", &["0 b <echo> $<$((1 + $(rm x)))>", "1 x <rm> <x>"]),
        ("echo \"$((1 + $(rm x)))\" $[ `rm y` ]", &["0 b <echo> $<\"$((1 + $(rm x)))\"> $<$[ `rm y` ]>", "1 x <rm> <x>", "1 x <rm> <y>"]),
        ("((x = $(rm x)))", &["1 x <rm> <x>"]),
        ("for ((i=$(id);i<3;i++)); do ls; done", &["1 x <id>", "1 x <ls>"]),
        ("echo ${x:-$(rm x)} \"${y:=`rm y`}\" ${z//$(rm p)/$(rm r)} ${a[$(rm i)]} ${s:$(rm o):$(rm l)}", &[
            "0 b <echo> $<${x:-$(rm x)}> $<\"${y:=`rm y`}\"> $<${z//$(rm p)/$(rm r)}> $<${a[$(rm i)]}> $<${s:$(rm o):$(rm l)}>",
            "0 y= b", "1 x <rm> <x>", "1 x <rm> <y>", "1 x <rm> <p>", "1 x <rm> <r>", "1 x <rm> <i>", "1 x <rm> <o>", "1 x <rm> <l>",
        ]),
        ("echo \"${x:-'$(rm x)'}\"", &["0 b <echo> $<\"${x:-'$(rm x)'}\">", "1 x <rm> <x>"]),
        ("diff <(rm x) >(rm y)", &["0 x <diff> $<<( rm x )> $<>( rm y )>", "1 x <rm> <x>", "1 x <rm> <y>"]),
        ("cat < <(rm x)", &["0 x <cat> 0&$<<( rm x )>", "1 x <rm> <x>"]),
        ("{ rm x; } > y; (rm z) 2>&1", &["1 x <rm> <x>", "0 b 1><y>", "1 x <rm> <z>", "0 b 2&<1>"]),
        ("if id; then ls; elif pwd; then rm x; else rm y; fi", &["1 x <id>", "1 x <ls>", "1 b <pwd>", "1 x <rm> <x>", "1 x <rm> <y>"]),
        ("while read x; do rm $x; done < y", &["1 b <read> <x>", "1 x <rm> $<$x>", "0 b 0<<y>"]),
        ("until id; do ls; done", &["1 x <id>", "1 x <ls>"]),
        ("for x in $(rm y) a; do ls; done", &["0 x= b", "1 x <rm> <y>", "1 x <ls>"]),
        ("case $(id) in `rm p`) rm x;; *) rm y;; esac", &["1 x <id>", "1 x <rm> <p>", "1 x <rm> <x>", "1 x <rm> <y>"]),
        ("f() { rm x; }; f; g", &["1 x <rm> <x>", "0 f <f>", "0 x <g>"]),
        ("function f { rm x; } > y", &["1 x <rm> <x>", "0 b 1><y>"]),
        ("coproc rm x", &["1 x <rm> <x>"]),
        ("coproc N { rm x; }", &["2 x <rm> <x>"]),
        ("cat <<E\n$(rm x) `rm y`\nE\nls", &["0 x <cat> 0<<$<$(rm x) `rm y`\\n>", "1 x <rm> <x>", "1 x <rm> <y>", "0 x <ls>"]),
        ("cat <<'E'\n$(rm x)\nE\n", &["0 x <cat> 0<<<$(rm x)\\n>"]),
        ("cat <<<\"$(rm x)\"", &["0 x <cat> 0<<$<\"$(rm x)\">", "1 x <rm> <x>"]),
        ("A=1 B=$(rm x) ls", &["0 A= B= x <ls>", "1 x <rm> <x>"]),
        ("A=1", &["0 A= b"]),
        ("a=($(rm x) b)", &["0 a= b", "1 x <rm> <x>"]),
        ("a[$(rm x)]=1", &["0 a= b", "1 x <rm> <x>"]),
        ("declare -x A=$(rm x)", &["0 b <declare> <-x> $<A=$(rm x)>", "1 x <rm> <x>"]),
        ("> x", &["0 b 1><x>"]),
        ("ls >$(rm x)", &["0 x <ls> 1>$<$(rm x)>", "1 x <rm> <x>"]),
        ("ls >&2 2>&- <&3", &["0 x <ls> 1&<2> 2&<-> 0&<3>"]),
        ("eval rm x", &["0 b <eval> <rm> <x>", "1 x <rm> <x>"]),
        ("eval 'ls; rm x' \"'y z'\"", &["0 b <eval> <ls; rm x> <'y z'>", "1 x <ls>", "1 x <rm> <x> <y z>"]),
        ("builtin eval -- id", &["0 b <builtin> <eval> <--> <id>", "1 x <id>"]),
        ("eval \"$x\"", &["0 b <eval> $<\"$x\">"]),
        ("trap 'rm x' EXIT; trap - INT", &["0 b <trap> <rm x> <EXIT>", "1 x <rm> <x>", "0 b <trap> <-> <INT>"]),
        ("echo {a,b} {1..3} a{b", &["0 b <echo> $<{a,b}> $<{1..3}> <a{b>"]),
        ("echo a#b #c", &["0 b <echo> <a#b>"]),
        ("echo \u{e9}\u{a0}x", &["0 b <echo> <\u{e9}\\u{a0}x>"]),
        ("exec 3>x", &["0 b <exec> 3><x>"]),
        ("[[ $x == a* && ( -f $(rm x) ) ]]", &["1 x <rm> <x>"]),
        ("x=1; export x; cd /", &["0 x= b", "0 b <export> <x>", "0 b <cd> </>"]),
    ];
    let mut wrong = Vec::new();
    for (text, want) in table {
        let got = shown(text);
        if got != *want {
            wrong.push(format!("{text:?}\n  want {want:#?}\n  got  {got:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

#[test]
fn what_ends_too_early_is_incomplete() {
    for text in [
        "ls \\", "ls \\\n", "echo 'a", "echo \"a", "echo $(ls", "echo `ls", "ls |", "ls &&", "if id", "if id; then", "for x in a; do", "while :; do ls", "{ ls", "(ls",
        "case x in", "f() {", "cat <<E\na", "cat <<'E F'\na\n", "echo ${x", "echo $((1 +", "[[ -f x &&", "echo \"$(ls '", "case x in a) ls ;;",
    ] {
        assert!(matches!(parse(text.as_bytes(), b"/", &Functions::new()), Err(Refused::Incomplete { .. })), "{text:?}: {:?}", shown(text));
    }
    for text in ["fi", ")", "ls )", "| ls", "ls ;; x", "done", "}", "ls; fi", "echo a; done"] {
        assert_eq!(shown(text), ["denied: syntax"], "{text:?}");
    }
}

#[test]
fn control_characters_are_refused_by_name() {
    for byte in (0..0x20_u8).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
        for text in [[b"echo".as_slice(), &[byte], b"bash"].concat(), [b"echo '".as_slice(), &[byte], b"'"].concat()] {
            let Err(Refused::Denied(denial)) = parse(&text, b"/", &Functions::new()) else { panic!("{byte:#x}") };
            assert_eq!(denial.rule, "control-characters", "{byte:#x}");
        }
    }
    for c in ["\u{85}", "\u{9b}", "\u{2028}", "\u{2029}"] {
        assert_eq!(shown(&format!("echo{c}bash")), ["denied: control-characters"], "{c:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_keep_their_values() {
    let parsed = parse(b"cat caf\xe9 '\xff' \"\xc3\"", b"/", &Functions::new()).unwrap();
    let words: Vec<&[u8]> = parsed.line.commands[0].words.iter().map(|word| word.text.as_slice()).collect();
    assert_eq!(words, [b"cat".as_slice(), b"caf\xe9", b"\xff", b"\xc3"]);
    assert_eq!(shown("echo \u{10ffe9}"), ["denied: encoding"]);
}

#[test]
fn lines_may_not_change_how_lines_are_read() {
    for text in [
        "shopt -s extglob", "shopt -s $x", "builtin shopt -s extglob", "command shopt -u interactive_comments", "\\shopt -s extglob", "shopt -so posix", "shopt -s compat31",
        "set -o posix", "fc", "fc -s", "fc -e vim 3", "fc -ls", "fc 1 2", "fc -l $x", "set -ek", "set -n", "set -o $x", "set $x", "set -eo posix", "set -e -o posix", "alias ls='rm'", "alias $x", "POSIXLY_CORRECT=1",
        "export POSIXLY_CORRECT=1", "LC_ALL=ja_JP.SJIS", "export LC_ALL=$x", "eval 'shopt -s extglob'", "if id; then shopt -s extglob; fi", "echo $(set -o posix)", "enable -n test",
        "test() { rm x; }", "eval() { :; }", "f() { shopt -s extglob; }", "trap 'set -k' EXIT", "declare LC_CTYPE=de_DE", "POSIXLY_CORRECT=1 eval x",
    ] {
        assert_eq!(shown(text), ["denied: engine"], "{text}");
    }
    for text in ["shopt", "shopt extglob", "shopt -s nullglob", "set", "set -eux", "set -- $x", "set a $x", "set -o vi", "set +e", "alias", "unalias -a", "POSIXLY_CORRECT=1 df", "LC_ALL=C sort", "export LANG=de_DE.UTF-8", "enable"] {
        assert!(parse(text.as_bytes(), b"/", &Functions::new()).is_ok(), "{text}: {:?}", shown(text));
    }
}

#[test]
fn functions_of_earlier_lines_are_known() {
    let known = Functions::from([b"f".to_vec()]);
    let parsed = parse(b"f; unset -f f; g() { :; }", b"/", &known).unwrap();
    assert_eq!(parsed.line.commands[0].kind, CommandKind::Function);
    assert_eq!(parsed.defines, Functions::from([b"g".to_vec()]));
    assert_eq!(parsed.removes, Functions::from([b"f".to_vec()]));
}

#[test]
fn only_what_cannot_run_is_blank() {
    for (text, blank) in [("", true), (" \t", true), ("\n\n", true), ("# rm", true), (" # a\n# b\n", true), ("((x=1))", false), ("[[ a ]]", false), (":", false), ("f() { :; }", false), ("(( x )) # c", false), ("x=1", false)] {
        assert_eq!(parse(text.as_bytes(), b"/", &Functions::new()).unwrap().blank, blank, "{text:?}");
    }
}

#[test]
fn caps_deny() {
    let commands = |n: usize| "a;".repeat(n);
    assert_eq!(shown(&commands(LINE_COMMANDS_MAX)).len(), LINE_COMMANDS_MAX);
    assert_eq!(shown(&commands(LINE_COMMANDS_MAX + 1)), ["denied: line-commands"]);
    let length = |n: usize| format!("ls {}", "a".repeat(n - 3));
    assert_eq!(shown(&length(LINE_MAX)).len(), 1);
    assert_eq!(shown(&length(LINE_MAX + 1)), ["denied: line-length"]);
    for text in ["(".repeat(14), "((".repeat(9), "( ( ( ( ( ( ( ( ".to_owned(), "$(".repeat(60), "{ ".repeat(100), "if ".repeat(100), "a[".repeat(100), "$((".repeat(20), "case a in a) ".repeat(9)] {
        assert_eq!(shown(&text), ["denied: nesting"], "{text}");
    }
}

/// What the caps let through has to be parsed quickly, whatever it is.
#[test]
fn what_the_caps_let_through_does_not_hang() {
    let nest = |open: &str, close: &str, n: usize| format!("{}ls{}", open.repeat(n), close.repeat(n));
    for n in [3, 6, 20, 40] {
        for (open, close) in [("(", ")"), ("((", "))"), ("$(", ")"), ("echo $(", ")"), ("{ ", "; }"), ("if ", "; then a; fi"), ("while ", "; do a; done"), ("\"$(", ")\""), ("<(", ")"), ("${x:-", "}"), ("$((", "))"), ("[[ ( ", " ) ]]"), ("(x;", ")"), ("case a in a) ", " ;; esac"), ("f() { ", "; }"), ("echo {a,", "}"), ("`", "`"), ("a=(", ")")] {
            for text in [nest(open, close, n), nest(open, "", n), format!("echo \"{}", nest(open, close, n))] {
                let start = Instant::now();
                let got = shown(&text);
                assert!(start.elapsed() < Duration::from_secs(2), "{:?} for {n} x {open} {close}: {text} {got:?}", start.elapsed());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[-a-z0-9 $(){}\\[\\]\"'`\\\\|&;<>*?~#=!\n]{0,60}") {
        let _ = parse(text.as_bytes(), b"/", &Functions::new());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes, b"/", &Functions::new());
    }

    #[test]
    fn quoted_words_keep_their_values(words in prop::collection::vec("[ -~]{0,12}", 1..6)) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        let parsed = parse(format!("x {}", quoted.join(" ")).as_bytes(), b"/", &Functions::new()).unwrap();
        let got: Vec<String> = parsed.line.commands[0].words.iter().skip(1).map(|word| String::from_utf8(word.text.clone()).unwrap()).collect();
        prop_assert_eq!(got, words);
    }

    #[test]
    fn a_command_is_found_wherever_it_hides(path in prop::collection::vec(0..13_usize, 0..5)) {
        let mut text = "rm hidden".to_owned();
        for step in path {
            text = match step {
                0 => format!("echo $( {text})"),
                1 => format!("{{ {text}; }}"),
                2 => format!("( {text}; )"),
                3 => format!("if :; then {text}; fi"),
                4 => format!("for i in a b; do {text}; done"),
                5 => format!("f() {{ {text}; }}"),
                6 => format!(": \"${{x:-$( {text})}}\""),
                7 => format!("cat <({text})"),
                8 => format!("ls && {text}"),
                9 => format!("ls | {text}"),
                10 => format!("X=$( {text}) ls"),
                11 => format!("{{ case a in (a) {text} ;; esac; }}"),
                _ => format!("while {text}; do :; done"),
            };
        }
        let got = shown(&text);
        prop_assert!(got.iter().any(|command| command.contains("x <rm> <hidden>")), "{text}: {got:?}");
    }
}

#[test]
fn two_subshells_are_not_taken_for_arithmetic() {
    for (text, want) in [
        ("( ( rm x ) )", &["2 x <rm> <x>"][..]),
        ("((rm x) )", &["2 x <rm> <x>"]),
        ("( (rm x))", &["2 x <rm> <x>"]),
        ("ls; ( ( rm x ); id )", &["0 x <ls>", "2 x <rm> <x>", "1 x <id>"]),
        ("ls; ( ( rm x ) )", &["0 x <ls>", "3 x <rm> <x>"]),
    ] {
        let got: Vec<String> = shown(text).iter().map(|command| command.chars().skip(1).collect()).collect();
        assert_eq!(got, want.iter().map(|command| command.chars().skip(1).collect::<String>()).collect::<Vec<_>>(), "{text}");
    }
    assert!(shown("echo $( ( ( rm x ) ) )").iter().any(|command| command.ends_with("<rm> <x>")));
    for text in ["((x = 1))", "ls \u{e9}; (( 1 + (2) ))", "cat <<E\n\u{e9}\nE\n((x))", "if ((1)); then ((2)); fi", "f() (( 1 ))"] {
        assert!(!shown(text).iter().any(|command| command.starts_with("denied")), "{text}: {:?}", shown(text));
    }
}

/// A closing bracket in quotes hides an opening one from the caps; the stack and the deadline are there for that.
#[test]
fn nesting_that_the_caps_do_not_see_kills_nobody() {
    for (open, close) in [("(: ')';", ")"), ("{ : '}';", "; }"), ("if : fi; then ", "; fi"), ("echo $(: ')';", ")"), ("while : done; do ", "; done"), ("\"$(: ')';", ")\""), ("${x:-')'", "}")] {
        // what is late with one is not counted against the next
        let parser = Deadlined::default();
        for n in [1900, 400, 20] {
            for text in [format!("{}ls{}", open.repeat(n), close.repeat(n)), open.repeat(n)] {
                let start = Instant::now();
                let _ = parser.parse(text.as_bytes(), b"/", &Functions::new());
                assert!(start.elapsed() < Duration::from_secs(5), "{n} x {open}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// bash is the oracle: if it runs `rm`, here a function that says so, then `rm` was listed or the line refused.
    #[test]
    fn what_bash_runs_was_listed(pieces in prop::collection::vec(0..PIECES.len(), 3..14)) {
        let text: String = pieces.iter().filter_map(|piece| PIECES.get(*piece).copied()).collect();
        let script = "exec 9>&1 >/dev/null 2>&1; rm() { builtin echo RAN >&9; }; PATH=/nonexistent; builtin eval \"$1\"; wait";
        let output = std::process::Command::new("/usr/bin/timeout").args(["5", "/bin/bash", "--norc", "-c", script, "bash", &text]).env_clear().stdin(std::process::Stdio::null()).output().unwrap();
        let ran = output.stdout.windows(3).any(|window| window == b"RAN");
        let got = shown(&text);
        let listed = got.iter().any(|command| command.contains("<rm>") || command.contains("x $<") || command.contains("<eval> $<") || command.starts_with("denied") || command.starts_with("incomplete"));
        prop_assert!(!ran || listed, "{text:?}: {got:?}");
    }
}

/// What lines that could be misread are made of.
const PIECES: &[&str] = &[
    "rm x", "rm x", "rm x", "rm x", " ", ";", "\n", "(", ")", "( ", " )", "((", "))", "{ ", "; }", "$(", "`", "\"", "'", " && ", " | ", "case a in (a) ", ";; esac", "if ", "; then ", "; fi", ": <<E\n", "\nE\n",
    "${x:-", "}", "[[ ", " ]]", "! ", "for i in 1", "; do ", "; done", ": <(", "x=", "#", "\\", ": ", "$", "$((", "a[", "]", "\\\n", "f() ", "; f", "=(", "1", "+", "<<<", "$'", "eval ", ": ${", "//", " & ", "else ", "time ",
];

/// bash is the oracle: words that are called literal are what bash makes of them, commands that it runs were listed.
#[test]
fn literal_words_are_what_bash_makes_of_them() {
    let texts: &[&[u8]] = &[
        b"a 'b c' \"d e\" f\\ g", b"\"a\\$b\\`c\\\"d\\\\e\\f\"", b"'a\\b' \\a\\\\", b"$'\\t\\n\\x41\\u00e9\\'x' $'\\101'", b"a\\\nb \"c\\\nd\"", b"\"\" '' a\"\"b", b"\xff 'a\xfe'", b"a=b \"x=y\"",
        b"a#b '#c' \\#d", b"{ } {a} a{b}c", b"! - -- +", b"a\"b'c\"d'e\"f'", b"\"a'b\" 'a\"b'", b"[ ] [a", b"\\~ '~' a~b", b"$ \"$\" a$ '$x'", b"%1 ^a :b @c", b"\"!x\" !x", b"a:~ x=~y",
        b"\"\\a\\n\" 'x'\\''y'", b"a,b {a, b}", b"$'a\\eb' $'\\\\' $'\\?'",
    ];
    for text in texts {
        let mut line = b"printf '%s\\0' ".to_vec();
        line.extend_from_slice(text);
        let parsed = parse(&line, b"/", &Functions::new()).unwrap_or_else(|refused| panic!("{}: {refused}", text.escape_ascii()));
        let words = &parsed.line.commands[0].words[2..];
        let output = std::process::Command::new("/bin/bash").args(["--norc", "-c"]).arg(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&line)).env("LC_ALL", "C.UTF-8").env("HOME", "/h").output().unwrap();
        let values: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        assert_eq!(values.len() - 1, words.len(), "{}: {words:?}", text.escape_ascii());
        for (word, value) in words.iter().zip(values) {
            if word.kind == WordKind::Literal {
                assert_eq!(word.text, value, "{}: {:?}", text.escape_ascii(), String::from_utf8_lossy(&word.text));
            }
        }
    }
}
