use super::*;
use proptest::prelude::*;

fn pass(bytes: &[u8]) -> Vec<u8> {
    Filter::default().pass(bytes)
}

fn check_passes(sequences: &[&str]) {
    for sequence in sequences {
        let text = format!("a{sequence}b");
        assert_eq!(String::from_utf8(pass(text.as_bytes())).unwrap(), text, "{sequence:?}");
    }
}

fn check_dropped(sequences: &[&str]) {
    for sequence in sequences {
        assert_eq!(String::from_utf8(pass(format!("a{sequence}b").as_bytes())).unwrap(), "ab", "{sequence:?}");
    }
}

#[test]
fn drawing_passes() {
    check_passes(&[
        "text \u{e9}\u{4e2d}\u{1f600}", "\r\n\t\x08\x07\x0c", "\x0e\x0f",
        "\x1b[m", "\x1b[1;31m", "\x1b[38;5;208m", "\x1b[38:2::1:2:3m", "\x1b[4:3m",
        "\x1b[H", "\x1b[12;40H", "\x1b[2J", "\x1b[K", "\x1b[3A", "\x1b[10G", "\x1b[5d", "\x1b[2L", "\x1b[2M", "\x1b[4P", "\x1b[4@", "\x1b[4X",
        "\x1b[1;24r", "\x1b[s", "\x1b[u", "\x1b[2S", "\x1b[2T", "\x1b[?25l", "\x1b[?25h", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?7l", "\x1b[4h", "\x1b[4l",
        "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1bc", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b#8", "\x1b[2 q", "\x1b[!p", "\x1b[22;0;0t", "\x1b[23;0;0t",
    ]);
}

#[test]
fn what_is_answered_is_dropped() {
    check_dropped(&[
        "\x05",                              // answerback
        "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[=c", "\x1bZ", // device attributes
        "\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?15n", "\x1b[?996n", // status
        "\x1b[x", "\x1b[?2026$p", "\x1b[4$p", // parameters and modes
        "\x1b[14t", "\x1b[18t", "\x1b[19t", "\x1b[20t", "\x1b[21t", // window and title reports
        "\x1b[>q", "\x1b[?u", "\x1b[?4m", "\x1b[?1;1;0S", "\x1b[1;1;1;1;1;1*y", "\x1b[$}", // version, keyboard, graphics, checksum
        "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", // settings and terminfo
        "\x1b]4;1;?\x07", "\x1b]10;?\x07", "\x1b]11;?\x1b\\", "\x1b]52;c;?\x07", "\x1b]50;?\x07", // colours, clipboard, font
        "\x1b_Gi=31,a=q\x1b\\", // images
    ]);
}

#[test]
fn what_acts_is_dropped() {
    check_dropped(&[
        "\x1b]52;c;cm0gLXJmIC8K\x07", "\x1b]8;;http://x\x07", "\x1b]9;note\x07", "\x1b]777;notify;a;b\x07", "\x1b]1337;File=:AAAA\x07", "\x1b]7;file:///\x07",
        "\x1b[8;10;10t", "\x1b[3;0;0t", "\x1b[2t", "\x1b[5i", "\x1b[?5i", "\x1b[?3h", "\x1b[2h", "\x1b[20h", "\x1b[12h",
        "\x1b[?1h", "\x1b[?66h", "\x1b[?9h", "\x1b[?1000h", "\x1b[?1003h", "\x1b[?1006h", "\x1b[?1004h", "\x1b[?2004h", "\x1b[>4;2m", "\x1b[>1u", "\x1b=", "\x1b>",
        "\x1b[1;2;3;4;5T", "\x1b%@", "\x1b G", "\x1b[62;1\"p", "\x1bn", "\x1b}",
        "\x1bP1000p\x1b\\", "\x1bPq#0~\x1b\\", "\x1b^private\x1b\\", "\x1bXstring\x1b\\",
    ]);
}

#[test]
fn of_several_modes_the_drawing_ones_pass() {
    assert_eq!(pass(b"\x1b[?1;25;1006h"), b"\x1b[?25h");
    assert_eq!(pass(b"\x1b[?1000;2004h"), b"");
}

#[test]
fn titles_pass_cleaned() {
    assert_eq!(pass(b"\x1b]0;a title\x07"), b"\x1b]0;a title\x07");
    assert_eq!(pass(b"\x1b]2;a\rb\x1b\\x"), b"\x1b]2;ab\x07x");
    assert_eq!(pass("\u{9d}2;a\u{9b}b\u{9c}x".as_bytes()), b"\x1b]2;ab\x07x");
    let long = pass(format!("\x1b]0;{}\x07", "\u{e9}".repeat(2000)).as_bytes());
    assert_eq!(String::from_utf8(long).unwrap(), format!("\x1b]0;{}\x07", "\u{e9}".repeat(TITLE_MAX)));
    // a title of a screen is not taken for one
    assert_eq!(pass(b"\x1bkbash\x1b\\$ "), b"bash$ ");
}

#[test]
fn eight_bit_controls_do_not_get_through_in_any_form() {
    assert_eq!(pass(b"a\x9b6nb\x90$qm\x9cc"), b"a6nb$qmc", "raw bytes are no characters");
    assert_eq!(pass("a\u{9b}6nb".as_bytes()), b"ab", "as UTF-8 they are the sequence");
    assert_eq!(pass("a\u{9b}1mb".as_bytes()), b"a\x1b[1mb", "and a drawing one is written in seven bits");
    assert_eq!(pass("a\u{90}$qm\u{9c}b\u{85}".as_bytes()), b"ab");
    assert_eq!(pass(b"\xc0\x9b6n"), b"6n", "nor overlong");
    assert_eq!(pass(b"\xe0\x82\x9b6n"), "\u{fffd}6n".as_bytes());
}

#[test]
fn controls_inside_a_sequence_are_done_as_a_terminal_does_them() {
    assert_eq!(pass(b"\x1b[3\n1m"), b"\n\x1b[31m");
    assert_eq!(pass(b"\x1b[3\x05\x181mx"), b"1mx", "cancelled");
    assert_eq!(pass(b"\x1b[3\x1b[1mx"), b"\x1b[1mx", "begun anew");
    assert_eq!(pass(b"\x1b]0;a\x1b[6n\x1b[1mx"), b"\x1b[1mx", "a string that is broken off");
}

#[test]
fn endless_sequences_and_strings_are_bounded() {
    let mut filter = Filter::default();
    assert!(filter.pass(&[b"\x1b[".as_slice(), &[b'1'; 100_000]].concat()).is_empty());
    assert!(filter.held.len() <= SEQUENCE_MAX);
    assert_eq!(filter.pass(b"mx"), b"x");
    assert!(filter.pass(&[b"\x1bP".as_slice(), &[b'q'; STRING_MAX]].concat()).is_empty());
    assert!(filter.held.is_empty());
    assert_eq!(filter.pass(b".shown again"), b"shown again");
}

#[test]
fn the_terminal_is_put_back_in_order() {
    assert!(Filter::default().restore().is_empty());
    let mut filter = Filter::default();
    assert!(!filter.pass(b"\x1b[?1049h\x1b[31m").is_empty());
    assert!(filter.restore().starts_with(b"\x1b[?1049l"));
    assert!(!filter.pass(b"\x1b[?1049l").is_empty());
    assert!(!filter.restore().starts_with(b"\x1b[?1049l"));
    assert_eq!(pass(&filter.restore()), filter.restore(), "what restores only draws");
}

/// Bytes of which escape sequences are made, more often than chance has them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"\x1b[".to_vec()), Just(b"\x1b]".to_vec()), Just(b"\x1bP".to_vec()), Just(b"\x1b\\".to_vec()), Just(b"\x1b".to_vec()), Just(b"\xc2\x9b".to_vec()),
        Just(b"6n".to_vec()), Just(b"c".to_vec()), Just(b"?".to_vec()), Just(b"52;c;?".to_vec()), Just(b"\x07".to_vec()), Just(b"0;".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4), "[ -~]{0,4}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_cut_changes_nothing(bytes in hostile(), cut in 1usize..7) {
        let mut filter = Filter::default();
        let parts: Vec<u8> = bytes.chunks(cut).flat_map(|part| filter.pass(part)).collect();
        prop_assert_eq!(parts, pass(&bytes));
    }

    #[test]
    fn what_passed_is_text_and_passes_again_unchanged(bytes in hostile()) {
        let once = pass(&bytes);
        prop_assert!(std::str::from_utf8(&once).is_ok());
        prop_assert_eq!(pass(&once), once);
    }

    #[test]
    fn whatever_comes_the_output_ends_in_the_ground_state(bytes in hostile()) {
        let mut second = Filter::default();
        let _ = second.pass(&pass(&bytes));
        prop_assert_eq!(second.state, State::Ground);
    }
}
