//! The editor against bash's own, on random keys: what is in the line, where the cursor is and what the screen shows.
//!
//! Scripts are made from a seed, so that one that differs is the same for everybody; it is told in the shortest form that
//! still differs. Left are habits of readline that nobody wants: an edit of the oldest entry that a search forgets, `.` in vi's
//! keys for more than twenty bytes, a `c` that finds nothing and inserts. `PORTCULLIS_SCRIPTS` says how many (a few hundred otherwise), `PORTCULLIS_FIRST` from which on.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "all of it is test code, also what is outside of test functions")]

mod bash;

use bash::{Bash, State, TELL};
use portcullis_shell::edit::history::History;
use portcullis_shell::edit::keys::Decoder;
use portcullis_shell::edit::screen::{Screen, Size, Style, View};
use portcullis_shell::edit::{Editor, Keys, Step};
use std::sync::atomic::{AtomicU64, Ordering};

const SIZE: (u16, u16) = (12, 40);
const HISTORY: &[&str] = &["echo one", "ls -la /tmp/a", "echo two three", "cat 'a b' \"c d\" e\\ f | sort -n", "grep -v x-y_z file.txt", "echo caf\u{e9} \u{6f22}\u{5b57}"];
/// Pieces of text.
const TEXT: &[&str] = &[
    "a", "b", "x", "Z", "0", "7", " ", "  ", "-", "/", ".", "_", "ab cd", "foo/bar-baz ", "one ", "(a", "b)", "'q ", "\u{e9}", "\u{6f22}", "\u{e4}b ", "e\u{301}", "$HOME ", "|", ";", "long words that fill a row of it ",
];
const EMACS: &[&str] = &[
    "\x01", "\x02", "\x05", "\x06", "\x08", "\x7f", "\x0b", "\x0e", "\x10", "\x14", "\x15", "\x17", "\x19", "\x1f", "\x00", "\x07", "\x1bb", "\x1bf", "\x1bd", "\x1b\x7f", "\x1bu", "\x1bl", "\x1bc", "\x1bt", "\x1by", "\x1b.", "\x1b_",
    "\x1b<", "\x1b>", "\x1br", "\x1b\\", "\x18\x18", "\x18\x15", "\x18\x7f", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1bOA", "\x1bOD", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[1;5C", "\x1b[1;5D", "\x16\x01", "\x11x", "\x1da", "\x1db", "\x1b\x1da",
    "\x1b1", "\x1b2", "\x1b3", "\x1b-", "\x1b5", "\x12o\x05", "\x12e\x06", "\x12e\x12\x02", "\x12zq\x07", "\x12a\x7fo\x05", "\x12o\x12\x13\x01", "\x1b[200~p q\x1b[201~",
];
/// Keys of which each begins in vi's insertion: some go over to commands.
const VI: &[&str] = &[
    "\x1b", "\x1b", "\x1b", "i", "a", "A", "I", "h", "l", "w", "b", "e", "W", "B", "E", "0", "$", "^", "x", "X", "D", "C", "dw", "db", "d$", "dd", "de", "d0", "cw", "cb", "cc", "yw", "yy", "y$", "p", "P", "u", "U", ".", "~", "r", "R", "s", "S", "fa", "F ", "t-", "Tb", ";",
    ",", "%", "2", "3", "k", "j", "G", "|", "\x7f", "\x17", "\x15", "_", "d2w", "2dw", "ye", "dfb", "dtb",
];

fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

fn script(keys: Keys, number: u64) -> Vec<&'static str> {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..8 {
        random(&mut state);
    }
    let length = 1 + random(&mut state) % 14;
    let special = if keys == Keys::Vi { VI } else { EMACS };
    let mut script: Vec<&str> = Vec::new();
    while script.len() < length {
        let key = if random(&mut state) % 5 < 2 { TEXT[random(&mut state) % TEXT.len()] } else { special[random(&mut state) % special.len()] };
        // what bash itself does strangely: after a count that is negative it takes the bytes of a character apart and quotes without
        // end, and a search leaves the count to the key after it
        let counted = script.iter().rev().take(3).any(|before| matches!(before.as_bytes(), [0x1b, b'-' | b'0'..=b'9']));
        if !counted || key.is_ascii() && !key.starts_with(['\x12', '\x13', '\x16', '\x11']) {
            script.push(key);
        }
    }
    if keys == Keys::Vi {
        // a command that wants a character has it, and overwriting has an end: there bash tells nothing
        script.extend(["l", "\x1b", "l"]);
    }
    script
}

/// What the shell's editor holds after a script; none where the script leaves the line.
fn ours(keys: Keys, script: &[&str]) -> Option<State> {
    let mut history = History::new(100);
    for line in HISTORY {
        history.add(line.as_bytes());
    }
    let mut editor = Editor::new(history);
    editor.set_keys(keys);
    editor.begin();
    let mut decoder = Decoder::default();
    let mut screen = Screen::new(Size::new(SIZE.0, SIZE.1));
    let mut terminal = vt100::Parser::new(SIZE.0, SIZE.1, 0);
    let mut draw = |editor: &Editor| {
        let instead = editor.instead_of_prompt();
        let prompt = [(Style::Plain, instead.unwrap_or_else(|| "$ ".to_owned()))];
        let term = editor.instead_of_line();
        let (text, at) = term.as_ref().map_or((editor.text(), editor.at()), |term| (term.as_slice(), term.len()));
        let drawn = screen.draw(View { prompt: &prompt, text, at, below: "" });
        // as the terminal's driver does
        let lines: Vec<u8> = drawn.iter().flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] }).collect();
        terminal.process(&lines);
    };
    let bytes: Vec<u8> = script.iter().flat_map(|key| key.bytes()).chain(TELL.iter().copied()).collect();
    for byte in bytes {
        for key in decoder.push(byte, editor.escape()) {
            if matches!(editor.key(key), Step::Accept | Step::End | Step::Abandon | Step::Clear | Step::Complete(_)) {
                return None;
            }
        }
        draw(&editor);
    }
    if decoder.is_waiting() {
        return None;
    }
    let at = String::from_utf8_lossy(editor.text().get(..editor.at()).unwrap_or_default()).chars().count();
    Some(State::new(editor.text().to_vec(), at, terminal.screen()))
}

/// How the two differ after a script.
fn difference(keys: Keys, script: &[&str]) -> Option<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let ours = ours(keys, script)?;
    let folder = std::env::temp_dir().join(format!("portcullis-readline-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let bytes: Vec<u8> = script.iter().flat_map(|key| key.bytes()).collect();
    let theirs = Bash::start(&folder, HISTORY, if keys == Keys::Vi { "vi" } else { "emacs" }, SIZE).after(&bytes)?;
    let shown = |state: &State| format!("{:?} at {}, cursor {:?}, {:?}", String::from_utf8_lossy(&state.line), state.at, state.cursor, state.rows);
    (ours != theirs).then(|| format!("ours:   {}\n  bash's: {}", shown(&ours), shown(&theirs)))
}

/// The shortest part of a script that still differs.
fn shortest(keys: Keys, script: &[&'static str]) -> Vec<&'static str> {
    let mut script = script.to_vec();
    loop {
        let shorter = (0..script.len()).find_map(|index| {
            let mut shorter = script.clone();
            shorter.remove(index);
            difference(keys, &shorter).map(|_| shorter)
        });
        match shorter {
            Some(shorter) => script = shorter,
            None => return script,
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn compare(keys: Keys, scripts: u64) {
    if !std::path::Path::new("/usr/bin/bash").exists() {
        eprintln!("SKIPPED: there is no bash to compare with");
        return;
    }
    let (first, scripts) = (number("PORTCULLIS_FIRST", 0), number("PORTCULLIS_SCRIPTS", scripts));
    let mut differ = Vec::new();
    for number in first..first + scripts {
        let script = script(keys, number);
        // what differs once in a hurry of the machine does not do so again
        if difference(keys, &script).is_some() && difference(keys, &script).is_some() {
            let short = shortest(keys, &script);
            differ.push(format!("{number}: {short:?}\n  {}", difference(keys, &short).unwrap_or_default()));
            if differ.len() >= 40 {
                break;
            }
        }
    }
    assert!(differ.is_empty(), "{} scripts of {scripts} differ\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn random_keys_do_what_they_do_in_bash() {
    compare(Keys::Emacs, 250);
}

#[test]
fn random_vi_keys_do_what_they_do_in_bash() {
    compare(Keys::Vi, 110);
}
