//! Keys in, line out.

use super::history::History;
use super::keys::{Decoder, Key};
use proptest::strategy::Strategy as _;
use super::*;

fn editor(keys: Keys, history: &[&str]) -> Editor {
    let mut all = History::new(100);
    for line in history {
        all.add(line.as_bytes());
    }
    let mut editor = Editor::new(all);
    editor.set_keys(keys);
    editor.begin();
    editor
}

/// Types; gives the last step.
fn type_in(editor: &mut Editor, text: &[u8]) -> Step {
    let mut decoder = Decoder::default();
    let mut last = Step::Draw;
    let mut do_all = |editor: &mut Editor, keys: Vec<Key>| {
        for key in keys {
            last = editor.key(key);
        }
    };
    for byte in text {
        // a person is slower than a sequence of the terminal
        if *byte == 0 {
            let keys = decoder.idle();
            do_all(editor, keys);
            continue;
        }
        let keys = decoder.push(*byte, editor.escape());
        do_all(editor, keys);
    }
    let keys = decoder.idle();
    do_all(editor, keys);
    last
}

/// What is left with the cursor as `_`.
fn shown(editor: &Editor) -> String {
    let mut text = editor.text().to_vec();
    text.insert(editor.at(), b'_');
    String::from_utf8_lossy(&text).into_owned()
}

const HISTORY: &[&str] = &["echo one", "ls -la /tmp", "echo two three"];

#[test]
fn emacs_keys_do_what_readline_does() {
    let table: &[(&str, &str)] = &[
        ("abc", "abc_"),
        ("abc\x01x\x05y", "xabcy_"),
        ("abc\x02\x02\x04", "a_c"),
        ("abc def\x17x", "abc x_"),
        ("abc def\x1b\x7f", "abc _"),
        ("a/b c/d\x1b\x7f\x1b\x7f", "a/b _"),
        ("abc def\x15", "_"),
        ("abc def\x15\x19\x19", "abc defabc def_"),
        ("abc def ghi\x17\x17\x19", "abc def ghi_"),
        ("one two\x17\x02\x17x\x19\x1by", "xtwo_ "),
        ("ab\x14", "ba_"),
        ("abc\x02\x14", "acb_"),
        ("one two\x1bt", "two one_"),
        ("one two\x1bb\x1bu", "one TWO_"),
        ("one two\x01\x1bc\x1bl", "One two_"),
        ("abc\x1f", "_"),
        ("abc\x17\x1f", "abc_"),
        ("\x1b3x", "xxx_"),
        ("abcdef\x1b3\x02", "abc_def"),
        ("\x10", "echo two three_"),
        ("\x10\x10", "ls -la /tmp_"),
        ("\x10\x10\x0e", "echo two three_"),
        ("new\x10\x0e", "new_"),
        ("\x1b<", "echo one_"),
        ("cat \x1b.", "cat three_"),
        ("cat \x1b.\x1b.", "cat /tmp_"),
        ("cat \x1b1\x1b.", "cat two_"),
        ("\x12one", "echo _one"),
        ("\x12echo\x12", "_echo one"),
        ("\x12zzz", "_"),
        ("abc\x12one\x07", "abc_"),
        ("\x12tmp\x05!", "ls -la /tmp!_"),
        ("\x12tmp\x7f\x7f\x7fthree\x01", "_ls -la /tmp"),
        ("a  b\x02\x1b\\", "a_b"),
        ("\x16\x03", "\x03_"),
        ("a b\x18\x18x", "x_a b"),
        ("a-b-c\x01\x1d-x", "ax_-b-c"),
        ("漢字é\x02\x02\x04", "漢_é"),
        ("abc\x1b[D\x1b[D\x1b[3~\x1b[Hx\x1b[F", "xac_"),
        ("foo bar\x1b[1;5Dx", "foo x_bar"),
        ("x\x1b[200~a\rb\t\x1b[201~y", "xa\nb\ty_"),
        ("abc\x1br", "_"),
    ];
    let mut wrong = Vec::new();
    for (keys, want) in table {
        let mut editor = editor(Keys::Emacs, HISTORY);
        type_in(&mut editor, keys.as_bytes());
        if shown(&editor) != *want {
            wrong.push(format!("{keys:?}: {} instead of {want}", shown(&editor)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn vi_keys_do_what_readline_does() {
    let table: &[(&str, &str)] = &[
        ("abc\x1b\0", "ab_c"),
        ("abc\x1b\0x", "a_b"),
        ("abc\x1b\0hix", "ax_bc"),
        ("abc def\x1b\0bdwi!", "abc!_ "),
        ("abc def\x1b\x000dw", "_def"),
        ("abc def\x1b\x000cwxy\x1b\0", "x_y def"),
        ("abc def ghi\x1b\x000d2w", "_ghi"),
        ("abc def\x1b\x00dd", "_"),
        ("abc def\x1b\x00ddP", "abc de_f"),
        ("abc\x1b\x000xp", "b_ac"),
        ("abc\x1b\x00rX", "ab_X"),
        ("abc\x1b\x000~~", "AB_c"),
        ("abc def\x1b\x000fdx", "abc _ef"),
        ("a-b-c\x1b\x000f-;x", "a-b_c"),
        ("abc def\x1b\x000wD", "abc_ "),
        ("abc def\x1b\x000wC!", "abc !_"),
        ("abc\x1b\x00A!\x1b\x00I?", "?_abc!"),
        ("abc\x1b\0u", "ab_c"),
        ("abc\x1b\0ixy\x1b\0u", "ab_c"),
        ("a b c\x1b\x000x.", "_b c"),
        ("\x1b\0k", "_echo two three"),
        ("\x1b\0kk", "_ls -la /tmp"),
        ("\x1b\0kkj", "_echo two three"),
        ("\x1b\0/one\r", "_echo one"),
        ("\x1b\0/echo\rn", "_echo one"),
        ("f (a b) c\x1b\x000f(%x", "f (a b_ c"),
        ("abc\x1b\x000Rxy\x1b\0", "x_yc"),
        ("abc def\x1b\x000yw$p", "abc defabc_ "),
        ("abc def\x1b\x000ex", "ab_ def"),
        ("abc\x1b\x003hix", "x_abc"),
    ];
    let mut wrong = Vec::new();
    for (keys, want) in table {
        let mut editor = editor(Keys::Vi, HISTORY);
        type_in(&mut editor, keys.as_bytes());
        if shown(&editor) != *want {
            wrong.push(format!("{keys:?}: {} instead of {want}", shown(&editor)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn entering_ending_and_giving_up_are_told() {
    let mut one = editor(Keys::Emacs, HISTORY);
    assert_eq!(type_in(&mut one, b"abc\r"), Step::Accept);
    assert_eq!(one.take(), b"abc");
    one.begin();
    assert_eq!(type_in(&mut one, b"\x04"), Step::End);
    assert_eq!(type_in(&mut one, b"\x12one\r"), Step::Accept);
    assert_eq!(one.take(), b"echo one");
    one.begin();
    assert_eq!(type_in(&mut one, b"\x10\x10\x0f"), Step::Accept);
    assert_eq!(one.take(), b"ls -la /tmp");
    one.begin();
    assert_eq!(shown(&one), "echo two three_", "Ctrl-O goes on with the entry after it");
    assert_eq!(type_in(&mut one, b"\x07"), Step::Bell);
    assert_eq!(type_in(&mut one, b"\x03"), Step::Abandon);
    one.begin();
    assert_eq!(shown(&one), "_", "nothing is left of a line that was given up");
}

#[test]
fn a_word_is_completed_and_then_its_names_are_listed() {
    let mut one = editor(Keys::Emacs, &[]);
    type_in(&mut one, b"ls fi");
    let completion = Completion { start: 3, insert: b"file".to_vec(), all: vec![b"file1 ".to_vec(), b"file2 ".to_vec()], names: vec![b"file1".to_vec(), b"file2".to_vec()] };
    assert_eq!(one.key(Key::Control(9)), Step::Complete(Completing::First));
    assert_eq!(one.complete(&completion, Completing::First), (Step::Bell, vec![]));
    assert_eq!(shown(&one), "ls file_");
    assert_eq!(one.key(Key::Control(9)), Step::Complete(Completing::First));
    assert_eq!(one.complete(&completion, Completing::First), (Step::Bell, vec![]));
    assert_eq!(one.key(Key::Control(9)), Step::Complete(Completing::Again));
    assert_eq!(one.complete(&completion, Completing::Again), (Step::Draw, completion.names.clone()));
    assert_eq!(one.complete(&completion, Completing::Insert).0, Step::Draw);
    assert_eq!(shown(&one), "ls file1 file2 _");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    /// Whatever is typed: the cursor is in the text, a line that is given up or entered leaves nothing, and
    /// what is entered after it is what is typed.
    #[test]
    fn no_keys_leave_anything_behind(vi: bool, keys in proptest::collection::vec(proptest::prelude::prop_oneof![
        proptest::prelude::any::<u8>().prop_map(|byte| vec![byte]),
        proptest::prelude::Just(b"\x1b[A".to_vec()),
        proptest::prelude::Just(b"\x1b[200~x\ry\x1b[201~".to_vec()),
        proptest::prelude::Just("漢e\u{301}\u{ff}".as_bytes().to_vec()),
        proptest::prelude::Just(b"\x12e".to_vec()),
    ], 0..60)) {
        use proptest::prelude::*;
        let mut one = editor(if vi { Keys::Vi } else { Keys::Emacs }, HISTORY);
        let mut decoder = Decoder::default();
        for byte in keys.concat() {
            for key in decoder.push(byte, one.escape()) {
                match one.key(key) {
                    Step::Accept | Step::End | Step::Abandon => {
                        one.take();
                        one.begin();
                    }
                    Step::Complete(how) => {
                        let _ = one.complete(&Completion::default(), how);
                    }
                    Step::Draw | Step::Bell | Step::Clear | Step::Outside => {}
                }
                prop_assert!(one.at() <= one.text().len());
            }
        }
        one.reset();
        one.begin();
        prop_assert_eq!(one.text(), b"");
        prop_assert_eq!(one.instead_of_prompt(), None);
        prop_assert_eq!(type_in(&mut one, b"echo clean\r"), Step::Accept);
        prop_assert_eq!(one.take(), b"echo clean");
    }
}
