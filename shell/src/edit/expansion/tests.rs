//! Against bash's own `history -p`.

use super::*;
use std::process::{Command, Stdio};

const HISTORY: &[&str] = &["echo one", "ls -la /usr/share/doc.d/x.tar.gz", "cat 'a b' c;wc -l <file 2>&1", "grep foo bar foo/foo", "vim -R notes.txt other"];

/// What is to be expanded.
const LINES: &[&str] = &[
    "!!", "!! | less", "sudo !!", "echo !$", "echo !^", "echo !*", "echo !:0", "echo !:1-2", "echo !:2*", "echo !:1-", "echo !-2", "echo !-2:$", "!-3", "!1", "!2:2", "!3:*", "!ls", "!l:$", "!ls:2:h", "!ls:2:t", "!ls:2:r", "!ls:2:e", "!ls:$:h:h",
    "!?foo?", "!?foo?:%", "echo !?doc?:%", "!gre:s/foo/x/", "!gre:gs/foo/x/", "!gre:as/foo/&&/", "!gre:s/foo/\\&/", "!gre:Gs/foo/x/", "^vim^nano^", "^notes^", "^txt^md", "^other^&s^ more", "!!:q", "!!:x", "!-3:q", "a!#", "echo a b !#:1", "echo !", "echo !=", "a ! b", "echo '!!'", "echo \"!!\"", "echo \\!!",
    "echo \"a!\"", "[!a]x", "${!x}", "x $! y", "echo a # !!", "echo a#!$", "!nothing", "!99", "!-99", "!!:9", "!:s/zzz/y/", "!!:z", "!vim-", "!!$", "!!*", "!!^", "!$:t", "!!:0!!:1", "!cat:1", "!cat:3-5", "!vi*", "x!ls;y", "(!ls)", "!ls&", "!!:s/notes/a\\/b/:p", "!?nowhere?", "!cat:$", "!3:4",
    "!!:-1", "!!:^-$", "!!:2-1", "ab^c^", "!!!", "!!!!", "!-1", "!0", "!!:h", "!!:t", "!!:gs/o/0/:s/0/o/", "!vim:s/notes/x/ !grep:&",
];

fn ours(line: &str) -> Result<String, ()> {
    let mut history = History::new(100);
    for line in HISTORY {
        history.add(line.as_bytes());
    }
    match expand(line.as_bytes(), None, &history, &mut Memory::default()) {
        Ok(Expanded::Same) => Ok(line.to_owned()),
        Ok(Expanded::Line(text) | Expanded::Shown(text)) => Ok(String::from_utf8(text).unwrap()),
        Err(_) => Err(()),
    }
}

#[test]
fn lines_expand_as_in_bash() {
    // bash expands in the same way, with the same rules for quotes, what it is given on the command line of a built-in
    let script = "shopt -s interactive_comments; set -o history -H; history -c; while IFS= read -r line && [ -n \"$line\" ]; do history -s -- \"$line\"; done
        set +o history; while IFS= read -r line; do if got=$(history -p -- \"$line\" 2>/dev/null); then printf '+%s\\n' \"$got\"; else printf '%s\\n' '-'; fi; done";
    let Ok(mut bash) = Command::new("bash").args(["--norc", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("SKIPPED: there is no bash to compare with");
        return;
    };
    let input = format!("{}\n\n{}\n", HISTORY.join("\n"), LINES.join("\n"));
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = String::from_utf8(bash.wait_with_output().unwrap().stdout).unwrap();
    let theirs: Vec<&str> = output.lines().collect();
    assert_eq!(theirs.len(), LINES.len(), "{output}");
    let differ: Vec<String> = LINES
        .iter()
        .zip(theirs)
        .filter_map(|(line, theirs)| {
            let theirs = theirs.strip_prefix('+').map(str::to_owned).ok_or(());
            let ours = ours(line);
            (ours != theirs).then(|| format!("{line}: {ours:?} instead of {theirs:?}"))
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn quotes_go_on_from_the_lines_before() {
    let mut history = History::new(10);
    history.add(b"ls");
    for (before, line, want) in [("echo 'a\n", "!!'", None), ("echo \"a\n", "!!\"", Some("ls\"")), ("echo 'a'\n", "!!", Some("ls"))] {
        let expanded = expand(line.as_bytes(), open_quote(before.as_bytes()), &history, &mut Memory::default()).unwrap();
        assert_eq!(expanded, want.map_or(Expanded::Same, |want| Expanded::Line(want.into())), "{before}{line}");
    }
}

#[test]
fn what_grows_without_end_is_an_error() {
    let mut history = History::new(10);
    history.add(&vec![b'x'; 40_000]);
    assert_eq!(expand(b"!! !! !!", None, &history, &mut Memory::default()), Err(ExpansionError::Long));
    assert_eq!(expand(b"!!:gs/x/&&&&/", None, &history, &mut Memory::default()), Err(ExpansionError::Long));
    let doubling = format!("a{}", "!#".repeat(60));
    assert_eq!(expand(doubling.as_bytes(), None, &history, &mut Memory::default()), Err(ExpansionError::Long));
}

proptest::proptest! {
    #[test]
    fn no_line_is_too_strange(line in "[!^:$*%#?a-c0-3'\"\\\\ /&sgp-]{0,24}") {
        let mut history = History::new(10);
        history.add(b"a b c");
        history.add(b"bb 'c a' /x/y.z");
        let _ = expand(line.as_bytes(), None, &history, &mut Memory::default());
    }
}
