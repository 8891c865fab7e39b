//! What is judged is what was entered, whatever came before it: interrupts, recalls, pastes, completions, searches, and what
//! was typed while something ran. None of it may leave anything behind in the next line.

use super::driver::Terminal;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// Something that a person does at the prompt, and the lines that are judged of it.
#[derive(Debug, Clone, Copy)]
enum Deed {
    GiveUp,
    GiveUpWithin,
    KillLine,
    RecallAndGiveUp,
    SearchAndGiveUp,
    SearchAndRun,
    PasteAndRun,
    PasteWithADenial,
    PasteAndGiveUp,
    Complete,
    CompleteAndGiveUp,
    Escapes,
    TypeAhead,
    Denied,
    Recall,
    WideAndBack,
}

const DEEDS: [Deed; 16] = [
    Deed::GiveUp, Deed::GiveUpWithin, Deed::KillLine, Deed::RecallAndGiveUp, Deed::SearchAndGiveUp, Deed::SearchAndRun, Deed::PasteAndRun, Deed::PasteWithADenial, Deed::PasteAndGiveUp,
    Deed::Complete, Deed::CompleteAndGiveUp, Deed::Escapes, Deed::TypeAhead, Deed::Denied, Deed::Recall, Deed::WideAndBack,
];

impl Deed {
    fn keys(self) -> &'static str {
        match self {
            Self::GiveUp => "rm half\x03",
            Self::GiveUpWithin => "for i in 1\rdo rm $i\x03",
            Self::KillLine => "rm gone\x15",
            Self::RecallAndGiveUp => "\x1b[A\x1b[A;rm\x03",
            Self::SearchAndGiveUp => "\x12ech\x12\x07\x15",
            Self::SearchAndRun => "\x12mark\r",
            Self::PasteAndRun => "\x1b[200~echo p1\recho p2\x1b[201~\r",
            Self::PasteWithADenial => "\x1b[200~echo q1\rrm q2\recho q3\x1b[201~\r",
            Self::PasteAndGiveUp => "\x1b[200~rm a\rrm b\x1b[201~\x03",
            Self::Complete => "echo x; jour\t--version\r",
            Self::CompleteAndGiveUp => "l\t\tab\x03",
            Self::Escapes => "a\x1b[99~\x1b[1;1R\x1bz\x15",
            Self::TypeAhead => "true; sleep 0.05\recho ahead\r",
            Self::Denied => "rm denied\r",
            Self::Recall => "echo again\r\x1b[A\r",
            Self::WideAndBack => "echo 漢\x7f\x7f\x7f\x7f\x7f\x7f",
        }
    }

    fn lines(self) -> &'static [&'static str] {
        match self {
            Self::GiveUp | Self::GiveUpWithin | Self::KillLine | Self::RecallAndGiveUp | Self::SearchAndGiveUp | Self::PasteAndGiveUp | Self::CompleteAndGiveUp | Self::Escapes | Self::WideAndBack => &[],
            Self::SearchAndRun => &["echo mark"],
            Self::PasteAndRun => &["echo p1", "echo p2"],
            Self::PasteWithADenial => &["echo q1", "rm q2"],
            Self::Complete => &["echo x; journalctl --version"],
            Self::TypeAhead => &["true; sleep 0.05", "echo ahead"],
            Self::Denied => &["rm denied"],
            Self::Recall => &["echo again", "echo again"],
        }
    }
}

#[test]
fn what_is_judged_is_what_was_entered() {
    let terminal = Terminal::shell("xterm");
    terminal.prompt();
    terminal.run("echo mark");
    let number = Cell::new(0);
    let seen = Cell::new(terminal.log.lines().len());
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let deeds = prop::collection::vec(prop::sample::select(DEEDS.to_vec()), 1..6);
    let done = runner.run(&deeds, |deeds| {
        let mut want: Vec<String> = Vec::new();
        for deed in &deeds {
            number.set(number.get() + 1);
            let number = number.get();
            terminal.send(deed.keys());
            want.extend(deed.lines().iter().map(|line| (*line).to_owned()));
            // a line of its own after each: it is judged as it is, and it waits until the deed is done
            let clean = format!("echo clean-$(({number}+1))");
            if deed.keys().ends_with('\x03') {
                // a person waits for the prompt that follows the key
                terminal.expect("^C");
                terminal.prompt();
            }
            terminal.send(&format!("{clean}\r"));
            terminal.expect(&format!("\rclean-{}\r\n", number + 1));
            terminal.prompt();
            want.push(clean);
        }
        let all = terminal.log.lines();
        let got: Vec<String> = all.get(seen.get()..).unwrap_or_default().to_vec();
        seen.set(all.len());
        prop_assert_eq!(got, want, "{:?}", deeds);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}
